"""Tracks one message while it is processed, and who may answer it.

Only the process that holds the delivery may answer, so that two processes never do. RabbitMQ requeues a message when
it loses the connection, or after its `consumer_timeout`. If it redelivers the message to this process, the enrichment
continues where it was; if another process got it, this one stops. Over HTTP a message is never taken away.
"""

import json
import threading
import time
from typing import Any, NoReturn

from pika import BasicProperties
from pika.exceptions import AMQPError
from typing_extensions import override

from passivedns.store import digest

GIVEN_BACK = "x-passive-dns-given-back"
"""Header of a message that was moved to the end of its queue, where it arrives as if it were new."""


class Postponed(BaseException):
    """The message stays unanswered until its next delivery. Not an Exception: pycti closes the work on those."""


class Delivery:
    """A message under way."""

    is_known: bool = True
    """False if this process cannot know what an earlier delivery did."""
    was_given_back: bool = False
    """True if OpenCTI did not take its answer before."""
    was_read: bool = False
    """True once OpenCTI returned the entity."""
    failure: Exception | None = None
    """The last failure of a call that was not an outage."""
    was_postponed: bool = False
    """True once `Postponed` was raised, which pycti 6.3 may swallow."""
    was_closed: bool = False
    """True once OpenCTI was asked to close the work."""
    was_sent: bool = False
    """True once a playbook has its bundle."""
    announced: int = 0
    """The number of objects that OpenCTI was told to expect."""

    def __init__(
        self,
        key: str,
        message: Any,
        redelivered: bool,
        max_wait: float = float("inf"),
        *,
        body: bytes = b"",
        properties: BasicProperties | None = None,
    ) -> None:
        """`key` identifies the message; `max_wait` is how many seconds in total it may wait for OpenCTI.

        `body` and `properties` are those with which a broker delivered it.
        """
        self.key = key
        self.message = message
        self.redelivered = redelivered
        """True if an earlier delivery may have been answered, partly or in full."""
        self.read_at = time.monotonic()
        """When the entity was read, or just before (`time.monotonic`)."""
        self._body = body
        self._properties = properties
        self._channel: Any = None
        self._tag = 0
        self._left_to_wait = max_wait
        self._is_requeued = False
        self._is_done = False
        self._changed = threading.Condition()

    @property
    def work_id(self) -> str | None:
        """The id of the work; playbooks have none."""
        match self.message:
            case {"internal": {"work_id": str(work_id)}} | [{"internal": {"work_id": str(work_id)}}, *_]:
                return work_id
        return None

    @property
    def playbook(self) -> dict[str, Any] | None:
        """The playbook step that waits for a bundle, if there is one."""
        match self.message:
            case {"internal": {"playbook": dict(playbook)}, "event": {"bundle": dict()}}:
                return playbook
        return None

    @property
    def mode(self) -> str | None:
        """Who requested it: `manual` (a person), `playbook`, `auto` (OpenCTI); None before OpenCTI 6.8."""
        match self.message:
            case {"internal": {"playbook": _}}:
                return "playbook"
            case {"internal": {"mode": str(mode)}}:
                return mode
        return None

    @property
    def returns(self) -> int:
        """How often a quorum queue took the message back; classic queues do not count."""
        return int(_headers(self._properties).get("x-delivery-count") or 0)

    @property
    def is_held(self) -> bool:
        """True if this process holds the delivery, as far as it knows."""
        return not self._is_requeued and (self._channel is None or self._channel.is_open)

    def receive(self, channel: Any, tag: int) -> bool:
        """Note where the message was delivered, or redelivered. Return False if it is already done."""
        with self._changed:
            if not self._is_done:
                self._channel, self._tag = channel, tag
                self._changed.notify_all()
            return not self._is_done

    def requeue(self) -> None:
        """Leave the message to its next delivery."""
        with self._changed:
            self._is_requeued = True
            self._changed.notify_all()

    def stop_waiting(self) -> None:
        """Requeue the message if it waits for OpenCTI or the broker, now or later."""
        with self._changed:
            self._left_to_wait = 0
            self._changed.notify_all()

    def done(self) -> None:
        """Note that this process is done with the message, whether answered or not."""
        with self._changed:
            self._is_done = True

    def acknowledge(self) -> None:
        """Acknowledge the message to the broker, if this process still holds it. Call in the connection's thread."""
        if self.is_held:
            self._channel.basic_ack(self._tag)

    def move_to_the_end(self, queue: str) -> None:
        """Replace the message by a copy at the end of its queue, if this process still holds it.

        The others come first, and a quorum queue, which drops a message after too many returns, counts them anew. Call
        in the connection's thread.

        Raises:
            AMQPError: the broker did not take the copy; it delivers the message again.
        """
        if not self.is_held:
            return
        properties = self._properties or BasicProperties(delivery_mode=2)
        properties.headers = {
            name: value for name, value in _headers(properties).items() if name != "x-delivery-count"
        } | {GIVEN_BACK: True}
        try:
            self._channel.basic_publish("", queue, self._body, properties, mandatory=True)
        except AMQPError:
            self._channel.basic_nack(self._tag)
            raise
        self.acknowledge()

    def postpone(self) -> NoReturn:
        """Leave the message to its next delivery.

        Raises:
            Postponed: always.
        """
        self.was_postponed = True
        raise Postponed

    def wait_until_held(self) -> None:
        """Return once this process may continue.

        Raises:
            Postponed: the message was requeued.
        """
        # The channel does not report when it closes; `receive` reports its successor.
        while not self.is_held:
            self._wait(1)

    def pause(self, seconds: float) -> None:
        """Wait before the next attempt.

        Raises:
            Postponed: the message was requeued, or has waited long enough.
        """
        self._wait(seconds)
        self.wait_until_held()

    def _wait(self, seconds: float) -> None:
        with self._changed:
            self._is_requeued |= self._left_to_wait <= 0
            if self._is_requeued:
                self.postpone()
            begun = time.monotonic()
            self._changed.wait(min(seconds, self._left_to_wait))
            self._left_to_wait -= time.monotonic() - begun

    @override
    def __str__(self) -> str:
        return self.work_id or f"a playbook ({(self.playbook or {}).get('execution_id')})"


def from_broker(body: bytes, redelivered: bool, properties: BasicProperties | None) -> Delivery:
    """A message as a broker delivers it; None in the place of what is not JSON."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        message = None
    was_given_back = GIVEN_BACK in _headers(properties)
    # Its ids and times make a message unique.
    return Delivery(digest(body), message, redelivered or was_given_back, body=body, properties=properties)


def _headers(properties: BasicProperties | None) -> dict[str, Any]:
    return (properties and properties.headers) or {}
