"""From passive DNS records to STIX: the mapping table, and the merge of what comes to the same relationship.

Pure: no HTTP, no clock, no pycti.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import NamedTuple

from riskiq import stix, values
from riskiq.records import DnsRecord
from riskiq.values import Unusable
from riskiq.wording import named

AUTHOR = "RiskIQ PassiveTotal"
NOT_CHOSEN = "record type not chosen"
"""The reason for a record that was left out because of its type alone."""
OVER_MAXIMUM = "over the maximum of relationships"
"""The reason for the records of the relationships that were seen longer ago than as many as there may be."""

_LONG_AGO = datetime.min.replace(tzinfo=UTC)

ADDRESS_TYPES = ("IPv4-Addr", "IPv6-Addr")
NAME_TYPES = ("Domain-Name", "Hostname")


class Entity(NamedTuple):
    """The observable that is enriched."""

    id: str
    type: str
    """OpenCTI's name, such as `Domain-Name`."""
    value: str
    """In canonical form: `canonical_value`."""
    markings: Sequence[str]
    """The ids of its markings; the relationships carry the same."""


class Relation(NamedTuple):
    """How the entity and one other observable are related, by all the records that say so."""

    type: str
    """`resolves-to` or `related-to`."""
    value: str
    """The other side, in canonical form."""
    value_type: str
    """Its type, such as `Domain-Name`."""
    reverse: bool
    """Whether the arrow comes from the other side."""
    record_types: tuple[str, ...]
    """In alphabetical order, each once."""
    sources: tuple[str, ...]
    """The sensors that saw it, in alphabetical order, each once; an answer may name any number."""
    first_seen: datetime | None
    """UTC; None where unknown."""
    last_seen: datetime | None
    """UTC, later than `first_seen` by a second at least; None where unknown."""


class Enrichment(NamedTuple):
    """What the records came to."""

    relations: list[Relation]
    objects: list[stix.StixObject]
    """Author, markings, observables and relationships, each once; empty where no record was usable."""
    observables: int
    """How many of the objects are new observables."""
    kept: Counter[str]
    """Records used, by type."""
    left_out: Counter[str]
    """Records not used, by reason."""


class _Rule(NamedTuple):
    """The type of the other side, and whether the arrow comes from there."""

    target_type: str
    reverse: bool = False


class _Edge(NamedTuple):
    """What decides whether two records come to the same relationship of the entity."""

    target_type: str
    value: str
    reverse: bool


_NAME = _Rule("Domain-Name")
_MAPPING = {
    ("A", "ip"): _Rule("IPv4-Addr"),
    ("AAAA", "ip"): _Rule("IPv6-Addr"),
    ("A", "domain"): _Rule("Domain-Name", reverse=True),
    ("AAAA", "domain"): _Rule("Domain-Name", reverse=True),
    ("SOA", "email"): _Rule("Email-Addr"),
    ("SOA", "domain"): _NAME,
    ("MX", "domain"): _NAME,
    ("CNAME", "domain"): _NAME,
    ("NS", "domain"): _NAME,
}
RECORD_TYPES = frozenset(record_type for record_type, _ in _MAPPING)
"""The types of record that the mapping knows."""

# Where OpenCTI takes `resolves-to` in every version since 6.3; `related-to` is taken everywhere.
_RESOLVES = {
    ("Domain-Name", "Domain-Name"),
    ("Domain-Name", "IPv4-Addr"),
    ("Domain-Name", "IPv6-Addr"),
    ("Hostname", "IPv4-Addr"),
    ("Hostname", "IPv6-Addr"),
}

_NORMALISE: dict[str, Callable[[str], str]] = {
    "Domain-Name": values.domain_name,
    "Email-Addr": values.mailbox,
    "Hostname": values.domain_name,
    "IPv4-Addr": partial(values.address, address_type="IPv4-Addr"),
    "IPv6-Addr": partial(values.address, address_type="IPv6-Addr"),
}


def canonical_value(entity_type: str, value: str) -> str:
    """The one spelling of an observable's value: lower case, no root dot, RFC 5952.

    Raises:
        Unusable: it is no single address or name, and `str(error)` says what it is.
    """
    return _NORMALISE[entity_type](value)


def convert(
    entity: Entity,
    records: Iterable[DnsRecord],
    created: datetime,
    *,
    record_types: Collection[str] = RECORD_TYPES,
    max_relationships: int = 0,
) -> Enrichment:
    """The observables and relationships that the records tell of the entity; `created` (UTC) stamps the objects.

    Of more than `max_relationships` relationships (0: no limit) those that were seen last are made. A record that
    cannot be used is counted and costs its neighbours nothing.
    """
    rules = {key: rule for key, rule in _MAPPING.items() if key[0] in record_types}
    edges: dict[_Edge, list[DnsRecord]] = {}
    left_out: Counter[str] = Counter()
    for record in records:
        try:
            edges.setdefault(_edge(entity, record, rules), []).append(record)
        except Unusable as reason:
            left_out[str(reason)] += 1
    if 0 < max_relationships < len(edges):
        newest = set(heapq.nlargest(max_relationships, edges, key=lambda edge: (_last_seen(edges[edge]), edge)))
        left_out[OVER_MAXIMUM] = sum(len(edges[edge]) for edge in edges if edge not in newest)
        edges = {edge: found for edge, found in edges.items() if edge in newest}
    return _emit(entity, edges, stix.timestamp(created, "milliseconds"), left_out)


def _edge(entity: Entity, record: DnsRecord, rules: Mapping[tuple[str, str], _Rule]) -> _Edge:
    rule = rules.get((record.record_type, record.kind))
    if rule is None:
        raise Unusable(_without_rule(record))
    if entity.type in ADDRESS_TYPES and rule.target_type in ADDRESS_TYPES:
        raise Unusable("address of an address")
    value = canonical_value(rule.target_type, record.answer)
    if value == entity.value:
        raise Unusable("the observable itself")
    return _Edge(rule.target_type, value, rule.reverse)


def _last_seen(records: list[DnsRecord]) -> datetime:
    return max(record.last_seen or record.first_seen or _LONG_AGO for record in records)


def _without_rule(record: DnsRecord) -> str:
    """The reason for a record of another type or kind; its text may be anything, so it is cut and cleaned."""
    if (record.record_type, record.kind) in _MAPPING:
        return NOT_CHOSEN
    if not record.record_type or not record.kind:
        return "incomplete record"
    known = record.record_type in RECORD_TYPES
    text = f"{record.record_type} to {record.kind}" if known else record.record_type
    return "".join(c for c in text[:32] if c.isprintable()) or "unknown type"


def _emit(
    entity: Entity,
    edges: dict[_Edge, list[DnsRecord]],
    created: str,
    left_out: Counter[str],
) -> Enrichment:
    kept = Counter([record.record_type for records in edges.values() for record in records])
    # Popped, so that lists of records go as relations come: too many objects at once start a full garbage collection.
    relations = [_relation(entity, edge, edges.pop(edge)) for edge in list(edges)]
    if not relations:
        return Enrichment([], [], 0, kept, left_out)
    author = stix.organization(AUTHOR, created)
    others = [stix.observable(relation.value_type, relation.value, author["id"]) for relation in relations]
    relationships = [
        _relationship(entity, relation, other["id"], created, author["id"])
        for relation, other in zip(relations, others, strict=True)
    ]
    observables = {other["id"]: other for other in others}
    objects = [author, stix.marking(stix.TLP_CLEAR, "TLP", "TLP:CLEAR"), *observables.values(), *relationships]
    return Enrichment(relations, objects, len(observables), kept, left_out)


def _relation(entity: Entity, edge: _Edge, records: list[DnsRecord]) -> Relation:
    ends = (edge.target_type, entity.type) if edge.reverse else (entity.type, edge.target_type)
    return Relation(
        "resolves-to" if ends in _RESOLVES else "related-to",
        edge.value,
        edge.target_type,
        edge.reverse,
        _in_order(frozenset([record.record_type for record in records])),
        tuple(sorted(set().union(*[record.sources for record in records]))),
        *_seen(records),
    )


@cache
def _in_order(record_types: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(record_types))


def _relationship(entity: Entity, relation: Relation, other: str, created: str, author: str) -> stix.StixObject:
    source, target = (other, entity.id) if relation.reverse else (entity.id, other)
    return stix.relationship(
        relation.type,
        source,
        target,
        description=_description(relation),
        start=relation.first_seen,
        stop=relation.last_seen,
        created=created,
        author=author,
        markings=entity.markings or [stix.TLP_CLEAR],
    )


def _seen(records: list[DnsRecord]) -> tuple[datetime, datetime] | tuple[None, None]:
    """The first and the last moment at which any of the records was seen, or twice None where none has a date.

    They are a second apart at least, as STIX 2.1 section 5.1 demands.
    """
    moments = [moment for record in records for moment in (record.first_seen, record.last_seen) if moment]
    if not moments:
        return None, None
    start = min(moments)
    return start, max(*moments, start + timedelta(seconds=1))


def _description(relation: Relation) -> str:
    records = f"{named(relation.record_types)} records"
    return f"{records} ({named(relation.sources)})" if relation.sources else records
