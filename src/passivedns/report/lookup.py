"""One look-up and what every output says of it: its relations, period, counts and failures."""

from typing import NamedTuple

from passivedns.enrichment import Result
from passivedns.model import Entity, Relation, recency
from passivedns.query.outcome import EVERYTHING
from passivedns.stix.builder import Publisher
from passivedns.stix.objects import StixObject
from passivedns.summary import failure_texts, left_out_texts
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
        text = f"{self.totals}: {frequencies(kept)}" if kept else self.totals
        rest = "; ".join(left_out_texts(self.result))
        return f"{text}\n{rest[0].upper()}{rest[1:]}" if rest else text

    @property
    def totals(self) -> str:
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
