"""Formats numbers, lists, dates and outside text for people."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil

from passivedns.model import Allowance

_UNITS = (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1)))


def quantity(number: int, noun: str) -> str:
    """A number with its noun, such as `1,200 records`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def frequencies(counts: Mapping[str, int], max_names: int = 12) -> str:
    """Most frequent first, shortened: a hostile answer may contain thousands of record types."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(number for _, number in ranked[max_names:])
    return ", ".join(
        f"{name} {number}" for name, number in [*ranked[:max_names], *([("others", rest)] if rest else [])]
    )


def comma_list(names: Sequence[str], max_names: int = 20) -> str:
    """Comma-separated names; … replaces those beyond `max_names`, since an answer may name any number of sources."""
    return ", ".join([*names[:max_names], "…"] if len(names) > max_names else names)


def and_list(names: Sequence[str]) -> str:
    """Names as a list in a sentence, such as `CIRCL, mnemonic and Robtex`."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def one_line(text: str, max_length: int = 100) -> str:
    """Outside text on one line of at most `max_length` characters."""
    return printable(text[:max_length]).replace("\n", " ").strip()


def printable(text: str) -> str:
    """Text without terminal control characters except newlines."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


def day(moment: datetime | None) -> str:
    """A date such as `2026-11-24`."""
    return f"{moment:%Y-%m-%d}" if moment else "unknown"


def duration(length: timedelta) -> str:
    """A duration in the largest unit that fits, such as `3 hours`."""
    fitting = (quantity(length // unit, name) for name, unit in _UNITS if length >= unit)
    return next(fitting, "less than a minute")


def allowance_in_words(allowance: Allowance) -> str:
    """Such as `user: 7 of 2,000 searches used, 1,993 left until 2026-12-01`."""
    owner, used, limit, reset = allowance
    until = f" until {reset}" if reset else ""
    return f"{owner}: {used:,.0f} of {limit:,.0f} searches used, {allowance.left:,.0f} left{until}"


def wait_time(seconds: float) -> str:
    """A time to wait, such as `47 s`, `5 min` or `23 h`, rounded up."""
    for unit, length in (("s", 1), ("min", 60)):
        if seconds <= 120 * length:
            return f"{max(ceil(seconds / length), 1)} {unit}"
    return f"{ceil(seconds / 3600):,} h"


def rates_in_words(rates: str) -> str:
    """Rates such as `10/minute;1000/day` as `10 requests a minute and 1,000 a day`."""
    amounts = [(int(amount), unit) for amount, _, unit in (rate.partition("/") for rate in rates.split(";"))]
    first, *others = [(f"{amount:,}", f"{'an' if unit == 'hour' else 'a'} {unit}") for amount, unit in amounts]
    noun = "request" if amounts[0][0] == 1 else "requests"
    return and_list([f"{first[0]} {noun} {first[1]}", *map(" ".join, others)])
