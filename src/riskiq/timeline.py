"""Who was seen from when to when, on one scale for all: what tables, pages and files show of a look-up."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from riskiq.converter import Enrichment, Entity
from riskiq.stix import STIX_TYPES, StixObject

_TYPES = {stix_type: entity_type for entity_type, stix_type in STIX_TYPES.items()}


class Row(NamedTuple):
    """One relationship of the observable that was looked up, as it goes to OpenCTI."""

    record_types: str
    """Such as `NS, SOA`."""
    value: str
    """The other side."""
    type: str
    """Its type, such as `Domain-Name`."""
    relationship: str
    """`resolves-to` or `related-to`."""
    reverse: bool
    """Whether the relationship comes from the other side."""
    first_seen: datetime | None
    """UTC; None where unknown."""
    last_seen: datetime | None
    """UTC, later than `first_seen` by a second at least; None where unknown."""
    sources: str
    """Such as `pingly, riskiq`."""


def rows(entity: Entity, enrichment: Enrichment) -> list[Row]:
    """The relationships, the most recently seen first, those of unknown date last."""
    others = {item["id"]: item for item in enrichment.objects if "value" in item}
    relationships = [item for item in enrichment.objects if item["type"] == "relationship"]
    found = [_row(entity, others, relationship) for relationship in relationships]
    return sorted(found, key=lambda row: (-_order(row.last_seen), -_order(row.first_seen), row.record_types, row.value))


def _row(entity: Entity, others: dict[str, StixObject], relationship: StixObject) -> Row:
    reverse = relationship["target_ref"] == entity.id
    other = others[relationship["source_ref" if reverse else "target_ref"]]
    record_types, _, sources = relationship["description"].partition(" records")
    return Row(
        record_types,
        other["value"],
        _TYPES[other["type"]],
        relationship["relationship_type"],
        reverse,
        _moment(relationship.get("start_time")),
        _moment(relationship.get("stop_time")),
        sources[2:-1],
    )


def _moment(timestamp: str | None) -> datetime | None:
    return datetime.fromisoformat(timestamp) if timestamp else None


def _order(moment: datetime | None) -> float:
    return moment.timestamp() if moment else float("-inf")


class Tick(NamedTuple):
    """A moment on the scale that is named."""

    position: float
    """From 0 at the start of the scale to 1 at its end."""
    label: str


class Scale(NamedTuple):
    """The time from the first to the last sighting of all rows."""

    start: datetime
    end: datetime
    """Later than `start`."""

    def position(self, moment: datetime) -> float:
        """Where a moment of the scale lies, from 0 to 1."""
        return (moment - self.start) / (self.end - self.start)

    def bar(self, row: Row) -> tuple[float, float] | None:
        """From where to where a row reaches; both are one where one date is known, None where none is."""
        known = [self.position(moment) for moment in (row.first_seen, row.last_seen) if moment]
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


def scale(shown: Iterable[Row]) -> Scale | None:
    """The scale on which all rows have their place; None where no row is dated."""
    moments = [moment for row in shown for moment in (row.first_seen, row.last_seen) if moment]
    if not moments:
        return None
    start, end = min(moments), max(moments)
    return Scale(start, max(end, start + timedelta(seconds=1)))
