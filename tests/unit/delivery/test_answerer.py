"""A message is answered once: the callback gets it, pycti closes its work, and the delivery log remembers it."""

import copy
import json
from collections.abc import Callable
from typing import Any
from unittest.mock import MagicMock

import pytest

from passivedns.delivery.answerer import Answerer
from passivedns.delivery.delivery import Delivery
from passivedns.opencti.helper import Callback, Helper
from passivedns.store import digest
from sandbox.messages import as_before_6_8, playbook_message
from sandbox.opencti import OpenCTI
from sandbox.works import Execution
from tests.helpers.deliveries import message_for

Answer = Callable[[Any], None]


def answering(helper: Helper, callback: Callback) -> Answer:
    """Answers messages as if they may have been delivered before."""
    answerer = Answerer(helper, callback)
    return lambda message: answerer.answer(Delivery(digest(json.dumps(message).encode()), message, redelivered=True))


def test_the_callback_learns_who_requested_the_enrichment(platform: OpenCTI, helper: Helper) -> None:
    entity = platform.add_observable("Domain-Name", "example.org")
    told: list[str | None] = []

    def callback(data: dict[str, Any]) -> str:
        told.append(data["mode"])
        return "done"

    answer = answering(helper, callback)
    execution = Execution("e1", entity)
    for message in (
        message_for(platform, entity, auto=True),
        message_for(platform, entity, auto=False),
        playbook_message(execution, [entity.as_stix()], entity.standard_id),
        as_before_6_8(message_for(platform, entity, auto=False)),
        as_before_6_8(playbook_message(execution, [entity.as_stix()], entity.standard_id)),
    ):
        answer(message)
    assert told == ["auto", "manual", "playbook", None, "playbook"]


@pytest.mark.parametrize("message", [{}, {"event": None, "internal": {}}, {"event": {}, "internal": None}, []])
def test_a_message_in_another_form_is_left_to_pycti(
    helper: Helper, message: Any, caplog: pytest.LogCaptureFixture
) -> None:
    answering(helper, lambda _data: "done")(message)
    assert "Error in message processing, reporting error to API" in caplog.text


def queries_of_the_version(platform: OpenCTI) -> int:
    return sum(call.field == "about" for call in platform.calls)


def test_opencti_is_queried_before_a_message_unless_it_just_answered_one(
    platform: OpenCTI, helper: Helper, monkeypatch: pytest.MonkeyPatch
) -> None:
    entity = platform.add_observable("Domain-Name", "example.org")
    answer, before = answering(helper, lambda _data: "done"), queries_of_the_version(platform)
    for _ in range(3):
        answer(message_for(platform, entity, auto=True))
    assert queries_of_the_version(platform) == before + 1
    monkeypatch.setattr("passivedns.delivery.answerer.MAX_ANSWER_AGE", 0)
    answer(message_for(platform, entity, auto=True))
    assert queries_of_the_version(platform) == before + 2


def test_an_answered_message_is_not_answered_again(platform: OpenCTI, helper: Helper) -> None:
    entity, calls = platform.add_observable("Domain-Name", "example.org"), list[str]()

    def callback(data: dict[str, Any]) -> str:
        calls.append(data["entity_id"])
        return "done"

    answer = answering(helper, callback)
    message = playbook_message(Execution("e1", entity), [entity.as_stix()], entity.standard_id)
    for _ in range(2):
        # A copy, since pycti changes the message.
        answer(copy.deepcopy(message))
    assert calls == [entity.standard_id]


def test_a_message_that_crashed_the_process_three_times_is_answered_with_an_error(
    platform: OpenCTI, helper: Helper
) -> None:
    message = message_for(platform, platform.add_observable("Domain-Name", "example.org"), auto=True)

    class Killed(BaseException):
        """In place of the end of the process."""

    answer = answering(helper, MagicMock(side_effect=Killed))
    for _ in range(3):
        with pytest.raises(Killed):
            answer(copy.deepcopy(message))
    answer(message)
    (work,) = platform.works.values()
    assert work.in_error
    assert work.message == "The connector crashed 3 times on this message and gave it up; see the connector log."
