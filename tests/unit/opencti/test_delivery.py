"""What pycti's own listener hands to the callback, whatever else it is doing."""

import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pycti
import pytest
from pycti import OpenCTIConnectorHelper

from passivedns.opencti.delivery import listen
from sandbox.entities import Entity
from sandbox.messages import as_before_6_8, enrichment_message, playbook_message
from sandbox.opencti import OpenCTI, opencti_app
from sandbox.server import serving
from sandbox.works import Execution, Work

Callback = Callable[[dict[str, Any]], str]


@pytest.fixture
def platform() -> OpenCTI:
    return OpenCTI(pycti.__version__)


@pytest.fixture
def helper(platform: OpenCTI, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenCTIConnectorHelper]:
    """pycti's helper, registered with the sandbox, which has no broker."""
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    with serving(opencti_app(platform)) as url:
        own = {"id": str(uuid.uuid4()), "type": "INTERNAL_ENRICHMENT", "name": "test", "scope": "Domain-Name"}
        config = {"opencti": {"url": url, "token": platform.token}, "connector": {**own, "log_level": "error"}}
        helper = OpenCTIConnectorHelper(config, playbook_compatible=True)
        yield helper
        helper.ping.stop()


def listener(helper: OpenCTIConnectorHelper, callback: Callback) -> Any:
    """pycti's listener once it runs; the test hands it the messages in place of a broker."""
    threading.Thread(target=listen, args=[helper, callback], daemon=True).start()
    while not helper.listen_queue:
        threading.Event().wait(0.01)
    helper.listen_queue.exit_event.set()
    return helper.listen_queue


def message_for(platform: OpenCTI, entity: Entity, *, auto: bool) -> dict[str, Any]:
    work = Work(f"work_{uuid.uuid4()}", entity)
    platform.works[work.id] = work
    return enrichment_message(work, auto)


def test_the_callback_is_told_what_caused_the_message(platform: OpenCTI, helper: OpenCTIConnectorHelper) -> None:
    entity = platform.add_observable("Domain-Name", "example.org")
    told: list[str | None] = []

    def callback(data: dict[str, Any]) -> str:
        told.append(data["mode"])
        return "done"

    listening = listener(helper, callback)
    execution = Execution("e1", entity)
    for message in (
        message_for(platform, entity, auto=True),
        message_for(platform, entity, auto=False),
        playbook_message(execution, [entity.as_stix()], entity.standard_id),
        as_before_6_8(message_for(platform, entity, auto=False)),
        as_before_6_8(playbook_message(execution, [entity.as_stix()], entity.standard_id)),
    ):
        listening._data_handler(message)
    assert told == ["auto", "manual", "playbook", None, "playbook"]


def test_callbacks_that_overlap_are_each_told_their_own(platform: OpenCTI, helper: OpenCTIConnectorHelper) -> None:
    """As after a lost connection to the broker, when pycti takes the next message while the last one still runs."""
    both_run = threading.Barrier(2, timeout=30)
    told: dict[str, str] = {}

    def callback(data: dict[str, Any]) -> str:
        both_run.wait()
        told[data["enrichment_entity"]["observable_value"]] = data["mode"]
        return "done"

    listening = listener(helper, callback)
    asked = {"auto.example": True, "manual.example": False}
    messages = [
        message_for(platform, platform.add_observable("Domain-Name", value), auto=auto) for value, auto in asked.items()
    ]
    threads = [threading.Thread(target=listening._data_handler, args=[message]) for message in messages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == {"auto.example": "auto", "manual.example": "manual"}


@pytest.mark.parametrize("message", [{}, {"event": None, "internal": {}}, {"event": {}, "internal": None}, []])
def test_a_message_in_another_form_is_left_to_pycti(
    helper: OpenCTIConnectorHelper, message: Any, caplog: pytest.LogCaptureFixture
) -> None:
    # pycti 6.3 stumbles over it once more when it reports the error.
    with suppress(UnboundLocalError):
        listener(helper, lambda _data: "done")._data_handler(message)
    assert "Error in message processing, reporting error to API" in caplog.text
