"""A note on the enriched observable: the relationships that were seen last, as a table for people."""

import re
import uuid

from riskiq.converter import AUTHOR, Enrichment, Entity, Relation
from riskiq.stix import StixObject
from riskiq.timeline import newest_first
from riskiq.wording import counted, named

NEWEST = 50
"""Rows of the table at the most."""
LONGEST = 100
"""Characters of the sources of one row; an answer may name any number."""

_HEAD = "| Record type | Value | First seen | Last seen | Sources |\n|---|---|---|---|---|"
# What ends a code span, a cell or an escape; pycti turns the HTML tag of code spans into backticks.
_UNSAFE = re.compile(r"[`|\\<]")


def summary_note(entity: Entity, enrichment: Enrichment, *, created: str, modified: str) -> StixObject:
    """The note of an enrichment that brought relationships; it has their author and markings.

    `created` is when the observable came to OpenCTI, `modified` is now, both as STIX writes them. Where a later
    answer says the same, `modified` alone differs, which OpenCTI does not take over: no change, and no event.

    OpenCTI finds the note again by its id. Of itself it would know it by content, `created` and abstract, and take two
    notes with the same ones for one; the content therefore names the observable.
    """
    relationship = next(item for item in enrichment.objects if item["type"] == "relationship")
    return {
        "type": "note",
        "spec_version": "2.1",
        "id": _id(relationship["created_by_ref"], entity.id),
        "created": created,
        # The clock of OpenCTI may be ahead, and STIX 2.1 section 3.2 demands this order.
        "modified": max(created, modified),
        "abstract": f"Passive DNS of {_code(entity.value)}",
        "content": _content(entity, newest_first(enrichment.relations)),
        "object_refs": [entity.id],
        "created_by_ref": relationship["created_by_ref"],
        "object_marking_refs": relationship["object_marking_refs"],
    }


def _id(author: str, observable: str) -> str:
    """UUIDv5 over the observable in a namespace of the author's; STIX 2.1 section 2.9 keeps its own for observables."""
    return f"note--{uuid.uuid5(uuid.UUID(author.partition('--')[2]), observable)}"


def _content(entity: Entity, found: list[Relation]) -> str:
    shown = f"the {NEWEST} most recently seen of " if len(found) > NEWEST else ""
    heading = (
        f"What {AUTHOR} knows of the {entity.type} {_code(entity.value)}: "
        f"{shown}{counted(len(found), 'relationship')}, the most recently seen first."
    )
    return "\n".join([heading, "", _HEAD, *map(_line, found[:NEWEST])])


def _line(relation: Relation) -> str:
    days = [f"{moment:%Y-%m-%d}" if moment else "unknown" for moment in (relation.first_seen, relation.last_seen)]
    sources = _code(named(relation.sources)[:LONGEST]) if relation.sources else ""
    return f"| {named(relation.record_types)} | {_code(relation.value)} | {days[0]} | {days[1]} | {sources} |"


def _code(text: str) -> str:
    """A code span: whatever stands in it is no HTML, no emphasis and, unlike escaped text, no link."""
    return f"`{_UNSAFE.sub('?', text)}`"
