"""Converts passive DNS records to relations and merges the records of each relation.

Pure: no HTTP, no clock, no pycti, and no source by name.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, partial

from passivedns.model import Enrichment, Entity, Record, Relation, Sources
from passivedns.stix import values
from passivedns.stix.values import Unusable

RECORD_TYPES = ("A", "AAAA", "CNAME", "MX", "NS", "SOA")
"""Mapped record types."""

NOT_CHOSEN = "record type not chosen"
"""Reason for an unmapped record type."""
OVER_MAXIMUM = "over the maximum of relationships"
"""Reason for records of the oldest relations above the maximum."""

ADDRESS_TYPES = ("IPv4-Addr", "IPv6-Addr")
NAME_TYPES = ("Domain-Name", "Hostname")

_SECOND = timedelta(seconds=1)

_ADDRESS_OF = {"A": "IPv4-Addr", "AAAA": "IPv6-Addr"}

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


_Edge = tuple[str, str, bool]
"""What decides whether two records come to the same relation of the entity: type and value of the other side, and
whether the arrow comes from there.
"""


def canonical_value(entity_type: str, value: str) -> str:
    """The canonical value of an observable: lower case, no trailing dot, RFC 5952.

    Raises:
        Unusable: not a single address or name; `str(error)` is the reason.
    """
    return _NORMALISE[entity_type](value)


def convert(
    entity: Entity,
    records: Iterable[Record],
    *,
    record_types: Collection[str] = RECORD_TYPES,
    max_relationships: int = 0,
) -> Enrichment:
    """Convert the records about the entity to relations.

    Keeps the most recently seen `max_relationships` relations (0: no limit). Unusable records are counted and do not
    affect others.
    """
    edges: defaultdict[_Edge, list[Record]] = defaultdict(list)
    left_out: Counter[str] = Counter()
    is_entity = partial(_is, entity.type, _spellings(entity))
    for record in records:
        try:
            if record.type not in record_types:
                raise Unusable(_why_not(record))
            edges[_edge(entity.type in ADDRESS_TYPES, is_entity, record)].append(record)
        except Unusable as reason:
            left_out[str(reason)] += 1
    if 0 < max_relationships < len(edges):
        newest = heapq.nlargest(max_relationships, edges, key=lambda edge: (_last_seen(edges[edge]), edge))
        left_out[OVER_MAXIMUM] = sum(map(len, edges.values())) - sum(len(edges[edge]) for edge in newest)
        chosen = set(newest)
        edges = defaultdict(list, {edge: found for edge, found in edges.items() if edge in chosen})
    kept = Counter([record.type for found in edges.values() for record in found])
    # Lists of records go as relations come, and most relations share their sources: with too many objects at once, a
    # full garbage collection takes more time than the rest.
    relate = partial(_relation, entity.type, cache(_alone))
    return Enrichment([relate(edge, edges.pop(edge)) for edge in list(edges)], kept, left_out)


def _edge(of_address: bool, is_entity: Callable[[str], bool], record: Record) -> _Edge:
    """The direction is from the owner of the record to its data; one of the two is the entity."""
    if is_entity(record.name):
        value_type, reverse = _type_of_data(record), False
        if of_address and value_type in ADDRESS_TYPES:
            raise Unusable("address of an address")
        value = canonical_value(value_type, record.data)
    elif is_entity(record.data):
        if of_address and record.type not in _ADDRESS_OF:
            raise Unusable("address for a name")
        value_type, value, reverse = "Domain-Name", values.domain_name(record.name), True
    else:
        raise Unusable("not about the observable")
    if is_entity(value):
        raise Unusable("the observable itself")
    return value_type, value, reverse


def _spellings(entity: Entity) -> frozenset[str]:
    """The entity's value and its DNS form."""
    return frozenset({entity.value, values.ascii_name(entity.value)})


def _is(entity_type: str, spellings: Collection[str], text: str) -> bool:
    """Whether a name or an address is the entity in any spelling."""
    if text in spellings or text.lower().removesuffix(".") in spellings:
        return True
    if text.isascii() and not (entity_type == "IPv6-Addr" and ":" in text):
        return False
    try:
        return values.ascii_name(canonical_value(entity_type, text)) in spellings
    except Unusable:
        return False


def _type_of_data(record: Record) -> str:
    if record.type == "SOA" and "@" in record.data:
        return "Email-Addr"
    return _ADDRESS_OF.get(record.type, "Domain-Name")


def _why_not(record: Record) -> str:
    """The reason for an unmapped type, shortened and sanitized."""
    if record.type in RECORD_TYPES:
        return NOT_CHOSEN
    if not record.type:
        return "incomplete record"
    return "".join(c for c in record.type[:32] if c.isprintable()) or "unknown type"


def _last_seen(records: Sequence[Record]) -> datetime:
    return max(record.last_seen or record.first_seen or datetime.min.replace(tzinfo=UTC) for record in records)


def _relation(entity_type: str, alone: Callable[..., Sources], edge: _Edge, records: Sequence[Record]) -> Relation:
    value_type, value, reverse = edge
    ends = (value_type, entity_type) if reverse else (entity_type, value_type)
    return Relation(
        "resolves-to" if ends in _RESOLVES else "related-to",
        value,
        value_type,
        reverse,
        _in_order(frozenset([record.type for record in records])),
        alone(records[0].source, records[0].sensors) if len(records) == 1 else _sources(records),
        *_seen(records),
    )


@cache
def _in_order(record_types: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(record_types))


def _alone(source: str, sensors: Sequence[str]) -> Sources:
    return ((source, tuple(sorted({*sensors}))),)


def _sources(records: Sequence[Record]) -> Sources:
    sensors: defaultdict[str, set[str]] = defaultdict(set)
    for record in records:
        sensors[record.source].update(record.sensors)
    return tuple((source, tuple(sorted(sensors[source]))) for source in sorted(sensors))


def _seen(records: Sequence[Record]) -> tuple[datetime, datetime] | tuple[None, None]:
    """The earliest and the latest date of the records, or None twice if none has a date.

    They are at least a second apart, as STIX 2.1 section 5.1 requires.
    """
    moments = [moment for record in records for moment in (record.first_seen, record.last_seen) if moment]
    if not moments:
        return None, None
    start = min(moments)
    return start, max(max(moments), start + _SECOND)
