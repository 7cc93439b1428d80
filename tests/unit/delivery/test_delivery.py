"""Only the process that holds a delivery answers it: a broker may requeue it and redeliver it, here or elsewhere."""

import threading
from typing import Any

import pytest
from pika import BasicProperties
from pika.exceptions import AMQPError, UnroutableError

from passivedns.delivery import delivery as deliveries
from passivedns.delivery.delivery import GIVEN_BACK, Delivery, Postponed

STEP = {"execution_id": "e1"}
PLAYBOOK: dict[str, Any] = {"internal": {"work_id": None, "playbook": STEP}, "event": {"bundle": {"objects": []}}}


class Channel:
    """The parts of pika's channel that a delivery uses."""

    def __init__(self) -> None:
        self.is_open = True
        self.acknowledged: list[int] = []

    def basic_ack(self, tag: int) -> None:
        self.acknowledged.append(tag)


def delivery(message: Any = None, max_wait: float = float("inf")) -> Delivery:
    return Delivery("key", message or {}, False, max_wait)


def received(channel: Channel) -> Delivery:
    held = delivery()
    held.receive(channel, 1)
    return held


def test_a_message_received_over_http_is_held() -> None:
    delivery().wait_until_held()


def test_a_message_is_held_and_acknowledged_while_its_channel_is_open() -> None:
    channel = Channel()
    held = received(channel)
    held.wait_until_held()
    assert held.is_held
    held.acknowledge()
    assert channel.acknowledged == [1]


def test_a_message_whose_channel_closed_waits_until_it_is_redelivered() -> None:
    lost, successor = Channel(), Channel()
    held = received(lost)
    lost.is_open = False
    went_on = threading.Event()

    def go_on() -> None:
        held.wait_until_held()
        went_on.set()

    threading.Thread(target=go_on, daemon=True).start()
    assert not went_on.wait(0.05)
    assert held.receive(successor, 2)
    assert went_on.wait(30)
    held.acknowledge()
    assert (lost.acknowledged, successor.acknowledged) == ([], [2])


def test_a_message_on_a_closed_channel_is_not_acknowledged() -> None:
    channel = Channel()
    held = received(channel)
    channel.is_open = False
    held.acknowledge()
    assert channel.acknowledged == []


def test_a_requeued_message_is_postponed_and_not_acknowledged() -> None:
    channel = Channel()
    held = received(channel)
    held.requeue()
    with pytest.raises(Postponed):
        held.wait_until_held()
    assert held.was_postponed
    assert not held.is_held
    held.acknowledge()
    assert channel.acknowledged == []


def test_a_message_that_waits_for_its_redelivery_is_postponed_once_it_is_requeued() -> None:
    channel = Channel()
    held = received(channel)
    channel.is_open = False
    threading.Timer(0.05, held.requeue).start()
    with pytest.raises(Postponed):
        held.wait_until_held()


def test_a_pause_ends_once_the_message_is_requeued() -> None:
    held = delivery()
    threading.Timer(0.05, held.requeue).start()
    with pytest.raises(Postponed):
        held.pause(3600)


def test_a_message_that_is_done_is_not_received_again() -> None:
    channel, successor = Channel(), Channel()
    held = received(channel)
    held.done()
    assert not held.receive(successor, 2)
    held.acknowledge()
    assert (channel.acknowledged, successor.acknowledged) == ([1], [])


def test_a_message_is_postponed_once_it_waited_long_enough() -> None:
    impatient = delivery(max_wait=0.05)
    impatient.pause(0.1)
    with pytest.raises(Postponed):
        impatient.pause(0.1)
    # pycti 6.3 may swallow the first one.
    with pytest.raises(Postponed):
        impatient.wait_until_held()


def test_a_shutdown_postpones_a_message_at_its_next_pause() -> None:
    waiting = delivery()
    threading.Timer(0.05, waiting.stop_waiting).start()
    waiting.pause(3600)
    with pytest.raises(Postponed):
        waiting.pause(3600)


def test_a_shutdown_postpones_a_message_that_waits_for_its_redelivery() -> None:
    channel = Channel()
    held = received(channel)
    channel.is_open = False
    threading.Timer(0.05, held.stop_waiting).start()
    with pytest.raises(Postponed):
        held.wait_until_held()


def test_a_shutdown_does_not_postpone_a_message_that_waits_for_nothing() -> None:
    held = received(Channel())
    held.stop_waiting()
    held.wait_until_held()


def test_pycti_does_not_report_a_postponed_message_as_failed() -> None:
    assert not issubclass(Postponed, Exception)


@pytest.mark.parametrize(
    ("message", "work_id"),
    [({"internal": {"work_id": "w1"}}, "w1"), (PLAYBOOK, None), ({"internal": None}, None), ([], None), ({}, None)],
)
def test_the_work_of_a_message_is_known(message: Any, work_id: str | None) -> None:
    assert Delivery("key", message, False).work_id == work_id


@pytest.mark.parametrize(
    ("message", "step"),
    [(PLAYBOOK, STEP), ({"internal": {"playbook": STEP}}, None), ({"internal": {"work_id": "w1"}}, None), ([], None)],
)
def test_the_playbook_of_a_message_is_known_if_it_can_be_answered(message: Any, step: Any) -> None:
    assert Delivery("key", message, False).playbook == step


def test_a_message_is_named_after_its_work_or_its_playbook() -> None:
    assert str(delivery({"internal": {"work_id": "w1"}})) == "w1"
    assert str(delivery(PLAYBOOK)) == "a playbook (e1)"


# A broker


class PublishingChannel(Channel):
    """A channel that takes, or refuses, what is published."""

    def __init__(self, failure: AMQPError | None = None) -> None:
        super().__init__()
        self.published: list[tuple[str, str, bytes, BasicProperties]] = []
        self.returned: list[int] = []
        self._failure = failure

    def basic_publish(
        self, exchange: str, key: str, body: bytes, properties: BasicProperties, *, mandatory: bool
    ) -> None:
        assert mandatory
        if self._failure:
            raise self._failure
        self.published.append((exchange, key, body, properties))

    def basic_nack(self, tag: int) -> None:
        self.returned.append(tag)


def from_broker(channel: Channel, **headers: Any) -> Delivery:
    properties = BasicProperties(delivery_mode=2, priority=3, headers=headers)
    held = deliveries.from_broker(b"{}", False, properties)
    held.receive(channel, 7)
    return held


def test_a_copy_takes_the_place_of_a_message_at_the_end_of_its_queue() -> None:
    channel = PublishingChannel()
    from_broker(channel, **{"x-delivery-count": 2, "more": 1}).move_to_the_end("listen")
    ((exchange, queue, body, properties),) = channel.published
    assert (exchange, queue, body) == ("", "listen", b"{}")
    assert (properties.delivery_mode, properties.priority, properties.headers) == (2, 3, {"more": 1, GIVEN_BACK: True})
    assert channel.acknowledged == [7]


def test_a_message_whose_copy_the_broker_does_not_take_is_returned() -> None:
    channel = PublishingChannel(UnroutableError([]))
    with pytest.raises(UnroutableError):
        from_broker(channel).move_to_the_end("listen")
    assert (channel.acknowledged, channel.returned) == ([], [7])


def test_a_message_that_another_process_has_is_not_copied() -> None:
    channel = PublishingChannel()
    requeued = from_broker(channel)
    requeued.requeue()
    requeued.move_to_the_end("listen")
    assert (channel.published, channel.acknowledged) == ([], [])


def test_the_copy_of_a_message_counts_as_redelivered_under_the_same_key() -> None:
    first, copy = from_broker(Channel()), from_broker(Channel(), **{GIVEN_BACK: True})
    assert (first.redelivered, copy.redelivered) == (False, True)
    assert first.key == copy.key


@pytest.mark.parametrize(("headers", "returns"), [({}, 0), ({"x-delivery-count": 4}, 4)])
def test_a_quorum_queue_counts_the_returns_of_a_message(headers: dict[str, Any], returns: int) -> None:
    assert from_broker(Channel(), **headers).returns == returns


def test_the_work_of_a_message_in_a_list_is_known() -> None:
    assert delivery([{"internal": {"work_id": "w1"}}, {}]).work_id == "w1"


@pytest.mark.parametrize(
    ("message", "mode"),
    [
        ({"internal": {"mode": "manual"}}, "manual"),
        ({"internal": {"mode": "auto"}}, "auto"),
        ({"internal": {"mode": "auto", "playbook": STEP}}, "playbook"),
        ({"internal": {"playbook": None}}, "playbook"),
        ({"internal": {}}, None),
        ({"internal": None}, None),
        ([], None),
    ],
)
def test_who_requested_a_message_is_known_if_opencti_says_so(message: Any, mode: str | None) -> None:
    assert delivery(message).mode == mode
