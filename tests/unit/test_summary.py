"""The text of a work: what was added, left out and failed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from passivedns.enrichment import Result
from passivedns.errors import AllFailed, ConnectorError, NoAnswer, QuotaExceeded, TlpRefused, Unforeseen
from passivedns.model import Enrichment, Record, Relation, Tally
from passivedns.query.outcome import EVERYTHING, OLDER, Outcome
from passivedns.sources import SOURCES
from passivedns.summary import SLOW_IMPORT, failure_texts, summary, total_failure

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SINCE = datetime(2026, 10, 25, 12, tzinfo=UTC)
ONE = replace(SOURCES["riskiq"], key="one", title="One DNS")
TWO = replace(SOURCES["riskiq"], key="two", title="Two DNS")
THREE = replace(SOURCES["riskiq"], key="three", title="Three DNS")
ALL = (ONE, TWO, THREE)
DOWN = NoAnswer("One DNS server error (HTTP 500); try again later.")
REFUSED = TlpRefused("Not sent to Two DNS: marked TLP:RED, above the maximum of TLP:AMBER (TWO_MAX_TLP).")


def records(count: int) -> list[Record]:
    return [Record("example.org", "A", f"192.0.2.{number}", NOW, NOW, (), "one") for number in range(count)]


def relations(count: int) -> list[Relation]:
    first = Relation("resolves-to", "192.0.2.0", "IPv4-Addr", False, ("A",), (("one", ()),), NOW, NOW)
    return [first._replace(value=f"192.0.2.{number}") for number in range(count)]


def result(outcomes: Sequence[Outcome], related: int = 0, **left_out: int) -> Result:
    """`left_out` counts records of the first source by the reason for leaving them out."""
    tallies = {outcome.source.key: tally(unreadable=outcome.unreadable) for outcome in outcomes}
    first = outcomes[0]
    tallies[first.source.key] = tally(related, first.unreadable, **left_out, **first.left_out)
    return Result(list(outcomes), Enrichment(relations(related), tallies), [])


def tally(kept: int = 0, unreadable: int = 0, **left_out: int) -> Tally:
    return Tally(Counter(["A"] * kept), Counter(left_out), unreadable)


def answer(*outcomes: Outcome, related: int = 0, **left_out: int) -> str:
    return summary("example.org", result(outcomes, related, **left_out), NOW)


def told(failure: ConnectorError) -> list[str]:
    return failure_texts([Outcome(ONE, SINCE, failure=failure)])


# One source


def test_the_text_counts_what_was_added_and_the_records_by_type() -> None:
    assert answer(Outcome(ONE, SINCE, records(2)), related=2) == (
        "Added 2 observables and 2 relationships from 2 passive DNS records of example.org (A 2)"
    )


def test_one_of_each_is_singular() -> None:
    assert answer(Outcome(ONE, SINCE, records(1)), related=1) == (
        "Added 1 observable and 1 relationship from 1 passive DNS record of example.org (A 1)"
    )


def test_an_observable_with_two_relationships_counts_once() -> None:
    forth = relations(1)[0]
    both = [forth, forth._replace(type="related-to")]
    found = Result([Outcome(ONE, SINCE, records(2))], Enrichment(both, {"one": tally(2)}), [])
    assert summary("example.org", found, NOW).startswith("Added 1 observable and 2 relationships from 2 passive DNS")


def test_records_left_out_are_counted_by_reason() -> None:
    assert answer(Outcome(ONE, SINCE, records(4)), related=1, TXT=2, PTR=1) == (
        "Added 1 observable and 1 relationship from 4 passive DNS records of example.org (A 1); "
        "left out 3: TXT 2, PTR 1"
    )


def test_nothing_was_added_without_usable_records() -> None:
    assert answer(Outcome(ONE, SINCE, records(1)), TXT=1) == (
        "Added nothing from 1 passive DNS record of example.org; left out 1: TXT 1"
    )


def test_unreadable_rows_count_as_records_and_are_counted() -> None:
    found = result([Outcome(ONE, SINCE, records(1), unreadable=2)], related=1)
    assert summary("example.org", found, NOW) == (
        "Added 1 observable and 1 relationship from 3 passive DNS records of example.org (A 1); 2 unreadable rows"
    )


def test_unreadable_rows_are_not_reported_as_nothing_known() -> None:
    found = result([Outcome(ONE, SINCE, unreadable=2)])
    assert summary("example.org", found, NOW) == (
        "Added nothing from 2 passive DNS records of example.org; 2 unreadable rows"
    )


def test_records_outside_the_time_window_are_counted_with_the_newest_and_the_setting_to_widen() -> None:
    newest = datetime(2026, 10, 19, 8, tzinfo=UTC)
    older = Outcome(ONE, SINCE, left_out={OLDER: 87}, newest_older=newest, window_setting="ONE_WINDOW")
    assert answer(older) == (
        "Added nothing from 87 passive DNS records of example.org; "
        "87 older than the time window, the newest of 2026-10-19; widen ONE_WINDOW"
    )


def test_the_newest_of_all_sources_outside_their_time_windows_is_named_with_all_settings() -> None:
    first = Outcome(ONE, SINCE, left_out={OLDER: 1}, newest_older=NOW - timedelta(days=90), window_setting="ONE_WINDOW")
    other = Outcome(TWO, SINCE, left_out={OLDER: 2}, newest_older=NOW - timedelta(days=60), window_setting="WINDOW")
    found = Result([first, other], Enrichment([], {"one": tally(**first.left_out), "two": tally(**other.left_out)}), [])
    assert "; 3 older than the time window, the newest of 2026-09-25; widen ONE_WINDOW and WINDOW;" in summary(
        "example.org", found, NOW
    )


@pytest.mark.parametrize(("ahead", "words"), [(timedelta(days=3), "3 days"), (timedelta(minutes=11), "11 minutes")])
def test_a_source_whose_clock_is_ahead_is_named(ahead: timedelta, words: str) -> None:
    assert answer(Outcome(ONE, SINCE, records(1), clock_ahead=ahead), related=1).endswith(
        f"; One DNS dates records up to {words} ahead of this clock; they count as seen now"
    )


def test_a_clock_that_is_a_few_minutes_ahead_is_not_worth_a_word() -> None:
    assert "ahead" not in answer(Outcome(ONE, SINCE, records(1), clock_ahead=timedelta(minutes=9)), related=1)


def test_an_incomplete_answer_is_reported_as_at_least() -> None:
    assert answer(Outcome(ONE, SINCE, records(2), complete=False), related=2) == (
        "Added 2 observables and 2 relationships from at least 2 passive DNS records of example.org (A 2)"
    )


def test_nothing_known_is_reported_with_the_period() -> None:
    assert answer(Outcome(ONE, SINCE)) == "One DNS has no passive DNS records of example.org since 2026-10-25"


def test_nothing_known_at_any_time_is_reported_without_a_period() -> None:
    assert answer(Outcome(ONE, EVERYTHING)) == "One DNS has no passive DNS records of example.org"


@pytest.mark.parametrize(
    ("since", "words"),
    [
        (timedelta(seconds=59), "less than a minute old"),
        (timedelta(minutes=1), "1 minute old"),
        (timedelta(hours=3, minutes=59), "3 hours old"),
        (timedelta(days=2), "2 days old"),
    ],
)
def test_a_cached_answer_is_reported_with_its_age(since: timedelta, words: str) -> None:
    assert answer(Outcome(ONE, SINCE, records(1), cached_since=NOW - since), related=1).endswith(
        f" of example.org (A 1); from cache ({words})"
    )


def test_nothing_known_can_come_from_the_cache() -> None:
    assert answer(Outcome(ONE, SINCE, cached_since=NOW)) == (
        "One DNS has no passive DNS records of example.org since 2026-10-25; from cache (less than a minute old)"
    )


@pytest.mark.parametrize(("count", "is_slow"), [(SLOW_IMPORT, False), (SLOW_IMPORT + 1, True)])
def test_a_slow_import_is_announced(count: int, is_slow: bool) -> None:
    text = answer(Outcome(ONE, SINCE, records(count)), related=count)
    assert text.endswith("; OpenCTI will take a while to import them") is is_slow
    assert f"from {count:,} passive DNS records" in text


def test_thousands_of_record_types_are_shortened() -> None:
    text = answer(Outcome(ONE, SINCE, records(500)), **{f"T{number:03}": 1 for number in range(500)})
    assert text.endswith("T010 1, T011 1, others 488")


# Several sources


def test_records_of_several_sources_are_counted_by_source() -> None:
    assert answer(Outcome(ONE, SINCE, records(1)), Outcome(TWO, SINCE, records(2)), related=2) == (
        "Added 2 observables and 2 relationships from 3 passive DNS records of example.org (A 2); "
        "records by source: Two DNS 2, One DNS 1"
    )


def test_a_source_without_records_is_counted_as_zero() -> None:
    assert answer(Outcome(ONE, SINCE), Outcome(TWO, SINCE, records(2)), related=2).endswith(
        "; records by source: Two DNS 2, One DNS 0"
    )


def test_one_incomplete_answer_makes_the_sum_a_lower_bound() -> None:
    text = answer(Outcome(ONE, SINCE, records(1)), Outcome(TWO, SINCE, records(2), complete=False), related=2)
    assert "from at least 3 passive DNS records" in text


def test_nothing_known_names_all_sources_and_the_longest_period() -> None:
    earlier = SINCE - timedelta(days=365)
    assert answer(Outcome(ONE, SINCE), Outcome(TWO, earlier), Outcome(THREE, SINCE)) == (
        "One DNS, Two DNS and Three DNS have no passive DNS records of example.org since 2025-10-25"
    )


def test_the_source_of_a_cached_answer_is_named() -> None:
    text = answer(
        Outcome(ONE, SINCE, records(1), cached_since=NOW - timedelta(hours=3)),
        Outcome(TWO, SINCE, records(2)),
        related=2,
    )
    assert text.endswith("; One DNS from cache (3 hours old)")


def test_a_failed_source_is_named_with_its_reason() -> None:
    assert answer(Outcome(ONE, SINCE, failure=DOWN), Outcome(TWO, SINCE, records(2)), related=2) == (
        "Added 2 observables and 2 relationships from 2 passive DNS records of example.org (A 2); "
        "records by source: Two DNS 2; One DNS failed: server error (HTTP 500); try again later"
    )


def test_a_failed_source_is_not_reported_as_knowing_nothing() -> None:
    assert answer(Outcome(ONE, SINCE, failure=DOWN), Outcome(TWO, SINCE)) == (
        "Two DNS has no passive DNS records of example.org since 2026-10-25; "
        "One DNS failed: server error (HTTP 500); try again later"
    )


def test_a_source_that_was_not_queried_because_of_its_tlp_limit_has_not_failed() -> None:
    assert answer(Outcome(ONE, SINCE, records(1)), Outcome(TWO, SINCE, failure=REFUSED), related=1) == (
        "Added 1 observable and 1 relationship from 1 passive DNS record of example.org (A 1); "
        "records by source: One DNS 1; "
        "Not sent to Two DNS: marked TLP:RED, above the maximum of TLP:AMBER (TWO_MAX_TLP)"
    )


def test_an_internal_error_at_one_source_is_named_with_the_source() -> None:
    fault = Unforeseen("Internal error (KeyError); see the connector log.")
    assert told(fault) == ["One DNS failed: Internal error (KeyError); see the connector log"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("One DNS cannot be reached: no answer within 60 s.", "One DNS failed: no answer within 60 s"),
        ("One DNS rejected the request (HTTP 400).", "One DNS rejected the request (HTTP 400)"),
        ("The One DNS quota is used up (HTTP 429).", "The One DNS quota is used up (HTTP 429)"),
        ("The proxy p:1 requires a login.", "One DNS failed: The proxy p:1 requires a login"),
        ("Bad One DNS_URL {0}.", "One DNS failed: Bad One DNS_URL {0}"),
    ],
)
def test_the_text_of_a_failure_names_its_source_once(text: str, sentence: str) -> None:
    assert told(NoAnswer(text)) == [sentence]


def test_a_reason_of_several_sources_is_told_once() -> None:
    proxy = "no connection to the proxy p:1 can be made; check HTTPS_PROXY, or use NO_PROXY"
    down = [Outcome(source, SINCE, failure=NoAnswer(f"{source.title} cannot be reached: {proxy}.")) for source in ALL]
    assert failure_texts([down[0], Outcome(ONE, SINCE), *down[1:]]) == [
        f"One DNS, Two DNS and Three DNS failed: {proxy}"
    ]


def test_limits_of_the_same_setting_are_told_once() -> None:
    above = "above the maximum of TLP:AMBER"
    settings = ("PDNS_MAX_TLP", "TWO_MAX_TLP", "PDNS_MAX_TLP")
    refused = [
        Outcome(source, SINCE, failure=TlpRefused(f"Not sent to {source.title}: marked TLP:RED, {above} ({setting})."))
        for source, setting in zip(ALL, settings, strict=True)
    ]
    error = total_failure(refused)
    assert isinstance(error, TlpRefused)
    assert str(error) == (
        f"Not sent to One DNS and Three DNS: marked TLP:RED, {above} (PDNS_MAX_TLP). "
        f"Not sent to Two DNS: marked TLP:RED, {above} (TWO_MAX_TLP)."
    )


# No source answered


def test_the_enrichment_succeeds_if_a_source_answered() -> None:
    assert total_failure([Outcome(ONE, SINCE, failure=DOWN), Outcome(TWO, SINCE)]) is None


def test_the_enrichment_succeeds_if_no_source_applies() -> None:
    assert total_failure([]) is None


@pytest.mark.parametrize("error", [DOWN, REFUSED, QuotaExceeded("The One DNS quota is used up (HTTP 429).")])
def test_the_error_of_the_only_source_is_the_error_of_the_enrichment(error: ConnectorError) -> None:
    assert total_failure([Outcome(ONE, SINCE, failure=error)]) is error


def test_the_error_names_each_failed_source() -> None:
    error = total_failure([Outcome(ONE, SINCE, failure=DOWN), Outcome(TWO, SINCE, failure=QuotaExceeded("Spent."))])
    assert isinstance(error, AllFailed)
    assert str(error) == "One DNS failed: server error (HTTP 500); try again later. Two DNS failed: Spent."


def test_excluded_and_failed_sources_together_are_a_failure() -> None:
    error = total_failure([Outcome(ONE, SINCE, failure=DOWN), Outcome(TWO, SINCE, failure=REFUSED)])
    assert isinstance(error, AllFailed)
    assert str(error) == f"One DNS failed: server error (HTTP 500); try again later. {REFUSED}"
