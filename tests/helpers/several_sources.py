"""A look-up at several sources, some of which fail."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from passivedns.commands.lookup import observable
from passivedns.enrichment import Enricher
from passivedns.errors import SourceError
from passivedns.model import Answer, Question, Record
from passivedns.query.all_sources import ConfiguredSource
from passivedns.query.outcome import EVERYTHING
from passivedns.query.quota import QuotaMeter
from passivedns.report.lookup import Lookup
from passivedns.sources import SOURCES
from passivedns.sources.source import Client
from passivedns.stix.builder import Publisher

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Known(Client):
    """An in-memory source."""

    def __init__(self, answer: Answer | SourceError) -> None:
        self._answer = answer

    def look_up(self, question: Question) -> Answer:  # noqa: ARG002  # it knows only one answer
        """The answer, or the failure."""
        if isinstance(self._answer, SourceError):
            raise self._answer
        return self._answer


def record(source: str, data: str, record_type: str = "A", *, year: int = 2026, sensors: Sequence[str] = ()) -> Record:
    """A record of example.org, seen on the first day of a year."""
    day = datetime(year, 1, 1, tzinfo=UTC)
    return Record("example.org", record_type, data, day, day, tuple(sensors), source)


def lookup_at(answers: Mapping[str, Answer | SourceError]) -> Lookup:
    """The look-up of example.org at sources (by key) with these answers."""
    sources = [replace(SOURCES["riskiq"], key=key, title=key.title(), organization=key.title()) for key in answers]
    configured = [
        ConfiguredSource(source, Known(answer), QuotaMeter(source), since=lambda _: EVERYTHING)
        for source, answer in zip(sources, answers.values(), strict=True)
    ]
    publisher = Publisher({key: key.title() for key in answers}, dict.fromkeys(answers, "TLP:CLEAR"))
    entity = observable("example.org")
    return Lookup(entity, Enricher(configured, publisher).enrich(entity, NOW), publisher)
