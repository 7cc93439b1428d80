"""The listener calls back once per message, and acknowledges it once it is answered."""

import copy
import json
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from unittest.mock import MagicMock

import pytest
from pika import BasicProperties
from pika.exceptions import AMQPConnectionError, NackError
from pycti import OpenCTIConnectorHelper
from pycti.connector import opencti_connector_helper

from passivedns.delivery.delivery import Postponed
from passivedns.delivery.delivery_log import DeliveryLog
from passivedns.delivery.listener import INTERNAL, install
from passivedns.delivery.retry import current
from sandbox.entities import Entity
from sandbox.messages import as_before_6_8, enrichment_message, playbook_message
from sandbox.opencti import OpenCTI
from sandbox.works import Execution, Work
from tests.registered import idle_listener

Callback = Callable[[dict[str, Any]], str]


def listener(helper: OpenCTIConnectorHelper, callback: Callback) -> Any:
    """The installed listener, which is not started."""
    install(helper, DeliveryLog("memory"))
    return idle_listener(helper, callback, opencti_connector_helper.ListenQueue)


def message_for(platform: OpenCTI, entity: Entity, *, auto: bool) -> dict[str, Any]:
    work = Work(f"work_{uuid.uuid4()}", entity)
    platform.works[work.id] = work
    return enrichment_message(work, auto)


def test_the_callback_learns_who_requested_the_enrichment(platform: OpenCTI, helper: OpenCTIConnectorHelper) -> None:
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


def test_simultaneous_messages_are_processed_one_at_a_time(platform: OpenCTI, helper: OpenCTIConnectorHelper) -> None:
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


class Connection:
    """A connection to a broker that runs callbacks in its own thread, until it is lost."""

    def __init__(self) -> None:
        self.is_open = True
        self.thread: threading.Thread | None = None

    def add_callback_threadsafe(self, callback: Callable[[], None]) -> None:
        if self.is_open:
            self.thread = threading.Thread(target=callback)
            self.thread.start()


@pytest.fixture
def connected(helper: OpenCTIConnectorHelper) -> Any:
    listening = listener(helper, lambda _data: "done")
    listening.pika_connection = Connection()
    return listening


def test_a_call_in_the_connection_runs_in_its_thread_before_it_returns(connected: Any) -> None:
    threads: list[threading.Thread] = []
    connected.in_connection(lambda: threads.append(threading.current_thread()))
    assert threads == [connected.pika_connection.thread]


def test_what_a_call_in_the_connection_raises_is_raised(connected: Any) -> None:
    with pytest.raises(NackError):
        connected.in_connection(MagicMock(side_effect=NackError([])))


def test_a_call_in_a_connection_that_is_lost_fails(connected: Any) -> None:
    connected.pika_connection.is_open = False
    with pytest.raises(AMQPConnectionError):
        connected.in_connection(lambda: None)


def test_a_connection_that_is_lost_during_a_call_fails_the_call(connected: Any) -> None:
    lost = threading.Event()

    def lose() -> None:
        connected.pika_connection.is_open = False
        lost.wait(30)

    with pytest.raises(AMQPConnectionError):
        connected.in_connection(lose)
    lost.set()


class Slow:
    """A callback that waits until it may go on."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self, _data: dict[str, Any]) -> str:
        self.begun.set()
        assert self.go_on.wait(30)
        return "done"


def delivered(listening: Any, message: dict[str, Any], tag: int) -> MagicMock:
    """The channel on which the message was delivered."""
    channel = MagicMock(is_open=True)
    listening._process_message(
        channel, MagicMock(delivery_tag=tag, redelivered=False), None, json.dumps(message).encode()
    )
    return channel


def test_a_message_is_acknowledged_once_it_is_answered_and_the_connection_is_served_before(
    platform: OpenCTI, helper: OpenCTIConnectorHelper
) -> None:
    callback = Slow()
    listening = listener(helper, callback)
    listening.pika_connection = Connection()
    message = message_for(platform, platform.add_observable("Domain-Name", "example.org"), auto=True)
    channel = delivered(listening, message, 1)
    assert callback.begun.wait(30)
    assert channel.basic_ack.mock_calls == []
    callback.go_on.set()
    listening.thread.join()
    channel.basic_ack.assert_called_once_with(1)
    assert [work.message for work in platform.works.values()] == ["done"]


def test_a_message_is_left_to_its_next_delivery_once_another_one_comes(
    platform: OpenCTI, helper: OpenCTIConnectorHelper
) -> None:
    callback = Slow()
    listening = listener(helper, callback)
    listening.pika_connection = Connection()
    entity = platform.add_observable("Domain-Name", "example.org")
    channels = [delivered(listening, message_for(platform, entity, auto=True), 1)]
    assert callback.begun.wait(30)
    channels.append(delivered(listening, message_for(platform, entity, auto=True), 2))
    callback.go_on.set()
    listening.thread.join()
    assert [channel.basic_ack.call_count for channel in channels] == [0, 1]
    assert [work.message for work in platform.works.values()] == [None, "done"]


def queries_of_the_version(platform: OpenCTI) -> int:
    return sum(call.field == "about" for call in platform.calls)


def test_opencti_is_queried_before_a_message_unless_it_just_answered_one(
    platform: OpenCTI, helper: OpenCTIConnectorHelper, monkeypatch: pytest.MonkeyPatch
) -> None:
    entity = platform.add_observable("Domain-Name", "example.org")
    listening, before = listener(helper, lambda _data: "done"), queries_of_the_version(platform)
    for _ in range(3):
        listening._data_handler(message_for(platform, entity, auto=True))
    assert queries_of_the_version(platform) == before + 1
    monkeypatch.setattr("passivedns.delivery.listener.FRESH", 0)
    listening._data_handler(message_for(platform, entity, auto=True))
    assert queries_of_the_version(platform) == before + 2


def test_a_message_that_waits_for_opencti_does_not_count_as_a_crash(
    platform: OpenCTI, helper: OpenCTIConnectorHelper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("passivedns.delivery.listener.HTTP_PATIENCE", 0.1)
    message = message_for(platform, platform.add_observable("Domain-Name", "example.org"), auto=True)
    listening = listener(helper, lambda _data: "done")
    platform.fail("*", how="gone")
    for _ in range(5):
        with pytest.raises(RuntimeError, match="OpenCTI is unavailable"):
            listening._data_handler(message)
    platform.recover()
    listening._data_handler(message)
    assert [work.message for work in platform.works.values()] == ["done"]


def test_an_answered_message_is_not_answered_again(platform: OpenCTI, helper: OpenCTIConnectorHelper) -> None:
    entity, calls = platform.add_observable("Domain-Name", "example.org"), list[str]()

    def callback(data: dict[str, Any]) -> str:
        calls.append(data["entity_id"])
        return "done"

    listening = listener(helper, callback)
    message = playbook_message(Execution("e1", entity), [entity.as_stix()], entity.standard_id)
    for _ in range(2):
        # A copy, since pycti changes the message.
        listening._data_handler(copy.deepcopy(message))
    assert calls == [entity.standard_id]


def test_a_message_that_crashed_the_process_three_times_is_answered_with_an_error(
    platform: OpenCTI, helper: OpenCTIConnectorHelper
) -> None:
    message = message_for(platform, platform.add_observable("Domain-Name", "example.org"), auto=True)

    class Killed(BaseException):
        """In place of the end of the process."""

    listening = listener(helper, MagicMock(side_effect=Killed))
    for _ in range(3):
        with pytest.raises(Killed):
            listening._data_handler(copy.deepcopy(message))
    listening._data_handler(message)
    (work,) = platform.works.values()
    assert work.in_error
    assert work.message == "The connector crashed 3 times on this message and gave it up; see the connector log."


def test_no_message_begins_after_the_shutdown(platform: OpenCTI, helper: OpenCTIConnectorHelper) -> None:
    message = message_for(platform, platform.add_observable("Domain-Name", "example.org"), auto=True)
    listening = listener(helper, lambda _data: "done")
    assert listening.finish(0)
    with pytest.raises(RuntimeError, match="the connector is stopping"):
        listening._data_handler(message)
    channel = MagicMock()
    listening._process_message(channel, MagicMock(), None, b"{}")
    assert channel.mock_calls == []
    assert [work.message for work in platform.works.values()] == [None]


def test_the_shutdown_reports_whether_the_current_message_ended(
    platform: OpenCTI, helper: OpenCTIConnectorHelper
) -> None:
    callback = Slow()
    listening = listener(helper, callback)
    message = message_for(platform, platform.add_observable("Domain-Name", "example.org"), auto=True)
    processing = threading.Thread(target=listening._data_handler, args=[message])
    processing.start()
    assert callback.begun.wait(30)
    assert not listening.finish(0.05)
    callback.go_on.set()
    assert listening.finish(30)
    processing.join()
    assert [work.message for work in platform.works.values()] == ["done"]


# A process that may start no more threads


def test_a_message_for_which_no_thread_starts_is_left_to_the_broker_and_then_answered(
    platform: OpenCTI, helper: OpenCTIConnectorHelper, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    listening = listener(helper, lambda _data: "done")
    listening.pika_connection = Connection()
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


def test_a_message_that_is_postponed_over_a_broker_does_not_count_as_a_crash(
    platform: OpenCTI, helper: OpenCTIConnectorHelper
) -> None:
    crashes = MagicMock(wraps=DeliveryLog("memory"))
    message = message_for(platform, platform.add_observable("Domain-Name", "a.example"), auto=True)
    install(helper, crashes)

    def callback(_data: dict[str, Any]) -> str:
        current.delivery.requeue()  # type: ignore[union-attr]  # a message is under way
        raise Postponed

    listening = idle_listener(helper, callback, opencti_connector_helper.ListenQueue)
    listening.pika_connection = Connection()
    channel = delivered(listening, message, 1)
    listening.thread.join()
    crashes.let_go.assert_called_once_with(crashes.begin.call_args.args[0])
    assert (channel.basic_ack.mock_calls, crashes.answer.mock_calls) == ([], [])


def test_an_internal_error_is_logged_and_its_message_is_acknowledged_so_that_others_come(
    platform: OpenCTI, helper: OpenCTIConnectorHelper, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    listening = listener(helper, lambda _data: "done")
    listening.pika_connection = Connection()
    entity = platform.add_observable("Domain-Name", "example.org")
    with monkeypatch.context() as broken:
        broken.setattr(listening, "_answer_after", MagicMock(side_effect=AttributeError("a bug")))
        first = delivered(listening, message_for(platform, entity, auto=True), 1)
        listening.thread.join()
    first.basic_ack.assert_called_once_with(1)
    assert " could not be processed." in caplog.text
    assert "AttributeError: a bug" in caplog.text
    second = delivered(listening, message_for(platform, entity, auto=True), 2)
    listening.thread.join()
    second.basic_ack.assert_called_once_with(2)
    assert [(work.message, work.in_error) for work in platform.works.values()] == [(INTERNAL, True), ("done", False)]


def test_a_message_whose_work_cannot_be_closed_moves_to_the_end_of_its_queue_and_is_closed_when_it_comes_again(
    platform: OpenCTI, helper: OpenCTIConnectorHelper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("passivedns.delivery.listener.LONGEST_REST", 0.01)
    callback = MagicMock(return_value="done")
    listening = listener(helper, callback)
    listening.pika_connection = Connection()
    message = message_for(platform, platform.add_observable("Domain-Name", "example.org"), auto=True)
    platform.fail("toProcessed", times=1, how="refused")
    channel = delivered(listening, message, 1)
    listening.thread.join()
    (exchange, queue, body, properties), options = channel.basic_publish.call_args
    assert (exchange, queue, json.loads(body), options) == ("", listening.queue_name, message, {"mandatory": True})
    channel.basic_ack.assert_called_once_with(1)
    again = MagicMock(is_open=True)
    listening._process_message(again, MagicMock(delivery_tag=2, redelivered=False), properties, body)
    listening.thread.join()
    again.basic_ack.assert_called_once_with(2)
    assert ([work.closings for work in platform.works.values()], callback.call_count) == ([["done"]], 1)


def test_a_message_that_cannot_be_closed_for_a_day_is_given_up(
    platform: OpenCTI, helper: OpenCTIConnectorHelper, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("passivedns.delivery.listener.LONGEST_REST", 0.01)
    crashes = DeliveryLog("memory")
    monkeypatch.setattr(crashes, "give_back", lambda _: 25 * 3600)
    install(helper, crashes)
    listening = idle_listener(helper, lambda _data: "done", opencti_connector_helper.ListenQueue)
    listening.pika_connection = Connection()
    platform.fail("toProcessed", how="refused")
    channel = delivered(listening, message_for(platform, platform.add_observable("Domain-Name", "a.org"), auto=True), 1)
    listening.thread.join()
    assert (channel.basic_publish.mock_calls, channel.basic_ack.call_count) == ([], 1)
    assert "could not be answered for 25 hours and is given up." in caplog.text


@pytest.mark.parametrize(("returns", "moved"), [(0, False), (1, False), (2, True), (19, True)])
def test_a_message_that_a_quorum_queue_returned_twice_is_sent_anew_so_that_it_is_not_dropped(
    platform: OpenCTI, helper: OpenCTIConnectorHelper, returns: int, moved: bool
) -> None:
    listening, channel = listener(helper, lambda _data: "done"), MagicMock(is_open=True)
    listening.pika_connection = Connection()
    message = message_for(platform, platform.add_observable("Domain-Name", "example.org"), auto=True)
    properties = BasicProperties(headers={"x-delivery-count": returns})
    method = MagicMock(delivery_tag=1, redelivered=returns > 0)
    listening._process_message(channel, method, properties, json.dumps(message).encode())
    if listening.thread:
        listening.thread.join()
    assert channel.basic_publish.called == moved
    channel.basic_ack.assert_called_once_with(1)
    assert [work.message for work in platform.works.values()] == [None if moved else "done"]


def test_the_shutdown_does_not_forget_an_answer(platform: OpenCTI, helper: OpenCTIConnectorHelper) -> None:
    callback, crashes = Slow(), DeliveryLog("memory")
    install(helper, crashes)
    listening = idle_listener(helper, callback, opencti_connector_helper.ListenQueue)
    listening.pika_connection = Connection()
    delivered(listening, message_for(platform, platform.add_observable("Domain-Name", "example.org"), auto=True), 1)
    assert callback.begun.wait(30)
    key = listening._delivery.key
    crashes.answer(key)
    assert not listening.finish(0)
    assert crashes.is_answered(key)
    callback.go_on.set()


# Messages that are not understood


def test_a_message_that_is_not_a_json_object_is_dropped(
    helper: OpenCTIConnectorHelper, caplog: pytest.LogCaptureFixture
) -> None:
    channel, method = MagicMock(), MagicMock(delivery_tag=7)
    listener(helper, lambda _data: "done")._process_message(channel, method, None, b"[]")
    channel.basic_ack.assert_called_once_with(7)
    assert "Dropped a message that is not a JSON object: b'[]'" in caplog.text


Change = Callable[[dict[str, Any]], Any]
ODD: dict[str, Change] = {
    "no event": lambda message: {"internal": message["internal"]},
    "an event that is nothing": lambda message: message | {"event": None},
    "an event that is a list": lambda message: message | {"event": [message["event"]]},
    "an empty event": lambda message: message | {"event": {}},
    "an entity in broken JSON": lambda message: message | {"event": message["event"] | {"stix_entity": "{"}},
    "an entity that is no text": lambda message: message | {"event": message["event"] | {"stix_entity": [1]}},
    "no applicant": lambda message: message | {"internal": {"work_id": message["internal"]["work_id"]}},
    "a list": lambda message: [message],
}
"""Messages with a work that pycti does not understand."""


@pytest.mark.parametrize("change", ODD.values(), ids=ODD)
def test_a_message_that_is_not_understood_closes_its_work_as_an_error_in_the_operators_words(
    platform: OpenCTI, helper: OpenCTIConnectorHelper, change: Change
) -> None:
    listening = listener(helper, lambda _data: "done")
    listening.pika_connection = Connection()
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
    platform: OpenCTI, helper: OpenCTIConnectorHelper, change: Change
) -> None:
    entity = platform.add_observable("Domain-Name", "example.org")
    execution = platform.executions.setdefault("e1", Execution("e1", entity))
    listening = listener(helper, lambda _data: "done")
    listening.pika_connection = Connection()
    message = playbook_message(execution, [entity.as_stix()], entity.standard_id)
    channel = delivered(listening, change(message), 1)
    listening.thread.join()
    channel.basic_ack.assert_called_once_with(1)
    assert execution.bundles == [message["event"]["bundle"]]


def test_a_message_without_work_and_playbook_is_dropped_with_a_word(
    helper: OpenCTIConnectorHelper, caplog: pytest.LogCaptureFixture
) -> None:
    listening = listener(helper, lambda _data: "done")
    listening.pika_connection = Connection()
    channel = delivered(listening, {"event": {"more": 1}}, 1)
    listening.thread.join()
    channel.basic_ack.assert_called_once_with(1)
    assert "Dropped a message of neither a work nor a playbook: {'event': {'more': 1}}" in caplog.text
