"""What goes to OpenCTI for the relations of an entity: author, markings, observables and relationships."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from passivedns.model import Entity, Relation
from passivedns.stix import objects
from passivedns.stix.markings import LAXEST, TLP_MARKINGS, strictest
from passivedns.stix.objects import StixObject
from passivedns.wording import named


class Publisher(NamedTuple):
    """In whose name knowledge is sent, and what is said of the sources it comes from."""

    organization: str
    """The author of what is created."""
    names: Mapping[str, str]
    """What each source is called, by its key; a source that is the only one is not named beside its sensors."""
    tlps: Mapping[str, str]
    """The marking that the records of each source demand, such as `TLP:CLEAR`, by its key."""

    @property
    def author(self) -> str:
        """The id of the organization."""
        return str(objects.organization(self.organization, created="")["id"])


def additions(
    entity: Entity, relations: Sequence[Relation], publisher: Publisher, created: datetime
) -> list[StixObject]:
    """Each object once, what is referred to before what refers to it; none where there are no relations.

    `created` (UTC) stamps the objects. The markings of the entity are referred to, but not among them.
    """
    if not relations:
        return []
    stamp = objects.timestamp(created, "milliseconds")
    author = objects.organization(publisher.organization, stamp)
    tlps = _tlps(relations, publisher)
    ids = {other: objects.observable_id(*other) for other in tlps}
    observables = [
        objects.observable(*other, ids[other], author["id"], TLP_MARKINGS[tlp]["id"]) for other, tlp in tlps.items()
    ]
    relationships = [
        _relationship(entity, relation, ids[relation.value_type, relation.value], publisher, stamp, author["id"])
        for relation in relations
    ]
    markings = [TLP_MARKINGS[tlp] for tlp in dict.fromkeys(tlps.values())]
    return [author, *markings, *observables, *relationships]


def _tlps(relations: Iterable[Relation], publisher: Publisher) -> dict[tuple[str, str], str]:
    """The marking of each observable, by type and value: the strictest that any of its sources demands."""
    tlps: dict[tuple[str, str], str] = {}
    for relation in relations:
        other = relation.value_type, relation.value
        tlp = _tlp(relation, publisher)
        tlps[other] = strictest(tlps.get(other, tlp), tlp)
    return tlps


def _tlp(relation: Relation, publisher: Publisher) -> str:
    return strictest(*(publisher.tlps[key] for key, _ in relation.sources))


def markings(entity: Entity, relations: Iterable[Relation], publisher: Publisher) -> Sequence[str]:
    """The ids of the entity's markings, and of the one that the sources demand where it is stricter."""
    demanded = strictest(*(_tlp(relation, publisher) for relation in relations))
    if entity.markings and strictest(entity.tlp or LAXEST, demanded) == (entity.tlp or LAXEST):
        return entity.markings
    return [*entity.markings, TLP_MARKINGS[demanded]["id"]]


def _relationship(
    entity: Entity, relation: Relation, other: str, publisher: Publisher, created: str, author: str
) -> StixObject:
    source, target = (other, entity.id) if relation.reverse else (entity.id, other)
    return objects.relationship(
        relation.type,
        source,
        target,
        description=description(relation, publisher),
        start=relation.first_seen,
        stop=relation.last_seen,
        created=created,
        author=author,
        markings=markings(entity, [relation], publisher),
    )


def description(relation: Relation, publisher: Publisher) -> str:
    """Such as `NS, SOA records (CIRCL; VirusTotal: SecneurX)`."""
    return f"{named(relation.record_types)} records ({seen_by(relation, publisher)})"


def seen_by(relation: Relation, publisher: Publisher) -> str:
    """The sources of a relation with their sensors, such as `CIRCL; VirusTotal: SecneurX`."""
    return "; ".join(_source(key, sensors, publisher.names) for key, sensors in relation.sources)


def _source(key: str, sensors: Sequence[str], names: Mapping[str, str]) -> str:
    """A source and its sensors; the only source that there is goes without saying where it names sensors."""
    if sensors and len(names) == 1:
        return named(sensors)
    return f"{names[key]}: {named(sensors)}" if sensors else names[key]
