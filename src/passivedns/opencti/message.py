"""Reads one enrichment message and sends its only answer."""

import time
from functools import lru_cache, partial
from typing import Any, Literal, NamedTuple

from pycti import OpenCTIApiClient, OpenCTIConnectorHelper

from passivedns.errors import NotSent
from passivedns.opencti import chunks
from passivedns.opencti.outage import retry_while_away
from passivedns.stix.markings import as_stix
from passivedns.stix.objects import StixObject

FRESH = 1.0
"""Seconds for which markings are not read again, except in playbooks."""

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

    def __init__(self, data: dict[str, Any], helper: OpenCTIConnectorHelper) -> None:
        """`helper` is a copy for this message only, so that its work id, playbook and draft stay the same."""
        self.data = data
        self._helper = helper
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
        """Who requested the enrichment, as in `listener.install`; None if OpenCTI does not report it."""
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

    def markings(self) -> list[StixObject]:
        """Return OpenCTI's markings, or none if they cannot be read.

        Importing a marking under an older name would undo a change by an administrator. In a playbook, an earlier step
        may just have created one and added it to the entity.
        """
        now = time.monotonic()
        try:
            return _markings(self._helper.api, now // FRESH if self._helper.playbook is None else now)
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
        """Send the bundle, if there is one.

        Raises:
            NotSent: OpenCTI or its broker rejected it.
        """
        if not bundle:
            return
        try:
            if bundle.is_chunked and self._helper.work_id:
                # pycti announces one object per chunk, so the work would close before all are imported.
                self._helper.api.work.add_expectations(self._helper.work_id, bundle.size)
            for text in bundle.texts:
                retry_while_away(partial(self._send_text, text, bundle.is_chunked))
        except Exception as error:
            raise NotSent(f"OpenCTI did not accept the result ({type(error).__name__}: {error}).") from error
        self.log("debug", "Sent", objects=bundle.size)

    def _send_text(self, text: str, is_chunk: bool) -> None:
        helper, options = self._helper, {"work_id": self._helper.work_id} | ({"no_split": True} if is_chunk else {})
        listener = helper.listen_queue
        if is_chunk and helper.enrichment_shared_organizations is None and listener and listener.pika_connection:
            # pycti opens a connection for each bundle, which takes longer than the rest of a cached enrichment.
            options |= {"sequence": 1, "draft_id": helper.draft_id}
            listener.in_connection(lambda: helper._send_bundle(listener.channel, text, **options))
        else:
            helper.send_stix2_bundle(text, cleanup_inconsistent_bundle=True, **options)

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
