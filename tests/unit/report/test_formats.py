"""Look-ups as JSON, CSV and STIX."""

import csv
import io
import json
from pathlib import Path

import stix2
from stix2validator import validate_string

from passivedns.errors import NoAnswer
from passivedns.model import Answer
from passivedns.report.formats import as_csv, as_json, as_stix
from passivedns.report.lookup import Lookup
from sandbox.sources.riskiq_data import DOMAIN, own_records
from tests.helpers.saved_answers import NOW, lookup_of, seen
from tests.helpers.several_sources import lookup_at, record

RECORD = seen("A", "ip", "192.0.2.1", "2020-01-02 03:04:05", "2021-01-01", "pingly", "riskiq")


def rows(records: int, kept: int = 0, left_out: dict[str, int] | None = None) -> dict[str, object]:
    return {"records": records, "kept": kept, "left_out": left_out or {}, "unreadable": 0, "complete": True}


def test_json_is_one_object_per_line_with_counts_and_relationships(tmp_path: Path) -> None:
    text = as_json([lookup_of(tmp_path, DOMAIN, [RECORD, {}]), lookup_of(tmp_path, "192.0.2.9", [])])
    found, nothing = map(json.loads, text.splitlines())
    assert found == {
        "query": "example.org",
        "type": "Domain-Name",
        "since": "1970-01-01T00:00:00Z",
        "records": 2,
        "sources": {"riskiq": rows(2, kept=1, left_out={"incomplete record": 1})},
        "kept": {"A": 1},
        "left_out": {"incomplete record": 1},
        "unreadable": 0,
        "relationships": [
            {
                "record_types": ["A"],
                "relationship": "resolves-to",
                "direction": "out",
                "value": "192.0.2.1",
                "type": "IPv4-Addr",
                "first_seen": "2020-01-02T03:04:05Z",
                "last_seen": "2021-01-01T00:00:00Z",
                "sources": {"riskiq": ["pingly", "riskiq"]},
            }
        ],
    }
    assert (nothing["query"], nothing["relationships"]) == ("192.0.2.9", [])


def several() -> Lookup:
    """One relation seen by two sources, and a third source that failed."""
    return lookup_at(
        {
            "two": Answer([record("two", "192.0.2.1", sensors=["x", "b"])]),
            "one": Answer([record("one", "192.0.2.1", year=2020, sensors=["b", "a"])], complete=False),
            "bad": NoAnswer("Bad server error (HTTP 500); try again later."),
        }
    )


def test_json_names_the_records_or_failure_and_the_sensors_of_each_source() -> None:
    found = json.loads(as_json([several()]))
    assert found["records"] == 2
    assert found["sources"] == {
        "two": rows(1, kept=1),
        "one": rows(1, kept=1) | {"complete": False},
        "bad": {"failure": "Bad server error (HTTP 500); try again later."},
    }
    (relationship,) = found["relationships"]
    assert relationship["sources"] == {"one": ["a", "b"], "two": ["b", "x"]}
    assert (relationship["first_seen"], relationship["last_seen"]) == ("2020-01-01T00:00:00Z", "2026-01-01T00:00:00Z")


def test_json_shows_when_an_answer_was_cached() -> None:
    lookup = lookup_at({"one": Answer([])})
    given = NOW.replace(microsecond=123456)
    outcomes = [outcome._replace(cached_since=given) for outcome in lookup.result.outcomes]
    found = json.loads(as_json([lookup._replace(result=lookup.result._replace(outcomes=outcomes))]))
    assert found["sources"] == {"one": rows(0) | {"cached_since": "2026-11-24T12:00:00Z"}}


def test_csv_names_all_sources_of_a_relationship_and_each_sensor_once() -> None:
    (row,) = csv.DictReader(io.StringIO(as_csv([several()])))
    assert (row["sources"], row["sensors"]) == ("one;two", "a;b;x")


def test_csv_has_one_header_and_one_line_per_relationship(tmp_path: Path) -> None:
    undated = seen("A", "domain", "example.org", None, None)
    text = as_csv([lookup_of(tmp_path, DOMAIN, [RECORD]), lookup_of(tmp_path, "192.0.2.9", [undated])])
    first, second = csv.DictReader(io.StringIO(text))
    assert first == {
        "query": "example.org",
        "record_types": "A",
        "relationship": "resolves-to",
        "direction": "out",
        "value": "192.0.2.1",
        "type": "IPv4-Addr",
        "first_seen": "2020-01-02T03:04:05Z",
        "last_seen": "2021-01-01T00:00:00Z",
        "sources": "riskiq",
        "sensors": "pingly;riskiq",
    }
    assert (second["query"], second["direction"], second["first_seen"]) == ("192.0.2.9", "in", "")


def test_csv_contains_no_formulas(tmp_path: Path) -> None:
    hostile = seen("SOA", "email", "=cmd|' /c calc'!a@example.org", None, None, '=HYPERLINK("http://evil.example")')
    mailbox = seen("SOA", "email", "+1@example.org", None, None, "@sum")
    (row,) = csv.DictReader(io.StringIO(as_csv([lookup_of(tmp_path, DOMAIN, [hostile, mailbox])])))
    assert (row["value"], row["sensors"]) == ("'+1@example.org", "'@sum")


def test_a_sensor_with_a_comma_in_its_name_stays_one_sensor(tmp_path: Path) -> None:
    found = seen("A", "ip", "192.0.2.1", None, None, "riskiq", "Emerging Threats, Inc.", 'A; "B"')
    lookup = lookup_of(tmp_path, DOMAIN, [found])
    (relationship,) = json.loads(as_json([lookup]))["relationships"]
    assert relationship["sources"] == {"riskiq": ['A; "B"', "Emerging Threats, Inc.", "riskiq"]}
    (row,) = csv.DictReader(io.StringIO(as_csv([lookup])))
    assert next(csv.reader([row["sensors"]], delimiter=";")) == relationship["sources"]["riskiq"]


def test_all_of_many_sensors_are_named(tmp_path: Path) -> None:
    names = [f"sensor{number:02}" for number in range(30)]
    lookup = lookup_of(tmp_path, DOMAIN, [seen("A", "ip", "192.0.2.1", None, None, *names)])
    (relationship,) = json.loads(as_json([lookup]))["relationships"]
    assert relationship["sources"] == {"riskiq": names}


def test_lists_in_csv_contain_no_formulas_either(tmp_path: Path) -> None:
    found = seen("A", "ip", "192.0.2.1", None, None, "=1+1", "+2")
    (row,) = csv.DictReader(io.StringIO(as_csv([lookup_of(tmp_path, DOMAIN, [found])])))
    assert row["sensors"] == "'+2;'=1+1"


def test_stix_is_one_valid_bundle_per_line_and_none_without_records(tmp_path: Path) -> None:
    lookups = [
        lookup_of(tmp_path, DOMAIN, own_records(NOW.date())[DOMAIN]),
        lookup_of(tmp_path, "nothing.example", []),
        lookup_of(tmp_path, "192.0.2.10", own_records(NOW.date())["192.0.2.10"]),
    ]
    domain, address = as_stix(lookups).splitlines()
    for bundle in (domain, address):
        assert stix2.parse(bundle, allow_custom=True, version="2.1")
        assert validate_string(bundle).is_valid
    assert json.loads(address)["objects"][0]["value"] == "192.0.2.10"
