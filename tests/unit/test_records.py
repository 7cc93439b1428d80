"""Lenient in, typed out."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passivedns.errors import BadAnswer
from passivedns.records import Allowance, DnsRecord, parse_quota, parse_records

ENTRY = {
    "firstSeen": "2014-11-16 18:02:30",
    "lastSeen": "2019-10-05 21:51:41",
    "value": "example.org",
    "collected": "2019-10-05 21:51:42",
    "source": ["pingly", "riskiq"],
    "recordHash": "07" * 32,
    "resolve": "alt1.example.com",
    "resolveType": "domain",
    "recordType": "MX",
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def parse_one(**changes: Any) -> DnsRecord:
    (record,) = parse_records({"results": [ENTRY | changes]})
    return record


def test_an_entry_becomes_a_record_in_the_words_of_passive_dns() -> None:
    assert parse_one() == DnsRecord(
        record_type="MX",
        kind="domain",
        answer="alt1.example.com",
        first_seen=datetime(2014, 11, 16, 18, 2, 30, tzinfo=UTC),
        last_seen=datetime(2019, 10, 5, 21, 51, 41, tzinfo=UTC),
        sources=("pingly", "riskiq"),
    )


def test_every_entry_is_returned_in_the_order_of_the_answer() -> None:
    answer = {"results": [ENTRY | {"resolve": name} for name in ("b.example", "a.example", "b.example")]}
    assert [record.answer for record in parse_records(answer)] == ["b.example", "a.example", "b.example"]


def test_no_results_are_no_records() -> None:
    assert parse_records({"results": [], "totalRecords": 0, "pager": None}) == []


@pytest.mark.parametrize(
    "answer", [None, [], "results", 7, {}, {"results": None}, {"results": "none"}, {"results": {}}]
)
def test_an_answer_without_a_list_of_results_is_a_bad_answer(answer: Any) -> None:
    with pytest.raises(BadAnswer):
        parse_records(answer)


@pytest.mark.parametrize("entry", [None, 7, "text", ["list"], {}])
def test_an_entry_that_is_no_object_or_empty_is_a_record_without_anything(entry: Any) -> None:
    assert parse_records({"results": [entry]}) == [DnsRecord("", "", "", None, None, ())]


@pytest.mark.parametrize("key", ["recordType", "resolveType", "resolve"])
@pytest.mark.parametrize("value", [None, 7, ["A"], {}])
def test_a_field_that_is_no_text_counts_as_missing(key: str, value: Any) -> None:
    record = parse_one(**{key: value})
    assert "" in (record.record_type, record.kind, record.answer)


@pytest.mark.parametrize(
    "date",
    [None, "None", "", "yesterday", 1571000000, "2019-13-01 00:00:00", "1970-01-01 00:00:00", "9999-12-31 23:59:59"],
)
def test_a_date_that_makes_no_sense_is_unknown(date: Any) -> None:
    record = parse_one(firstSeen=date)
    assert record.first_seen is None
    assert record.last_seen is not None


def test_dates_in_the_wrong_order_are_both_unknown() -> None:
    record = parse_one(firstSeen="2019-10-05 21:51:41", lastSeen="2014-11-16 18:02:30")
    assert (record.first_seen, record.last_seen) == (None, None)


def test_a_date_with_a_zone_is_turned_into_utc() -> None:
    assert parse_one(firstSeen="2019-01-01T05:00:00-07:00").first_seen == datetime(2019, 1, 1, 12, tzinfo=UTC)


def test_fractions_of_a_second_are_cut_since_a_span_is_told_in_seconds() -> None:
    assert parse_one(firstSeen="2019-01-01 05:00:00.987").first_seen == datetime(2019, 1, 1, 5, tzinfo=UTC)


def test_a_date_without_a_time_is_midnight() -> None:
    assert parse_one(firstSeen="2019-01-01").first_seen == datetime(2019, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("source", "sources"),
    [(None, ()), ("riskiq", ("riskiq",)), ([], ()), (["pingly", None, 7, "", "line\nbreak", "x" * 65], ("pingly",))],
)
def test_sources_are_names_and_nothing_else(source: Any, sources: tuple[str, ...]) -> None:
    assert parse_one(source=source).sources == sources


@given(json_values)
def test_any_json_in_place_of_an_answer_is_a_bad_answer_or_records(answer: Any) -> None:
    try:
        records = parse_records(answer)
    except BadAnswer:
        return
    assert len(records) == len(answer["results"])


@given(st.lists(json_values | st.dictionaries(st.sampled_from(list(ENTRY)), json_values), max_size=6))
def test_any_json_in_place_of_a_record_is_one_record(entries: list[Any]) -> None:
    assert len(parse_records({"results": entries})) == len(entries)


@given(json_values | st.fixed_dictionaries({"user": json_values, "organization": json_values}))
def test_any_json_in_place_of_a_quota_is_a_bad_answer_or_a_quota(answer: Any) -> None:
    try:
        parse_quota(answer)
    except BadAnswer:
        assert not isinstance(answer, dict)


def quota(**user: Any) -> Any:
    return parse_quota({"user": user})


def licences(used: Any, limit: Any) -> dict[str, Any]:
    return {"licenseCounts": {"searchApi": used}, "licenseLimits": {"searchApi": limit}}


def test_the_quota_of_a_user_is_flat_and_that_of_an_organization_is_nested_by_licence() -> None:
    body = {
        "user": {**licences(1234, 2000), "next_reset": "2026-12-01 00:00:00"},
        "organization": {
            "licenseCounts": {"enterprise": {"searchApi": 0, "searchWeb": 1}},
            "licenseLimits": {"enterprise": {"searchApi": 1234, "searchWeb": 5678}},
        },
    }
    assert parse_quota(body).allowances == (
        Allowance("user", 1234, 2000, "2026-12-01 00:00:00"),
        Allowance("organization", 0, 1234, ""),
    )


def test_the_older_counters_count_where_licences_are_missing() -> None:
    legacy = quota(counts={"search_api": 100}, limits={"search_api": 1000})
    assert legacy.allowances == (Allowance("user", 100, 1000, ""),)


def test_licences_count_before_the_older_counters() -> None:
    both = quota(**licences(1, 2), counts={"search_api": 1000}, limits={"search_api": 1000})
    assert both.reached() is None


@pytest.mark.parametrize(("used", "limit", "reached"), [(1, 2, False), (2, 2, True), (3, 2, True), (2.5, 2, True)])
def test_a_quota_is_used_up_when_the_limit_is_met_or_overrun(used: float, limit: float, reached: bool) -> None:
    assert bool(quota(**licences(used, limit)).reached()) is reached


@pytest.mark.parametrize("count", [None, "2", True, [], -1, float("nan"), float("inf"), 10**400])
def test_a_counter_that_is_no_count_means_unknown_not_used_up(count: Any) -> None:
    assert quota(**licences(count, 2)).allowances == ()
    assert quota(**licences(2, count)).allowances == ()


@pytest.mark.parametrize("user", [None, [], {}, {"licenseCounts": {"searchApi": 2}}, {"counts": {"search_api": 2}}])
def test_missing_counters_mean_unknown_not_used_up(user: Any) -> None:
    assert parse_quota({"user": user}).reached() is None


def test_one_licence_with_searches_left_is_enough() -> None:
    body = {
        "licenseCounts": {"enterprise": {"searchApi": 10}, "illuminate": {"searchApi": 3}},
        "licenseLimits": {"enterprise": {"searchApi": 10}, "illuminate": {"searchApi": 5}},
    }
    assert quota(**body).allowances == (Allowance("user", 3, 5, ""),)


def test_the_organizations_quota_counts_beside_the_users() -> None:
    body = {"user": licences(1, 2), "organization": licences(5, 5)}
    reached = parse_quota(body).reached()
    assert reached is not None
    assert reached.owner == "organization"


def test_duplicate_keys_keep_the_last_as_json_does() -> None:
    answer = json.loads('{"results": [], "results": [{"recordType": "A", "recordType": "MX"}]}')
    assert [record.record_type for record in parse_records(answer)] == ["MX"]
