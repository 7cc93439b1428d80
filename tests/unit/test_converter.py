"""The mapping table, and the merge of what comes to the same relationship."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from passivedns.records import DnsRecord, parse_records
from passivedns.values import Unusable

from passivedns import stix
from passivedns.converter import (
    AUTHOR,
    NOT_CHOSEN,
    OVER_MAXIMUM,
    RECORD_TYPES,
    Enrichment,
    Entity,
    canonical_value,
    convert,
)
from sandbox import platform_rules
from sandbox.sources.riskiq_data import DIRTY, own_records

NOW = datetime(2026, 11, 24, 12, 30, 15, 123456, tzinfo=UTC)
FIRST = datetime(2026, 11, 1, 10, tzinfo=UTC)
LAST = datetime(2026, 11, 20, 10, tzinfo=UTC)
RED = "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed"

VALUES = {
    "Domain-Name": "example.org",
    "Hostname": "host.example.org",
    "IPv4-Addr": "192.0.2.10",
    "IPv6-Addr": "2001:db8::10",
}


def entity(entity_type: str = "Domain-Name", markings: tuple[str, ...] = ()) -> Entity:
    value = VALUES[entity_type]
    return Entity(stix.observable_id(entity_type, value), entity_type, value, markings)


def record(record_type: str, kind: str, answer: str, **changes: Any) -> DnsRecord:
    return DnsRecord(record_type, kind, answer, FIRST, LAST, ("riskiq",))._replace(**changes)


def a(answer: str = "192.0.2.1", **changes: Any) -> DnsRecord:
    return record("A", "ip", answer, **changes)


def ns(answer: str = "ns.example.com", **changes: Any) -> DnsRecord:
    return record("NS", "domain", answer, **changes)


def enrich(*records: DnsRecord, of: Entity | None = None, **limits: Any) -> Enrichment:
    return convert(of or entity(), records, NOW, **limits)


def edges(enrichment: Enrichment) -> list[tuple[str, str, str]]:
    """The relationships as (source, type, target), in words."""
    names = {item["id"]: f"{item['type']} {item['value']}" for item in enrichment.objects if "value" in item}
    names |= {entity(entity_type).id: "entity" for entity_type in VALUES}
    return [
        (names[item["source_ref"]], item["relationship_type"], names[item["target_ref"]])
        for item in relationships(enrichment)
    ]


def relationships(enrichment: Enrichment) -> list[stix.StixObject]:
    return [item for item in enrichment.objects if item["type"] == "relationship"]


@pytest.mark.parametrize(
    ("entity_type", "found", "expected"),
    [
        ("Domain-Name", a(), ("entity", "resolves-to", "ipv4-addr 192.0.2.1")),
        ("Domain-Name", record("AAAA", "ip", "2001:db8::1"), ("entity", "resolves-to", "ipv6-addr 2001:db8::1")),
        ("Domain-Name", record("A", "domain", "a.example"), ("domain-name a.example", "resolves-to", "entity")),
        ("Domain-Name", record("AAAA", "domain", "a.example"), ("domain-name a.example", "resolves-to", "entity")),
        ("Domain-Name", record("SOA", "email", "a@a.example"), ("entity", "related-to", "email-addr a@a.example")),
        ("Domain-Name", record("SOA", "domain", "a.example"), ("entity", "resolves-to", "domain-name a.example")),
        ("Domain-Name", record("MX", "domain", "a.example"), ("entity", "resolves-to", "domain-name a.example")),
        ("Domain-Name", record("CNAME", "domain", "a.example"), ("entity", "resolves-to", "domain-name a.example")),
        ("Domain-Name", record("NS", "domain", "a.example"), ("entity", "resolves-to", "domain-name a.example")),
        ("IPv4-Addr", record("A", "domain", "a.example"), ("domain-name a.example", "resolves-to", "entity")),
        ("IPv4-Addr", record("SOA", "email", "a@a.example"), ("entity", "related-to", "email-addr a@a.example")),
        ("IPv4-Addr", record("SOA", "domain", "a.example"), ("entity", "related-to", "domain-name a.example")),
        ("IPv4-Addr", record("MX", "domain", "a.example"), ("entity", "related-to", "domain-name a.example")),
        ("IPv4-Addr", record("CNAME", "domain", "a.example"), ("entity", "related-to", "domain-name a.example")),
        ("IPv4-Addr", record("NS", "domain", "a.example"), ("entity", "related-to", "domain-name a.example")),
        ("IPv6-Addr", record("AAAA", "domain", "a.example"), ("domain-name a.example", "resolves-to", "entity")),
        ("Hostname", a(), ("entity", "resolves-to", "ipv4-addr 192.0.2.1")),
        ("Hostname", record("AAAA", "ip", "2001:db8::1"), ("entity", "resolves-to", "ipv6-addr 2001:db8::1")),
        ("Hostname", record("CNAME", "domain", "a.example"), ("entity", "related-to", "domain-name a.example")),
        ("Hostname", record("AAAA", "domain", "a.example"), ("domain-name a.example", "related-to", "entity")),
    ],
)
def test_each_row_of_the_mapping_makes_one_relationship(
    entity_type: str, found: DnsRecord, expected: tuple[str, str, str]
) -> None:
    enrichment = enrich(found, of=entity(entity_type))
    assert edges(enrichment) == [expected]
    assert (enrichment.observables, len(enrichment.relations)) == (1, 1)
    assert enrichment.kept == Counter({found.record_type: 1})


@pytest.mark.parametrize("entity_type", ["IPv4-Addr", "IPv6-Addr"])
@pytest.mark.parametrize("found", [a(), record("AAAA", "ip", "2001:db8::1")])
def test_an_address_does_not_resolve_to_an_address(entity_type: str, found: DnsRecord) -> None:
    assert enrich(found, of=entity(entity_type)).left_out == Counter({"address of an address": 1})


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (record("TXT (SPF1)", "domain", "_spf.example.com"), "TXT (SPF1)"),
        (record("PTR", "domain", "a.example"), "PTR"),
        (record("A", "email", "a@a.example"), "A to email"),
        (record("NS", "host", "a.example"), "NS to host"),
        (record("", "domain", "a.example"), "incomplete record"),
        (record("A", "", "192.0.2.1"), "incomplete record"),
        (a(""), "empty value"),
        (a("2001:db8::1"), "address of the other family"),
        (a("999.0.0.1"), "no address"),
        (ns("192.0.2.1"), "address for a name"),
        (ns("."), "empty value"),
        (ns("*.example.com"), "wildcard"),
        (ns("https://example.com/"), "URL"),
        (ns("184.168.131.0/24"), "CIDR"),
        (ns("localhost"), "single label"),
        (ns("two words.example"), "blank inside"),
        (record("SOA", "domain", "a@a.example"), "mailbox for a name"),
        (record("SOA", "email", "nobody"), "no mailbox"),
        (ns("EXAMPLE.org."), "the observable itself"),
        (record("X" * 100, "domain", "a.example"), "X" * 32),
        (record("FORGED\nlevel=ERROR", "domain", "a.example"), "FORGEDlevel=ERROR"),
        (record("\n", "domain", "a.example"), "unknown type"),
    ],
)
def test_what_cannot_be_used_is_left_out_and_counted_and_costs_its_neighbours_nothing(
    found: DnsRecord, reason: str
) -> None:
    enrichment = enrich(found, a(), found)
    assert enrichment.left_out == Counter({reason: 2})
    assert edges(enrichment) == [("entity", "resolves-to", "ipv4-addr 192.0.2.1")]


def test_where_nothing_can_be_used_nothing_is_made() -> None:
    enrichment = enrich(ns("."), record("TXT", "domain", "a.example"))
    assert enrichment == Enrichment([], [], 0, Counter(), Counter({"empty value": 1, "TXT": 1}))


def test_records_of_one_target_merge_to_the_widest_span_and_name_their_types_and_sources() -> None:
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)
    soa = record("SOA", "domain", "NS.example.com.", first_seen=early, last_seen=FIRST, sources=("pingly", "riskiq"))
    enrichment = enrich(ns(last_seen=late), soa)
    (relation,) = relationships(enrichment)
    assert (relation["start_time"], relation["stop_time"]) == ("2026-01-01T00:00:00Z", "2026-11-23T00:00:00Z")
    assert relation["description"] == "NS, SOA records (pingly, riskiq)"
    assert enrichment.kept == Counter({"NS": 1, "SOA": 1})


def test_the_order_of_the_records_changes_neither_ids_nor_texts() -> None:
    records = [
        ns(),
        record("SOA", "domain", "ns.example.com", sources=("pingly",)),
        a(),
        record("MX", "domain", "m.example"),
    ]
    forth, back = enrich(*records), enrich(*reversed(records))
    assert sorted(forth.objects, key=lambda item: item["id"]) == sorted(back.objects, key=lambda item: item["id"])


def test_both_directions_to_one_name_are_two_relationships_and_one_observable() -> None:
    enrichment = enrich(ns("a.example"), record("A", "domain", "a.example"))
    assert (enrichment.observables, len(enrichment.relations)) == (1, 2)


def test_a_stop_that_equals_the_start_is_a_second_later() -> None:
    (relation,) = relationships(enrich(a(first_seen=FIRST, last_seen=FIRST)))
    assert (relation["start_time"], relation["stop_time"]) == ("2026-11-01T10:00:00Z", "2026-11-01T10:00:01Z")


@pytest.mark.parametrize(
    ("found", "times"),
    [
        (a(first_seen=None), ("2026-11-20T10:00:00Z", "2026-11-20T10:00:01Z")),
        (a(last_seen=None), ("2026-11-01T10:00:00Z", "2026-11-01T10:00:01Z")),
    ],
)
def test_a_record_with_one_date_was_seen_then(found: DnsRecord, times: tuple[str, str]) -> None:
    (relation,) = relationships(enrich(found))
    assert (relation["start_time"], relation["stop_time"]) == times


def test_a_record_without_dates_is_kept_without_them() -> None:
    (relation,) = relationships(enrich(a(first_seen=None, last_seen=None)))
    assert not {"start_time", "stop_time"} & relation.keys()


def test_a_record_with_one_date_widens_the_span_of_the_others_only_by_that_date() -> None:
    (relation,) = relationships(enrich(a(first_seen=None), a(first_seen=FIRST, last_seen=FIRST)))
    assert (relation["start_time"], relation["stop_time"]) == ("2026-11-01T10:00:00Z", "2026-11-20T10:00:00Z")


def test_two_half_dated_records_span_what_lies_between() -> None:
    (relation,) = relationships(enrich(a(first_seen=LAST, last_seen=None), a(first_seen=None, last_seen=FIRST)))
    assert (relation["start_time"], relation["stop_time"]) == ("2026-11-01T10:00:00Z", "2026-11-20T10:00:00Z")


def test_a_record_without_sources_is_described_without_them() -> None:
    (relation,) = relationships(enrich(a(sources=())))
    assert relation["description"] == "A records"


def test_observables_are_tlp_clear_and_relationships_carry_the_markings_of_the_entity() -> None:
    enrichment = enrich(a(), of=entity(markings=(RED,)))
    (observable,) = [item for item in enrichment.objects if item["type"] == "ipv4-addr"]
    (relation,) = relationships(enrichment)
    assert observable["object_marking_refs"] == [stix.TLP_CLEAR]
    assert relation["object_marking_refs"] == [RED]


def test_relationships_of_an_unmarked_entity_are_tlp_clear() -> None:
    (relation,) = relationships(enrich(a()))
    assert relation["object_marking_refs"] == [stix.TLP_CLEAR]


def test_the_author_stands_on_every_object() -> None:
    objects = enrich(a(), ns()).objects
    (author,) = [item for item in objects if item["type"] == "identity"]
    assert author["name"] == AUTHOR
    authors = {item.get("created_by_ref", item.get("x_opencti_created_by_ref")) for item in objects if item != author}
    assert authors == {author["id"], None}
    assert [item["type"] for item in objects if not any("created_by_ref" in key for key in item)] == [
        "identity",
        "marking-definition",
    ]


def test_the_spelling_of_a_value_does_not_change_its_id() -> None:
    spellings = [ns("NS.Example.com."), ns("ns.example.com")]
    first, second = (enrich(spelling).objects for spelling in spellings)
    assert first == second


def test_a_relationships_id_does_not_depend_on_its_times() -> None:
    earlier, later = enrich(a()), enrich(a(first_seen=LAST, last_seen=LAST))
    assert relationships(earlier)[0]["id"] == relationships(later)[0]["id"]


def test_record_types_that_are_not_chosen_are_left_out_and_counted() -> None:
    enrichment = enrich(a(), ns(), ns("b.example"), record("TXT", "domain", "a.example"), record_types=("A", "MX"))
    assert enrichment.kept == Counter({"A": 1})
    assert enrichment.left_out == Counter({NOT_CHOSEN: 2, "TXT": 1})


def test_a_record_of_a_chosen_type_that_cannot_be_used_keeps_its_own_reason() -> None:
    assert enrich(ns("."), record_types=("NS",)).left_out == Counter({"empty value": 1})


def aged(answer: str, days: int, **changes: Any) -> DnsRecord:
    """A record that was seen last so many days ago."""
    return a(answer, last_seen=LAST - timedelta(days=days), **changes)


def test_of_too_many_relationships_those_that_were_seen_last_are_made() -> None:
    ages = {"192.0.2.1": 3, "192.0.2.2": 1, "192.0.2.3": 4, "192.0.2.4": 2}
    enrichment = enrich(*[aged(answer, days) for answer, days in ages.items()], max_relationships=2)
    assert edges(enrichment) == [
        ("entity", "resolves-to", "ipv4-addr 192.0.2.2"),
        ("entity", "resolves-to", "ipv4-addr 192.0.2.4"),
    ]
    assert (enrichment.observables, len(enrichment.relations)) == (2, 2)


def test_the_records_of_the_others_are_left_out_and_counted() -> None:
    merged = [ns(last_seen=FIRST), record("SOA", "domain", "ns.example.com", last_seen=FIRST)]
    enrichment = enrich(a(), ns("."), *merged, max_relationships=1)
    assert enrichment.kept == Counter({"A": 1})
    assert enrichment.left_out == Counter({OVER_MAXIMUM: 2, "empty value": 1})


def test_a_relationship_is_as_recent_as_the_latest_of_its_records() -> None:
    enrichment = enrich(aged("192.0.2.1", 9), aged("192.0.2.2", 5), aged("192.0.2.1", 1), max_relationships=1)
    assert edges(enrichment) == [("entity", "resolves-to", "ipv4-addr 192.0.2.1")]
    assert enrichment.kept == Counter({"A": 2})


def test_relationships_without_dates_are_made_last_and_half_dated_ones_by_the_date_they_have() -> None:
    undated = a("192.0.2.1", first_seen=None, last_seen=None)
    half_dated = a("192.0.2.2", first_seen=LAST, last_seen=None)
    dated = aged("192.0.2.3", 1)
    assert [edge[2] for edge in edges(enrich(undated, half_dated, dated, max_relationships=2))] == [
        "ipv4-addr 192.0.2.2",
        "ipv4-addr 192.0.2.3",
    ]
    assert edges(enrich(undated, half_dated, dated, max_relationships=1))[0][2] == "ipv4-addr 192.0.2.2"


def test_which_of_equally_old_relationships_are_made_does_not_depend_on_their_order() -> None:
    records = [a(f"192.0.2.{number}") for number in range(20, 30)]
    forth, back = (enrich(*order, max_relationships=3) for order in (records, reversed(records)))
    assert sorted(edges(forth)) == sorted(edges(back))


@pytest.mark.parametrize("maximum", [0, 2, 3])
def test_no_maximum_and_one_that_is_not_exceeded_cut_nothing(maximum: int) -> None:
    enrichment = enrich(a(), ns(), max_relationships=maximum)
    assert enrichment == enrich(a(), ns())
    assert OVER_MAXIMUM not in enrichment.left_out


def test_the_dirty_answer_loses_exactly_what_cannot_be_used() -> None:
    answer = {"results": own_records(NOW.date())[DIRTY]}
    dirty = Entity(stix.observable_id("Domain-Name", DIRTY), "Domain-Name", DIRTY, ())
    enrichment = convert(dirty, parse_records(answer), NOW)
    assert enrichment.kept.total() + enrichment.left_out.total() == len(answer["results"])
    assert enrichment.relations
    assert_accepted(enrichment, dirty)


@pytest.mark.parametrize(("entity_type", "value"), [("IPv4-Addr", "192.0.2.0/24"), ("Domain-Name", "*.example.org")])
def test_an_entity_that_is_no_single_address_or_name_has_no_canonical_value(entity_type: str, value: str) -> None:
    with pytest.raises(Unusable):
        canonical_value(entity_type, value)


def assert_accepted(enrichment: Enrichment, of: Entity) -> None:
    """The stand-in's rules were written from the platform's, apart from this connector."""
    known = {item["id"]: item for item in enrichment.objects}
    known[of.id] = {"type": stix.STIX_TYPES[of.type], "id": of.id, "value": of.value}
    assert len(known) == len(enrichment.objects) + 1
    assert [platform_rules.refusal(item, known.get) for item in enrichment.objects] == [None] * len(enrichment.objects)


messy_names = st.sampled_from(
    [
        "example.org",
        "EXAMPLE.ORG.",
        "a.example",
        "b.a.example.",
        "*.a.example",
        ".",
        "",
        "192.0.2.1",
        "192.0.2.10",
        "2001:DB8::1",
        "999.1.1.1",
        "10.0.0.0/8",
        "http://a.example/x",
        "x@a.example",
        "x.a.example",
        "localhost",
        "_spf.a.example",
        "bücher.example",
        "two words.example",
        "\ud800.example",
        "-a.example",
        "host.example.org",
    ]
)
messy_dates = st.none() | st.datetimes(datetime(1971, 1, 1), datetime(9998, 12, 31), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=0)
)
messy_records = st.builds(
    DnsRecord,
    st.sampled_from(["A", "AAAA", "SOA", "MX", "CNAME", "NS", "TXT (SPF1)", ""]) | st.text(max_size=5),
    st.sampled_from(["ip", "domain", "email", "host", ""]) | st.text(max_size=3),
    messy_names | st.text(max_size=30),
    messy_dates,
    messy_dates,
    st.lists(st.sampled_from(["riskiq", "pingly", "kaspersky"]), max_size=3).map(tuple),
)


@given(
    st.sampled_from(sorted(VALUES)),
    st.lists(messy_records, max_size=12),
    st.sets(st.sampled_from(sorted(RECORD_TYPES))) | st.just(RECORD_TYPES),
    st.integers(0, 6),
)
def test_any_mix_of_records_yields_only_objects_that_the_platform_accepts(
    entity_type: str, records: list[DnsRecord], record_types: set[str], maximum: int
) -> None:
    enrichment = enrich(*records, of=entity(entity_type), record_types=record_types, max_relationships=maximum)
    assert enrichment.kept.keys() <= record_types
    assert not 0 < maximum < len(enrichment.relations)
    assert enrichment.kept.total() + enrichment.left_out.total() == len(records)
    json.dumps(enrichment.objects).encode()
    if enrichment.objects:
        assert_accepted(enrichment, entity(entity_type))
