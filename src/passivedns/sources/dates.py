"""Parses dates of sources: Unix seconds or milliseconds as numbers or text, and ISO 8601 with or without a zone."""

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

Seen = tuple[datetime | None, datetime | None]
"""First and last seen (UTC); None if unknown."""

_EARLIEST = 86_400
"""Earlier dates are unknown: sources write 0, a negative number or the first day of 1970."""
_MILLISECONDS = 10**11
"""Numbers above this are milliseconds: as seconds they would be after the year 5138."""
_LONGEST = 64
"""Maximum characters of a date."""


def _latest() -> float:
    """The latest plausible date of a sighting, one day ahead of this clock."""
    return time.time() + 86_400


def unix(value: Any, latest: float | None = None) -> datetime | None:
    """A number, or text with a number, as a date to the second; None if it is neither or implausible.

    `latest` replaces tomorrow as the latest plausible date.
    """
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    if value > _MILLISECONDS:
        # Integer division, since a huge integer does not fit a float.
        value //= 1000
    return datetime.fromtimestamp(int(value), UTC) if _EARLIEST < value < (latest or _latest()) else None


def iso(value: Any) -> datetime | None:
    """An ISO 8601 text as a date to the second, in UTC if it has no zone; None if implausible."""
    if not isinstance(value, str) or len(value) > _LONGEST:
        return None
    seconds, moment = _moment(value)
    return moment if _EARLIEST < seconds < _latest() else None


# Many records of an answer share their dates.
@lru_cache(maxsize=1024)
def _moment(text: str) -> tuple[float, datetime | None]:
    """A date to the second with its Unix time."""
    try:
        # Python reads no small z, which RFC 3339 section 5.6 allows.
        moment = datetime.fromisoformat(text.upper())
        moment = (moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)).replace(microsecond=0)
    except (ValueError, OverflowError):
        return 0, None
    return moment.timestamp(), moment


def span(first: Any, last: Any) -> Seen:
    """First and last seen from Unix time or ISO 8601; both None if last precedes first."""
    if type(first) is type(last) is int and _EARLIEST < first <= last < _latest():
        # A fast path for the usual case, in half the time.
        return datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last, UTC)
    return seen(unix(first) or iso(first), unix(last) or iso(last))


def iso_span(first: Any, last: Any) -> Seen:
    """First and last seen from ISO 8601; both None if last precedes first."""
    return seen(iso(first), iso(last))


def seen(first: datetime | None, last: datetime | None) -> Seen:
    """Both dates, or None twice if last precedes first."""
    return (None, None) if first and last and last < first else (first, last)
