"""Formats the text of a work: what was added, left out and failed."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from passivedns.enrichment import Result
from passivedns.errors import AllFailed, ConnectorError, TlpRefused
from passivedns.model import FAMILIES, Entity
from passivedns.query.outcome import EVERYTHING, OLDER, Outcome
from passivedns.sources import SOURCES
from passivedns.stix import special_use
from passivedns.text import and_list, day, duration, frequencies, quantity

MAX_CLOCK_SKEW = timedelta(minutes=10)
"""How far the clock of a source may be ahead without a word."""
SLOW_IMPORT = 1000
"""Relationships that OpenCTI takes minutes to import, at about ten objects a second."""


def total_failure(outcomes: Sequence[Outcome]) -> ConnectorError | None:
    """The error if no source answered; None if one did, or none applied."""
    failures = [outcome.failure for outcome in outcomes if outcome.failure]
    if not failures or len(failures) < len(outcomes):
        return None
    if len(failures) == 1:
        return failures[0]
    text = " ".join(f"{sentence}." for sentence in failure_texts(outcomes))
    if all(isinstance(failure, TlpRefused) for failure in failures):
        return TlpRefused(text)
    return AllFailed(text, tuple(failures))


def reason_not_asked(entity: Entity) -> str:
    """Why no source was asked about an entity."""
    if not (meaning := special_use.meaning(entity.type, entity.value)):
        return f"{entity.value} was not looked up: none of the sources covers {entity.type}"
    local = [source for source in SOURCES.values() if "special_use" in source.settings.model_fields]
    able = " or ".join(f"a {source.title} with {source.variable('special_use')}" for source in local)
    what = "address" if entity.type in FAMILIES else "name"
    return f"{entity.value} was not looked up: it is a special-use {what} ({meaning}); only {able} is asked about those"


def summary(value: str, result: Result, now: datetime) -> str:
    """The text of an enrichment in which a source answered."""
    text = _added(value, result) if result.records else _nothing_known(value, result)
    return "; ".join([text, *_remarks(result, now)])


def _added(value: str, result: Result) -> str:
    found = result.enrichment
    added = f"{quantity(found.observables, 'observable')} and {quantity(len(found.relations), 'relationship')}"
    records = f"{result.at_least}{quantity(result.records, 'passive DNS record')}"
    text = f"Added {added if found.relations else 'nothing'} from {records} of {value}"
    return f"{text} ({frequencies(found.kept)})" if found.kept else text


def _nothing_known(value: str, result: Result) -> str:
    period = "" if result.since <= EVERYTHING else f" since {result.since:%Y-%m-%d}"
    verb = "have" if len(result.answered) > 1 else "has"
    titles = and_list([outcome.source.title for outcome in result.answered])
    return f"{titles} {verb} no passive DNS records of {value}{period}"


def _remarks(result: Result, now: datetime) -> Iterator[str]:
    found, answered = result.enrichment, result.answered
    yield from left_out_texts(result)
    if result.records and len(result.outcomes) > 1:
        yield f"records by source: {frequencies({outcome.source.title: outcome.received for outcome in answered})}"
    for outcome in answered:
        if outcome.cached_since:
            named = f"{outcome.source.title} " if len(result.outcomes) > 1 else ""
            yield f"{named}from cache ({duration(now - outcome.cached_since)} old)"
    yield from failure_texts(result.outcomes)
    if len(found.relations) > SLOW_IMPORT:
        yield "OpenCTI will take a while to import them"


def left_out_texts(result: Result) -> Iterator[str]:
    """Phrases about the records that were left out or unreadable, and about wrong clocks."""
    left_out, unreadable = result.enrichment.left_out, result.enrichment.unreadable
    older = left_out.pop(OLDER, 0)
    if left_out:
        yield f"left out {left_out.total():,}: {frequencies(left_out)}"
    if older:
        newest = max(outcome.newest_older for outcome in result.outcomes if outcome.newest_older)
        settings = and_list(list(dict.fromkeys(out.window_setting for out in result.outcomes if out.newest_older)))
        yield f"{older:,} {OLDER}, the newest of {day(newest)}; widen {settings}"
    if unreadable:
        yield quantity(unreadable, "unreadable row")
    for outcome in result.outcomes:
        if outcome.clock_ahead > MAX_CLOCK_SKEW:
            yield (
                f"{outcome.source.title} dates records up to {duration(outcome.clock_ahead)} ahead of this clock; they "
                "count as seen now"
            )


def failure_texts(outcomes: Iterable[Outcome]) -> list[str]:
    """Each reason for which sources failed or were not asked, once, with their names; without a period."""
    titles: dict[tuple[str, str], list[str]] = {}
    for outcome in outcomes:
        if outcome.failure:
            titles.setdefault(_around_title(outcome.source.title, outcome.failure), []).append(outcome.source.title)
    return [f"{before}{and_list(names)}{after}" for (before, after), names in titles.items()]


def _around_title(title: str, failure: ConnectorError) -> tuple[str, str]:
    """What precedes and follows the name of a source in the text of its failure."""
    text = str(failure).removesuffix(".")
    before, *after = re.split(rf"\b{re.escape(title)}\b", text, maxsplit=1)
    if not after:
        return "", f" failed: {text}"
    if not before and (noun := _WITHOUT_VERB.match(after[0])):
        return "", f" failed: {after[0][noun.end() :]}"
    return before, after[0]


_WITHOUT_VERB = re.compile(" cannot be reached: | (?=server error|rate limit exceeded)")
