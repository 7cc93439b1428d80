"""Dates in the formats of sources, and implausible ones."""

from datetime import UTC, datetime
from typing import Any

import pytest

from passivedns.formats.dates import iso, seen, span, unix

MOMENT = datetime(2020, 9, 13, 12, 26, 40, tzinfo=UTC)


@pytest.mark.parametrize(
    "written", [1_600_000_000, 1_600_000_000.9, "1600000000", 1_600_000_000_123, "1600000000123", " 1.6e9 "]
)
def test_a_number_of_seconds_or_milliseconds_is_a_date_to_the_second(written: Any) -> None:
    assert unix(written) == MOMENT


@pytest.mark.parametrize(
    "written", [0, "0", 86_400, -1, 10**400, 1e308, float("nan"), "inf", "", "soon", True, None, []]
)
def test_an_implausible_number_or_other_value_is_no_date(written: Any) -> None:
    assert unix(written) is None


@pytest.mark.parametrize("written", [86_401, 1_999_999_999, 4_294_967_295, 100_000_000_001, 253_402_300_799])
def test_a_plausible_number_is_a_date(written: int) -> None:
    assert unix(written) == datetime.fromtimestamp(written, UTC)


@pytest.mark.parametrize("written", [253_402_300_800, 410_227_199_999, 253_402_300_800_000, 10**18])
def test_a_number_after_the_year_9999_is_no_date(written: int) -> None:
    assert unix(written) is None


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        (410_227_200_000, datetime(1983, 1, 1, tzinfo=UTC)),
        (4_294_967_295_000, datetime(2106, 2, 7, 6, 28, 15, tzinfo=UTC)),
        (253_402_300_799_999, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_number_that_is_a_date_since_the_birth_of_the_dns_in_milliseconds_is_one(
    written: int, moment: datetime
) -> None:
    assert unix(written) == unix(str(written)) == moment


@pytest.mark.parametrize("last", [4_294_967_295, "253402300799", "9999-12-31T23:59:59Z", 253_402_300_799_000])
def test_dates_ahead_of_the_clock_are_returned_as_they_are(last: Any) -> None:
    first, seen_last = span(1_600_000_000, last)
    assert first == MOMENT
    assert seen_last == (unix(last) or iso(last))
    assert seen_last
    assert seen_last.year in (2106, 9999)
    assert span(last, last) == (seen_last, seen_last)


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
        "9999-12-31T23:59:59-01:00",
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
