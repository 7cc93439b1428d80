"""Builds the note on the enriched observable: a table of the most recently seen relationships."""

import re
import uuid
from collections.abc import Sequence

from passivedns.model import Entity, Relation, recency
from passivedns.stix.knowledge import Publisher, markings, seen_by, strictest_tlp
from passivedns.stix.objects import StixObject
from passivedns.wording import counted, day, joined, named

NEWEST = 50
"""Maximum table rows."""
LONGEST = 100
"""Maximum characters for the sources of a row."""

_HEAD = "| Record type | Value | First seen | Last seen | Sources |\n|---|---|---|---|---|"
# They end a code span, a cell or an escape; pycti turns the HTML tag of code spans into backticks.
_UNSAFE = re.compile(r"[`|\\<]")


def summary_note(
    entity: Entity, relations: Sequence[Relation], publisher: Publisher, created: str, modified: str
) -> StixObject:
    """The note of an enrichment with relationships; it has their author and their strictest marking.

    `created` is the creation time of the observable in OpenCTI, `modified` is now, both in STIX format. If a later
    answer is the same, only `modified` differs, which OpenCTI ignores, so there is no event.

    OpenCTI also identifies notes by content, `created` and abstract; the content therefore names the observable.
    """
    # STIX 2.1 section 2.9 reserves its own namespace for observables.
    namespace = uuid.UUID(publisher.author.partition("--")[2])
    return {
        "type": "note",
        "spec_version": "2.1",
        "id": f"note--{uuid.uuid5(namespace, entity.id)}",
        "created": created,
        # The clock of OpenCTI may be ahead, and STIX 2.1 section 3.2 demands this order.
        "modified": max(created, modified),
        "abstract": f"Passive DNS of {_code(entity.value)}",
        "content": _content(entity, sorted(relations, key=recency), publisher),
        "object_refs": [entity.id],
        "created_by_ref": publisher.author,
        "object_marking_refs": markings(entity, strictest_tlp((found.sources for found in relations), publisher)),
    }


def _content(entity: Entity, found: Sequence[Relation], publisher: Publisher) -> str:
    keys = {key for relation in found for key, _ in relation.sources}
    names = joined([name for key, name in publisher.names.items() if key in keys])
    shown = f"the {NEWEST} most recently seen of " if len(found) > NEWEST else ""
    heading = (
        f"Passive DNS of the {entity.type} {_code(entity.value)} from {names}: "
        f"{shown}{counted(len(found), 'relationship')}, most recently seen first."
    )
    return "\n".join([heading, "", _HEAD, *(_line(relation, publisher) for relation in found[:NEWEST])])


def _line(relation: Relation, publisher: Publisher) -> str:
    sources = _code(seen_by(relation.sources, publisher)[:LONGEST])
    days = f"{day(relation.first_seen)} | {day(relation.last_seen)}"
    return f"| {named(relation.record_types)} | {_code(relation.value)} | {days} | {sources} |"


def _code(text: str) -> str:
    """A code span, in which nothing is read as HTML, emphasis or a link."""
    return f"`{_UNSAFE.sub('?', text)}`"
