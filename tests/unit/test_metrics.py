"""What is counted, and that no answer can make the number of series grow."""

import re

import pytest
from prometheus_client import REGISTRY, Metric

from passivedns import errors, stix
from passivedns.converter import Entity, convert
from passivedns.errors import ConnectorError, QuotaExceeded, TlpRefused
from passivedns.metrics import OTHER, count_records, failure_kind, show_quota
from passivedns.records import Allowance, DnsRecord, Quota
from tests.unit.saved_answers import NOW

NOT_OF_AN_ENRICHMENT = {errors.PassiveTotalError, errors.SettingsError, errors.PlatformError}


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


def families() -> list[Metric]:
    return [family for family in REGISTRY.collect() if family.name.startswith("riskiq_")]


def left_out(reason: str) -> float:
    return value("riskiq_records_left_out_total", reason=reason)


def series() -> int:
    return sum(len(family.samples) for family in families())


# Records


def test_records_are_counted_by_type_and_those_left_out_by_reason() -> None:
    before = value("riskiq_records_total", type="NS"), left_out("wildcard")
    count_records({"NS": 3}, {"wildcard": 2})
    assert (value("riskiq_records_total", type="NS"), left_out("wildcard")) == (before[0] + 3, before[1] + 2)


def test_the_kinds_of_text_records_are_counted_together() -> None:
    before = left_out("TXT")
    count_records({}, {"TXT (SPF1)": 2, "TXT": 1, "TXT (anything)": 1})
    assert left_out("TXT") == before + 4


def test_thousands_of_record_types_are_counted_under_one_label() -> None:
    count_records({}, {"T": 1})
    before, existing = left_out(OTHER), series()
    count_records({}, {f"T{number}": 1 for number in range(5_000)})
    assert (left_out(OTHER), series()) == (before + 5_000, existing)


@pytest.mark.parametrize(
    ("record_type", "kind", "answer", "reason"),
    [
        ("", "ip", "192.0.2.1", "incomplete record"),
        ("TXT", "text", "v=spf1", "TXT"),
        ("PTR", "domain", "a.example", "PTR"),
        ("A", "ip", "", "empty value"),
        ("A", "ip", "192.0.2.0/24", "CIDR"),
        ("A", "ip", "2001:db8::1", "address of the other family"),
        ("A", "ip", "a.example", "name for an address"),
        ("A", "ip", "?", "no address"),
        ("NS", "domain", f"{'a.' * 150}example", "name too long"),
        ("NS", "domain", "a b.example", "blank inside"),
        ("NS", "domain", "*.example", "wildcard"),
        ("NS", "domain", "http://a.example", "URL"),
        ("NS", "domain", "a@a.example", "mailbox for a name"),
        ("NS", "domain", "192.0.2.1", "address for a name"),
        ("NS", "domain", "localhost", "single label"),
        ("NS", "domain", "-a.example", "no domain name"),
        ("NS", "domain", "example.org", "the observable itself"),
        ("SOA", "email", "?", "no mailbox"),
    ],
)
def test_what_the_converter_leaves_out_of_a_domain_has_a_label(
    record_type: str, kind: str, answer: str, reason: str
) -> None:
    before = left_out(reason)
    count_records({}, leave_out("Domain-Name", "example.org", record_type, kind, answer))
    assert left_out(reason) == before + 1


def test_an_address_of_an_address_has_a_label_too() -> None:
    before = left_out("address of an address")
    count_records({}, leave_out("IPv4-Addr", "192.0.2.1", "A", "ip", "192.0.2.2"))
    assert left_out("address of an address") == before + 1


def leave_out(entity_type: str, value: str, record_type: str, kind: str, answer: str) -> dict[str, int]:
    entity = Entity(stix.observable_id(entity_type, value), entity_type, value, ())
    return convert(entity, [DnsRecord(record_type, kind, answer, None, None, ())], NOW).left_out


# Failures


def test_the_kind_of_a_failure_is_its_class_in_snake_case() -> None:
    assert [failure_kind(failure) for failure in (QuotaExceeded, TlpRefused)] == ["quota_exceeded", "tlp_refused"]


def test_each_failure_that_an_enrichment_can_meet_is_there_before_it_occurs() -> None:
    """An alert on an increase would miss the first one otherwise."""
    classes = [item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, ConnectorError)]
    possible = {failure_kind(item) for item in classes if item not in {ConnectorError, *NOT_OF_AN_ENRICHMENT}}
    samples = next(family for family in families() if family.name == "riskiq_failures").samples
    assert {sample.labels["kind"] for sample in samples if sample.name.endswith("_total")} == possible


# The quota


def test_the_quota_is_shown_by_owner_as_it_was_read_last() -> None:
    show_quota(Quota((Allowance("user", 10, 100, ""), Allowance("organization", 700, 1000, ""))))
    show_quota(Quota((Allowance("user", 11, 100, ""),)))
    shown = [
        (value("riskiq_quota_used_searches", owner=owner), value("riskiq_quota_limit_searches", owner=owner))
        for owner in ("user", "organization")
    ]
    assert shown == [(11, 100), (700, 1000)]


def test_an_unknown_quota_changes_nothing() -> None:
    show_quota(Quota((Allowance("user", 12, 100, ""),)))
    show_quota(Quota(()))
    assert value("riskiq_quota_used_searches", owner="user") == 12


# Names


def test_names_are_those_of_prometheus() -> None:
    """Its rules: a prefix of the application, base units in the plural, `_total` for what only grows."""
    for family in families():
        assert re.fullmatch(r"riskiq_[a-z_]+", family.name)
        assert family.documentation.endswith(".")
        if family.type == "counter":
            assert all(sample.name.endswith(("_total", "_created")) for sample in family.samples)
        if family.type == "histogram":
            assert family.name.endswith("_seconds")
        if family.type == "gauge":
            assert family.name.endswith("_searches")
