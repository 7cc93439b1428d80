"""Who was seen from when to when, on one scale for all: what tables, pages and files show of a look-up."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from riskiq.converter import Relation


def newest_first(relations: Iterable[Relation]) -> list[Relation]:
    """The relations, the most recently seen first, those of unknown date last."""
    return sorted(relations, key=lambda found: (-_order(found.last_seen), -_order(found.first_seen), *_name(found)))


def _name(relation: Relation) -> tuple[tuple[str, ...], str]:
    return relation.record_types, relation.value


def _order(moment: datetime | None) -> float:
    return moment.timestamp() if moment else float("-inf")


class Tick(NamedTuple):
    """A moment on the scale that is named."""

    position: float
    """From 0 at the start of the scale to 1 at its end."""
    label: str


class Scale(NamedTuple):
    """The time from the first to the last sighting of all relations."""

    start: datetime
    end: datetime
    """Later than `start`."""

    def position(self, moment: datetime) -> float:
        """Where a moment of the scale lies, from 0 to 1."""
        return (moment - self.start) / (self.end - self.start)

    def bar(self, relation: Relation) -> tuple[float, float] | None:
        """From where to where a relation reaches; both are one where one date is known, None where none is."""
        known = [self.position(moment) for moment in (relation.first_seen, relation.last_seen) if moment]
        return (known[0], known[-1]) if known else None

    def ticks(self, room: int) -> list[Tick]:
        """As many ticks at round dates as labels fit into `room` characters, at least one."""
        for step, unit, form in _STEPS:
            if (self.end - self.start) / (unit * step) * (len(f"{self.start:{form}}") + 2) > room:
                continue
            found = list(_round_dates(self, step, unit))
            if found:
                return [Tick(self.position(moment), f"{moment:{form}}") for moment in found]
        return [Tick(0, f"{self.start:%Y-%m-%d}")]


_DAY, _MONTH = timedelta(days=1), timedelta(days=30.436875)
_STEPS = [
    *((days, _DAY, "%m-%d") for days in (1, 2, 7, 14)),
    *((months, _MONTH, "%Y-%m") for months in (1, 2, 3, 6)),
    *((12 * years, _MONTH, "%Y") for years in (1, 2, 5, 10, 20, 50)),
]
"""Number of units, unit, and how a date is written at that distance."""


def _round_dates(scale: Scale, step: int, unit: timedelta) -> Iterator[datetime]:
    """The midnights (UTC) on the scale that begin a day, month or year of a number that `step` divides."""
    day = scale.start.replace(hour=0, minute=0, second=0)
    while day <= scale.end:
        number = day.toordinal() if unit is _DAY else day.year * 12 + day.month - 1
        if day >= scale.start and number % step == 0 and (unit is _DAY or day.day == 1):
            yield day
        day += _DAY


def scale(relations: Iterable[Relation]) -> Scale | None:
    """The scale on which all relations have their place; None where none is dated."""
    moments = [moment for found in relations for moment in (found.first_seen, found.last_seen) if moment]
    if not moments:
        return None
    start, end = min(moments), max(moments)
    return Scale(start, max(end, start + timedelta(seconds=1)))
