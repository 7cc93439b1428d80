"""Numbers and counts as people read them."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

_UNITS = (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1)))


def counted(number: int, noun: str) -> str:
    """A number with its noun, such as `1,200 records`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(counts: Mapping[str, int], longest: int = 12) -> str:
    """The most frequent first; a hostile answer may hold thousands of record types."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(number for _, number in ranked[longest:])
    return ", ".join(f"{name} {number}" for name, number in [*ranked[:longest], *([("others", rest)] if rest else [])])


def named(names: Sequence[str], most: int = 20) -> str:
    """Names with commas between; … stands for those beyond `most`, since an answer may name any number of sources."""
    return ", ".join([*names[:most], "…"] if len(names) > most else names)


def ago(age: timedelta) -> str:
    """How long ago, in the largest unit that fits, such as `3 hours ago`."""
    fitting = (f"{counted(age // length, unit)} ago" for unit, length in _UNITS if age >= length)
    return next(fitting, "less than a minute ago")


def one_line(text: str) -> str:
    """Text from outside on one line of bearable length."""
    return "".join(c if c.isprintable() else " " for c in text[:100])


def printable(text: str) -> str:
    """Text without what a terminal would obey, but for the ends of lines."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)
