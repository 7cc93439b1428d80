"""Malformed and huge answers: time and memory stay limited, and every record is counted."""

import contextlib
import itertools
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest

from passivedns.converter import convert
from passivedns.errors import BadAnswer, SourceError
from passivedns.model import Answer, Enrichment, Record
from passivedns.sources import SOURCES
from passivedns.sources.riskiq import read_saved
from passivedns.sources.source import Source
from passivedns.stix.builder import additions
from passivedns.stix.objects import StixObject
from sandbox.sources.riskiq_data import DOMAIN
from tests.fuzz import fuzz_converter, fuzz_records
from tests.fuzz.canned import client_of
from tests.fuzz.fuzz_converter import LONGEST_DESCRIPTION, PUBLISHER, check_enrichment, entity_of
from tests.fuzz.fuzz_records import QUESTION
from tests.helpers.world import record

NOW = datetime.now(UTC)
ENTITY = entity_of("Domain-Name", DOMAIN)
GOOD = record("A", "ip", "192.0.2.1")


class Enriched(NamedTuple):
    """The result of an answer."""

    records: list[Record]
    enrichment: Enrichment
    objects: list[StixObject]


def answered(body: bytes) -> Answer:
    """The client's answer for a body."""
    return client_of(200, body).look_up(QUESTION)


def enriched(*entries: Any) -> Enriched:
    """Convert the entries of an answer (JSON) to STIX and check every invariant of the converter."""
    records = answered(json.dumps({"results": entries}).encode()).records
    enrichment = convert(ENTITY, records)
    return Enriched(records, enrichment, check_enrichment(ENTITY, records, enrichment))


def ns(**changes: Any) -> dict[str, Any]:
    return record("NS", "domain", "ns.example.com") | changes


@pytest.mark.parametrize("seed", fuzz_records.SEEDS)
def test_the_seeds_of_the_record_fuzzer_break_no_invariant(seed: bytes) -> None:
    fuzz_records.check(seed)


@pytest.mark.parametrize("seed", fuzz_converter.SEEDS)
def test_the_seeds_of_the_converter_fuzzer_break_no_invariant(seed: bytes) -> None:
    fuzz_converter.check(seed)


# Malformed answers


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"results": ', "}"), ('{"results": [', "]}")])
def test_json_nested_too_deeply_is_a_bad_answer(opening: str, closing: str) -> None:
    with pytest.raises(BadAnswer):
        answered((opening * 100_000 + "null" + closing * 100_000).encode())


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize(
    "body",
    [b"[" * 1_000_000, b'{"results": ' * 1_000_000, b"9" * 1_000_000, b"\xff\x00", b'"\\ud800"', b"[NaN]", b"[[]]"],
)
def test_anything_but_an_answer_is_at_worst_a_bad_answer_at_every_source(source: Source, body: bytes) -> None:
    with contextlib.suppress(SourceError):
        assert source.read(body, "example.org").records == []


def test_nested_json_in_a_record_affects_only_its_field() -> None:
    nested: Any = "ns.example.com"
    for _ in range(400):
        nested = [nested]
    assert enriched(ns(resolve=nested), ns(source=nested), GOOD).enrichment.kept == {"NS": 1, "A": 1}


LONG = "a" * 1_000_000


@pytest.mark.parametrize(
    "entry",
    [ns(**{key: LONG}) for key in ns()]
    + [ns(resolve=text * 500_000) for text in ("a.", "@", "*", " .", "/", "é", "é.", "。", "\ud800")]
    + [ns(value=text * 500_000) for text in ("a.", "é", "é.", "xn--", ":", "\ud800")]
    + [ns(recordType="SOA", resolveType="email", resolve=text * 500_000) for text in ("\\.", "a.", "@", "a@")]
    + [ns(recordType="A", resolveType="ip", resolve="1." * 500_000)]
    + [ns(recordType="AAAA", resolveType="ip", resolve=text * 500_000) for text in (":", "f:", "f/")]
    + [ns(firstSeen=text * 500_000) for text in ("9", "2019-", "+", " ", "é")]
    + [ns(source=[LONG, "riskiq"]), ns() | {LONG: "a"}],
    ids=itertools.count(),
)
def test_a_million_characters_in_a_field_take_little_time_and_are_left_out(entry: dict[str, Any]) -> None:
    begun = time.thread_time()
    came = enriched(entry, GOOD)
    assert time.thread_time() - begun < 1
    assert came.enrichment.kept["A"] == 1
    assert len(json.dumps(came.objects)) < 10_000


@pytest.mark.parametrize("value", [7, 1.5, True, None, [], {}, "\ud800", "x\ud800.example", "\x00", "1e999"])
def test_an_invalid_field_does_not_affect_other_records(value: Any) -> None:
    came = enriched(*[ns(**{key: value}) for key in ns()], GOOD)
    assert len(came.records) == len(ns()) + 1
    assert came.enrichment.kept["A"] == 1


def test_the_last_of_duplicate_keys_counts() -> None:
    body = b'{"results": 7, "results": [{"resolve": "192.0.2.9", "resolve": "192.0.2.1"}]}'
    (found,) = answered(body).records
    assert found.data == "192.0.2.1"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1", "9" * 4000, "true", '"7"'])
def test_an_invalid_quota_is_unknown(number: str) -> None:
    body = b'{"user": {"licenseCounts": {"searchApi": 1}, "licenseLimits": {"searchApi": %s}}}' % number.encode()
    assert client_of(200, body).quota().allowances == ()


def test_an_integer_of_a_million_digits_is_a_bad_answer() -> None:
    """Python accepts 4,300 digits, since the time to parse more grows quadratically (CVE-2020-10735)."""
    with pytest.raises(BadAnswer):
        answered(b'{"results": [], "totalRecords": %s}' % (b"9" * 1_000_000))


# Huge answers


def distinct_names(number: int) -> list[Any]:
    return [ns(resolve=f"ns{i}.example.com") for i in range(number)]


def distinct_sensors(number: int) -> list[Any]:
    return [ns(source=[f"sensor {i}"]) for i in range(number)]


def distinct_types(number: int) -> list[Any]:
    return [ns(recordType=f"TYPE{i}") for i in range(number)]


def no_names(number: int) -> list[Any]:
    return [ns(resolve=f"{i}.{'x.' * 50}") for i in range(number)]


def seconds_a_record(make: Callable[[int], list[Any]], number: int) -> float:
    """Processor time from JSON to STIX; the best of three, since other processes slow it down."""
    answer = json.dumps({"results": make(number)}).encode()
    spent = []
    for _ in range(3):
        begun = time.thread_time()
        additions(ENTITY, convert(ENTITY, read_saved(answer, DOMAIN).records).relations, PUBLISHER, NOW)
        spent.append(time.thread_time() - begun)
    return min(spent) / number


@pytest.mark.slow
@pytest.mark.parametrize("make", [distinct_names, distinct_sensors, distinct_types, no_names])
def test_a_record_among_40_000_takes_as_long_as_one_among_4_000(make: Callable[[int], list[Any]]) -> None:
    # Quadratic growth would make it ten times.
    assert seconds_a_record(make, 40_000) < 2.5 * seconds_a_record(make, 4_000)


@pytest.mark.slow
def test_100_000_sensors_of_one_relationship_make_a_short_description() -> None:
    assert len(enriched(*distinct_sensors(100_000)).objects[-1]["description"]) <= LONGEST_DESCRIPTION


@pytest.mark.slow
def test_100_000_sensors_of_one_record_make_a_short_description() -> None:
    came = enriched(ns(source=[f"sensor {i}" for i in range(100_000)]))
    assert len(came.objects[-1]["description"]) <= LONGEST_DESCRIPTION


def test_an_overlong_sensor_is_left_out() -> None:
    came = enriched(ns(source=["x" * 2**20, "riskiq"]))
    assert came.objects[-1]["description"] == "NS records (RiskIQ PassiveTotal: riskiq)"
