"""Formats the text of a work: what was added, left out and failed."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from passivedns.asking import EVERYTHING, Outcome
from passivedns.enrichment import Result
from passivedns.errors import AllFailed, ConnectorError, TlpRefused
from passivedns.wording import age, counted, joined, listed

SLOW_IMPORT = 1000
"""Relationships that OpenCTI takes minutes to import, at about ten objects a second."""


def failed(outcomes: Sequence[Outcome]) -> ConnectorError | None:
    """The error if no source answered; None if one did, or none applied."""
    failures = [outcome.failure for outcome in outcomes if outcome.failure]
    if not failures or len(failures) < len(outcomes):
        return None
    if len(failures) == 1:
        return failures[0]
    kind = TlpRefused if all(isinstance(failure, TlpRefused) for failure in failures) else AllFailed
    return kind(" ".join(f"{str(failure).removesuffix('.')}." for failure in failures))


def summary(value: str, result: Result, now: datetime) -> str:
    """The text of an enrichment in which a source answered."""
    text = _added(value, result) if result.records else _nothing_known(value, result)
    return "; ".join([text, *_remarks(result, now)])


def _added(value: str, result: Result) -> str:
    found = result.enrichment
    added = f"{counted(found.observables, 'observable')} and {counted(len(found.relations), 'relationship')}"
    records = f"{result.at_least}{counted(result.records, 'passive DNS record')}"
    text = f"Added {added if found.relations else 'nothing'} from {records} of {value}"
    return f"{text} ({listed(found.kept)})" if found.kept else text


def _nothing_known(value: str, result: Result) -> str:
    period = "" if result.since <= EVERYTHING else f" since {result.since:%Y-%m-%d}"
    verb = "have" if len(result.answered) > 1 else "has"
    titles = joined([outcome.source.title for outcome in result.answered])
    return f"{titles} {verb} no passive DNS records of {value}{period}"


def _remarks(result: Result, now: datetime) -> Iterator[str]:
    found, answered = result.enrichment, result.answered
    if found.left_out:
        yield f"left out {found.left_out.total():,}: {listed(found.left_out)}"
    if result.records and len(result.outcomes) > 1:
        by_source = Counter({outcome.source.title: len(outcome.records) + outcome.unreadable for outcome in answered})
        yield f"records by source: {listed(by_source)}"
    for outcome in answered:
        if outcome.cached_since:
            named = f"{outcome.source.title} " if len(result.outcomes) > 1 else ""
            yield f"{named}from cache ({age(now - outcome.cached_since)})"
    for outcome in result.outcomes:
        if outcome.failure:
            yield failure(outcome)
    if len(found.relations) > SLOW_IMPORT:
        yield "OpenCTI will take a while to import them"


def failure(outcome: Outcome) -> str:
    """A source's failure, as part of a longer text."""
    reason = str(outcome.failure).removesuffix(".")
    return reason if isinstance(outcome.failure, TlpRefused) else f"{outcome.source.title} failed: {reason}"
