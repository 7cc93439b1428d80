"""The mapping of records to relations, and their merge."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passivedns.converter import convert
from passivedns.model import RECORD_TYPES, Enrichment, Entity, Record, Relation, Tally
from passivedns.sources.riskiq import read_saved
from passivedns.stix import objects
from passivedns.stix.values import Unusable, canonical
from sandbox.sources.riskiq_data import DIRTY, own_records
from tests.fuzz.fuzz_converter import check_enrichment

NOW = datetime(2026, 11, 24, 12, 30, 15, 123456, tzinfo=UTC)
FIRST = datetime(2026, 11, 1, 10, tzinfo=UTC)
LAST = datetime(2026, 11, 20, 10, tzinfo=UTC)

VALUES = {
    "Domain-Name": "example.org",
    "Hostname": "host.example.org",
    "IPv4-Addr": "192.0.2.10",
    "IPv6-Addr": "2001:db8::10",
}
ENTITY = "the entity"
"""Placeholder for the value of the entity in a record."""


def entity(entity_type: str = "Domain-Name", value: str = "") -> Entity:
    value = value or VALUES[entity_type]
    return Entity(objects.observable_id(entity_type, value), entity_type, value)


def record(record_type: str, data: str = "a.example", name: str = ENTITY, **changes: Any) -> Record:
    return Record(name, record_type, data, FIRST, LAST, ("riskiq",), "riskiq")._replace(**changes)


def a(data: str = "192.0.2.1", **changes: Any) -> Record:
    return record("A", data, **changes)


def ns(data: str = "ns.example.com", **changes: Any) -> Record:
    return record("NS", data, **changes)


def enrich(*records: Record, of: Entity | None = None, **limits: Any) -> Enrichment:
    of = of or entity()
    about = [
        found._replace(name=found.name.replace(ENTITY, of.value), data=found.data.replace(ENTITY, of.value))
        for found in records
    ]
    return convert(of, about, **limits)


def edges(enrichment: Enrichment) -> list[tuple[str, str, str]]:
    """The relations as (source, type, target)."""
    return [edge(relation) for relation in enrichment.relations]


def edge(relation: Relation) -> tuple[str, str, str]:
    other = f"{relation.value_type} {relation.value}"
    return (other, relation.type, "entity") if relation.reverse else ("entity", relation.type, other)


def only(enrichment: Enrichment) -> Relation:
    (relation,) = enrichment.relations
    return relation


def dates(enrichment: Enrichment) -> tuple[datetime | None, datetime | None]:
    relation = only(enrichment)
    return relation.first_seen, relation.last_seen


# The mapping


@pytest.mark.parametrize(
    ("entity_type", "found", "expected"),
    [
        ("Domain-Name", a(), "entity resolves-to IPv4-Addr 192.0.2.1"),
        ("Domain-Name", record("AAAA", "2001:db8::1"), "entity resolves-to IPv6-Addr 2001:db8::1"),
        ("Domain-Name", record("A", ENTITY, "a.example"), "Domain-Name a.example resolves-to entity"),
        ("Domain-Name", record("AAAA", ENTITY, "a.example"), "Domain-Name a.example resolves-to entity"),
        ("Domain-Name", record("CNAME"), "entity resolves-to Domain-Name a.example"),
        ("Domain-Name", record("MX"), "entity resolves-to Domain-Name a.example"),
        ("Domain-Name", record("NS"), "entity resolves-to Domain-Name a.example"),
        ("Domain-Name", record("SOA"), "entity resolves-to Domain-Name a.example"),
        ("Domain-Name", record("CNAME", ENTITY, "a.example"), "Domain-Name a.example resolves-to entity"),
        ("Domain-Name", record("MX", ENTITY, "a.example"), "Domain-Name a.example resolves-to entity"),
        ("Domain-Name", record("NS", ENTITY, "a.example"), "Domain-Name a.example resolves-to entity"),
        ("Domain-Name", record("SOA", ENTITY, "a.example"), "Domain-Name a.example resolves-to entity"),
        ("Domain-Name", record("SOA", "a@a.example"), "entity related-to Email-Addr a@a.example"),
        ("Hostname", a(), "entity resolves-to IPv4-Addr 192.0.2.1"),
        ("Hostname", record("AAAA", "2001:db8::1"), "entity resolves-to IPv6-Addr 2001:db8::1"),
        ("Hostname", record("AAAA", ENTITY, "a.example"), "Domain-Name a.example related-to entity"),
        ("Hostname", record("CNAME"), "entity related-to Domain-Name a.example"),
        ("Hostname", record("CNAME", ENTITY, "a.example"), "Domain-Name a.example related-to entity"),
        ("Hostname", record("SOA", "a@a.example"), "entity related-to Email-Addr a@a.example"),
        ("IPv4-Addr", record("A", ENTITY, "a.example"), "Domain-Name a.example resolves-to entity"),
        ("IPv6-Addr", record("AAAA", ENTITY, "a.example"), "Domain-Name a.example resolves-to entity"),
        ("IPv4-Addr", record("CNAME"), "entity related-to Domain-Name a.example"),
        ("IPv4-Addr", record("MX"), "entity related-to Domain-Name a.example"),
        ("IPv4-Addr", record("NS"), "entity related-to Domain-Name a.example"),
        ("IPv4-Addr", record("SOA"), "entity related-to Domain-Name a.example"),
        ("IPv4-Addr", record("SOA", "a@a.example"), "entity related-to Email-Addr a@a.example"),
        ("IPv6-Addr", record("NS"), "entity related-to Domain-Name a.example"),
    ],
)
def test_each_row_of_the_mapping_makes_one_relation(entity_type: str, found: Record, expected: str) -> None:
    enrichment = enrich(found, of=entity(entity_type))
    assert [" ".join(words) for words in edges(enrichment)] == [expected]
    assert enrichment.kept == Counter({found.type: 1})


@pytest.mark.parametrize("entity_type", ["IPv4-Addr", "IPv6-Addr"])
@pytest.mark.parametrize("found", [a(), record("AAAA", "2001:db8::1")])
def test_an_address_does_not_resolve_to_an_address(entity_type: str, found: Record) -> None:
    assert enrich(found, of=entity(entity_type)).left_out == Counter({"address of an address": 1})


@pytest.mark.parametrize("record_type", ["CNAME", "MX", "NS", "SOA"])
def test_an_address_is_not_the_data_of_a_record_with_a_name(record_type: str) -> None:
    enrichment = enrich(record(record_type, ENTITY, "a.example"), of=entity("IPv4-Addr"))
    assert enrichment.left_out == Counter({"address instead of a name": 1})


@pytest.mark.parametrize(
    ("entity_type", "found"),
    [
        ("Domain-Name", a(name="www.example.org")),
        ("Domain-Name", ns("sub.example.org", name="org")),
        ("Domain-Name", record("SOA", "hostmaster@example.org", "other.example")),
        ("Domain-Name", a(name="")),
        ("IPv4-Addr", record("A", "192.0.2.100", "a.example")),
        ("IPv6-Addr", record("AAAA", "2001:db8::1", "a.example")),
        ("IPv6-Addr", record("AAAA", ":", "a.example")),
    ],
)
def test_a_record_about_something_else_is_left_out_and_counted(entity_type: str, found: Record) -> None:
    enrichment = enrich(found, found, of=entity(entity_type))
    assert (enrichment.relations, enrichment.left_out) == ([], Counter({"not about the observable": 2}))


# Spellings


@pytest.mark.parametrize(
    ("value", "spelt"),
    [
        ("example.org", "EXAMPLE.Org."),
        ("bücher.example", "BÜCHER.example"),
        ("bücher.example", "bu\u0308cher.example."),
        ("bücher.example", "xn--bcher-kva.example"),
        ("bücher.example", "XN--BCHER-KVA.example."),
        ("xn--bcher-kva.example", "bücher.example"),
        ("xn--bcher-kva.example", "BÜCHER.example."),
        ("www.例え.テスト", "www.xn--r8jz45g.xn--zckzah"),
    ],
)
@pytest.mark.parametrize("entity_type", ["Domain-Name", "Hostname"])
def test_a_name_is_the_entity_in_every_spelling(entity_type: str, value: str, spelt: str) -> None:
    of = entity(entity_type, value)
    assert edges(enrich(a(name=spelt), of=of)) == [("entity", "resolves-to", "IPv4-Addr 192.0.2.1")]
    assert edges(enrich(record("AAAA", spelt, "a.example"), of=of))[0][0] == "Domain-Name a.example"
    assert enrich(ns(spelt), of=of).left_out == Counter({"the observable itself": 1})


@pytest.mark.parametrize("spelt", ["2001:DB8::10", "2001:db8:0:0:0:0:0:10", "2001:0db8::0010"])
def test_an_address_is_the_entity_in_every_spelling(spelt: str) -> None:
    enrichment = enrich(record("AAAA", spelt, "a.example"), of=entity("IPv6-Addr"))
    assert edges(enrichment) == [("Domain-Name a.example", "resolves-to", "entity")]


def test_the_other_side_has_one_value_whatever_the_spelling_or_the_source() -> None:
    spellings = ["bücher.example", "BÜCHER.example.", "\uff42ücher.example", "xn--bcher-kva.example"]
    found = [ns(spelling, source=f"source {number}") for number, spelling in enumerate(spellings)]
    assert edges(enrich(*found)) == [("entity", "resolves-to", "Domain-Name xn--bcher-kva.example")]
    found = [record("SOA", f"Hostmaster@{spelling}") for spelling in spellings]
    assert edges(enrich(*found)) == [("entity", "related-to", "Email-Addr hostmaster@xn--bcher-kva.example")]


def test_another_international_name_is_not_the_entity() -> None:
    enrichment = enrich(a(name="bûcher.example"), of=entity(value="bücher.example"))
    assert enrichment.left_out == Counter({"not about the observable": 1})


@pytest.mark.parametrize(
    ("spelt", "canonical"),
    [("NS.Example.com.", "ns.example.com"), ("NS.bu\u0308cher.example", "ns.xn--bcher-kva.example")],
)
def test_the_spelling_of_the_other_side_does_not_change_a_relation(spelt: str, canonical: str) -> None:
    assert enrich(ns(spelt)) == enrich(ns(canonical))


@pytest.mark.parametrize(("entity_type", "value"), [("IPv4-Addr", "192.0.2.0/24"), ("Domain-Name", "*.example.org")])
def test_an_entity_that_is_not_a_single_address_or_name_has_no_canonical(entity_type: str, value: str) -> None:
    with pytest.raises(Unusable):
        canonical(entity_type, value)


# Records left out


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (record("TXT (SPF1)", "_spf.example.com"), "TXT (SPF1)"),
        (record("PTR"), "PTR"),
        (record("", "a.example"), "incomplete record"),
        (a(""), "empty value"),
        (a("a@a.example"), "not an IP address"),
        (a("a.example"), "name instead of an address"),
        (a("2001:db8::1"), "wrong IP version"),
        (a("999.0.0.1"), "not an IP address"),
        (ns("192.0.2.1"), "address instead of a name"),
        (ns("."), "empty value"),
        (ns("*.example.com"), "wildcard"),
        (ns("https://example.com/"), "URL"),
        (ns("184.168.131.0/24"), "CIDR range"),
        (ns("localhost"), "single label"),
        (ns("two words.example"), "contains whitespace"),
        (ns("a@a.example"), "mailbox instead of a name"),
        (record("SOA", "nobody@"), "not a mailbox"),
        (record("CNAME", ENTITY, "*.example.com"), "wildcard"),
        (ns("EXAMPLE.org."), "the observable itself"),
        (record("X" * 100), "X" * 32),
        (record("FORGED\nlevel=ERROR"), "FORGEDlevel=ERROR"),
        (record("\n"), "unknown type"),
    ],
)
def test_unusable_records_are_left_out_and_counted_without_affecting_others(found: Record, reason: str) -> None:
    enrichment = enrich(found, a(), found)
    assert enrichment.left_out == Counter({reason: 2})
    assert edges(enrichment) == [("entity", "resolves-to", "IPv4-Addr 192.0.2.1")]


def test_there_are_no_relations_without_usable_records() -> None:
    enrichment = enrich(ns("."), record("TXT"))
    assert enrichment == Enrichment([], {"riskiq": Tally(Counter(), Counter({"empty value": 1, "TXT": 1}))})


# The merge


def test_records_of_one_target_are_merged_with_the_widest_span_and_all_types_and_sensors() -> None:
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)
    soa = record("SOA", "NS.example.com.", first_seen=early, last_seen=FIRST, sensors=("riskiq", "pingly"))
    enrichment = enrich(ns(last_seen=late), soa)
    assert enrichment.relations == [
        Relation(
            "resolves-to",
            "ns.example.com",
            "Domain-Name",
            False,
            ("NS", "SOA"),
            (("riskiq", ("pingly", "riskiq")),),
            early,
            late,
        )
    ]
    assert enrichment.kept == Counter({"NS": 1, "SOA": 1})


def test_records_of_several_sources_are_merged_with_sources_and_sensors_in_alphabetical_order() -> None:
    enrichment = enrich(
        a(sensors=("riskiq",)),
        a(source="circl", sensors=()),
        a(sensors=("pingly", "riskiq")),
        a(source="dnsdb", sensors=("z", "a", "a")),
    )
    assert only(enrichment).sources == (("circl", ()), ("dnsdb", ("a", "z")), ("riskiq", ("pingly", "riskiq")))
    assert enrichment.kept == Counter({"A": 4})


def test_the_sensors_of_a_single_record_are_unique_and_in_alphabetical_order() -> None:
    assert only(enrich(a(sensors=("z", "a", "z")))).sources == (("riskiq", ("a", "z")),)


def test_the_order_of_the_records_affects_only_the_order_of_the_relations() -> None:
    records = [
        ns(),
        record("SOA", "ns.example.com", sensors=("pingly",)),
        ns(source="circl", sensors=(), first_seen=None),
        a(),
        record("MX", "m.example"),
    ]
    forth, back = enrich(*records), enrich(*reversed(records))
    assert sorted(forth.relations) == sorted(back.relations)
    assert (forth.kept, forth.left_out) == (back.kept, back.left_out)


def test_two_directions_to_one_name_are_two_relations() -> None:
    assert edges(enrich(record("NS"), record("NS", ENTITY, "a.example"))) == [
        ("entity", "resolves-to", "Domain-Name a.example"),
        ("Domain-Name a.example", "resolves-to", "entity"),
    ]


# Dates


SECOND = timedelta(seconds=1)


def test_a_stop_that_equals_the_start_is_a_second_later() -> None:
    assert dates(enrich(a(first_seen=FIRST, last_seen=FIRST))) == (FIRST, FIRST + SECOND)


@pytest.mark.parametrize(
    ("found", "times"),
    [(a(first_seen=None), (LAST, LAST + SECOND)), (a(last_seen=None), (FIRST, FIRST + SECOND))],
)
def test_a_record_with_one_date_uses_it_for_both_ends(found: Record, times: tuple[datetime, datetime]) -> None:
    assert dates(enrich(found)) == times


def test_a_record_without_dates_is_kept_without_them() -> None:
    assert dates(enrich(a(first_seen=None, last_seen=None))) == (None, None)


def test_a_record_with_one_date_widens_the_span_of_the_others_only_by_that_date() -> None:
    assert dates(enrich(a(first_seen=None), a(first_seen=FIRST, last_seen=FIRST))) == (FIRST, LAST)


def test_two_half_dated_records_span_the_time_between_them() -> None:
    found = a(first_seen=LAST, last_seen=None), a(first_seen=None, last_seen=FIRST)
    assert dates(enrich(*found)) == (FIRST, LAST)


# Settings


def test_record_types_that_are_not_selected_are_left_out_and_counted() -> None:
    enrichment = enrich(a(), ns(), ns("b.example"), record("TXT"), record_types=("A", "MX"))
    assert enrichment.kept == Counter({"A": 1})
    assert enrichment.left_out == Counter({"record type not selected": 2, "TXT": 1})


def test_an_unusable_record_of_a_selected_type_keeps_its_reason() -> None:
    assert enrich(ns("."), record_types=("NS",)).left_out == Counter({"empty value": 1})


def aged(data: str, days: int, **changes: Any) -> Record:
    """A record last seen this many days ago."""
    return a(data, last_seen=LAST - timedelta(days=days), **changes)


def test_the_limit_keeps_the_most_recently_seen_relations() -> None:
    ages = {"192.0.2.1": 3, "192.0.2.2": 1, "192.0.2.3": 4, "192.0.2.4": 2}
    enrichment = enrich(*[aged(data, days) for data, days in ages.items()], max_relationships=2)
    assert edges(enrichment) == [
        ("entity", "resolves-to", "IPv4-Addr 192.0.2.2"),
        ("entity", "resolves-to", "IPv4-Addr 192.0.2.4"),
    ]


def test_records_over_the_limit_are_left_out_and_counted() -> None:
    merged = [ns(last_seen=FIRST), record("SOA", "ns.example.com", last_seen=FIRST)]
    enrichment = enrich(a(), ns("."), *merged, max_relationships=1)
    assert enrichment.kept == Counter({"A": 1})
    assert enrichment.left_out == Counter({"over the relationship limit": 2, "empty value": 1})


def test_a_relation_is_as_recent_as_the_latest_of_its_records() -> None:
    enrichment = enrich(aged("192.0.2.1", 9), aged("192.0.2.2", 5), aged("192.0.2.1", 1), max_relationships=1)
    assert edges(enrichment) == [("entity", "resolves-to", "IPv4-Addr 192.0.2.1")]
    assert enrichment.kept == Counter({"A": 2})


def test_the_limit_drops_undated_relations_first_and_uses_the_only_date_of_others() -> None:
    undated = a("192.0.2.1", first_seen=None, last_seen=None)
    half_dated = a("192.0.2.2", first_seen=LAST, last_seen=None)
    dated = aged("192.0.2.3", 1)
    assert [edge[2] for edge in edges(enrich(undated, half_dated, dated, max_relationships=2))] == [
        "IPv4-Addr 192.0.2.2",
        "IPv4-Addr 192.0.2.3",
    ]
    assert edges(enrich(undated, half_dated, dated, max_relationships=1))[0][2] == "IPv4-Addr 192.0.2.2"


def test_the_limit_does_not_depend_on_the_order_of_the_records() -> None:
    records = [a(f"192.0.2.{number}") for number in range(20, 30)]
    forth, back = (enrich(*order, max_relationships=3) for order in (records, reversed(records)))
    assert sorted(edges(forth)) == sorted(edges(back))


@pytest.mark.parametrize("maximum", [0, 2, 3])
def test_nothing_is_dropped_without_a_limit_or_below_it(maximum: int) -> None:
    enrichment = enrich(a(), ns(), max_relationships=maximum)
    assert enrichment == enrich(a(), ns())
    assert "over the relationship limit" not in enrichment.left_out


# Any records


def test_the_dirty_answer_loses_only_unusable_records() -> None:
    dirty = entity(value=DIRTY)
    records = read_saved(json.dumps({"results": own_records(NOW.date())[DIRTY]}).encode(), DIRTY).records
    enrichment = convert(dirty, records)
    assert enrichment.relations
    check_enrichment(dirty, records, enrichment)


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
    Record,
    st.just(ENTITY) | messy_names | st.text(max_size=30),
    st.sampled_from(["A", "AAAA", "SOA", "MX", "CNAME", "NS", "TXT (SPF1)", ""]) | st.text(max_size=5),
    st.just(ENTITY) | messy_names | st.text(max_size=30),
    messy_dates,
    messy_dates,
    st.lists(st.sampled_from(["riskiq", "pingly", "kaspersky"]), max_size=3).map(tuple),
    st.sampled_from(["riskiq", "circl"]),
)


@given(
    st.sampled_from(sorted(VALUES)),
    st.lists(messy_records, max_size=12),
    st.sets(st.sampled_from(sorted(RECORD_TYPES))) | st.just(RECORD_TYPES),
    st.integers(0, 6),
)
def test_any_mix_of_records_yields_only_objects_that_opencti_accepts(
    entity_type: str, records: list[Record], record_types: set[str], maximum: int
) -> None:
    enrichment = enrich(*records, of=entity(entity_type), record_types=record_types, max_relationships=maximum)
    assert enrichment.kept.keys() <= set(record_types)
    assert not 0 < maximum < len(enrichment.relations)
    check_enrichment(entity(entity_type), records, enrichment)
