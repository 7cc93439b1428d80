"""One question to several sources: who is queried, the outcomes, and failures."""

import socket
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from passivedns.errors import NoAnswer, QuotaExceeded, TlpRefused, Unforeseen
from passivedns.model import RECORD_TYPES, Allowance, Answer, Entity, Question, Quota, Record
from passivedns.query.all_sources import ConfiguredSource, query_all
from passivedns.query.cache import Cache
from passivedns.query.outcome import OLDER, Outcome
from passivedns.query.quota import QuotaMeter
from passivedns.sources import SOURCES
from passivedns.sources.source import ADDRESSES, Client
from passivedns.transport.http import Http
from tests.helpers.raw_server import raw_server
from tests.helpers.transports import asking

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)
NAME = Entity("", "Domain-Name", "example.org")
PLAIN = replace(SOURCES["riskiq"], key="plain", title="Plain DNS", clock_tolerance=timedelta(0))


def record(data: str = "192.0.2.1", *, days: float | None = 1, source: str = "plain") -> Record:
    seen = None if days is None else NOW - days * DAY
    return Record("example.org", "A", data, seen, seen, (), source)


class Known(Client):
    """A source that answers from memory."""

    def __init__(self, *records: Record, error: Exception | None = None, **answer: Any) -> None:
        self.answer = Answer(list(records), **answer)
        self.error = error
        self.questions: list[Question] = []

    def look_up(self, question: Question) -> Answer:
        self.questions.append(question)
        if self.error:
            raise self.error
        return self.answer


class Remote(Client):
    """A source with a quota, over HTTP."""

    def __init__(self, http: Http) -> None:
        self.http = http

    def quota(self) -> Quota:
        self.http.request("/quota", purpose="quota")
        return Quota()

    def look_up(self, question: Question) -> Answer:
        self.http.request(f"/dns/{question.value}")
        return Answer([])


def configured(client: Client, **changes: Any) -> ConfiguredSource:
    source = changes.pop("source", PLAIN)
    return ConfiguredSource(source, client, QuotaMeter(source), since=lambda now: now - 30 * DAY, **changes)


def outcome(of: ConfiguredSource, tlp: str | None = None, now: datetime = NOW) -> Outcome:
    (found,) = query_all([of], NAME._replace(tlp=tlp), now, RECORD_TYPES)
    return found


# The period


def test_records_seen_in_the_period_and_undated_ones_are_returned() -> None:
    recent, old, undated = record(days=29), record(days=31), record(days=None)
    assert outcome(configured(Known(recent, old, undated))).records == [recent, undated]


def test_only_last_seen_decides_whether_a_record_is_in_the_period() -> None:
    long_known = record(days=31)._replace(last_seen=NOW)
    never_seen_again = record(days=31)._replace(last_seen=None)
    assert outcome(configured(Known(long_known, never_seen_again))).records == [long_known, never_seen_again]


def test_a_record_last_seen_at_the_start_of_the_period_is_in_it_and_one_a_second_earlier_is_not() -> None:
    border = record(days=30)
    before = border._replace(first_seen=None, last_seen=NOW - 30 * DAY - timedelta(seconds=1))
    found = outcome(configured(Known(border, before)))
    assert (found.records, found.left_out, found.newest_older) == ([border], {OLDER: 1}, before.last_seen)


def test_the_newest_of_the_records_before_the_period_is_stated() -> None:
    found = outcome(configured(Known(record(days=90), record(days=60), record(days=31))))
    assert (found.left_out, found.newest_older) == ({OLDER: 3}, NOW - 31 * DAY)


@pytest.mark.parametrize("ahead", [timedelta(days=3), timedelta(days=29_000), timedelta(seconds=90)])
def test_a_last_seen_ahead_of_the_clock_counts_as_now_and_is_measured(ahead: timedelta) -> None:
    asked_at = datetime.now(UTC)
    odd = record()._replace(last_seen=asked_at + ahead)
    found = outcome(configured(Known(odd)))
    (seen,) = found.records
    assert seen.first_seen == odd.first_seen
    assert seen.last_seen
    assert asked_at <= seen.last_seen <= datetime.now(UTC)
    assert timedelta(0) < found.clock_ahead <= ahead


def test_a_first_seen_ahead_of_the_clock_is_unknown() -> None:
    odd = record()._replace(first_seen=datetime.now(UTC) + DAY, last_seen=datetime.now(UTC) + 2 * DAY)
    (seen,) = outcome(configured(Known(odd))).records
    assert seen.first_seen is None
    assert seen.last_seen


def test_a_cached_answer_counts_and_clamps_as_the_fresh_one_did() -> None:
    answer = [record(), record(days=31), record()._replace(last_seen=datetime.now(UTC) + DAY)]
    cached = configured(
        Known(*answer, left_out={"the name did not exist": 2}, unreadable=1), cache=Cache("memory", DAY)
    )
    fresh, again = outcome(cached), outcome(cached)
    assert again == fresh._replace(cached_since=again.cached_since)
    assert (fresh.received, fresh.left_out) == (6, {OLDER: 1, "the name did not exist": 2})


def test_the_clock_tolerance_applies_to_the_question_and_the_answer() -> None:
    within = record(days=30 + 7 / 24)
    client = Known(within, record(days=30 + 9 / 24))
    behind = configured(client, source=replace(PLAIN, clock_tolerance=timedelta(hours=8)))
    assert outcome(behind).records == [within]
    assert client.questions[0].since == NOW - 30 * DAY - timedelta(hours=8)


def test_the_outcome_states_the_period_without_the_tolerance() -> None:
    behind = configured(Known(), source=replace(PLAIN, clock_tolerance=timedelta(hours=8)))
    assert outcome(behind).since == NOW - 30 * DAY


def test_the_whole_history_can_be_queried_whatever_the_clock_tolerance() -> None:
    ancient = record()._replace(first_seen=datetime(1995, 1, 1, tzinfo=UTC), last_seen=datetime(1995, 1, 1, tzinfo=UTC))
    everything = configured(Known(ancient), source=replace(PLAIN, clock_tolerance=timedelta(hours=8)))
    everything.since = lambda _: datetime(1970, 1, 1, tzinfo=UTC)
    assert outcome(everything).records == [ancient]


# The name


@pytest.mark.parametrize(
    ("value", "asked"),
    [
        ("_dmarc.straße.example", "_dmarc.xn--strae-oqa.example"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("example.org", "example.org"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
def test_sources_are_queried_for_the_dns_form_of_a_name(value: str, asked: str) -> None:
    client = Known()
    query_all([configured(client)], NAME._replace(value=value), NOW, RECORD_TYPES)
    assert client.questions[0].value == asked


# The limits


def test_an_observable_above_the_maximum_tlp_is_not_sent() -> None:
    client = Known(record())
    refused = outcome(configured(client, max_tlp="TLP:GREEN", max_tlp_setting="PLAIN_MAX_TLP"), "TLP:AMBER")
    assert isinstance(refused.failure, TlpRefused)
    assert str(refused.failure) == (
        "Not sent to Plain DNS: marked TLP:AMBER, above the maximum of TLP:GREEN (PLAIN_MAX_TLP)."
    )
    assert client.questions == []


def test_an_observable_above_the_maximum_pap_is_not_sent_whatever_its_tlp() -> None:
    client = Known(record())
    limited = configured(client, max_tlp="TLP:RED", max_pap="PAP:AMBER")
    (refused,) = query_all([limited], NAME._replace(tlp="TLP:CLEAR", pap="PAP:RED"), NOW, RECORD_TYPES)
    assert str(refused.failure) == (
        "Not sent to Plain DNS: marked PAP:RED, above the maximum of PAP:AMBER (PDNS_MAX_PAP)."
    )
    assert client.questions == []
    (sent,) = query_all([limited], NAME._replace(pap="PAP:AMBER"), NOW, RECORD_TYPES)
    assert sent.failure is None


def test_a_red_observable_is_sent_only_to_the_source_that_allows_it() -> None:
    own, public = Known(record()), Known(record())
    sources = [configured(own, max_tlp="TLP:RED"), configured(public, max_tlp="TLP:GREEN")]
    query_all(sources, NAME._replace(tlp="TLP:RED"), NOW, RECORD_TYPES)
    assert (len(own.questions), len(public.questions)) == (1, 0)


def test_a_used_up_quota_stops_the_search() -> None:
    class Spent(Known):
        def quota(self) -> Quota:
            return Quota((Allowance("user", 10, 10, ""),))

        def look_up(self, question: Question) -> Answer:
            meter.spend()
            return super().look_up(question)

    meter = QuotaMeter(PLAIN)
    spent = Spent(record())
    assert isinstance(outcome(ConfiguredSource(PLAIN, spent, meter, since=lambda now: now)).failure, QuotaExceeded)
    assert spent.questions == []


def test_a_source_without_support_for_the_observable_type_is_skipped_silently() -> None:
    names_only = configured(Known(), source=replace(PLAIN, takes=ADDRESSES))
    assert query_all([names_only], NAME, NOW, RECORD_TYPES) == []


def test_a_source_without_the_chosen_record_types_is_skipped_silently() -> None:
    addresses_only = configured(Known(), source=replace(PLAIN, record_types=frozenset({"A", "AAAA"})))
    assert query_all([addresses_only], NAME, NOW, ["MX"]) == []


# The cache


def test_an_answer_is_cached_and_the_next_look_up_costs_no_search() -> None:
    client = Known(record())
    cached = configured(client, cache=Cache("memory", DAY))
    first, second = outcome(cached), outcome(cached, now=NOW + timedelta(hours=1))
    assert (first.cached_since, second.records) == (None, first.records)
    assert second.cached_since is not None
    assert len(client.questions) == 1


def test_rows_that_could_not_be_read_are_counted_in_a_cached_answer_too() -> None:
    cached = configured(Known(record(), unreadable=2), cache=Cache("memory", DAY))
    first, second = outcome(cached), outcome(cached)
    assert (first.unreadable, second.unreadable, bool(second.cached_since)) == (2, 2, True)


@pytest.mark.parametrize("flaw", [{"complete": False}, {"certain": False}])
def test_incomplete_and_uncertain_answers_are_not_cached(flaw: dict[str, Any]) -> None:
    client = Known(record(), **flaw)
    cached = configured(client, cache=Cache("memory", DAY))
    outcome(cached)
    outcome(cached)
    assert len(client.questions) == 2


def test_observables_of_another_type_do_not_share_answers() -> None:
    client = Known(record())
    cached = configured(client, cache=Cache("memory", DAY))
    for entity_type in ("Domain-Name", "Hostname"):
        query_all([cached], NAME._replace(type=entity_type), NOW, RECORD_TYPES)
    assert [question.type for question in client.questions] == ["Domain-Name", "Hostname"]


@pytest.mark.parametrize("other", [{"identity": "other account"}, {"source": replace(PLAIN, key="other")}])
def test_accounts_and_sources_do_not_share_answers(other: dict[str, Any]) -> None:
    cache = Cache("memory", DAY)
    outcome(configured(Known(record()), cache=cache))
    client = Known()
    outcome(configured(client, cache=cache, **other))
    assert len(client.questions) == 1


def test_the_tlp_limit_applies_to_cached_answers_too() -> None:
    cache = Cache("memory", DAY)
    outcome(configured(Known(record()), cache=cache))
    refused = outcome(configured(Known(), cache=cache, max_tlp="TLP:GREEN"), "TLP:RED")
    assert isinstance(refused.failure, TlpRefused)


def test_the_identity_of_an_account_is_not_in_its_repr() -> None:
    assert "secret" not in repr(configured(Known(), identity="secret"))


# Several sources


def test_outcomes_keep_the_order_of_the_sources() -> None:
    sources = [configured(Known(record(source=key)), source=replace(PLAIN, key=key)) for key in ("b", "a", "c")]
    found = query_all(sources, NAME, NOW, RECORD_TYPES)
    assert [item.source.key for item in found] == ["b", "a", "c"]


def test_sources_are_queried_in_parallel() -> None:
    together = threading.Barrier(3, timeout=10)

    class Waiting(Known):
        def look_up(self, question: Question) -> Answer:
            together.wait()
            return super().look_up(question)

    found = query_all([configured(Waiting()) for _ in range(3)], NAME, NOW, RECORD_TYPES)
    assert [item.failure for item in found] == [None] * 3


def test_a_failing_source_does_not_affect_the_others() -> None:
    failed = NoAnswer("Plain DNS server error (HTTP 500); try again later.")
    sources = [configured(Known(error=failed)), configured(Known(record()))]
    down, up = query_all(sources, NAME, NOW, RECORD_TYPES)
    assert (down.failure, up.records) == (failed, [record()])


def test_a_slow_source_delays_the_others_only_until_its_own_deadline() -> None:
    over = threading.Event()

    def stall(_: socket.socket) -> None:
        over.wait(30)

    with raw_server(stall) as server:
        sources = [configured(Remote(asking(server.url, timeout=0.2))), configured(Known(record()))]
        slow, fast = query_all(sources, NAME, NOW, RECORD_TYPES)
        over.set()
    assert str(slow.failure) == "Example DNS did not answer within 0.2 s."
    assert fast.records == [record()]


def test_an_internal_error_of_a_client_is_logged_and_does_not_affect_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sources = [configured(Known(error=KeyError("x"))), configured(Known(record()))]
    broken, up = query_all(sources, NAME, NOW, RECORD_TYPES)
    assert isinstance(broken.failure, Unforeseen)
    assert str(broken.failure) == "Internal error (KeyError); see the connector log."
    assert up.records == [record()]
    assert "Plain DNS could not be asked" in caplog.text
