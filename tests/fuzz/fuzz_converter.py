"""Fuzzes the converter: OpenCTI must accept every object, and every record must be used or counted."""

import json
from datetime import UTC, datetime

from passivedns.converter import convert
from passivedns.model import Enrichment, Entity, Record
from passivedns.sources.riskiq import read_saved
from passivedns.stix import objects
from passivedns.stix.builder import Publisher, additions
from passivedns.stix.objects import StixObject
from passivedns.stix.values import Unusable, canonical
from sandbox import import_rules
from tests.fuzz.rows import entry, joined, rows_of

OBSERVABLES = ("Domain-Name", "Email-Addr", "Hostname", "IPv4-Addr", "IPv6-Addr")

LONGEST_REASON = 64
"""Maximum characters of the text of a work, which lists reasons."""
LONGEST_DESCRIPTION = 2000
"""Maximum characters of a description, which lists types and sources."""

NOW = datetime(2026, 11, 24, 12, 30, 15, 123456, tzinfo=UTC)
PUBLISHER = Publisher(
    {"riskiq": "RiskIQ PassiveTotal", "circl": "CIRCL"},
    {"riskiq": "TLP:CLEAR", "circl": "TLP:AMBER"},
)
ENTITIES = {
    "Domain-Name": "example.org",
    "Hostname": "host.example.org",
    "IPv4-Addr": "192.0.2.10",
    "IPv6-Addr": "2001:db8::10",
}

RECORDS = [
    ("A", "ip", "192.0.2.1", "2026-11-01 10:00:00", "2026-11-20 10:00:00", "riskiq"),
    ("A", "ip", "192.0.2.1", "2026-11-21 10:00:00", "None", '["pingly", "riskiq"]'),
    ("A", "domain", "bücher.example"),
    ("AAAA", "ip", "2001:DB8::1", "2026-11-01", "2026-11-01", "pingly"),
    ("AAAA", "domain", "*.example.com"),
    ("SOA", "email", r"host\.master.example.com.", "1970-01-01 00:00:00", "2026-11-01"),
    ("SOA", "domain", "NS1.Example.com."),
    ("NS", "domain", "ns1.example.com", "2026-11-20", "2026-11-01"),
    ("MX", "domain", "http://a.example/x"),
    ("CNAME", "domain", "example.org."),
    ("TXT (SPF1)", "domain", "184.168.131.0/24"),
    ("NS", "domain", "example.org", "2026-11-01", "2026-11-20", "riskiq", "other.example", "circl"),
    ("A", "ip", "192.0.2.10", "2026-11-01", "2026-11-20", "pingly", "name.example"),
    ("A", "ip", "192.0.2.1", "2026-11-02 10:00:00", "2026-11-21 10:00:00", "", "", "circl"),
]
SEEDS = [joined(entity, *RECORDS[i::3]) for entity in ENTITIES.items() for i in range(3)]
"""Rows: the first is the entity; the eighth field of others is their source, by default PassiveTotal."""


def check(data: bytes) -> None:
    """Test one input. Raises AssertionError, or any error that the converter should not raise."""
    first, *rows = rows_of(data)
    entity = entity_of(first[0], first[-1])
    records = [
        record._replace(source="circl") if row[7:8] == ["circl"] else record
        for row in rows
        for record in read_saved(json.dumps({"results": [entry(row)]}).encode(), entity.value).records
    ]
    check_enrichment(entity, records, convert(entity, records))


def entity_of(entity_type: str, value: str) -> Entity:
    """Return the entity of that type and value if it is valid, or else one of those above."""
    if entity_type not in ENTITIES:
        entity_type = "Domain-Name"
    try:
        value = canonical(entity_type, value)
    except Unusable:
        value = ENTITIES[entity_type]
    return Entity(objects.observable_id(entity_type, value), entity_type, value)


def check_enrichment(entity: Entity, records: list[Record], enrichment: Enrichment) -> list[StixObject]:
    """Return the objects to send. Raises AssertionError if an invariant is broken."""
    assert enrichment.kept.total() + enrichment.left_out.total() == len(records)
    assert all(reason.isprintable() and len(reason) <= LONGEST_REASON for reason in enrichment.left_out)
    added = additions(entity, enrichment.relations, PUBLISHER, NOW)
    known = {item["id"]: item for item in added}
    assert len(known) == len(added), "an object twice"
    assert entity.id not in known, "the entity as its own other side"
    known[entity.id] = {"type": entity.type.lower(), "id": entity.id, "value": entity.value}
    for item in added:
        refusal = import_rules.refusal(item, known.get)
        assert refusal is None, refusal
        json.dumps(item, ensure_ascii=False, allow_nan=False).encode()
        check_object(item)
    return added


def check_object(item: StixObject) -> None:
    """Check invariants of every object beyond OpenCTI's rules."""
    if "value" in item:
        entity_type = next(name for name in OBSERVABLES if name.lower() == item["type"])
        assert canonical(entity_type, item["value"]) == item["value"], item
        assert item["value"].isprintable(), item
    if "start_time" in item and "stop_time" in item:
        assert item["start_time"] < item["stop_time"], item
    description = item.get("description", "")
    assert description.isprintable(), item
    assert len(description) <= LONGEST_DESCRIPTION, item
