"""Converts passive DNS records to relations and merges the records of each relation.

Pure: no HTTP, no clock, no pycti, and no source by name.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache, partial
from itertools import chain, product

from passivedns.model import FAMILIES, RECORD_TYPES, Enrichment, Entity, Record, Relation, Sources, Tally, recency
from passivedns.stix import special_use, values
from passivedns.stix.values import Unusable

OVER_LIMIT = "over the relationship limit"
"""The reason for leaving out the records of the relations that were seen least recently."""

_SECOND = timedelta(seconds=1)
_ADDRESS_OF = {"A": "IPv4-Addr", "AAAA": "IPv6-Addr"}

# OpenCTI accepts `resolves-to` here in every version since 6.3; it accepts `related-to` everywhere.
_RESOLVES = {("Domain-Name", "Domain-Name"), *product(("Domain-Name", "Hostname"), FAMILIES)}

_Edge = tuple[str, str, bool]
"""Type and value of the other observable, and whether the arrow starts there. Records with the same edge are merged."""
_Provenance = tuple[tuple[str, ...], Sources]
"""Sorted record types, and sorted sources with their sorted sensors."""


def convert(
    entity: Entity,
    records: Iterable[Record],
    record_types: Collection[str] = RECORD_TYPES,
    max_relationships: int = 0,
    local: Collection[str] = (),
) -> Enrichment:
    """Convert the records about the entity to relations.

    Keeps the most recently seen `max_relationships` relations (0: no limit). Unusable records are counted and do not
    affect others; so are special-use addresses and names, except from the sources `local` (by key).
    """
    edges: defaultdict[_Edge, list[Record]] = defaultdict(list)
    tallies: defaultdict[str, Tally] = defaultdict(lambda: Tally(Counter(), Counter()))
    is_entity = _matcher(entity)
    for record in records:
        try:
            if record.type not in record_types:
                raise Unusable(_why_not(record))
            edge = _edge(entity.type in FAMILIES, is_entity, record)
            if record.source not in local and special_use.meaning(*edge[:2]):
                raise Unusable("special-use address" if edge[0] in FAMILIES else "special-use name")
            edges[edge].append(record)
        except Unusable as reason:
            tallies[record.source].left_out[str(reason)] += 1
    # Few combinations occur in an answer, and equal ones share one object.
    relate = partial(_relation, entity.type, cache(_provenance))
    merged = [(relate(edge, found), found) for edge, found in edges.items()]
    if 0 < max_relationships < len(merged):
        merged.sort(key=lambda pair: recency(pair[0]))
        for record in chain.from_iterable(found for _, found in merged[max_relationships:]):
            tallies[record.source].left_out[OVER_LIMIT] += 1
        del merged[max_relationships:]
    kept = Counter([(record.source, record.type) for _, found in merged for record in found])
    for (source, record_type), number in kept.items():
        tallies[source].kept[record_type] = number
    return Enrichment([relation for relation, _ in merged], dict(tallies))


def _matcher(entity: Entity) -> Callable[[str], bool]:
    """A function that returns whether a name or an address is the entity in any spelling."""
    spellings = {entity.value, values.ascii_name(entity.value)}

    def is_entity(text: str) -> bool:
        if len(text) > values.MAX_TEXT:
            return False
        if text in spellings or text.lower().removesuffix(".") in spellings:
            return True
        # Only international names and IPv6 addresses have other spellings.
        if text.isascii() and not (entity.type == "IPv6-Addr" and ":" in text):
            return False
        try:
            return values.canonical(entity.type, text) in spellings
        except Unusable:
            return False

    return is_entity


def _edge(of_address: bool, is_entity: Callable[[str], bool], record: Record) -> _Edge:
    """The direction is from the owner of the record to its data; one of the two is the entity."""
    if is_entity(record.name):
        value_type, reverse = _type_of_data(record), False
        if of_address and value_type in FAMILIES:
            raise Unusable("address of an address")
        value = values.canonical(value_type, record.data)
    elif is_entity(record.data):
        if of_address and record.type not in _ADDRESS_OF:
            raise Unusable("address instead of a name")
        value_type, value, reverse = "Domain-Name", values.domain_name(record.name), True
    else:
        raise Unusable("not about the observable")
    if is_entity(value):
        raise Unusable("the observable itself")
    return value_type, value, reverse


def _type_of_data(record: Record) -> str:
    if record.type == "SOA" and "@" in record.data:
        return "Email-Addr"
    return _ADDRESS_OF.get(record.type, "Domain-Name")


def _why_not(record: Record) -> str:
    """The reason for leaving out a record by its type; an unmapped type is shortened and sanitized."""
    if record.type in RECORD_TYPES:
        return "record type not selected"
    if not record.type:
        return "incomplete record"
    return "".join(c for c in record.type[:32] if c.isprintable()) or "unknown type"


def _relation(
    entity_type: str, provenance: Callable[..., _Provenance], edge: _Edge, records: Sequence[Record]
) -> Relation:
    value_type, value, reverse = edge
    ends = (value_type, entity_type) if reverse else (entity_type, value_type)
    return Relation(
        "resolves-to" if ends in _RESOLVES else "related-to",
        value,
        value_type,
        reverse,
        *provenance(frozenset([(record.type, record.source, record.sensors) for record in records])),
        *_seen(records),
    )


def _provenance(observed: Collection[tuple[str, str, tuple[str, ...]]]) -> _Provenance:
    """From the type, source and sensors of each record."""
    sensors: defaultdict[str, set[str]] = defaultdict(set)
    for _, source, names in observed:
        sensors[source].update(names)
    record_types = tuple(sorted({record_type for record_type, _, _ in observed}))
    return record_types, tuple((source, tuple(sorted(sensors[source]))) for source in sorted(sensors))


def _seen(records: Sequence[Record]) -> tuple[datetime, datetime] | tuple[None, None]:
    """The earliest and the latest date of the records, or None twice if none has a date.

    They are at least a second apart, as STIX 2.1 section 5.1 requires.
    """
    moments = [moment for record in records for moment in (record.first_seen, record.last_seen) if moment]
    if not moments:
        return None, None
    start = min(moments)
    return start, max(max(moments), start + _SECOND)
