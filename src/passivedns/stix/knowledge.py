"""Builds the STIX objects for the relations of an entity: author, markings, observables and relationships."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from typing import NamedTuple

from passivedns.model import Entity, Relation, Sources
from passivedns.stix import objects
from passivedns.stix.markings import LAXEST, TLP_MARKINGS, strictest
from passivedns.stix.objects import StixObject
from passivedns.wording import named


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
    # Most relations share these with many others. Each list that is not made spares the garbage collector one object.
    refs = {tlp: [marking["id"]] for tlp, marking in TLP_MARKINGS.items()}
    shared = cache(partial(_shared, entity, publisher))
    tlps: dict[str, str] = {}
    used: set[str] = set()
    observables: dict[str, StixObject] = {}
    relationships = []
    for relation in relations:
        common = shared(relation.record_types, relation.sources)
        used.add(common.tlp)
        other = objects.observable_id(relation.value_type, relation.value)
        tlps[other] = tlp = strictest(tlps[other], common.tlp) if other in tlps else common.tlp
        observables[other] = objects.observable(relation.value_type, relation.value, other, author["id"], refs[tlp])
        relationships.append(_relationship(entity.id, relation, other, common, stamp, author["id"]))
    return [author, *(TLP_MARKINGS[tlp] for tlp in sorted(used)), *observables.values(), *relationships]


class _Shared(NamedTuple):
    """Properties derived from the types and sources of a relation."""

    tlp: str
    """The strictest marking of its sources."""
    description: str
    markings: list[str]


def _shared(entity: Entity, publisher: Publisher, record_types: Sequence[str], sources: Sources) -> _Shared:
    tlp = _tlp(sources, publisher)
    return _Shared(tlp, description(record_types, sources, publisher), _with(entity, tlp))


def _tlp(sources: Sources, publisher: Publisher) -> str:
    # The setting also takes the older name.
    return strictest(*(publisher.tlps[key] for key, _ in sources)).replace("WHITE", "CLEAR")


def markings(entity: Entity, relations: Iterable[Relation], publisher: Publisher) -> list[str]:
    """The ids of the entity's markings, and that of the sources if stricter."""
    return _with(entity, strictest(*(_tlp(relation.sources, publisher) for relation in relations)))


def _with(entity: Entity, demanded: str) -> list[str]:
    if entity.markings and strictest(entity.tlp or LAXEST, demanded) == (entity.tlp or LAXEST):
        return list(entity.markings)
    return [*entity.markings, TLP_MARKINGS[demanded]["id"]]


def _relationship(
    entity: str, relation: Relation, other: str, common: _Shared, created: str, author: str
) -> StixObject:
    source, target = (other, entity) if relation.reverse else (entity, other)
    return objects.relationship(
        relation.type,
        source,
        target,
        description=common.description,
        start=relation.first_seen,
        stop=relation.last_seen,
        created=created,
        author=author,
        markings=common.markings,
    )


def description(record_types: Sequence[str], sources: Sources, publisher: Publisher) -> str:
    """Such as `NS, SOA records (CIRCL; VirusTotal: SecneurX)`."""
    return f"{named(record_types)} records ({seen_by(sources, publisher)})"


def seen_by(sources: Sources, publisher: Publisher) -> str:
    """The sources of a relation with their sensors, such as `CIRCL; VirusTotal: SecneurX`."""
    return "; ".join(_source(key, sensors, publisher.names) for key, sensors in sources)


def _source(key: str, sensors: Sequence[str], names: Mapping[str, str]) -> str:
    """A source and its sensors; the title of a single source is omitted if it has sensors."""
    if sensors and len(names) == 1:
        return named(sensors)
    return f"{names[key]}: {named(sensors)}" if sensors else names[key]
