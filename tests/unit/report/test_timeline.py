"""The order of the relations, the texts and the time scale of a look-up."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from passivedns.errors import NoAnswer
from passivedns.model import Answer, Relation
from passivedns.report.timeline import Scale, scale
from tests.unit.saved_answers import lookup_of, seen
from tests.unit.several_sources import lookup_at, record


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def row(first: str | None, last: str | None) -> Relation:
    known = [moment(text) if text else None for text in (first, last)]
    return Relation("resolves-to", "192.0.2.1", "IPv4-Addr", False, ("A",), (("riskiq", ()),), *known)


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


def test_the_scale_covers_all_sightings() -> None:
    common = scale([row("2020-01-01", "2021-01-01"), row("2019-01-01", None), row(None, None)])
    assert common == Scale(moment("2019-01-01"), moment("2021-01-01"))


def test_there_is_no_scale_without_a_date() -> None:
    assert scale([row(None, None)]) is None
    assert scale([]) is None


def test_a_bar_spans_its_dates_and_is_a_point_if_one_is_unknown() -> None:
    common = Scale(moment("2020-01-01"), moment("2020-01-11"))
    assert common.bar(row("2020-01-02", "2020-01-06")) == (0.1, 0.5)
    assert common.bar(row("2020-01-11", None)) == (1, 1)
    assert common.bar(row(None, None)) is None


def test_a_single_moment_has_a_scale() -> None:
    common = scale([row("2020-01-01 12:00", None)])
    assert common is not None
    assert common.bar(row("2020-01-01 12:00", None)) == (0, 0)
    assert [tick.label for tick in common.ticks(20)] == ["2020-01-01"]


@pytest.mark.parametrize(
    ("start", "end", "labels"),
    [
        ("2014-04-15", "2019-10-05", ["2015", "2016", "2017", "2018", "2019"]),
        ("1990-06-01", "2026-01-02", ["1995", "2000", "2005", "2010", "2015", "2020", "2025"]),
        ("2024-12-24", "2025-11-23", ["2025-01", "2025-04", "2025-07", "2025-10"]),
        ("2025-12-29", "2026-01-04", ["12-29", "12-30", "12-31", "01-01", "01-02", "01-03", "01-04"]),
        ("2026-01-01 10:00", "2026-01-01 18:00", ["2026-01-01"]),
    ],
)
def test_the_labels_of_the_scale_are_round_dates(start: str, end: str, labels: list[str]) -> None:
    assert [tick.label for tick in Scale(moment(start), moment(end)).ticks(44)] == labels


@pytest.mark.parametrize("days", [1, 3, 20, 50, 100, 400, 1500, 9000, 40000])
@pytest.mark.parametrize("room", [16, 24, 60])
def test_the_labels_of_the_scale_never_overlap(days: int, room: int) -> None:
    start = moment("1971-02-03 04:05")
    ticks = Scale(start, start + timedelta(days=days)).ticks(room)
    assert ticks
    gaps = [(after.position - before.position) * room for before, after in pairwise(ticks)]
    assert all(gap > len(ticks[0].label) for gap in gaps)
    assert all(0 <= tick.position <= 1 for tick in ticks)
