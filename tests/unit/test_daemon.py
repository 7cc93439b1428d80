"""The daemon registers, listens, and shuts down on a signal; OpenCTI and the broker are replaced."""

import logging
import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from passivedns import daemon
from passivedns.errors import PlatformError
from passivedns.opencti import health
from passivedns.settings.model import Settings
from tests.helpers.settings_loader import loader


class Listener(threading.Thread):
    """In place of our listener."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.graces: list[float] = []
        self.is_finished_in_time = True

    def finish(self, grace: float) -> bool:
        self.graces.append(grace)
        return self.is_finished_in_time


class Helper:
    """In place of our helper; listens until it is told to end, or for no time at all."""

    def __init__(self) -> None:
        self.connect_id = "3f0b6e0a-6f4e-4ad1-9a65-0d1c2b3a4f5e"
        self.connector_logger = logging.getLogger("test")
        self.listen_queue: Listener | None = None
        self.listens = threading.Event()
        self.ended = threading.Event()

    def listen(self, message_callback: Any) -> None:
        assert callable(message_callback)
        self.listen_queue = self.listen_queue or Listener()
        self.listens.set()
        self.ended.wait()


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    return loader(monkeypatch, tmp_path)(PDNS_CACHE_TTL="PT0S", PDNS_STOP_GRACE="7")


@pytest.fixture
def helper(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Helper]:
    made, handlers = Helper(), [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    monkeypatch.setattr(daemon, "register", lambda *_: made)
    monkeypatch.setattr(health, "INTERVAL", 0.05)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield made
    made.ended.set()
    for number, handler in zip((signal.SIGTERM, signal.SIGINT), handlers, strict=True):
        signal.signal(number, handler)


def signal_once_listening(helper: Helper, number: signal.Signals) -> None:
    def send() -> None:
        helper.listens.wait(30)
        os.kill(os.getpid(), number)

    threading.Thread(target=send).start()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_listening_within_the_grace_of_the_settings(
    settings: Settings, helper: Helper, caplog: pytest.LogCaptureFixture, number: signal.Signals
) -> None:
    caplog.set_level(logging.INFO, "passivedns")
    signal_once_listening(helper, number)
    daemon.run(settings)
    assert helper.listen_queue is not None
    assert helper.listen_queue.graces == [7]
    assert caplog.messages[-2:] == [
        "Shutting down; waiting up to 7 s for the current enrichment.",
        "Stopped; no enrichment was interrupted.",
    ]


def test_a_second_signal_would_end_the_process_at_once(settings: Settings, helper: Helper) -> None:
    signal_once_listening(helper, signal.SIGTERM)
    daemon.run(settings)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_an_enrichment_that_does_not_end_within_the_grace_does_not_hold_the_process(
    settings: Settings, helper: Helper, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    monkeypatch.setattr(logging, "shutdown", lambda: None)
    helper.listen_queue = Listener()
    helper.listen_queue.is_finished_in_time = False
    signal_once_listening(helper, signal.SIGTERM)
    daemon.run(settings)
    assert codes == [0]
    assert caplog.messages[-1] == "Stopped; an enrichment did not finish within 7 s and will be redelivered."


def test_a_stop_before_the_registration_ends_the_run(
    settings: Settings, helper: Helper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon, "register", lambda *_: None)
    daemon.run(settings)
    assert not helper.listens.is_set()


@pytest.mark.usefixtures("helper")
def test_a_signal_stops_the_wait_for_opencti(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def register(_config: Any, _timeout: float, stopping: threading.Event, _create: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stopping.wait(30)

    monkeypatch.setattr(daemon, "register", register)
    daemon.run(settings)


def test_handlers_that_pycti_replaces_are_set_again(
    settings: Settings, helper: Helper, monkeypatch: pytest.MonkeyPatch
) -> None:
    def register(*_: Any) -> Helper:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return helper

    monkeypatch.setattr(daemon, "register", register)
    signal_once_listening(helper, signal.SIGTERM)
    daemon.run(settings)


def test_listening_that_ends_unexpectedly_is_an_error(settings: Settings, helper: Helper) -> None:
    helper.ended.set()
    with pytest.raises(PlatformError, match="Listening for messages ended unexpectedly; see the log"):
        daemon.run(settings)


def test_the_warnings_of_the_settings_are_told_before_pycti_sets_the_log_level(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def register(*_: Any) -> None:
        assert caplog.messages == ["CIRCL_TOKEN is set."]

    monkeypatch.setattr(daemon, "register", register)
    daemon.run(replace(settings, notices=("CIRCL_TOKEN is set.",)))
    assert caplog.messages


def test_the_status_of_an_earlier_run_is_removed_before_the_registration(
    settings: Settings, helper: Helper, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    status = tmp_path / f"opencti-passive-dns-{helper.connect_id}.health"
    status.touch()

    def register(*_: Any) -> None:
        assert not status.exists()

    monkeypatch.setattr(daemon, "register", register)
    daemon.run(settings)


def test_the_status_is_written_while_the_connector_listens(settings: Settings, helper: Helper, tmp_path: Path) -> None:
    status = tmp_path / f"opencti-passive-dns-{helper.connect_id}.health"

    def send() -> None:
        while not status.exists():
            threading.Event().wait(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=send).start()
    daemon.run(settings)
    assert status.read_text() == "The connector no longer pings OpenCTI."
