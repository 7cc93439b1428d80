"""Messages are remembered across processes in a file or in Redis."""

import logging
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from passivedns import circuit_breaker
from passivedns.delivery.delivery_log import DeliveryLog
from tests.helpers.redis_server import running_redis


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    with running_redis() as url:
        yield url


@pytest.fixture(params=["file", "redis", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "redis":
        return str(request.getfixturevalue("redis"))
    return "memory" if request.param == "memory" else str(tmp_path / "deliveries.sqlite")


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    return str(request.node.name)


def test_each_start_of_a_message_is_counted(place: str, key: str) -> None:
    log = DeliveryLog(place)
    assert [log.begin(key, is_new=False) for _ in range(4)] == [0, 1, 2, 3]


def test_a_message_that_was_let_go_is_not_counted(place: str, key: str) -> None:
    log = DeliveryLog(place)
    log.begin(key, is_new=True)
    log.let_go(key)
    assert log.begin(key, is_new=False) == 0


def test_letting_a_message_go_uncounts_one_of_its_crashes(place: str, key: str) -> None:
    log = DeliveryLog(place)
    for _ in range(3):
        log.begin(key, is_new=False)
    log.let_go(key)
    assert log.begin(key, is_new=False) == 2


def test_an_answered_message_is_remembered(place: str, key: str) -> None:
    log = DeliveryLog(place)
    log.begin(key, is_new=True)
    assert not log.is_answered(key)
    log.answer(key)
    assert log.is_answered(key)
    assert not log.is_answered(f"{key} and another")


def test_no_count_overwrites_an_answer(place: str, key: str) -> None:
    """As when the process stops while a thread ends, or another process begins the same message."""
    ending, stopping = DeliveryLog(place), DeliveryLog(place)
    ending.begin(key, is_new=True)
    ending.answer(key)
    for log in (ending, stopping):
        log.let_go(key)
        log.begin(key, is_new=False)
        assert ending.is_answered(key)


def test_what_was_announced_sent_and_left_open_is_remembered_by_message(place: str, key: str) -> None:
    log = DeliveryLog(place)
    assert (log.announced(key), log.sent(key), log.left_open(key)) == (0, 0, None)
    log.announce(key, 28)
    log.send(key, 1)
    log.leave_open(key, "Added 12 – schön")
    assert (log.announced(key), log.sent(key), log.left_open(key)) == (28, 1, "Added 12 – schön")
    assert (log.announced(f"{key}2"), log.sent(f"{key}2"), log.left_open(f"{key}2")) == (0, 0, None)


def test_the_time_since_a_message_was_first_given_back_is_known(
    place: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, now = DeliveryLog(place), time.time()
    assert not log.was_given_back(key)
    assert log.give_back(key) == 0
    monkeypatch.setattr(time, "time", lambda: now + 3600)
    assert log.give_back(key) == pytest.approx(3600, abs=2)
    assert log.was_given_back(key)


def test_a_message_is_known_once_it_was_begun(place: str, key: str) -> None:
    log = DeliveryLog(place)
    assert not log.was_begun(key)
    log.begin(key, is_new=True)
    assert log.was_begun(key)


@pytest.mark.parametrize("place", ["file", "redis"], indirect=True)
def test_messages_are_remembered_across_processes(place: str, key: str) -> None:
    DeliveryLog(place).begin(key, is_new=True)
    assert DeliveryLog(place).begin(key, is_new=False) == 1
    DeliveryLog(place).answer(key)
    assert DeliveryLog(place).is_answered(key)


def test_only_the_owner_can_read_the_file_and_its_folder(tmp_path: Path) -> None:
    place = tmp_path / "folder" / "deliveries.sqlite"
    DeliveryLog(str(place)).begin("key", is_new=True)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("bad", ["folder", "redis://127.0.0.1:1/0"])
def test_without_its_store_a_process_still_remembers_and_warns_once(
    tmp_path: Path, bad: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "passivedns")
    (tmp_path / "folder").mkdir()
    log = DeliveryLog(bad if "://" in bad else str(tmp_path / bad))
    assert [log.begin("key", is_new=False) for _ in range(2)] == [0, 1]
    log.answer("key")
    assert log.is_answered("key")
    (warning,) = [record.message for record in caplog.records]
    assert warning.startswith("Messages that are under way cannot be remembered beyond the end of this process (")


def test_what_was_counted_during_an_outage_still_counts_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circuit_breaker, "RESET_AFTER", 0)
    place = tmp_path / "deliveries.sqlite"
    place.mkdir()
    log = DeliveryLog(str(place))
    log.begin("key", is_new=True)
    place.rmdir()
    assert log.begin("key", is_new=False) == 1
    assert DeliveryLog(str(place)).begin("key", is_new=False) == 2
    assert log.begin("key", is_new=False) == 3
