"""Over AMQP, a message is acknowledged once it is answered, and the connection is served meanwhile."""

import json
import threading
from collections.abc import Callable
from typing import Any
from unittest.mock import MagicMock

import pytest
from pika import BasicProperties
from pika.exceptions import AMQPConnectionError, NackError

from passivedns.delivery.amqp_listener import INTERNAL_ERROR, AmqpListener
from passivedns.delivery.delivery import Postponed
from passivedns.delivery.delivery_log import DeliveryLog
from passivedns.opencti.helper import Callback, Helper
from sandbox.messages import playbook_message
from sandbox.opencti import OpenCTI
from sandbox.works import Execution
from tests.helpers.deliveries import Connection, Slow, delivered, message_for
from tests.helpers.world import HAS_HTTP_PROTOCOLS


def listener(helper: Helper, callback: Callback) -> Any:
    """A listener that is not started, but connected."""
    listening = AmqpListener(helper, callback)
    listening.connection = Connection()
    return listening


@pytest.fixture
def connected(helper: Helper) -> Any:
    return listener(helper, lambda _data: "done")


def test_a_call_in_the_connection_runs_in_its_thread_before_it_returns(connected: Any) -> None:
    threads: list[threading.Thread] = []
    connected.in_connection(lambda: threads.append(threading.current_thread()))
    assert threads == [connected.connection.thread]


def test_what_a_call_in_the_connection_raises_is_raised(connected: Any) -> None:
    with pytest.raises(NackError):
        connected.in_connection(MagicMock(side_effect=NackError([])))


def test_a_call_in_a_connection_that_is_lost_fails(connected: Any) -> None:
    connected.connection.is_open = False
    with pytest.raises(AMQPConnectionError):
        connected.in_connection(lambda: None)


def test_a_connection_that_is_lost_during_a_call_fails_the_call(connected: Any) -> None:
    lost = threading.Event()

    def lose() -> None:
        connected.connection.is_open = False
        lost.wait(30)

    with pytest.raises(AMQPConnectionError):
        connected.in_connection(lose)
    lost.set()


def test_a_message_is_acknowledged_once_it_is_answered_and_the_connection_is_served_before(
    platform: OpenCTI, helper: Helper
) -> None:
    callback = Slow()
    listening = listener(helper, callback)
    message = message_for(platform, platform.add_observable("Domain-Name", "example.org"), auto=True)
    channel = delivered(listening, message, 1)
    assert callback.begun.wait(30)
    assert channel.basic_ack.mock_calls == []
    callback.go_on.set()
    listening.thread.join()
    channel.basic_ack.assert_called_once_with(1)
    assert [work.message for work in platform.works.values()] == ["done"]


def test_a_message_is_left_to_its_next_delivery_once_another_one_comes(platform: OpenCTI, helper: Helper) -> None:
    callback = Slow()
    listening = listener(helper, callback)
    entity = platform.add_observable("Domain-Name", "example.org")
    channels = [delivered(listening, message_for(platform, entity, auto=True), 1)]
    assert callback.begun.wait(30)
    channels.append(delivered(listening, message_for(platform, entity, auto=True), 2))
    callback.go_on.set()
    listening.thread.join()
    assert [channel.basic_ack.call_count for channel in channels] == [0, 1]
    assert [work.message for work in platform.works.values()] == [None, "done"]


def test_no_message_begins_after_the_shutdown(platform: OpenCTI, helper: Helper) -> None:
    message = message_for(platform, platform.add_observable("Domain-Name", "example.org"), auto=True)
    listening = listener(helper, lambda _data: "done")
    assert listening.finish(0)
    assert delivered(listening, message, 1).mock_calls == []
    assert [work.message for work in platform.works.values()] == [None]


# A process that may start no more threads


def test_a_message_for_which_no_thread_starts_is_left_to_the_broker_and_then_answered(
    platform: OpenCTI, helper: Helper, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    listening = listener(helper, lambda _data: "done")
    message = message_for(platform, platform.add_observable("Domain-Name", "example.org"), auto=True)

    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", fail)
        for tag in (1, 2):
            # pycti closes the connection, so the broker delivers the message again, and the health check fails.
            with pytest.raises(RuntimeError, match="can't start new thread"):
                delivered(listening, message, tag)
    assert "cannot be processed now (can't start new thread)" in caplog.text
    channel = delivered(listening, message, 3)
    listening.thread.join()
    channel.basic_ack.assert_called_once_with(3)
    assert [work.message for work in platform.works.values()] == ["done"]


# Messages that must wait or that fail


def test_a_message_that_is_postponed_over_a_broker_does_not_count_as_a_crash(platform: OpenCTI, helper: Helper) -> None:
    crashes = MagicMock(wraps=DeliveryLog("memory"))
    message = message_for(platform, platform.add_observable("Domain-Name", "a.example"), auto=True)
    helper.deliveries = crashes

    def callback(data: dict[str, Any]) -> str:
        data["helper"].retrier.delivery.requeue()
        raise Postponed

    listening = listener(helper, callback)
    channel = delivered(listening, message, 1)
    listening.thread.join()
    crashes.let_go.assert_called_once_with(crashes.begin.call_args.args[0])
    assert (channel.basic_ack.mock_calls, crashes.answer.mock_calls) == ([], [])


def test_an_internal_error_is_logged_and_its_message_is_acknowledged_so_that_others_come(
    platform: OpenCTI, helper: Helper, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    listening = listener(helper, lambda _data: "done")
    entity = platform.add_observable("Domain-Name", "example.org")
    with monkeypatch.context() as broken:
        broken.setattr(listening._answerer, "_answer_after", MagicMock(side_effect=AttributeError("a bug")))
        first = delivered(listening, message_for(platform, entity, auto=True), 1)
        listening.thread.join()
    first.basic_ack.assert_called_once_with(1)
    assert " could not be processed." in caplog.text
    assert "AttributeError: a bug" in caplog.text
    second = delivered(listening, message_for(platform, entity, auto=True), 2)
    listening.thread.join()
    second.basic_ack.assert_called_once_with(2)
    assert [(work.message, work.in_error) for work in platform.works.values()] == [
        (INTERNAL_ERROR, True),
        ("done", False),
    ]


def test_a_message_whose_work_cannot_be_closed_moves_to_the_end_of_its_queue_and_is_closed_when_it_comes_again(
    platform: OpenCTI, helper: Helper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("passivedns.delivery.amqp_listener.MAX_GIVE_BACK_PAUSE", 0.01)
    callback = MagicMock(return_value="done")
    listening = listener(helper, callback)
    message = message_for(platform, platform.add_observable("Domain-Name", "example.org"), auto=True)
    platform.fail("toProcessed", times=1, how="refused")
    channel = delivered(listening, message, 1)
    listening.thread.join()
    (exchange, queue, body, properties), options = channel.basic_publish.call_args
    assert (exchange, queue, json.loads(body), options) == ("", listening.queue_name, message, {"mandatory": True})
    channel.basic_ack.assert_called_once_with(1)
    again = MagicMock(is_open=True)
    listening.receive(again, MagicMock(delivery_tag=2, redelivered=False), properties, body)
    listening.thread.join()
    again.basic_ack.assert_called_once_with(2)
    assert ([work.closings for work in platform.works.values()], callback.call_count) == ([["done"]], 1)


def test_a_message_that_cannot_be_closed_for_a_day_is_given_up(
    platform: OpenCTI, helper: Helper, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("passivedns.delivery.amqp_listener.MAX_GIVE_BACK_PAUSE", 0.01)
    crashes = DeliveryLog("memory")
    monkeypatch.setattr(crashes, "give_back", lambda _: 25 * 3600)
    helper.deliveries = crashes
    listening = listener(helper, lambda _data: "done")
    platform.fail("toProcessed", how="refused")
    channel = delivered(listening, message_for(platform, platform.add_observable("Domain-Name", "a.org"), auto=True), 1)
    listening.thread.join()
    assert (channel.basic_publish.mock_calls, channel.basic_ack.call_count) == ([], 1)
    assert "could not be answered for 25 hours and is given up." in caplog.text


@pytest.mark.parametrize(("returns", "moved"), [(0, False), (1, False), (2, True), (19, True)])
def test_a_message_that_a_quorum_queue_returned_twice_is_sent_anew_so_that_it_is_not_dropped(
    platform: OpenCTI, helper: Helper, returns: int, moved: bool
) -> None:
    listening, channel = listener(helper, lambda _data: "done"), MagicMock(is_open=True)
    message = message_for(platform, platform.add_observable("Domain-Name", "example.org"), auto=True)
    properties = BasicProperties(headers={"x-delivery-count": returns})
    method = MagicMock(delivery_tag=1, redelivered=returns > 0)
    listening.receive(channel, method, properties, json.dumps(message).encode())
    if listening.thread:
        listening.thread.join()
    assert channel.basic_publish.called == moved
    channel.basic_ack.assert_called_once_with(1)
    assert [work.message for work in platform.works.values()] == [None if moved else "done"]


def test_the_shutdown_does_not_forget_an_answer(platform: OpenCTI, helper: Helper) -> None:
    callback, crashes = Slow(), DeliveryLog("memory")
    helper.deliveries = crashes
    listening = listener(helper, callback)
    delivered(listening, message_for(platform, platform.add_observable("Domain-Name", "example.org"), auto=True), 1)
    assert callback.begun.wait(30)
    key = listening._answerer.under_way.key
    crashes.answer(key)
    assert not listening.finish(0)
    assert crashes.is_answered(key)
    callback.go_on.set()


# Messages that are not understood


def test_a_message_that_is_not_a_json_object_is_dropped(helper: Helper, caplog: pytest.LogCaptureFixture) -> None:
    channel, method = MagicMock(), MagicMock(delivery_tag=7)
    listener(helper, lambda _data: "done").receive(channel, method, None, b"[]")
    channel.basic_ack.assert_called_once_with(7)
    assert "Dropped a message that is not a JSON object: b'[]'" in caplog.text


Change = Callable[[dict[str, Any]], Any]
ODD: dict[str, Change] = {
    "no event": lambda message: {"internal": message["internal"]},
    "an event that is nothing": lambda message: message | {"event": None},
    "an event that is a list": lambda message: message | {"event": [message["event"]]},
    "an empty event": lambda message: message | {"event": {}},
    "no applicant": lambda message: message | {"internal": {"work_id": message["internal"]["work_id"]}},
    "a list": lambda message: [message],
}
"""Messages with a work that pycti does not understand."""
if HAS_HTTP_PROTOCOLS:  # before, pycti did not read the entity of the event
    ODD |= {
        "an entity in broken JSON": lambda message: message | {"event": message["event"] | {"stix_entity": "{"}},
        "an entity that is no text": lambda message: message | {"event": message["event"] | {"stix_entity": [1]}},
    }


@pytest.mark.parametrize("change", ODD.values(), ids=ODD)
def test_a_message_that_is_not_understood_closes_its_work_as_an_error_in_the_operators_words(
    platform: OpenCTI, helper: Helper, change: Change
) -> None:
    listening = listener(helper, lambda _data: "done")
    message = message_for(platform, platform.add_observable("Domain-Name", "example.org"), auto=True)
    channel = delivered(listening, change(message), 1)
    listening.thread.join()
    channel.basic_ack.assert_called_once_with(1)
    (work,) = platform.works.values()
    assert work.in_error
    (text,) = work.closings
    assert str(text).startswith("The connector did not understand OpenCTI's message (")
    assert str(text).endswith(". Compare the versions of OpenCTI and pycti (main.py check), then enrich again.")


@pytest.mark.parametrize(
    "change",
    [
        lambda message: message | {"event": {"bundle": message["event"]["bundle"]}},
        lambda message: message | {"event": message["event"] | {"entity_id": "domain-name--another"}},
        lambda message: message | {"event": message["event"] | {"stix_objects": "{"}},
        lambda message: {"event": message["event"], "internal": {"playbook": message["internal"]["playbook"]}},
    ],
    ids=["no entity", "another entity", "broken objects", "no work"],
)
def test_a_playbook_whose_message_is_not_understood_gets_its_bundle_back(
    platform: OpenCTI, helper: Helper, change: Change
) -> None:
    entity = platform.add_observable("Domain-Name", "example.org")
    execution = platform.executions.setdefault("e1", Execution("e1", entity))
    listening = listener(helper, lambda _data: "done")
    message = playbook_message(execution, [entity.as_stix()], entity.standard_id)
    channel = delivered(listening, change(message), 1)
    listening.thread.join()
    channel.basic_ack.assert_called_once_with(1)
    assert execution.bundles == [message["event"]["bundle"]]


def test_a_message_without_work_and_playbook_is_dropped_with_a_word(
    helper: Helper, caplog: pytest.LogCaptureFixture
) -> None:
    listening = listener(helper, lambda _data: "done")
    channel = delivered(listening, {"event": {"more": 1}}, 1)
    listening.thread.join()
    channel.basic_ack.assert_called_once_with(1)
    assert "Dropped a message of neither a work nor a playbook: {'event': {'more': 1}}" in caplog.text
