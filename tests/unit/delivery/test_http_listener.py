"""Over HTTP, OpenCTI's worker sends a message again unless it was answered."""

import threading
from typing import Any

import pytest

from passivedns.delivery.http_listener import HttpListener
from passivedns.opencti.helper import Helper
from sandbox.opencti import OpenCTI
from tests.helpers.deliveries import Slow, message_for


def test_simultaneous_messages_are_processed_one_at_a_time(platform: OpenCTI, helper: Helper) -> None:
    under_way, told = threading.Lock(), dict[str, str]()

    def callback(data: dict[str, Any]) -> str:
        assert under_way.acquire(blocking=False)
        told[data["enrichment_entity"]["observable_value"]] = data["mode"]
        threading.Event().wait(0.05)
        under_way.release()
        return "done"

    listening = HttpListener(helper, callback)
    asked = {"auto.example": True, "manual.example": False}
    messages = [
        message_for(platform, platform.add_observable("Domain-Name", value), auto=auto) for value, auto in asked.items()
    ]
    threads = [threading.Thread(target=listening.receive, args=[message]) for message in messages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == {"auto.example": "auto", "manual.example": "manual"}
    assert [work.message for work in platform.works.values()] == ["done", "done"]


def test_a_message_that_waits_for_opencti_does_not_count_as_a_crash(
    platform: OpenCTI, helper: Helper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("passivedns.delivery.http_listener.MAX_WAIT", 0.1)
    message = message_for(platform, platform.add_observable("Domain-Name", "example.org"), auto=True)
    listening = HttpListener(helper, lambda _data: "done")
    platform.fail("*", how="gone")
    for _ in range(5):
        with pytest.raises(RuntimeError, match="OpenCTI is unavailable"):
            listening.receive(message)
    platform.recover()
    listening.receive(message)
    assert [work.message for work in platform.works.values()] == ["done"]


def test_the_shutdown_reports_whether_the_current_message_ended(platform: OpenCTI, helper: Helper) -> None:
    callback = Slow()
    listening = HttpListener(helper, callback)
    message = message_for(platform, platform.add_observable("Domain-Name", "example.org"), auto=True)
    processing = threading.Thread(target=listening.receive, args=[message])
    processing.start()
    assert callback.begun.wait(30)
    assert not listening.finish(0.05)
    callback.go_on.set()
    assert listening.finish(30)
    processing.join()
    assert [work.message for work in platform.works.values()] == ["done"]


def test_no_message_begins_after_the_shutdown_and_the_worker_sends_it_again(platform: OpenCTI, helper: Helper) -> None:
    message = message_for(platform, platform.add_observable("Domain-Name", "example.org"), auto=True)
    listening = HttpListener(helper, lambda _data: "done")
    assert listening.finish(0)
    with pytest.raises(RuntimeError, match="the connector is stopping"):
        listening.receive(message)
    assert [work.message for work in platform.works.values()] == [None]
