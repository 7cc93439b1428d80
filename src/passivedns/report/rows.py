"""What tables, pages and files show of a look-up: its relations, its sources, and one scale of time for all."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from passivedns.asking import EVERYTHING
from passivedns.enrichment import Result
from passivedns.model import Entity, Relation, newest_first
from passivedns.stix.knowledge import Publisher, seen_by
from passivedns.stix.objects import StixObject
from passivedns.summary import failure
from passivedns.wording import counted, listed


class Lookup(NamedTuple):
    """What came of looking up one value."""

    entity: Entity
    result: Result
    publisher: Publisher

    @property
    def relations(self) -> list[Relation]:
        """What was found, the most recently seen first."""
        return newest_first(self.result.enrichment.relations)

    @property
    def since(self) -> datetime:
        """How far back the source went that went furthest (UTC)."""
        return min((outcome.since for outcome in self.result.answered), default=EVERYTHING)

    @property
    def period(self) -> str:
        """How far the look-up went back, in words."""
        return "all records" if self.since <= EVERYTHING else f"records seen since {self.since:%Y-%m-%d}"

    @property
    def sources(self) -> str:
        """How many records each source answered, and why others did not, in words."""
        parts = [
            failure(outcome) if outcome.failure else f"{outcome.source.title} {len(outcome.records):,}"
            for outcome in self.result.outcomes
        ]
        return "; ".join(parts)

    @property
    def summary(self) -> str:
        """What was counted, on one line or, where something was left out, on two."""
        if not self.result.records:
            return "No record is known."
        found = self.result.enrichment
        text = f"{self.merged}: {listed(found.kept)}" if found.kept else self.merged
        if not found.left_out:
            return text
        records = counted(self.result.records, "record")
        return f"{text}\nLeft out {found.left_out.total():,} of {records}: {listed(found.left_out)}"

    @property
    def merged(self) -> str:
        """How many records were used, and how many relationships they amount to, in words."""
        found = self.result.enrichment
        at_least = "" if all(outcome.complete for outcome in self.result.answered) else "at least "
        used, relationships = found.kept.total(), len(found.relations)
        if not used:
            return "No relationship"
        into = "merged into " if used > relationships else ""
        return f"{at_least}{counted(used, 'record')}, {into}{counted(relationships, 'relationship')}"

    def seen_by(self, relation: Relation) -> str:
        """The sources of a relation, in words."""
        return seen_by(relation.sources, self.publisher)

    def bundle_objects(self) -> list[StixObject]:
        """What the daemon would send outside a playbook; empty where it would send nothing."""
        entity = {"type": self.entity.type.lower(), "spec_version": "2.1"}
        bare = entity | {"id": self.entity.id, "value": self.entity.value}
        return [bare, *self.result.objects] if self.result.objects else []


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


def scale(relations: Iterable[Relation], until: datetime | None = None) -> Scale | None:
    """The scale on which all relations and `until` have their place; None where none is dated."""
    moments = [moment for found in relations for moment in (found.first_seen, found.last_seen) if moment]
    if not moments:
        return None
    moments += [until] if until else []
    start, end = min(moments), max(moments)
    return Scale(start, max(end, start + timedelta(seconds=1)))
