"""Queries all sources in parallel and returns the outcome of each."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from passivedns import metrics
from passivedns.errors import ConnectorError, SourceError, TlpRefused, Unforeseen
from passivedns.model import Answer, Entity, Question, Record
from passivedns.query.cache import Cache
from passivedns.query.outcome import EVERYTHING, OLDER, Outcome
from passivedns.query.quota import QuotaMeter
from passivedns.sources.source import Client, Source
from passivedns.stix import special_use
from passivedns.stix.markings import is_within
from passivedns.stix.values import ascii_name

log = logging.getLogger(__name__)


@dataclass
class ConfiguredSource:
    """One source with its client, limits and cache."""

    source: Source
    client: Client
    meter: QuotaMeter
    since: Callable[[datetime], datetime]
    """Returns the start of the time window at a given time (both UTC)."""
    window_setting: str = "PDNS_IMPORT_LAST_SEEN_TIME_WINDOW"
    max_tlp: str | None = None
    """The highest TLP that may be sent to the source; None for no limit."""
    max_tlp_setting: str = "PDNS_MAX_TLP"
    max_pap: str | None = None
    """The highest PAP that may be sent to the source; None for no limit."""
    is_local: bool = False
    """Whether the source knows special-use addresses and names of its own network."""
    cache: Cache | None = None
    identity: str = field(default="", repr=False)
    """The URL, account and options that its answers depend on; the user name in it is confidential."""

    def query(self, entity: Entity, now: datetime, tell: Callable[[Outcome], None]) -> None:
        """Look up an entity and tell the outcome, which may be a failure; `now` is in UTC."""
        since = self.since(now)
        question = Question(ascii_name(entity.value), entity.type, max(since - self.source.clock_tolerance, EVERYTHING))
        try:
            self._check_markings(entity)
            outcome = self._from_cache(question, since, now)
            if outcome is None:
                self._check_limits()
                metrics.SEARCHES.labels(self.source.key).inc()
                outcome = self._keep(self.client.look_up(question), question, since)
        except SourceError as error:
            outcome = Outcome(self.source, since, failure=self.meter.cool_down.note_failure(question.value, error))
        except ConnectorError as error:
            outcome = Outcome(self.source, since, failure=error)
        except Exception as error:
            log.exception("%s could not be asked", self.source.title)
            failure = Unforeseen(f"Internal error ({type(error).__name__}); see the connector log.")
            outcome = Outcome(self.source, since, failure=failure)
        tell(outcome)

    def _check_markings(self, entity: Entity) -> None:
        limits = (entity.tlp, self.max_tlp, self.max_tlp_setting), (entity.pap, self.max_pap, "PDNS_MAX_PAP")
        for marked, maximum, setting in limits:
            if not is_within(marked, maximum):
                raise TlpRefused(
                    f"Not sent to {self.source.title}: marked {marked}, above the maximum of {maximum} ({setting})."
                )

    def _from_cache(self, question: Question, since: datetime, now: datetime) -> Outcome | None:
        cached = self.cache.get(self._key(question), self.source.key, question.since, now) if self.cache else None
        if cached is None:
            return None
        metrics.CACHE_HITS.labels(self.source.key).inc()
        return self._outcome(cached.answer, question, since, cached.given)._replace(cached_since=cached.given)

    def _check_limits(self) -> None:
        """Raises a SourceError if the source is left alone, or has no search left."""
        self.meter.cool_down.check()
        self.meter.refresh(self.client.quota)
        self.meter.cool_down.check()  # the source may just have asked for it
        self.meter.check()

    def _keep(self, answer: Answer, question: Question, since: datetime) -> Outcome:
        given = datetime.now(UTC)
        self.meter.cool_down.note_answer()
        if self.cache and answer.complete and answer.certain:
            self.cache.put(self._key(question), answer, question.since, given)
        return self._outcome(answer, question, since, given)

    def _outcome(self, answer: Answer, question: Question, since: datetime, given: datetime) -> Outcome:
        """The records of an answer `given` (UTC) within the queried period; the others are counted."""
        records = [_up_to(record, given) for record in answer.records]
        found = [record for record in records if record.last_seen is None or record.last_seen >= question.since]
        older = [record.last_seen for record in records if record.last_seen and record.last_seen < question.since]
        ahead = [record.last_seen - given for record in answer.records if record.last_seen]
        return Outcome(
            self.source,
            since,
            found,
            complete=answer.complete,
            unreadable=answer.unreadable,
            left_out=Counter(answer.left_out) + Counter({OLDER: len(older)}),
            newest_older=max(older, default=None),
            window_setting=self.window_setting,
            clock_ahead=max([*ahead, timedelta(0)]),
        )

    def _key(self, question: Question) -> str:
        return f"{self.source.key} {self.identity} {question.type} {question.value}"


def query_all(
    sources: Iterable[ConfiguredSource], entity: Entity, now: datetime, record_types: Collection[str]
) -> list[Outcome]:
    """Query all sources that support the entity and record types in parallel; the outcomes keep their order."""
    is_special = bool(special_use.meaning(entity.type, entity.value))
    able = [
        configured
        for configured in sources
        if entity.type in configured.source.takes
        and not configured.source.record_types.isdisjoint(record_types)
        and (configured.is_local or not is_special)
    ]
    told: list[list[Outcome]] = [[] for _ in able]
    # Daemon threads do not delay the end of the process.
    threads = [
        threading.Thread(target=each.query, args=(entity, now, outcome.append), daemon=True)
        for each, outcome in zip(able, told, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [outcome for (outcome,) in told]


def _up_to(record: Record, now: datetime) -> Record:
    """The record with dates up to `now` (UTC): servers whose clock is ahead, and some placeholders, mean "still"."""
    if max(record.first_seen or EVERYTHING, record.last_seen or EVERYTHING) <= now:
        return record
    first = record.first_seen if record.first_seen and record.first_seen <= now else None
    return record._replace(first_seen=first, last_seen=record.last_seen and min(record.last_seen, now))
