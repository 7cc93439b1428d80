"""Reads one enrichment message and sends its only answer."""

import copy
import logging
import time
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any, Literal, NamedTuple

from pycti import OpenCTIApiClient

from passivedns.delivery.retry import may_pass
from passivedns.errors import NotSent, Unreadable
from passivedns.opencti import chunks
from passivedns.opencti.helper import Helper
from passivedns.opencti.works import UNREADABLE
from passivedns.stix.markings import as_stix
from passivedns.stix.objects import StixObject

log = logging.getLogger(__name__)

MAX_MARKINGS_AGE = 1.0
"""Seconds after which markings are read again; in playbooks they always are."""
MAX_ENTITY_AGE = 5.0
"""Seconds after which an entity is read again before anything about it is sent to a source."""

_MARKINGS = """query {
    markingDefinitions(first: 500) { edges { node { standard_id definition_type definition created } } }
}"""


class Bundle(NamedTuple):
    """What is sent, as JSON."""

    texts: list[str]
    """One text, or one per chunk."""
    size: int
    """Objects in all texts together."""
    is_chunked: bool = False
    """True if pycti must not split the texts."""


class Message:
    """The data of a message, with the helper as pycti left it for this message."""

    def __init__(self, data: dict[str, Any], helper: Helper) -> None:
        """`helper` is a copy for this message only, so that its work id, playbook and draft stay the same."""
        self.data = data
        self.delivery = helper.retrier.delivery
        self._helper = helper
        self._read_at = self.delivery.read_at
        self._organizations = helper.enrichment_shared_organizations
        if helper.playbook is not None:
            helper.enrichment_shared_organizations = None
        self._began = time.monotonic()
        self._facts: dict[str, object] = {
            "work_id": helper.work_id,
            "entity_id": data.get("entity_id"),
            "entity_type": data.get("entity_type"),
        }

    @property
    def mode(self) -> str | None:
        """Who requested the enrichment, as in `Delivery.mode`."""
        return self.data.get("mode")

    @property
    def is_deliberate(self) -> bool:
        """True if a person requested the enrichment, or put this step into a playbook."""
        return self.mode in ("manual", "playbook")

    def is_by(self, author: str) -> bool:
        """True if the organization with this id is the author of the entity.

        OpenCTI fills an empty author and does not report who created an observable. If this connector is the author,
        an enrichment created the entity, or found it without an author.
        """
        entity = self.data["stix_entity"]
        # As read by pycti, as exported by pycti, and as in a playbook's bundle.
        return author in (
            (self.data["enrichment_entity"].get("createdBy") or {}).get("standard_id"),
            entity.get("created_by_ref"),
            entity.get("x_opencti_created_by_ref"),
            *(extension.get("created_by_ref") for extension in (entity.get("extensions") or {}).values()),
        )

    def refresh(self, older_than: float = MAX_ENTITY_AGE) -> None:
        """Read the entity again if that was more than this many seconds ago: its markings may be others by now.

        To be called after anything that may wait, and before anything about the entity is sent. What a playbook sent
        stays as it is.

        Raises:
            Unreadable: OpenCTI does not return the entity any more.
        """
        while time.monotonic() - self._read_at > older_than:
            stix2 = self._helper.api.stix2
            entity = stix2.get_reader(self.data.get("entity_type") or "Stix-Core-Object")(
                id=self.data["entity_id"], withFiles=True
            )
            if entity is None:
                raise Unreadable(UNREADABLE)
            # Reading may wait, too; then it is done once more.
            self._read_at, older_than = time.monotonic(), max(older_than, MAX_ENTITY_AGE)
            if self._helper.playbook is None:
                # As pycti does.
                objects = stix2.prepare_export(entity=stix2.generate_export(copy.copy(entity)))
                self.data["stix_objects"] = objects
                self.data["stix_entity"] = next(item for item in objects if item["id"].endswith(entity["standard_id"]))
            self.data["enrichment_entity"] = entity

    def markings(self) -> list[StixObject]:
        """Return OpenCTI's markings, or none if they cannot be read.

        Importing a marking under an older name would undo a change by an administrator. In a playbook, an earlier step
        may just have created one and added it to the entity.
        """
        now = time.monotonic()
        try:
            return _markings(self._helper.api, now // MAX_MARKINGS_AGE if self._helper.playbook is None else now)
        except (ValueError, OSError, LookupError, TypeError) as error:
            self.log("warning", "OpenCTI's markings cannot be read", markings=str(error))
            return []

    def bundle(self, additions: list[StixObject]) -> Bundle | None:
        """Build the answer: a stub of the entity and the additions, or None if there are none.

        In a playbook, the additions follow the received objects, which are sent unchanged even without additions.
        """
        if self._helper.playbook is not None:
            received = self.data["stix_objects"]
            additions = self._shared(additions)
        elif additions:
            # A stub, since each property that is sent overwrites what analysts wrote.
            received = [{key: self.data["stix_entity"][key] for key in ("type", "spec_version", "id", "value")}]
        else:
            return None
        objects = received + _new(additions, received) if additions else received
        if chunks.can_send(self._helper):
            parts = list(chunks.chunks(objects))
            return Bundle([chunks.in_json(part) for part in parts], sum(map(len, parts)), is_chunked=True)
        return Bundle([self._helper.stix2_create_bundle(objects)], len(objects))

    def _shared(self, additions: list[StixObject]) -> list[StixObject]:
        """Share the additions with the organizations that the entity is shared with.

        pycti would share the received objects, too.
        """
        organizations = self._organizations
        return [item | {"x_opencti_granted_refs": organizations} for item in additions] if organizations else additions

    def send(self, bundle: Bundle | None) -> None:
        """Send the bundle, if there is one; to a playbook whose bundle is refused, the one that it sent.

        Raises:
            NotSent: OpenCTI or its broker rejected it.
            Postponed: it is sent at the next delivery of the message.
        """
        if not bundle:
            return
        try:
            self._send(bundle)
        except Exception as error:
            reason = f"OpenCTI did not accept the result ({type(error).__name__}: {error})."
            if self._helper.playbook is not None:
                self._send_back(bundle, error)
                reason += " The playbook continues with what it sent."
            raise NotSent(reason) from error
        self.log("debug", "Sent", objects=bundle.size)

    def _send_back(self, refused: Bundle, error: Exception) -> None:
        """Send what the playbook sent, unless that was refused, or OpenCTI may take the result later."""
        received = self.bundle([])
        # Before it is sent without its result, OpenCTI gets another chance to take that.
        if received and refused.size > received.size and (self.delivery.was_given_back or not may_pass(error)):
            self.log("error", "OpenCTI refused the result; the playbook gets what it sent", reason=str(error))
            with suppress(Exception):
                self._send(received)
                return
        log.error("%s cannot be answered; its message is delivered again.", self.delivery)
        self.delivery.postpone()

    def _send(self, bundle: Bundle) -> None:
        if bundle.is_chunked and self._helper.work_id:
            # pycti announces one object per chunk, so the work would close before all are imported.
            self._helper.api.work.add_expectations(self._helper.work_id, bundle.size)
        for text in bundle.texts:
            self._helper.retrier.call(partial(self._helper.send, text, is_chunk=bundle.is_chunked))

    def log(self, level: Literal["debug", "info", "warning", "error"], event: str, **facts: object) -> None:
        """Log an event with the facts known so far: the work, the entity, `seconds`, and those of earlier events."""
        self._facts |= facts
        context = self._facts | {"seconds": round(time.monotonic() - self._began, 3)}
        getattr(self._helper.connector_logger, level)(event, context)


# So that most messages of a busy connector need no query of their own.
@lru_cache(maxsize=1)
def _markings(api: OpenCTIApiClient, _time: float) -> list[StixObject]:
    """Return OpenCTI's markings, read once for each time."""
    found = api.query(_MARKINGS)["data"]["markingDefinitions"]["edges"]
    return [as_stix(edge["node"]) for edge in found]


def _new(additions: list[StixObject], received: list[StixObject]) -> list[StixObject]:
    """Return each addition once, except for received objects, which stay as they were."""
    ids = {item["id"] for item in received}
    return [item for item_id, item in {item["id"]: item for item in additions}.items() if item_id not in ids]
