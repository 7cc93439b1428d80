"""What the listener hands to the callback."""

import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from pycti import OpenCTIConnectorHelper
from pycti.connector import opencti_connector_helper

from passivedns.opencti.crashes import Crashes
from passivedns.opencti.listener import install
from sandbox.entities import Entity
from sandbox.messages import as_before_6_8, enrichment_message, playbook_message
from sandbox.opencti import OpenCTI
from sandbox.works import Execution, Work
from tests.unit.opencti.conftest import idle_listener

Callback = Callable[[dict[str, Any]], str]


def listener(helper: OpenCTIConnectorHelper, callback: Callback) -> Any:
    """The installed listener, which is not started."""
    install(helper, Crashes("memory"))
    return idle_listener(helper, callback, opencti_connector_helper.ListenQueue)


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


def test_messages_that_come_at_once_are_worked_on_one_after_the_other(
    platform: OpenCTI, helper: OpenCTIConnectorHelper
) -> None:
    under_way, told = threading.Lock(), dict[str, str]()

    def callback(data: dict[str, Any]) -> str:
        assert under_way.acquire(blocking=False)
        told[data["enrichment_entity"]["observable_value"]] = data["mode"]
        threading.Event().wait(0.05)
        under_way.release()
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
    assert [work.message for work in platform.works.values()] == ["done", "done"]


@pytest.mark.parametrize("message", [{}, {"event": None, "internal": {}}, {"event": {}, "internal": None}, []])
def test_a_message_in_another_form_is_left_to_pycti(
    helper: OpenCTIConnectorHelper, message: Any, caplog: pytest.LogCaptureFixture
) -> None:
    # pycti 6.3 stumbles over it once more when it reports the error.
    with suppress(UnboundLocalError):
        listener(helper, lambda _data: "done")._data_handler(message)
    assert "Error in message processing, reporting error to API" in caplog.text
