"""Answers of odd shape or great size: the connector ends in time, keeps its memory, and loses no record uncounted."""

import itertools
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from passivedns.answers import read_answer
from passivedns.records import DnsRecord, parse_quota, parse_records

from passivedns.converter import Enrichment, convert
from passivedns.errors import BadAnswer
from sandbox.sources.riskiq_data import DOMAIN
from tests.fuzz import fuzz_converter, fuzz_records
from tests.fuzz.fuzz_converter import LONGEST_DESCRIPTION, check_enrichment, entity_of
from tests.world import record

NOW = datetime.now(UTC)
ENTITY = entity_of("Domain-Name", DOMAIN)
GOOD = record("A", "ip", "192.0.2.1")


def enriched(*entries: Any) -> tuple[list[DnsRecord], Enrichment]:
    """Entries of an answer, as JSON, through the whole way to STIX; every promise of the converter holds on it."""
    records = parse_records(read_answer(200, json.dumps({"results": entries}).encode()))
    enrichment = convert(ENTITY, records, NOW)
    check_enrichment(ENTITY, records, enrichment)
    return records, enrichment


def ns(**changes: Any) -> dict[str, Any]:
    return record("NS", "domain", "ns.example.com") | changes


@pytest.mark.parametrize("seed", fuzz_records.SEEDS)
def test_what_the_fuzzer_of_records_starts_from_breaks_no_promise(seed: bytes) -> None:
    fuzz_records.check(seed)


@pytest.mark.parametrize("seed", fuzz_converter.SEEDS)
def test_what_the_fuzzer_of_the_converter_starts_from_breaks_no_promise(seed: bytes) -> None:
    fuzz_converter.check(seed)


# Of odd shape


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"results": ', "}"), ('{"results": [', "]}")])
def test_json_that_is_nested_too_deep_to_be_read_is_a_bad_answer(opening: str, closing: str) -> None:
    with pytest.raises(BadAnswer):
        read_answer(200, (opening * 100_000 + "null" + closing * 100_000).encode())


def test_json_that_is_nested_in_a_record_costs_that_record_a_field() -> None:
    nested: Any = "ns.example.com"
    for _ in range(400):
        nested = [nested]
    _, enrichment = enriched(ns(resolve=nested), ns(source=nested), GOOD)
    assert enrichment.kept == {"NS": 1, "A": 1}


LONG = "a" * 1_000_000


@pytest.mark.parametrize(
    "entry",
    [ns(**{key: LONG}) for key in ns()]
    + [ns(resolve=text * 500_000) for text in ("a.", "@", "*", " .", "/", "é", "é.", "。", "\ud800")]
    + [ns(recordType="SOA", resolveType="email", resolve=text * 500_000) for text in ("\\.", "a.", "@", "a@")]
    + [ns(recordType="A", resolveType="ip", resolve="1." * 500_000)]
    + [ns(recordType="AAAA", resolveType="ip", resolve=text * 500_000) for text in (":", "f:", "f/")]
    + [ns(firstSeen=text * 500_000) for text in ("9", "2019-", "+", " ", "é")]
    + [ns(source=[LONG, "riskiq"]), ns() | {LONG: "a"}],
    ids=itertools.count(),
)
def test_a_million_characters_in_a_field_take_little_time_and_leave_no_trace(entry: dict[str, Any]) -> None:
    begun = time.thread_time()
    _, enrichment = enriched(entry, GOOD)
    assert time.thread_time() - begun < 1
    assert enrichment.kept["A"] == 1
    assert len(json.dumps(enrichment.objects)) < 10_000


@pytest.mark.parametrize("value", [7, 1.5, True, None, [], {}, "\ud800", "x\ud800.example", "\x00", "1e999"])
def test_what_is_no_value_of_a_field_costs_its_neighbours_nothing(value: Any) -> None:
    records, enrichment = enriched(*[ns(**{key: value}) for key in ns()], GOOD)
    assert len(records) == len(ns()) + 1
    assert enrichment.kept["A"] == 1


def test_of_duplicate_keys_the_last_one_counts() -> None:
    body = b'{"results": 7, "results": [{"resolve": "192.0.2.9", "resolve": "192.0.2.1"}]}'
    (found,) = parse_records(read_answer(200, body))
    assert found.answer == "192.0.2.1"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1", "9" * 4000, "true", '"7"'])
def test_what_counts_nothing_in_a_quota_means_unknown(number: str) -> None:
    body = b'{"user": {"licenseCounts": {"searchApi": 1}, "licenseLimits": {"searchApi": %s}}}' % number.encode()
    assert parse_quota(read_answer(200, body)).allowances == ()


def test_an_integer_of_a_million_digits_is_a_bad_answer() -> None:
    """Python takes 4,300 digits, since the time to read more grows with their square (CVE-2020-10735)."""
    with pytest.raises(BadAnswer):
        read_answer(200, b'{"results": [], "totalRecords": %s}' % (b"9" * 1_000_000))


# Of great size


def distinct_names(number: int) -> list[Any]:
    return [ns(resolve=f"ns{i}.example.com") for i in range(number)]


def distinct_sources(number: int) -> list[Any]:
    return [ns(source=[f"sensor {i}"]) for i in range(number)]


def distinct_types(number: int) -> list[Any]:
    return [ns(recordType=f"TYPE{i}") for i in range(number)]


def no_names(number: int) -> list[Any]:
    return [ns(resolve=f"{i}.{'x.' * 50}") for i in range(number)]


def seconds_a_record(make: Callable[[int], list[Any]], number: int) -> float:
    """Of processor time, from parsed JSON to STIX; of few records, the best of three."""
    answer = {"results": make(number)}
    spent = []
    for _ in range(max(1, 30_000 // number)):
        begun = time.thread_time()
        convert(ENTITY, parse_records(answer), NOW)
        spent.append(time.thread_time() - begun)
    return min(spent) / number


@pytest.mark.parametrize("make", [distinct_names, distinct_sources, distinct_types, no_names])
def test_the_time_for_100_000_records_grows_with_their_number_alone(make: Callable[[int], list[Any]]) -> None:
    # With the square of their number, it would be ten times.
    assert seconds_a_record(make, 100_000) < 2.5 * seconds_a_record(make, 10_000)


def test_100_000_sources_of_one_relationship_make_a_short_description() -> None:
    _, enrichment = enriched(*distinct_sources(100_000))
    assert len(enrichment.objects[-1]["description"]) <= LONGEST_DESCRIPTION


def test_100_000_sources_of_one_record_make_a_short_description() -> None:
    _, enrichment = enriched(ns(source=[f"sensor {i}" for i in range(100_000)]))
    assert len(enrichment.objects[-1]["description"]) <= LONGEST_DESCRIPTION


def test_a_source_with_the_length_of_a_book_is_no_source() -> None:
    _, enrichment = enriched(ns(source=["x" * 2**20, "riskiq"]))
    assert enrichment.objects[-1]["description"] == "NS records (riskiq)"
