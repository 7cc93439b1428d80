"""What every output says of a look-up: the order of its relations, its counts and the failures."""

from datetime import UTC, datetime
from pathlib import Path

from passivedns.errors import NoAnswer
from passivedns.model import Answer, Relation
from tests.helpers.saved_answers import lookup_of, seen
from tests.helpers.several_sources import lookup_at, record


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_several_records_make_one_relation(tmp_path: Path) -> None:
    lookup = lookup_of(
        tmp_path,
        "example.org",
        [
            seen("SOA", "domain", "ns1.example.net.", "2024-01-01", "2025-01-01", "riskiq"),
            seen("NS", "domain", "ns1.example.net", "2023-01-01", "2024-06-01", "pingly"),
        ],
    )
    assert lookup.relations == [
        Relation(
            "resolves-to",
            "ns1.example.net",
            "Domain-Name",
            False,
            ("NS", "SOA"),
            (("riskiq", ("pingly", "riskiq")),),
            moment("2023-01-01"),
            moment("2025-01-01"),
        )
    ]


def test_names_point_to_an_address_and_a_mailbox_is_only_related(tmp_path: Path) -> None:
    lookup = lookup_of(
        tmp_path,
        "192.0.2.10",
        [
            seen("A", "domain", "example.org", "2024-01-01", "2024-03-01", "riskiq"),
            seen("SOA", "email", "hostmaster@example.org", "2024-01-01", "2024-02-01"),
        ],
    )
    name, mailbox = lookup.relations
    assert (name.value, name.type, name.reverse) == ("example.org", "resolves-to", True)
    assert (mailbox.value, mailbox.type, mailbox.reverse) == ("hostmaster@example.org", "related-to", False)
    assert (name.sources, mailbox.sources) == ((("riskiq", ("riskiq",)),), (("riskiq", ()),))


def test_the_most_recently_seen_come_first_and_undated_ones_last(tmp_path: Path) -> None:
    lookup = lookup_of(
        tmp_path,
        "example.org",
        [
            seen("A", "ip", "192.0.2.1", None, None),
            seen("A", "ip", "192.0.2.2", "2020-01-01", "2021-01-01"),
            seen("A", "ip", "192.0.2.3", "2020-01-01", "2022-01-01"),
            seen("A", "ip", "192.0.2.4", "2021-06-01", "2022-01-01"),
        ],
    )
    order = [found.value for found in lookup.relations]
    assert order == ["192.0.2.4", "192.0.2.3", "192.0.2.2", "192.0.2.1"]


def test_addresses_with_the_same_dates_are_in_numeric_order(tmp_path: Path) -> None:
    values = ["192.0.2.10", "192.0.2.9", "9.0.0.1"]
    found = lookup_of(tmp_path, "example.org", [seen("A", "ip", value, None, None) for value in values])
    assert [relation.value for relation in found.relations] == ["9.0.0.1", "192.0.2.9", "192.0.2.10"]


def test_the_records_or_failure_of_each_of_several_sources_are_shown() -> None:
    known = Answer([record("one", "192.0.2.1"), record("one", "192.0.2.2")], unreadable=1)
    lookup = lookup_at(
        {"one": known, "two": NoAnswer("Two server error (HTTP 500); try again later."), "six": Answer([])}
    )
    assert lookup.sources == "One 3; Six 0; Two failed: server error (HTTP 500); try again later"
    assert lookup.summary == "2 records, 2 relationships: A 2\n1 unreadable row"


def test_an_incomplete_answer_is_shown_as_a_lower_bound() -> None:
    lookup = lookup_at({"one": Answer([record("one", "192.0.2.1")], complete=False), "two": Answer([])})
    assert lookup.summary == "at least 1 record, 1 relationship: A 1"


def test_records_of_the_same_relation_are_shown_as_merged() -> None:
    both = Answer([record("one", "192.0.2.1"), record("one", "192.0.2.2"), record("one", "192.0.2.2", year=2020)])
    assert lookup_at({"one": both}).summary == "3 records, merged into 2 relationships: A 3"


def test_the_summary_says_that_no_records_were_found() -> None:
    assert lookup_at({"one": Answer([]), "two": Answer([])}).summary == "No records found."
