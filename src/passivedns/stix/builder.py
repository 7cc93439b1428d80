"""Builds the STIX objects for the relations of an entity: author, markings, observables and relationships."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
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
    common, refs = _common(entity, publisher, stamp), _refs(entity)
    used: set[str] = set()
    tlps: dict[str, str] = {}
    observables: dict[str, StixObject] = {}
    relationships = []
    for relation in relations:
        tlp, properties = common(relation.record_types, relation.sources)
        used.add(tlp)
        other = objects.observable_id(relation.value_type, relation.value)
        tlps[other] = strictest(tlp, tlps.get(other, tlp))
        marked = refs(relation.value, tlps[other])
        observables[other] = objects.observable(relation.value_type, relation.value, other, AUTHOR_ID, marked)
        ends = (other, entity.id) if relation.reverse else (entity.id, other)
        relationships.append(
            objects.relationship(relation.type, *ends, relation.first_seen, relation.last_seen, properties)
        )
    made = [*observables.values(), *relationships]
    referred = {ref for item in made for ref in item["object_marking_refs"]}
    tlp_markings = [marking for tlp in sorted(used) if (marking := TLP_MARKINGS[tlp])["id"] in referred]
    return [objects.organization(AUTHOR, stamp), *tlp_markings, *made]


def _common(
    entity: Entity, publisher: Publisher, stamp: str
) -> Callable[[Sequence[str], Sources], tuple[str, StixObject]]:
    """A function that returns what relationships of the same record types and sources share.

    That is the TLP demanded by the sources, and the properties.
    """

    @cache
    def common(record_types: Sequence[str], sources: Sources) -> tuple[str, StixObject]:
        tlp = strictest_tlp([sources], publisher)
        return tlp, {
            "created": stamp,
            "modified": stamp,
            "description": f"{comma_list(record_types)} records ({_described(sources, publisher)})",
            "created_by_ref": AUTHOR_ID,
            "object_marking_refs": markings(entity, tlp),
        }

    return common


def _refs(entity: Entity) -> Callable[[str, str], list[str]]:
    """A function that returns the marking ids of a new observable, from its value and the TLP of its sources.

    A name or mailbox at or below the entity's name gives that name away, so it inherits the entity's markings.
    """
    below = tuple(f"{before}{ascii_name(entity.value)}" for before in ".@")
    of_sources = {tlp: [marking["id"]] for tlp, marking in TLP_MARKINGS.items()}
    inherited = cache(lambda tlp: markings(entity, tlp))

    def refs(value: str, tlp: str) -> list[str]:
        return inherited(tlp) if entity.type not in FAMILIES and value.endswith(below) else of_sources[tlp]

    return refs


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


def _described(sources: Sources, publisher: Publisher) -> str:
    """The sources of a relation with their sensors in Markdown, such as `CIRCL; VirusTotal: SecneurX`."""
    return "; ".join(_source(publisher.names[key], list(map(inert, sensors)), False) for key, sensors in sources)


def _source(title: str, sensors: Sequence[str], is_only: bool) -> str:
    if not sensors:
        return title
    return comma_list(sensors) if is_only else f"{title}: {comma_list(sensors)}"
