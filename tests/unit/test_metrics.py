"""The metrics; no answer can increase their number of series."""

import re
from typing import Any

import pytest
from prometheus_client import REGISTRY, Metric
from prometheus_client.samples import Sample

from passivedns import errors, metrics
from passivedns.converter import convert
from passivedns.errors import ConnectorError, QuotaExceeded, TlpRefused
from passivedns.metrics import OTHER, count_records, failure_kind, show_quota
from passivedns.model import Allowance, Entity, Quota, Record
from passivedns.settings.reading import PROJECT_ROOT

TROUBLESHOOTING = (PROJECT_ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
NOT_OF_AN_ENRICHMENT = {errors.ConnectorError, errors.SourceError, errors.SettingsError, errors.PlatformError}
NOT_OF_A_SOURCE = {errors.AllFailed, errors.NotSent, errors.Unreadable}


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


def families() -> list[Metric]:
    return [family for family in REGISTRY.collect() if family.name.startswith("pdns_")]


def left_out(reason: str) -> float:
    return value("pdns_records_left_out_total", reason=reason)


def series() -> int:
    return sum(len(family.samples) for family in families())


# Records


def test_records_are_counted_by_type_or_by_the_reason_for_leaving_them_out() -> None:
    before = value("pdns_records_total", type="NS"), left_out("wildcard")
    count_records({"NS": 3}, {"wildcard": 2})
    assert (value("pdns_records_total", type="NS"), left_out("wildcard")) == (before[0] + 3, before[1] + 2)


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
    ("record_type", "data", "reason"),
    [
        ("", "192.0.2.1", "incomplete record"),
        ("TXT", "v=spf1", "TXT"),
        ("PTR", "a.example", "PTR"),
        ("A", "", "empty value"),
        ("A", "192.0.2.0/24", "CIDR range"),
        ("A", "2001:db8::1", "wrong IP version"),
        ("A", "a.example", "name instead of an address"),
        ("A", "?", "not an IP address"),
        ("NS", f"{'a.' * 150}example", "name too long"),
        ("NS", "a b.example", "contains whitespace"),
        ("NS", "*.example", "wildcard"),
        ("NS", "http://a.example", "URL"),
        ("NS", "a@a.example", "mailbox instead of a name"),
        ("NS", "192.0.2.1", "address instead of a name"),
        ("NS", "localhost", "single label"),
        ("NS", "-a.example", "not a domain name"),
        ("NS", "example.org", "the observable itself"),
        ("SOA", "?@", "not a mailbox"),
    ],
)
def test_reasons_for_records_of_a_domain_have_labels(record_type: str, data: str, reason: str) -> None:
    before = left_out(reason)
    count_records({}, leave_out("Domain-Name", "example.org", record("example.org", record_type, data)))
    assert left_out(reason) == before + 1


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (("192.0.2.1", "A", "192.0.2.2"), "address of an address"),
        (("a.example", "A", "192.0.2.2"), "not about the observable"),
    ],
)
def test_reasons_for_records_of_an_address_have_labels(found: tuple[str, str, str], reason: str) -> None:
    before = left_out(reason)
    count_records({}, leave_out("IPv4-Addr", "192.0.2.1", record(*found)))
    assert left_out(reason) == before + 1


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"record_types": ["MX"]}, "record type not selected"),
        ({"max_relationships": 1}, "over the relationship limit"),
    ],
)
def test_reasons_that_depend_on_the_settings_have_labels(limits: dict[str, Any], reason: str) -> None:
    before = left_out(reason)
    records = [record("example.org", "A", "192.0.2.1"), record("example.org", "A", "192.0.2.2")]
    count_records({}, leave_out("Domain-Name", "example.org", *records, **limits))
    assert left_out(reason) > before


def test_unreadable_rows_have_a_label() -> None:
    before = left_out("unreadable row")
    count_records({}, {"unreadable row": 3})
    assert left_out("unreadable row") == before + 3


def documented_reasons() -> list[str]:
    section = TROUBLESHOOTING.partition("### Reasons for records that were left out")[2].partition("\n## ")[0]
    return re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)


def test_every_documented_reason_has_a_label() -> None:
    """`test_documents.py` shows that the table lists the reasons of the code."""
    assert len(documented_reasons()) > 20
    for reason in documented_reasons():
        before = left_out(reason)
        count_records({}, {reason: 1})
        assert left_out(reason) == before + 1, reason


def record(name: str, record_type: str, data: str) -> Record:
    return Record(name, record_type, data, None, None, (), "riskiq")


def leave_out(entity_type: str, value: str, *records: Record, **limits: Any) -> dict[str, int]:
    return convert(Entity("", entity_type, value), records, **limits).left_out


# Failures


def kinds(*exceptions: type[ConnectorError]) -> set[str]:
    """The labels of all failures except these."""
    classes = [item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, ConnectorError)]
    return {failure_kind(item) for item in classes if item not in exceptions}


def counters(name: str) -> list[Sample]:
    family = next(family for family in families() if family.name == name)
    return [sample for sample in family.samples if sample.name.endswith("_total")]


def test_the_kind_of_a_failure_is_its_class_in_snake_case() -> None:
    assert [failure_kind(failure) for failure in (QuotaExceeded, TlpRefused)] == ["quota_exceeded", "tlp_refused"]


def test_every_kind_of_failure_of_an_enrichment_starts_at_zero() -> None:
    """Otherwise an alert on an increase would miss the first failure."""
    assert {sample.labels["kind"] for sample in counters("pdns_failures")} == kinds(*NOT_OF_AN_ENRICHMENT)


def test_every_series_of_a_source_starts_at_zero() -> None:
    metrics.expect("expected")
    failures = [item.labels["kind"] for item in counters("pdns_source_failures") if item.labels["source"] == "expected"]
    assert set(failures) == kinds(*NOT_OF_AN_ENRICHMENT, *NOT_OF_A_SOURCE)
    for name in ("pdns_searches", "pdns_cache_hits"):
        assert [item.value for item in counters(name) if item.labels["source"] == "expected"] == [0]


# The quota


def quota(source: str, owner: str) -> tuple[float, float]:
    labels = {"source": source, "owner": owner}
    return value("pdns_quota_used_searches", **labels), value("pdns_quota_limit_searches", **labels)


def test_the_latest_quota_is_shown_by_source_and_owner() -> None:
    show_quota("riskiq", Quota((Allowance("user", 10, 100, ""), Allowance("organization", 700, 1000, ""))))
    show_quota("dnsdb", Quota((Allowance("user", 1, 2, ""),)))
    show_quota("riskiq", Quota((Allowance("user", 11, 100, ""),)))
    assert quota("riskiq", "user") == (11, 100)
    assert quota("riskiq", "organization") == (700, 1000)
    assert quota("dnsdb", "user") == (1, 2)


def test_an_unknown_quota_changes_nothing() -> None:
    show_quota("riskiq", Quota((Allowance("user", 12, 100, ""),)))
    show_quota("riskiq", Quota())
    assert quota("riskiq", "user") == (12, 100)


# Names


def test_names_follow_the_conventions_of_prometheus() -> None:
    """A prefix for the application, base units in the plural, `_total` for counters."""
    for family in families():
        assert re.fullmatch(r"pdns_[a-z_]+", family.name)
        assert family.documentation.endswith(".")
        if family.type == "counter":
            assert all(sample.name.endswith(("_total", "_created")) for sample in family.samples)
        if family.type == "histogram":
            assert family.name.endswith("_seconds")
        if family.type == "gauge":
            assert family.name.endswith("_searches")
