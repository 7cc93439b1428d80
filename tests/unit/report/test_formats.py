"""Look-ups for machines."""

import csv
import io
import json
from pathlib import Path

import stix2
from stix2validator import validate_string

from passivedns.formats import as_csv, as_json, as_stix
from sandbox.dataset import DOMAIN, own_records
from tests.unit.saved_answers import NOW, lookup_of, seen

RECORD = seen("A", "ip", "192.0.2.1", "2020-01-02 03:04:05", "2021-01-01", "pingly", "riskiq")


def test_json_is_one_object_a_line_with_counts_and_relationships(tmp_path: Path) -> None:
    text = as_json([lookup_of(tmp_path, DOMAIN, [RECORD, {}]), lookup_of(tmp_path, "192.0.2.9", [])])
    found, nothing = map(json.loads, text.splitlines())
    assert found == {
        "query": "example.org",
        "type": "Domain-Name",
        "since": "1970-01-01T00:00:00Z",
        "records": 2,
        "kept": {"A": 1},
        "left_out": {"incomplete record": 1},
        "relationships": [
            {
                "record_types": ["A"],
                "relationship": "resolves-to",
                "direction": "out",
                "value": "192.0.2.1",
                "type": "IPv4-Addr",
                "first_seen": "2020-01-02T03:04:05Z",
                "last_seen": "2021-01-01T00:00:00Z",
                "sources": ["pingly", "riskiq"],
            }
        ],
    }
    assert (nothing["query"], nothing["relationships"]) == ("192.0.2.9", [])


def test_csv_is_one_line_a_relationship_below_one_head(tmp_path: Path) -> None:
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
        "sources": "pingly;riskiq",
    }
    assert (second["query"], second["direction"], second["first_seen"]) == ("192.0.2.9", "in", "")


def test_a_spreadsheet_finds_no_formula_in_csv(tmp_path: Path) -> None:
    hostile = seen("SOA", "email", "=cmd|' /c calc'!a@example.org", None, None, '=HYPERLINK("http://evil.example")')
    mailbox = seen("SOA", "email", "+1@example.org", None, None, "@sum")
    (row,) = csv.DictReader(io.StringIO(as_csv([lookup_of(tmp_path, DOMAIN, [hostile, mailbox])])))
    assert (row["value"], row["sources"]) == ("'+1@example.org", "'@sum")


def test_a_source_with_a_comma_in_its_name_stays_one_source(tmp_path: Path) -> None:
    record = seen("A", "ip", "192.0.2.1", None, None, "riskiq", "Emerging Threats, Inc.", 'A; "B"')
    lookup = lookup_of(tmp_path, DOMAIN, [record])
    (relationship,) = json.loads(as_json([lookup]))["relationships"]
    assert relationship["sources"] == ['A; "B"', "Emerging Threats, Inc.", "riskiq"]
    (row,) = csv.DictReader(io.StringIO(as_csv([lookup])))
    assert next(csv.reader([row["sources"]], delimiter=";")) == relationship["sources"]


def test_every_source_is_named_however_many_there_are(tmp_path: Path) -> None:
    names = [f"sensor{number:02}" for number in range(30)]
    lookup = lookup_of(tmp_path, DOMAIN, [seen("A", "ip", "192.0.2.1", None, None, *names)])
    (relationship,) = json.loads(as_json([lookup]))["relationships"]
    assert relationship["sources"] == names


def test_no_name_of_a_list_is_a_formula_for_a_spreadsheet_that_splits_at_semicolons(tmp_path: Path) -> None:
    record = seen("A", "ip", "192.0.2.1", None, None, "=1+1", "+2")
    (row,) = csv.DictReader(io.StringIO(as_csv([lookup_of(tmp_path, DOMAIN, [record])])))
    assert row["sources"] == "'+2;'=1+1"


def test_stix_is_one_valid_bundle_a_line_and_none_where_nothing_is_known(tmp_path: Path) -> None:
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
