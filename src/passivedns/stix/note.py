"""Builds the note on the enriched observable: a table of the most recently seen relationships."""

import uuid
from collections.abc import Sequence

from passivedns.model import Entity, Relation, recency
from passivedns.stix.builder import AUTHOR_ID, Publisher, markings, seen_by, strictest_tlp
from passivedns.stix.markdown import code
from passivedns.stix.objects import StixObject
from passivedns.text import and_list, comma_list, day, quantity

MAX_ROWS = 50
"""Maximum table rows."""
MAX_SOURCES_LENGTH = 100
"""Maximum characters for the sources of a row."""

_HEAD = "| Record type | Value | First seen | Last seen | Sources |\n|---|---|---|---|---|"


def summary_note(
    entity: Entity, relations: Sequence[Relation], publisher: Publisher, created: str, modified: str
) -> StixObject:
    """The note of an enrichment with relationships; it has their author and their strictest marking.

    `created` is the creation time of the observable in OpenCTI, `modified` is now, both in STIX format. If a later
    answer is the same, only `modified` differs, which OpenCTI ignores, so there is no event.

    OpenCTI also identifies notes by content, `created` and abstract; the content therefore names the observable.
    """
    # STIX 2.1 section 2.9 reserves its own namespace for observables.
    namespace = uuid.UUID(AUTHOR_ID.partition("--")[2])
    return {
        "type": "note",
        "spec_version": "2.1",
        "id": f"note--{uuid.uuid5(namespace, entity.id)}",
        "created": created,
        # The clock of OpenCTI may be ahead, and STIX 2.1 section 3.2 demands this order.
        "modified": max(created, modified),
        "abstract": f"Passive DNS of {code(entity.value)}",
        "content": _content(entity, sorted(relations, key=recency), publisher),
        "object_refs": [entity.id],
        "created_by_ref": AUTHOR_ID,
        "object_marking_refs": markings(entity, strictest_tlp((found.sources for found in relations), publisher)),
    }


def _content(entity: Entity, found: Sequence[Relation], publisher: Publisher) -> str:
    keys = {key for relation in found for key, _ in relation.sources}
    names = and_list([name for key, name in publisher.names.items() if key in keys])
    shown = f"the {MAX_ROWS} most recently seen of " if len(found) > MAX_ROWS else ""
    heading = (
        f"Passive DNS of the {entity.type} {code(entity.value)} from {names}: "
        f"{shown}{quantity(len(found), 'relationship')}, most recently seen first."
    )
    return "\n".join([heading, "", _HEAD, *(_line(relation, publisher) for relation in found[:MAX_ROWS])])


def _line(relation: Relation, publisher: Publisher) -> str:
    sources = code(seen_by(relation.sources, publisher)[:MAX_SOURCES_LENGTH])
    days = f"{day(relation.first_seen)} | {day(relation.last_seen)}"
    return f"| {comma_list(relation.record_types)} | {code(relation.value)} | {days} | {sources} |"
