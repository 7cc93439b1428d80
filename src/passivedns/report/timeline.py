"""The time scale of a timeline: its period, ticks at round dates, and where the dates of a relation are on it."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from passivedns.model import Relation


class Tick(NamedTuple):
    """A labelled date on a scale."""

    position: float
    """From 0 at the start of the scale to 1 at its end."""
    label: str


class Scale(NamedTuple):
    """The period that a timeline shows."""

    start: datetime
    end: datetime
    """Later than `start`."""

    def position(self, moment: datetime) -> float:
        """From 0 at the start to 1 at the end."""
        return (moment - self.start) / (self.end - self.start)

    def bar(self, relation: Relation) -> tuple[float, float] | None:
        """The positions of the first and the last known date; None without a date."""
        known = [self.position(moment) for moment in (relation.first_seen, relation.last_seen) if moment]
        return (known[0], known[-1]) if known else None

    def ticks(self, room: int) -> list[Tick]:
        """Ticks at round dates whose labels fit into `room` characters; at least one."""
        for step, unit, form in _STEPS:
            if (self.end - self.start) / (unit * step) * (len(f"{self.start:{form}}") + 2) > room:
                continue
            if ticks := [Tick(self.position(day), f"{day:{form}}") for day in self._round_dates(step, unit)]:
                return ticks
        return [Tick(0, f"{self.start:%Y-%m-%d}")]

    def _round_dates(self, step: int, unit: timedelta) -> Iterator[datetime]:
        """The midnights (UTC) that begin a day, month or year whose number is a multiple of `step`."""
        day = self.start.replace(hour=0, minute=0, second=0)
        while day <= self.end:
            number = day.toordinal() if unit is _DAY else day.year * 12 + day.month - 1
            if day >= self.start and number % step == 0 and (unit is _DAY or day.day == 1):
                yield day
            day += _DAY


_DAY, _MONTH = timedelta(days=1), timedelta(days=30.436875)
# Distance between ticks in units, unit, and format of the labels.
_STEPS = [
    *((days, _DAY, "%m-%d") for days in (1, 2, 7, 14)),
    *((months, _MONTH, "%Y-%m") for months in (1, 2, 3, 6)),
    *((12 * years, _MONTH, "%Y") for years in (1, 2, 5, 10, 20, 50)),
]


def scale(relations: Iterable[Relation], until: datetime | None = None) -> Scale | None:
    """The period of all relations, extended to `until`; None without a date."""
    moments = [moment for found in relations for moment in (found.first_seen, found.last_seen) if moment]
    if not moments:
        return None
    moments += [until] if until else []
    start, end = min(moments), max(moments)
    return Scale(start, max(end, start + timedelta(seconds=1)))
