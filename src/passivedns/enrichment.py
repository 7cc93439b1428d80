"""Turns an observable into the STIX objects for OpenCTI, for both the daemon and `lookup`."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from passivedns import metrics
from passivedns.converter import convert
from passivedns.model import RECORD_TYPES, Enrichment, Entity, Tally
from passivedns.query.all_sources import ConfiguredSource, query_all
from passivedns.query.outcome import EVERYTHING, Outcome
from passivedns.stix import objects
from passivedns.stix.builder import Publisher, additions
from passivedns.stix.note import summary_note
from passivedns.stix.objects import StixObject


class Result(NamedTuple):
    """The result for one observable."""

    outcomes: list[Outcome]
    """One per applicable source, in the configured order."""
    enrichment: Enrichment
    objects: list[StixObject]
    """Objects to add to the graph; empty if no record was usable."""

    @property
    def answered(self) -> list[Outcome]:
        """The outcomes of the sources that answered."""
        return [outcome for outcome in self.outcomes if not outcome.failure]

    @property
    def since(self) -> datetime:
        """The earliest start of the queried periods (UTC)."""
        return min((outcome.since for outcome in self.answered), default=EVERYTHING)

    @property
    def at_least(self) -> str:
        """What precedes a number of records: "at least ", or nothing if all answers are complete."""
        return "" if all(outcome.complete for outcome in self.answered) else "at least "

    @property
    def records(self) -> int:
        """The number of rows received, including unreadable ones."""
        return sum(outcome.received for outcome in self.outcomes)


class Enricher(NamedTuple):
    """Enriches entities with the configured sources and limits."""

    sources: Sequence[ConfiguredSource]
    publisher: Publisher
    record_types: Collection[str] = RECORD_TYPES
    max_relationships: int = 0
    """0 for no limit."""
    with_note: bool = False
    """Whether to attach a summary note to the observable."""

    @property
    def searches_left(self) -> dict[str, float]:
        """Remaining searches by source key, if known."""
        return {
            configured.source.key: left for configured in self.sources if (left := configured.meter.left) is not None
        }

    def enrich(self, entity: Entity, now: datetime, known_since: str | None = None) -> Result:
        """Query the sources about an entity and convert the answers to STIX.

        `now` (UTC) stamps the objects; `known_since` is when the entity came to OpenCTI, in STIX format.
        """
        outcomes = query_all(self.sources, entity, now, self.record_types)
        with metrics.CONVERTING.time():
            records = (record for outcome in outcomes for record in outcome.records)
            local = {configured.source.key for configured in self.sources if configured.is_local}
            converted = convert(entity, records, self.record_types, self.max_relationships, local)
            found = _with_outcomes(converted, outcomes)
            added = additions(entity, found.relations, self.publisher, now)
        if self.with_note and added:
            stamp = objects.timestamp(now, "milliseconds")
            added.append(summary_note(entity, found.relations, self.publisher, known_since or stamp, stamp))
        return Result(outcomes, found, added)


def _with_outcomes(found: Enrichment, outcomes: Iterable[Outcome]) -> Enrichment:
    """The enrichment with a tally for each source, which also counts the rows that were not converted."""
    tallies = {
        outcome.source.key: Tally(tally.kept, tally.left_out + Counter(outcome.left_out), outcome.unreadable)
        for outcome in outcomes
        for tally in [found.tallies.get(outcome.source.key, Tally(Counter(), Counter()))]
    }
    return found._replace(tallies=tallies)
