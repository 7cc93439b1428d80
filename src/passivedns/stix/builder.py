"""Builds the STIX objects for the relations of an entity: author, markings, observables and relationships."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from passivedns.model import FAMILIES, Entity, Relation, Sources
from passivedns.stix import objects
from passivedns.stix.markdown import inert
from passivedns.stix.markings import LAXEST, TLP_MARKINGS, is_within, strictest
from passivedns.stix.objects import StixObject
from passivedns.stix.values import ascii_name
from passivedns.text import comma_list

AUTHOR = "Passive DNS"
"""The author of all created objects: the name of a source is the author of OpenCTI's own connector for it."""
AUTHOR_ID = str(objects.organization(AUTHOR, created="")["id"])

_Observables = Mapping[tuple[str, str], StixObject]
"""Observables by OpenCTI's type and value."""


class Publisher(NamedTuple):
    """How the created objects name and mark the sources."""

    names: Mapping[str, str]
    """Names by source key."""
    tlps: Mapping[str, str]
    """Markings of records by source key, such as `TLP:CLEAR`."""


def additions(
    entity: Entity, relations: Sequence[Relation], publisher: Publisher, created: datetime
) -> list[StixObject]:
    """Unique objects, each after those it refers to; empty without relations.

    `created` (UTC) stamps the objects. The entity's markings are referred to but not included.
    """
    if not relations:
        return []
    stamp = objects.timestamp(created, "milliseconds")
    observables = _observables(entity, relations, publisher)
    made = [*observables.values(), *_relationships(entity, relations, observables, publisher, stamp)]
    return [objects.organization(AUTHOR, stamp), *_tlp_markings(entity, made), *made]


def _observables(entity: Entity, relations: Iterable[Relation], publisher: Publisher) -> _Observables:
    """The other sides of the relations.

    A name or mailbox at or below the entity's name gives that name away, so it inherits the entity's markings.
    """
    sources: dict[tuple[str, str], list[Sources]] = {}
    for relation in relations:
        sources.setdefault((relation.value_type, relation.value), []).append(relation.sources)
    name = ascii_name(entity.value)
    below = () if entity.type in FAMILIES else (f".{name}", f"@{name}")
    made = {}
    for (value_type, value), seen in sources.items():
        tlp = strictest_tlp(seen, publisher)
        refs = markings(entity, tlp) if value.endswith(below) else [TLP_MARKINGS[tlp]["id"]]
        made[value_type, value] = objects.observable(value_type, value, AUTHOR_ID, refs)
    return made


def _relationships(
    entity: Entity, relations: Sequence[Relation], observables: _Observables, publisher: Publisher, stamp: str
) -> list[StixObject]:
    # Thousands of relations share few combinations of record types and sources.
    kinds = {(relation.record_types, relation.sources) for relation in relations}
    properties = {
        (record_types, sources): {
            "created": stamp,
            "modified": stamp,
            "description": f"{comma_list(record_types)} records ({_description(sources, publisher)})",
            "created_by_ref": AUTHOR_ID,
            "object_marking_refs": markings(entity, strictest_tlp([sources], publisher)),
        }
        for record_types, sources in kinds
    }
    made = []
    for relation in relations:
        other: str = observables[relation.value_type, relation.value]["id"]
        ends = (other, entity.id) if relation.reverse else (entity.id, other)
        common = properties[relation.record_types, relation.sources]
        made.append(objects.relationship(relation.type, *ends, relation.first_seen, relation.last_seen, common))
    return made


def _tlp_markings(entity: Entity, made: Iterable[StixObject]) -> list[StixObject]:
    """The TLP markings that objects refer to, without those of the entity."""
    needed = {ref for item in made for ref in item["object_marking_refs"]}.difference(entity.markings)
    return [marking for marking in TLP_MARKINGS.values() if marking["id"] in needed]


def strictest_tlp(sources: Iterable[Sources], publisher: Publisher) -> str:
    """The strictest marking of the records of these sources."""
    return strictest(*(publisher.tlps[key] for those in sources for key, _ in those))


def markings(entity: Entity, tlp: str) -> list[str]:
    """The ids of the entity's markings, plus `tlp` if it is stricter."""
    if entity.markings and is_within(tlp, entity.tlp or LAXEST):
        return list(entity.markings)
    return [*entity.markings, TLP_MARKINGS[tlp]["id"]]


def seen_by(sources: Sources, publisher: Publisher) -> str:
    """The sources of a relation with their sensors, for a table that names a single source in its heading."""
    return "; ".join(_source(publisher.names[key], sensors, len(publisher.names) == 1) for key, sensors in sources)


def _description(sources: Sources, publisher: Publisher) -> str:
    """The sources of a relation with their sensors in Markdown, such as `CIRCL; VirusTotal: SecneurX`."""
    return "; ".join(_source(publisher.names[key], list(map(inert, sensors)), False) for key, sensors in sources)


def _source(title: str, sensors: Sequence[str], is_only: bool) -> str:
    if not sensors:
        return title
    return comma_list(sensors) if is_only else f"{title}: {comma_list(sensors)}"
