"""A message while it is worked on, and whose turn it is to answer it."""

import threading
import time
from typing import Any

from typing_extensions import override


class Postponed(BaseException):
    """The message is answered later, by this process or another.

    pycti reports every Exception as the outcome of the message, and this is none.
    """


class Errand:
    """One message. Its answer belongs to whoever holds the delivery, so that two processes do not both give it.

    A broker takes a message back when it loses the connection, or after its `consumer_timeout`, and delivers it again:
    to this process, which then goes on where it was, or to another, and then this process must not answer any more.
    Over HTTP a message is held as long as the platform waits.
    """

    def __init__(self, key: str, message: dict[str, Any], redelivered: bool, patience: float = float("inf")) -> None:
        """`key` tells the message from all others; `patience` is how many seconds it may wait for OpenCTI in all."""
        self.key = key
        self.message = message
        self.redelivered = redelivered
        """Whether somebody may have answered it before, in full or in part."""
        self.is_begun = False
        """Whether OpenCTI answered, and the message is being worked on."""
        self.was_read = False
        """Whether the entity was read, and the enrichment began."""
        self.was_announced = False
        """Whether OpenCTI was told how many objects to expect, or that was tried."""
        self.announced = 0
        """How many objects OpenCTI is known to expect."""
        self.was_closed = False
        """Whether the work was closed, or that was tried."""
        self.was_postponed = False
        self.is_ended = False
        self.is_answered = False
        self.channel: Any = None
        self.tag = 0
        self._patience = patience
        self._withdrawn = False
        self._changed = threading.Condition()

    @property
    def work_id(self) -> str | None:
        """The work of the message; a playbook has none."""
        match self.message:
            case {"internal": {"work_id": str(work_id)}}:
                return work_id
        return None

    @property
    def playbook(self) -> dict[str, Any] | None:
        """The step that waits for an answer; None when the message does not come from a playbook."""
        match self.message:
            case {"internal": {"playbook": dict(playbook)}, "event": {"bundle": {"objects": list()}}}:
                return playbook
        return None

    @property
    def is_held(self) -> bool:
        """Whether an answer would be this process's to give, as far as it knows."""
        return not self._withdrawn and (self.channel is None or self.channel.is_open)

    def hold(self, channel: Any, tag: int) -> bool:
        """The message was delivered, perhaps again; false when it has ended meanwhile."""
        with self._changed:
            if not self.is_ended:
                self.channel, self.tag = channel, tag
                self._changed.notify_all()
            return not self.is_ended

    def withdraw(self) -> None:
        """Leave the message to the next delivery."""
        with self._changed:
            self._withdrawn = True
            self._changed.notify_all()

    def end(self, answered: bool) -> None:
        """Nothing more is done for the message."""
        with self._changed:
            self.is_ended, self.is_answered = True, answered
            self._changed.notify_all()

    def proceed(self) -> None:
        """Return as soon as this process may go on.

        Raises:
            Postponed: the message was withdrawn.
        """
        with self._changed:
            while not self.is_held:
                if self._withdrawn:
                    self.was_postponed = True
                    raise Postponed
                # A channel does not say when it closes, but its successor comes through `hold`.
                self._changed.wait(1)

    def pause(self, seconds: float) -> None:
        """Wait before the next try.

        Raises:
            Postponed: the message was withdrawn, or has no patience left.
        """
        if self._patience <= 0:
            self.withdraw()
        begun = time.monotonic()
        with self._changed:
            self._changed.wait_for(lambda: self._withdrawn, min(seconds, self._patience))
        self._patience -= time.monotonic() - begun
        self.proceed()

    @override
    def __str__(self) -> str:
        return self.work_id or f"a playbook ({(self.playbook or {}).get('execution_id')})"
