"""Builds the STIX objects for the relations of an entity: author, markings, observables and relationships."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import NamedTuple

from passivedns.model import Entity, Relation, Sources
from passivedns.stix import objects
from passivedns.stix.markings import LAXEST, TLP_MARKINGS, is_within, strictest
from passivedns.stix.objects import StixObject
from passivedns.wording import named

# OpenCTI renders descriptions as Markdown, in which the name of a sensor could be a link or an image.
_MARKUP = re.compile(r"[\[<]")


class Publisher(NamedTuple):
    """The author of the objects, and the titles and markings of the sources."""

    organization: str
    """The author of created objects."""
    names: Mapping[str, str]
    """Titles by source key; a single source is not named next to its sensors."""
    tlps: Mapping[str, str]
    """Markings of records by source key, such as `TLP:CLEAR`."""

    @property
    def author(self) -> str:
        """The id of the organization."""
        return str(objects.organization(self.organization, created="")["id"])


def additions(
    entity: Entity, relations: Sequence[Relation], publisher: Publisher, created: datetime
) -> list[StixObject]:
    """Unique objects, each after those it refers to; empty without relations.

    `created` (UTC) stamps the objects. The entity's markings are referred to but not included.
    """
    if not relations:
        return []
    stamp = objects.timestamp(created, "milliseconds")
    author = objects.organization(publisher.organization, stamp)

    @cache
    def common(record_types: Sequence[str], sources: Sources) -> tuple[str, StixObject]:
        """The marking demanded by the sources, and the properties that relationships with these arguments share."""
        tlp = strictest_tlp([sources], publisher)
        return tlp, {
            "created": stamp,
            "modified": stamp,
            "description": _MARKUP.sub("?", f"{named(record_types)} records ({seen_by(sources, publisher)})"),
            "created_by_ref": author["id"],
            "object_marking_refs": markings(entity, tlp),
        }

    tlps: dict[str, str] = {}
    refs = {tlp: [marking["id"]] for tlp, marking in TLP_MARKINGS.items()}
    used: set[str] = set()
    observables: dict[str, StixObject] = {}
    relationships = []
    for relation in relations:
        tlp, properties = common(relation.record_types, relation.sources)
        used.add(tlp)
        other = objects.observable_id(relation.value_type, relation.value)
        tlps[other] = tlp = strictest(tlp, tlps[other]) if other in tlps else tlp
        observables[other] = objects.observable(relation.value_type, relation.value, other, author["id"], refs[tlp])
        ends = (other, entity.id) if relation.reverse else (entity.id, other)
        relationships.append(
            objects.relationship(relation.type, *ends, relation.first_seen, relation.last_seen, properties)
        )
    return [author, *(TLP_MARKINGS[tlp] for tlp in sorted(used)), *observables.values(), *relationships]


def strictest_tlp(sources: Iterable[Sources], publisher: Publisher) -> str:
    """The strictest marking of the records of these sources."""
    return strictest(*(publisher.tlps[key] for those in sources for key, _ in those))


def markings(entity: Entity, tlp: str) -> list[str]:
    """The ids of the entity's markings, plus `tlp` if it is stricter."""
    if entity.markings and is_within(tlp, entity.tlp or LAXEST):
        return list(entity.markings)
    return [*entity.markings, TLP_MARKINGS[tlp]["id"]]


def seen_by(sources: Sources, publisher: Publisher) -> str:
    """The sources of a relation with their sensors, such as `CIRCL; VirusTotal: SecneurX`."""
    return "; ".join(_source(publisher.names[key], sensors, len(publisher.names) == 1) for key, sensors in sources)


def _source(title: str, sensors: Sequence[str], is_only: bool) -> str:
    if not sensors:
        return title
    return named(sensors) if is_only else f"{title}: {named(sensors)}"
