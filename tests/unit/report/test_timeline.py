"""The time scale of a timeline: its period, ticks and bars."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from passivedns.model import Relation
from passivedns.report.timeline import Scale, scale


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def row(first: str | None, last: str | None) -> Relation:
    known = [moment(text) if text else None for text in (first, last)]
    return Relation("resolves-to", "192.0.2.1", "IPv4-Addr", False, ("A",), (("riskiq", ()),), *known)


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
