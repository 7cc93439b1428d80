"""One enrichment message: what OpenCTI sent, and the one answer that goes back."""

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from pycti import OpenCTIConnectorHelper

from passivedns.errors import NotSent
from passivedns.stix.objects import StixObject

BROKER_PATIENCE = 60
"""Seconds to wait for a broker that is away when there is something to send."""
DELIBERATE = ("manual", "playbook")
"""What causes a message that is always answered: a person, or the person who put this step into a playbook."""


class Bundle(NamedTuple):
    """What is sent, in JSON."""

    text: str
    size: int
    """Objects in it."""


class Message:
    """What pycti handed over, with its helper as it was then."""

    def __init__(self, data: dict[str, Any], helper: OpenCTIConnectorHelper) -> None:
        """`helper` is a copy for this message only: its work id, playbook and draft must not change."""
        self.data = data
        self._helper = helper
        self._unanswered = threading.Lock()
        self._began = time.monotonic()
        self._facts: dict[str, object] = {
            "work_id": helper.work_id,
            "entity_id": data.get("entity_id"),
            "entity_type": data.get("entity_type"),
        }

    @property
    def mode(self) -> str | None:
        """What caused the message, as `delivery.listen` has it; None where OpenCTI does not say."""
        return self.data.get("mode")

    @property
    def is_deliberate(self) -> bool:
        """Whether somebody wants an answer, rather than OpenCTI by itself."""
        return self.mode in DELIBERATE

    def is_by(self, author: str) -> bool:
        """Whether an organization, by its id, is the author of the entity.

        OpenCTI fills an empty author, and does not say who created an observable: so an entity whose author is this
        connector came from an enrichment, or turned up in one without an author.
        """
        return author in _authors(self.data)

    def bundle(self, additions: list[StixObject]) -> Bundle | None:
        """The answer with these additions: in a playbook they follow what was received, else a stub of the entity.

        Without additions a playbook gets what was received, just as it came; elsewhere there is nothing to send: None.
        """
        if self._helper.playbook is not None:
            received = self.data["stix_objects"]
        elif additions:
            # Bare, since what is sent of it overwrites what analysts wrote.
            received = [{key: self.data["stix_entity"][key] for key in ("type", "spec_version", "id", "value")}]
        else:
            return None
        objects = received + _new(additions, received) if additions else received
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


def _new(additions: list[StixObject], received: list[StixObject]) -> list[StixObject]:
    """Each addition once, but none that was received: what came stays as it came."""
    ids = {item["id"] for item in received}
    return [item for item_id, item in {item["id"]: item for item in additions}.items() if item_id not in ids]


def _authors(data: dict[str, Any]) -> Iterator[object]:
    """The author in each form in which it comes: read by pycti, exported by pycti, and in a playbook's bundle."""
    yield (data["enrichment_entity"].get("createdBy") or {}).get("standard_id")
    entity = data["stix_entity"]
    yield entity.get("created_by_ref")
    yield entity.get("x_opencti_created_by_ref")
    for extension in (entity.get("extensions") or {}).values():
        yield extension.get("created_by_ref")
