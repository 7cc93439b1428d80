"""One enrichment message: what OpenCTI sent, and the one answer that goes back."""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any, Literal, NamedTuple

from pycti import OpenCTIConnectorHelper

from passivedns.errors import NotSent
from passivedns.opencti import chunks
from passivedns.opencti.outage import patiently
from passivedns.stix.objects import StixObject

DELIBERATE = ("manual", "playbook")
"""What causes a message that is always answered: a person, or the person who put this step into a playbook."""


class Bundle(NamedTuple):
    """What is sent, in JSON."""

    texts: list[str]
    """One text, or one for each chunk."""
    size: int
    """Objects in all texts together."""
    is_chunked: bool = False
    """Whether pycti is not to split the texts any more."""


class Message:
    """What pycti handed over, with its helper as it was then."""

    def __init__(self, data: dict[str, Any], helper: OpenCTIConnectorHelper) -> None:
        """`helper` is a copy for this message only: its work id, playbook and draft must not change."""
        self.data = data
        self._helper = helper
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
        if chunks.can_send(self._helper):
            parts = list(chunks.chunks(objects))
            return Bundle([chunks.in_json(part) for part in parts], sum(map(len, parts)), is_chunked=True)
        return Bundle([self._helper.stix2_create_bundle(objects)], len(objects))

    def send(self, bundle: Bundle | None) -> None:
        """Send the one bundle; where there is none, the message counts as answered.

        Raises:
            NotSent: OpenCTI or its broker did not take it.
        """
        if not bundle:
            return
        try:
            self._deliver(bundle)
        except Exception as error:
            raise NotSent(f"OpenCTI did not take the result ({type(error).__name__}: {error}).") from error
        self.log("debug", "Sent", objects=bundle.size)

    def _deliver(self, bundle: Bundle) -> None:
        work_id, named = self._helper.work_id, {"no_split": True} if bundle.is_chunked else {}
        if bundle.is_chunked and work_id:
            # pycti announces one object for each chunk, so the work would close before all are imported.
            self._helper.api.work.add_expectations(work_id, bundle.size)
        for text in bundle.texts:
            # pycti makes a connection of its own to the broker, which may be away while OpenCTI is not.
            send = partial(self._helper.send_stix2_bundle, text, work_id=work_id, cleanup_inconsistent_bundle=True)
            patiently(partial(send, **named))

    def log(self, level: Literal["debug", "info", "warning", "error"], event: str, **facts: object) -> None:
        """One line of log; what it tells of the message, all later lines of the message tell too.

        They begin with the work, the entity and `seconds` since the message came.
        """
        self._facts |= facts
        context = self._facts | {"seconds": round(time.monotonic() - self._began, 3)}
        getattr(self._helper.connector_logger, level)(event, context)


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
