"""Prepares a look-up for tables, pages and files: its relations, texts, and the time scale of its timeline."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from passivedns.enrichment import Result
from passivedns.model import Entity, Relation, recency
from passivedns.query.all_sources import EVERYTHING
from passivedns.stix.builder import Publisher
from passivedns.stix.objects import StixObject
from passivedns.summary import failure_texts, unused
from passivedns.text import frequencies, quantity


class Lookup(NamedTuple):
    """One looked-up value with its result."""

    entity: Entity
    result: Result
    publisher: Publisher

    @property
    def relations(self) -> list[Relation]:
        """The relations, most recently seen first."""
        return sorted(self.result.enrichment.relations, key=recency)

    @property
    def period(self) -> str:
        """The queried period in words."""
        since = self.result.since
        return "all records" if since <= EVERYTHING else f"records seen since {since:%Y-%m-%d}"

    @property
    def sources(self) -> str:
        """The number of records of each source that answered, and the failures of the others."""
        answered = [f"{outcome.source.title} {outcome.received:,}" for outcome in self.result.answered]
        return "; ".join([*answered, *failure_texts(self.result.outcomes)])

    @property
    def summary(self) -> str:
        """The counts in one line, and a second line if records were left out."""
        if not self.result.records:
            return "No records found."
        kept = self.result.enrichment.kept
        text = f"{self.merged}: {frequencies(kept)}" if kept else self.merged
        rest = "; ".join(unused(self.result))
        return f"{text}\n{rest[0].upper()}{rest[1:]}" if rest else text

    @property
    def merged(self) -> str:
        """Such as `59 records, merged into 56 relationships`."""
        found = self.result.enrichment
        used, relationships = found.kept.total(), len(found.relations)
        if not used:
            return "No relationships"
        into = "merged into " if used > relationships else ""
        return f"{self.result.at_least}{quantity(used, 'record')}, {into}{quantity(relationships, 'relationship')}"

    def bundle_objects(self) -> list[StixObject]:
        """The objects that the daemon would send outside a playbook; empty if none."""
        if not self.result.objects:
            return []
        of = self.entity
        return [{"type": of.type.lower(), "spec_version": "2.1", "id": of.id, "value": of.value}, *self.result.objects]


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
