"""Messages for a listener, a connection that delivers them, and a callback that takes its time."""

import json
import threading
import uuid
from collections.abc import Callable
from typing import Any
from unittest.mock import MagicMock

from sandbox.entities import Entity
from sandbox.messages import enrichment_message
from sandbox.opencti import OpenCTI
from sandbox.works import Work


def message_for(platform: OpenCTI, entity: Entity, *, auto: bool) -> dict[str, Any]:
    work = Work(f"work_{uuid.uuid4()}", entity)
    platform.works[work.id] = work
    return enrichment_message(work, auto)


class Connection:
    """A connection to a broker that runs callbacks in its own thread, until it is lost."""

    def __init__(self) -> None:
        self.is_open = True
        self.thread: threading.Thread | None = None

    def add_callback_threadsafe(self, callback: Callable[[], None]) -> None:
        if self.is_open:
            self.thread = threading.Thread(target=callback)
            self.thread.start()


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
    listening.receive(channel, MagicMock(delivery_tag=tag, redelivered=False), None, json.dumps(message).encode())
    return channel
