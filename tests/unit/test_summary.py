"""The text that closes a work: what was added, from which records, and what failed on the way."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from passivedns.asking import EVERYTHING, Outcome
from passivedns.enrichment import UNREADABLE, Result
from passivedns.errors import AllFailed, ConnectorError, NoAnswer, QuotaExceeded, TlpRefused, Unforeseen
from passivedns.model import Enrichment, Record, Relation
from passivedns.sources import SOURCES
from passivedns.summary import SLOW_IMPORT, failed, failure, summary

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SINCE = datetime(2026, 10, 25, 12, tzinfo=UTC)
ONE = replace(SOURCES["riskiq"], key="one", title="One DNS")
TWO = replace(SOURCES["riskiq"], key="two", title="Two DNS")
THREE = replace(SOURCES["riskiq"], key="three", title="Three DNS")
DOWN = NoAnswer("One DNS is failing (HTTP 500); try again later.")
REFUSED = TlpRefused(
    "example.org was not sent to Two DNS: it is marked TLP:RED, above the maximum of TLP:AMBER (TWO_MAX_TLP)."
)


def records(count: int) -> list[Record]:
    return [Record("example.org", "A", f"192.0.2.{number}", NOW, NOW, (), "one") for number in range(count)]


def relations(count: int) -> list[Relation]:
    first = Relation("resolves-to", "192.0.2.0", "IPv4-Addr", False, ("A",), (("one", ()),), NOW, NOW)
    return [first._replace(value=f"192.0.2.{number}") for number in range(count)]


def result(outcomes: Sequence[Outcome], related: int = 0, **left_out: int) -> Result:
    """`left_out` counts records by the type that they were left out for."""
    kept = Counter(["A"] * related)
    return Result(list(outcomes), Enrichment(relations(related), kept, Counter(left_out)), [])


def answer(*outcomes: Outcome, related: int = 0, **left_out: int) -> str:
    return summary("example.org", result(outcomes, related, **left_out), NOW)


# One source


def test_what_was_added_is_told_with_the_records_by_type() -> None:
    assert answer(Outcome(ONE, SINCE, records(2)), related=2) == (
        "Added 2 observables and 2 relationships from 2 passive DNS records of example.org (A 2)"
    )


def test_one_of_each_is_told_in_the_singular() -> None:
    assert answer(Outcome(ONE, SINCE, records(1)), related=1) == (
        "Added 1 observable and 1 relationship from 1 passive DNS record of example.org (A 1)"
    )


def test_two_relationships_with_one_observable_count_it_once() -> None:
    forth = relations(1)[0]
    both = [forth, forth._replace(type="related-to")]
    found = Result([Outcome(ONE, SINCE, records(2))], Enrichment(both, Counter(A=2), Counter()), [])
    assert summary("example.org", found, NOW).startswith("Added 1 observable and 2 relationships from 2 passive DNS")


def test_what_was_left_out_is_told_by_reason() -> None:
    assert answer(Outcome(ONE, SINCE, records(4)), related=1, TXT=2, PTR=1) == (
        "Added 1 observable and 1 relationship from 4 passive DNS records of example.org (A 1); "
        "left out 3: TXT 2, PTR 1"
    )


def test_where_no_record_was_usable_nothing_was_added() -> None:
    assert answer(Outcome(ONE, SINCE, records(1)), TXT=1) == (
        "Added nothing from 1 passive DNS record of example.org; left out 1: TXT 1"
    )


def test_rows_that_could_not_be_read_count_as_records_and_as_left_out() -> None:
    found = result([Outcome(ONE, SINCE, records(1), unreadable=2)], related=1)
    found.enrichment.left_out[UNREADABLE] = 2
    assert summary("example.org", found, NOW) == (
        "Added 1 observable and 1 relationship from 3 passive DNS records of example.org (A 1); "
        "left out 2: unreadable row 2"
    )


def test_rows_of_which_none_could_be_read_are_not_called_unknown() -> None:
    found = result([Outcome(ONE, SINCE, unreadable=2)])
    found.enrichment.left_out[UNREADABLE] = 2
    assert summary("example.org", found, NOW) == (
        "Added nothing from 2 passive DNS records of example.org; left out 2: unreadable row 2"
    )


def test_an_answer_that_is_not_whole_is_told_as_at_least() -> None:
    assert answer(Outcome(ONE, SINCE, records(2), complete=False), related=2) == (
        "Added 2 observables and 2 relationships from at least 2 passive DNS records of example.org (A 2)"
    )


def test_that_nothing_is_known_is_told_with_the_period() -> None:
    assert answer(Outcome(ONE, SINCE)) == "One DNS knows no passive DNS records of example.org since 2026-10-25"


def test_that_nothing_is_known_at_any_time_is_told_without_a_period() -> None:
    assert answer(Outcome(ONE, EVERYTHING)) == "One DNS knows no passive DNS records of example.org"


@pytest.mark.parametrize(
    ("since", "words"),
    [
        (timedelta(seconds=59), "less than a minute old"),
        (timedelta(minutes=1), "1 minute old"),
        (timedelta(hours=3, minutes=59), "3 hours old"),
        (timedelta(days=2), "2 days old"),
    ],
)
def test_an_answer_of_the_cache_is_told_with_its_age(since: timedelta, words: str) -> None:
    assert answer(Outcome(ONE, SINCE, records(1), cached_since=NOW - since), related=1).endswith(
        f" of example.org (A 1); from cache ({words})"
    )


def test_that_nothing_is_known_may_come_from_the_cache_too() -> None:
    assert answer(Outcome(ONE, SINCE, cached_since=NOW)) == (
        "One DNS knows no passive DNS records of example.org since 2026-10-25; from cache (less than a minute old)"
    )


@pytest.mark.parametrize(("count", "is_slow"), [(SLOW_IMPORT, False), (SLOW_IMPORT + 1, True)])
def test_an_import_that_takes_minutes_is_announced(count: int, is_slow: bool) -> None:
    text = answer(Outcome(ONE, SINCE, records(count)), related=count)
    assert text.endswith("; OpenCTI will take a while to import them") is is_slow
    assert f"from {count:,} passive DNS records" in text


def test_a_hostile_number_of_types_is_cut() -> None:
    text = answer(Outcome(ONE, SINCE, records(500)), **{f"T{number:03}": 1 for number in range(500)})
    assert text.endswith("T010 1, T011 1, others 488")


# Several sources


def test_of_several_sources_the_records_are_told_by_source() -> None:
    assert answer(Outcome(ONE, SINCE, records(1)), Outcome(TWO, SINCE, records(2)), related=2) == (
        "Added 2 observables and 2 relationships from 3 passive DNS records of example.org (A 2); "
        "records by source: Two DNS 2, One DNS 1"
    )


def test_a_source_that_knows_nothing_is_told_among_those_that_do() -> None:
    assert answer(Outcome(ONE, SINCE), Outcome(TWO, SINCE, records(2)), related=2).endswith(
        "; records by source: Two DNS 2, One DNS 0"
    )


def test_one_answer_that_is_not_whole_makes_the_sum_a_least_number() -> None:
    text = answer(Outcome(ONE, SINCE, records(1)), Outcome(TWO, SINCE, records(2), complete=False), related=2)
    assert "from at least 3 passive DNS records" in text


def test_that_nothing_is_known_is_told_of_all_with_the_longest_period() -> None:
    earlier = SINCE - timedelta(days=365)
    assert answer(Outcome(ONE, SINCE), Outcome(TWO, earlier), Outcome(THREE, SINCE)) == (
        "One DNS, Two DNS and Three DNS know no passive DNS records of example.org since 2025-10-25"
    )


def test_of_several_sources_the_one_whose_answer_was_cached_is_named() -> None:
    text = answer(
        Outcome(ONE, SINCE, records(1), cached_since=NOW - timedelta(hours=3)),
        Outcome(TWO, SINCE, records(2)),
        related=2,
    )
    assert text.endswith("; One DNS from cache (3 hours old)")


def test_a_source_that_failed_is_named_with_its_reason() -> None:
    assert answer(Outcome(ONE, SINCE, failure=DOWN), Outcome(TWO, SINCE, records(2)), related=2) == (
        "Added 2 observables and 2 relationships from 2 passive DNS records of example.org (A 2); "
        "records by source: Two DNS 2; One DNS failed: One DNS is failing (HTTP 500); try again later"
    )


def test_a_source_that_failed_does_not_know_nothing() -> None:
    assert answer(Outcome(ONE, SINCE, failure=DOWN), Outcome(TWO, SINCE)) == (
        "Two DNS knows no passive DNS records of example.org since 2026-10-25; "
        "One DNS failed: One DNS is failing (HTTP 500); try again later"
    )


def test_a_source_that_may_not_have_the_observable_is_told_without_the_word_failed() -> None:
    assert answer(Outcome(ONE, SINCE, records(1)), Outcome(TWO, SINCE, failure=REFUSED), related=1) == (
        "Added 1 observable and 1 relationship from 1 passive DNS record of example.org (A 1); "
        "records by source: One DNS 1; "
        "example.org was not sent to Two DNS: it is marked TLP:RED, above the maximum of TLP:AMBER (TWO_MAX_TLP)"
    )


def test_a_fault_of_the_connector_at_one_source_is_named_with_the_source() -> None:
    fault = Unforeseen("Internal error (KeyError); see the connector log.")
    assert failure(Outcome(ONE, SINCE, failure=fault)) == (
        "One DNS failed: Internal error (KeyError); see the connector log"
    )


# Nobody answered


def test_where_a_source_answered_the_enrichment_did_not_fail() -> None:
    assert failed([Outcome(ONE, SINCE, failure=DOWN), Outcome(TWO, SINCE)]) is None


def test_where_nobody_could_be_asked_the_enrichment_did_not_fail() -> None:
    assert failed([]) is None


@pytest.mark.parametrize("error", [DOWN, REFUSED, QuotaExceeded("The One DNS quota is used up (HTTP 429).")])
def test_the_error_of_the_only_source_is_the_error_of_the_enrichment(error: ConnectorError) -> None:
    assert failed([Outcome(ONE, SINCE, failure=error)]) is error


def test_where_all_failed_the_error_names_each() -> None:
    error = failed([Outcome(ONE, SINCE, failure=DOWN), Outcome(TWO, SINCE, failure=QuotaExceeded("Spent."))])
    assert isinstance(error, AllFailed)
    assert str(error) == "One DNS is failing (HTTP 500); try again later. Spent."


def test_where_no_source_may_have_the_observable_that_is_the_error() -> None:
    error = failed([Outcome(ONE, SINCE, failure=TlpRefused("Not sent to One.")), Outcome(TWO, SINCE, failure=REFUSED)])
    assert isinstance(error, TlpRefused)
    assert str(error) == f"Not sent to One. {REFUSED}"


def test_where_some_may_not_have_the_observable_and_the_others_failed_all_failed() -> None:
    error = failed([Outcome(ONE, SINCE, failure=DOWN), Outcome(TWO, SINCE, failure=REFUSED)])
    assert isinstance(error, AllFailed)
    assert str(error) == f"{DOWN} {REFUSED}"
