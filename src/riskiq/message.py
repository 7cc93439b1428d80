"""One enrichment message: what OpenCTI sent, and the one answer that goes back."""

import socket
import threading
import time
from typing import Any, Literal, NamedTuple

from pycti import OpenCTIConnectorHelper

from riskiq import stix
from riskiq.bundle import bundled, stub
from riskiq.errors import NotSent

BROKER_PATIENCE = 60
"""Seconds to wait for a broker that is away when there is something to send."""


class Bundle(NamedTuple):
    """What is sent, in JSON."""

    text: str
    size: int
    """Objects in it."""


class Message:
    """What pycti handed over, with its helper as it was then."""

    def __init__(self, data: dict[str, Any], helper: OpenCTIConnectorHelper) -> None:
        """`helper` is a copy of this message alone: its work id, playbook and draft must not change."""
        self.data = data
        self._helper = helper
        self._unanswered = threading.Lock()
        self._began = time.monotonic()
        self._facts: dict[str, object] = {
            "work_id": helper.work_id,
            "entity_id": data.get("entity_id"),
            "entity_type": data.get("entity_type"),
        }

    def bundle(self, additions: list[stix.StixObject]) -> Bundle | None:
        """The answer with these additions: in a playbook they follow what was received, else a stub of the entity.

        Without additions a playbook gets what was received, just as it came; elsewhere there is nothing to send: None.
        """
        if self._helper.playbook is not None:
            received = self.data["stix_objects"]
        elif additions:
            received = [stub(self.data["stix_entity"])]
        else:
            return None
        objects = bundled(received, additions) if additions else received
        return Bundle(self._helper.stix2_create_bundle(objects), len(objects))

    def send(self, bundle: Bundle | None) -> None:
        """Send the one bundle; where there is none, the message counts as answered.

        Raises:
            NotSent: OpenCTI or its broker did not take it, or the message was given up.
        """
        if bundle:
            self._wait_for_broker()
        # Claimed at the last moment, so that what waits for the broker can still be given up.
        if not self._claim():
            raise NotSent("The connector was stopped before the result could be sent.")
        if bundle:
            self._deliver(bundle)

    def _deliver(self, bundle: Bundle) -> None:
        try:
            self._helper.send_stix2_bundle(bundle.text, work_id=self._helper.work_id, cleanup_inconsistent_bundle=True)
        except Exception as error:
            raise NotSent(f"OpenCTI did not take the result ({type(error).__name__}: {error}).") from error
        self.log("debug", "Sent", objects=bundle.size)

    def give_up(self, reason: str) -> None:
        """Answer in place of an enrichment that does not end: an error, or in a playbook what was received.

        A work is closed even while its bundle is on the way; a playbook that is being answered gets nothing more. What
        OpenCTI does not take is told in the log.
        """
        is_unanswered = self._claim()
        try:
            if self._helper.playbook is None:
                self._close(reason)
            elif is_unanswered and (bundle := self.bundle([])):
                self._deliver(bundle)
        except Exception as error:
            self.log("warning", "Giving up failed", text=str(error))

    def _close(self, reason: str) -> None:
        if self._helper.work_id:
            self._helper.api.work.to_processed(self._helper.work_id, reason, in_error=True)

    def _claim(self) -> bool:
        """Whether the caller may answer: true once, so that there is one answer, whoever gives it."""
        return self._unanswered.acquire(blocking=False)

    def log(self, level: Literal["debug", "info", "warning", "error"], event: str, **facts: object) -> None:
        """One line of log; what it tells of the message, all later lines of the message tell too.

        They begin with the work, the entity and `seconds` since the message came.
        """
        self._facts |= facts
        context = self._facts | {"seconds": round(time.monotonic() - self._began, 3)}
        getattr(self._helper.connector_logger, level)(event, context)

    def _wait_for_broker(self) -> None:
        """pycti tells the platform how many objects come before it connects, so a second try would count them twice."""
        if self._helper.playbook is not None or self._helper.queue_protocol != "amqp":
            return
        connection = self._helper.connector_config["connection"]
        deadline = time.monotonic() + BROKER_PATIENCE
        while not _listens(connection["host"], connection["port"]) and time.monotonic() < deadline:
            time.sleep(0.5)


def _listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError:
        return False
    return True
