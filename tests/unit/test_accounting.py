"""Every row is accounted for: kept, left out for a reason, or unreadable; the texts and the JSON say the same."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passivedns.commands.lookup import observable
from passivedns.enrichment import Enricher, Result
from passivedns.model import Answer, Question, Record
from passivedns.query.all_sources import ConfiguredSource
from passivedns.query.cache import Cache
from passivedns.query.quota import QuotaMeter
from passivedns.report.formats import as_json
from passivedns.report.lookup import Lookup
from passivedns.sources import SOURCES
from passivedns.sources.source import Client
from passivedns.stix.builder import Publisher
from passivedns.summary import summary
from tests.helpers.odd_bodies import variants
from tests.unit.sources.samples import SAMPLES

KEYS = ("one", "two", "six")
PUBLISHER = Publisher({key: key.title() for key in KEYS}, dict.fromkeys(KEYS, "TLP:CLEAR"))

moments = st.none() | st.datetimes(datetime(1980, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
names = st.sampled_from(["example.org", "www.example.org", "EXAMPLE.org.", "10.0.0.1", "", "*.x.example", "a b"])
values = names | st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1", "mx.example.net", "ns@example.net"])
types = st.sampled_from(["A", "AAAA", "CNAME", "MX", "NS", "SOA", "TXT", "PTR", ""])


@st.composite
def answers(draw: st.DrawFn, key: str) -> Answer:
    def record() -> Record:
        first, last = draw(moments), draw(moments)
        if first and last and last < first:
            first = None
        return Record(draw(names), draw(types), draw(values), first, last, (), key)

    return Answer(
        [record() for _ in range(draw(st.integers(0, 12)))],
        complete=draw(st.booleans()),
        unreadable=draw(st.integers(0, 3)),
        left_out=draw(st.dictionaries(st.sampled_from(["the name did not exist"]), st.integers(1, 4))),
    )


class Known(Client):
    """A source that answers from memory."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def look_up(self, question: Question) -> Answer:  # noqa: ARG002  # it knows one answer
        return self._answer


def enricher(known: dict[str, Answer], days: int | None, limit: int) -> Enricher:
    def configured(key: str, answer: Answer) -> ConfiguredSource:
        source = replace(SOURCES["riskiq"], key=key, title=key.title(), clock_tolerance=timedelta(0))
        start = timedelta(days=days) if days else timedelta(days=20_000)
        return ConfiguredSource(
            source, Known(answer), QuotaMeter(source), lambda now: now - start, cache=Cache("memory", timedelta(1))
        )

    return Enricher([configured(key, answer) for key, answer in known.items()], PUBLISHER, max_relationships=limit)


def rows(answer: Answer) -> int:
    return len(answer.records) + answer.unreadable + sum(answer.left_out.values())


def check(result: Result, lookup: Lookup) -> None:
    """All numbers of a result, in every form, agree."""
    shown = json.loads(as_json([lookup]))
    for outcome in result.outcomes:
        tally, line = result.enrichment.tallies[outcome.source.key], shown["sources"][outcome.source.key]
        assert outcome.received == tally.kept.total() + tally.left_out.total() + tally.unreadable
        assert line["records"] == line["kept"] + sum(line["left_out"].values()) + line["unreadable"]
        assert line["records"] == outcome.received
    assert shown["records"] == sum(line["records"] for line in shown["sources"].values())
    assert shown["kept"] == dict(sum((tally.kept for tally in result.enrichment.tallies.values()), Counter()))
    assert sum(shown["left_out"].values()) == sum(sum(line["left_out"].values()) for line in shown["sources"].values())
    assert shown["unreadable"] == sum(line["unreadable"] for line in shown["sources"].values())


@given(
    st.fixed_dictionaries({key: answers(key) for key in KEYS}),
    st.sampled_from([None, 30, 9000]),
    st.sampled_from([0, 1, 3]),
)
@settings(deadline=None)
def test_each_row_of_each_source_is_kept_or_left_out_or_unreadable(
    known: dict[str, Answer], days: int | None, limit: int
) -> None:
    entity, now = observable("example.org"), datetime.now(UTC)
    asking = enricher(known, days, limit)
    for _ in ("fresh", "cached"):
        result = asking.enrich(entity, now)
        assert {out.source.key: out.received for out in result.outcomes} == {key: rows(known[key]) for key in KEYS}
        check(result, Lookup(entity, result, PUBLISHER))


@given(st.fixed_dictionaries({key: answers(key) for key in KEYS}))
@settings(deadline=None)
def test_the_text_of_a_work_states_the_same_numbers(known: dict[str, Answer]) -> None:
    entity, now = observable("example.org"), datetime.now(UTC)
    result = enricher(known, 30, 1).enrich(entity, now)
    text = summary(entity.value, result, now)
    left_out = result.enrichment.left_out
    older = left_out.pop("older than the time window", 0)
    assert (f"; {older} older than the time window, the newest of " in text) is bool(older)
    assert (f"; left out {left_out.total()}: " in text) is bool(left_out)
    assert (f"; {result.enrichment.unreadable} unreadable row" in text) is bool(result.enrichment.unreadable)


@pytest.mark.parametrize("days", [None, 30])
def test_the_window_never_changes_how_many_rows_a_source_sent(days: int | None) -> None:
    seen = datetime.now(UTC) - timedelta(days=31)
    known = Answer([Record("example.org", "A", f"192.0.2.{n}", seen, seen, (), "one") for n in range(87)])
    (outcome,) = enricher({"one": known}, days, 0).enrich(observable("example.org"), datetime.now(UTC)).outcomes
    assert outcome.received == 87


@pytest.mark.parametrize("key", list(SAMPLES))
def test_odd_answers_of_every_source_add_up(key: str) -> None:
    class Odd(Client):
        body = b""

        def look_up(self, question: Question) -> Answer:
            return SOURCES[key].read(self.body, question.value)

    client = Odd()
    configured = ConfiguredSource(SOURCES[key], client, QuotaMeter(SOURCES[key]), lambda now: now - timedelta(days=30))
    publisher = Publisher({key: SOURCES[key].title}, {key: "TLP:CLEAR"})
    entity, added_up = observable("example.org"), 0
    for body in variants(SAMPLES[key].answers["example.org"].body):
        client.body = body
        result = Enricher([configured], publisher).enrich(entity, datetime.now(UTC))
        if result.answered:
            check(result, Lookup(entity, result, publisher))
            added_up += 1
    assert added_up > 100
