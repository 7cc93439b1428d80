"""Parses dates of sources: Unix seconds or milliseconds as numbers or text, and ISO 8601 with or without a zone."""

from datetime import UTC, datetime
from typing import Any

Seen = tuple[datetime | None, datetime | None]
"""First and last seen (UTC); None if unknown."""

_EARLIEST = 86_400
"""Earlier dates are unknown: sources write 0, a negative number or the first day of 1970."""
_LATEST = 253_402_300_799
"""The last second of the year 9999, after which Python has no dates; sources write it for "still seen"."""
_BIRTH_OF_DNS = 410_227_200
"""1983; a number that would be an earlier date in milliseconds is in seconds."""
_FIRST_DAY = datetime.fromtimestamp(_EARLIEST, UTC)
_MAX_LENGTH = 64
"""Characters of a date."""
_WITHOUT_ZONE = len("2026-11-29T12:00:00")


def unix(value: Any) -> datetime | None:
    """A number, or text with a number, as a date to the second; None if it is neither or not a date.

    Dates ahead of the clock are returned as they are.
    """
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    if value >= _BIRTH_OF_DNS * 1000:
        # Integer division, since a huge integer does not fit a float.
        value //= 1000
    return datetime.fromtimestamp(int(value), UTC) if _EARLIEST < value <= _LATEST else None


def iso(value: Any) -> datetime | None:
    """An ISO 8601 text as a date to the second, in UTC if it has no zone; None if it is not a date."""
    if not isinstance(value, str):
        return None
    try:
        # Adding UTC to the text takes a fifth of the time of adding it to the date.
        moment = datetime.fromisoformat(f"{value}Z" if len(value) == _WITHOUT_ZONE else value)
    except ValueError:
        moment = _any_iso(value)
    if moment.tzinfo is not UTC or moment.microsecond:
        moment = _any_iso(value)
    return moment if moment > _FIRST_DAY else None


def _any_iso(text: str) -> datetime:
    """A date in any form of ISO 8601; `_FIRST_DAY` if the text is not a date."""
    if len(text) > _MAX_LENGTH:
        return _FIRST_DAY
    try:
        # Python reads no small z, which RFC 3339 section 5.6 allows.
        moment = datetime.fromisoformat(text.strip().upper())
        return (moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)).replace(microsecond=0)
    except (ValueError, OverflowError):
        return _FIRST_DAY


def span(first: Any, last: Any) -> Seen:
    """First and last seen from Unix time or ISO 8601; both None if last precedes first."""
    if type(first) is type(last) is int and _EARLIEST < first <= last <= _LATEST:
        # A fast path for the usual case, in half the time.
        return datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last, UTC)
    return seen(unix(first) or iso(first), unix(last) or iso(last))


def iso_span(first: Any, last: Any) -> Seen:
    """First and last seen from ISO 8601; both None if last precedes first."""
    return seen(iso(first), iso(last))


def seen(first: datetime | None, last: datetime | None) -> Seen:
    """Both dates, or None twice if last precedes first."""
    return (None, None) if first and last and last < first else (first, last)
