"""From an answer to what is added to OpenCTI: the one way for the daemon and for `main.py lookup`."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple

from riskiq import stix
from riskiq.converter import RECORD_TYPES, Enrichment, Entity, convert
from riskiq.note import summary_note
from riskiq.records import DnsRecord


class Wanted(NamedTuple):
    """What of an answer goes to OpenCTI."""

    record_types: Collection[str] = RECORD_TYPES
    max_relationships: int = 0
    """Those seen last come first; 0 for no limit."""
    summary_note: bool = False
    """Whether the observable also gets a note for people."""


def enrich(
    entity: Entity, records: Iterable[DnsRecord], wanted: Wanted, now: datetime, known_since: str | None = None
) -> Enrichment:
    """What the records add to the entity, the note among the objects; `now` (UTC) stamps them.

    `known_since` is when the entity came to OpenCTI, as STIX writes it; None, where nobody can tell, stands for `now`.
    """
    made = convert(entity, records, now, record_types=wanted.record_types, max_relationships=wanted.max_relationships)
    if not (wanted.summary_note and made.objects):
        return made
    modified = stix.timestamp(now, "milliseconds")
    note = summary_note(entity, made, created=known_since or modified, modified=modified)
    return made._replace(objects=[*made.objects, note])
