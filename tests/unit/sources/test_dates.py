"""Dates in the formats of sources, and implausible ones."""

from datetime import UTC, datetime
from typing import Any

import pytest

from passivedns.sources.dates import iso, seen, span, unix

LATEST = 2_000_000_000.0
"""In May 2033."""
MOMENT = datetime(2020, 9, 13, 12, 26, 40, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the clock a day before `LATEST`."""
    monkeypatch.setattr("passivedns.sources.dates.time.time", lambda: LATEST - 86_400)


@pytest.mark.parametrize(
    "written", [1_600_000_000, 1_600_000_000.9, "1600000000", 1_600_000_000_123, "1600000000123", " 1.6e9 "]
)
def test_a_number_of_seconds_or_milliseconds_is_a_date_to_the_second(written: Any) -> None:
    assert unix(written) == MOMENT


@pytest.mark.parametrize("written", [86_400, 2_000_000_000, -1, 10**400, float("nan"), "", "soon", True, None, []])
def test_an_implausible_number_or_other_value_is_no_date(written: Any) -> None:
    assert unix(written) is None


@pytest.mark.parametrize("written", [86_401, 1_999_999_999])
def test_a_plausible_number_is_a_date(written: int) -> None:
    assert unix(written) == datetime.fromtimestamp(written, UTC)


@pytest.mark.parametrize(
    "written",
    [
        "2020-09-13T12:26:40Z",
        "2020-09-13t12:26:40z",
        "2020-09-13 12:26:40",
        "2020-09-13T12:26:40.9",
        "2020-09-13T14:26:40+02:00",
    ],
)
def test_iso_8601_is_a_date_and_in_utc_without_a_zone(written: str) -> None:
    assert iso(written) == MOMENT


@pytest.mark.parametrize(
    "written",
    [
        "1970-01-02T00:00:00Z",
        "2033-05-18T03:33:20Z",
        "0001-01-01T00:00:00+23:59",
        "2026-13-45",
        "",
        1_600_000_000,
        None,
    ],
)
def test_an_implausible_or_malformed_iso_8601_text_is_no_date(written: Any) -> None:
    assert iso(written) is None


def test_first_and_last_may_have_different_formats() -> None:
    assert span(1_600_000_000, "2020-09-13T12:26:40Z") == (MOMENT, MOMENT)


@pytest.mark.parametrize(("first", "last"), [(1_600_000_001, 1_600_000_000), ("2020-09-14", "2020-09-13")])
def test_both_dates_are_dropped_if_last_precedes_first(first: Any, last: Any) -> None:
    assert span(first, last) == (None, None)


@pytest.mark.parametrize("dates", [(MOMENT, None), (None, MOMENT), (None, None), (MOMENT, MOMENT)])
def test_one_date_may_be_unknown(dates: tuple[datetime | None, datetime | None]) -> None:
    assert seen(*dates) == dates
