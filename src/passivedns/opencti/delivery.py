"""Tracks one message while it is processed, and who may answer it.

Only the process that holds the delivery may answer, so that two processes never do. RabbitMQ requeues a message when
it loses the connection, or after its `consumer_timeout`. If it redelivers the message to this process, the enrichment
continues where it was; if another process got it, this one stops. Over HTTP a message is never taken away.
"""

import threading
import time
from typing import Any

from typing_extensions import override


class Postponed(BaseException):
    """The message stays unanswered until its next delivery. Not an Exception: pycti closes the work on those."""


class Delivery:
    """A message under way."""

    def __init__(self, key: str, message: dict[str, Any], redelivered: bool, patience: float = float("inf")) -> None:
        """`key` identifies the message; `patience` is how many seconds in total it may wait for OpenCTI."""
        self.key = key
        self.message = message
        self.redelivered = redelivered
        """True if an earlier delivery may have been answered, partly or in full."""
        self.was_read = False
        """True once OpenCTI returned the entity."""
        self.was_postponed = False
        """True once `Postponed` was raised, which pycti 6.3 may swallow."""
        self.was_closed = False
        """True once OpenCTI was asked to close the work."""
        self.announced = 0
        """The number of objects that OpenCTI was told to expect."""
        self._channel: Any = None
        self._tag = 0
        self._patience = patience
        self._is_requeued = False
        self._is_done = False
        self._changed = threading.Condition()

    @property
    def work_id(self) -> str | None:
        """The id of the work; playbooks have none."""
        match self.message:
            case {"internal": {"work_id": str(work_id)}}:
                return work_id
        return None

    @property
    def playbook(self) -> dict[str, Any] | None:
        """The playbook step that waits for a bundle, if there is one."""
        match self.message:
            case {"internal": {"playbook": dict(playbook)}, "event": {"bundle": {"objects": list()}}}:
                return playbook
        return None

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
            self._patience = 0
            self._changed.notify_all()

    def done(self) -> None:
        """Note that this process is done with the message, whether answered or not."""
        with self._changed:
            self._is_done = True

    def acknowledge(self) -> None:
        """Acknowledge the message to the broker, if this process still holds it. Call in the connection's thread."""
        if self.is_held:
            self._channel.basic_ack(self._tag)

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
            self._is_requeued |= self._patience <= 0
            if self._is_requeued:
                self.was_postponed = True
                raise Postponed
            begun = time.monotonic()
            self._changed.wait(min(seconds, self._patience))
            self._patience -= time.monotonic() - begun

    @override
    def __str__(self) -> str:
        return self.work_id or f"a playbook ({(self.playbook or {}).get('execution_id')})"
