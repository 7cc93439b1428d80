"""Reading the responses, records and quota of PassiveTotal."""

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passivedns.errors import (
    BadAnswer,
    Blocked,
    CredentialsRefused,
    NoAnswer,
    NotEntitled,
    QuotaExceeded,
    RateLimited,
    RequestRefused,
    SourceError,
)
from passivedns.model import Allowance, Answer, Question, Record
from passivedns.sources.riskiq import RISKIQ, RiskIQClient, RiskIQSettings, parse_quota, read_saved
from passivedns.transport.failures import failure
from passivedns.transport.http import Http
from passivedns.transport.reply import Reply
from tests.helpers.recorded import recorded

ASKED = "example.org"
HTML = b"<html><head><title>504 Gateway Time-out</title></head></html>"
ENTRY = {
    "firstSeen": "2014-11-16 18:02:30",
    "lastSeen": "2019-10-05 21:51:41",
    "value": ASKED,
    "collected": "2019-10-05 21:51:42",
    "source": ["pingly", "riskiq"],
    "recordHash": "07" * 32,
    "resolve": "alt1.example.com",
    "resolveType": "domain",
    "recordType": "MX",
}
a_few = settings(max_examples=30, deadline=None)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def body(value: Any) -> bytes:
    return json.dumps(value).encode()


def answer_to(status: int, content: bytes) -> Answer:
    """The answer that the client reads from a response."""

    class Told(Http):
        def request(self, *_: Any, **__: Any) -> Reply:
            reply = Reply(status, {}, content)
            if error := failure(RISKIQ, reply, self.base_url):
                raise error
            return reply

    account = RiskIQSettings(username="analyst", api_key="key")
    transport = Told(RISKIQ, account.api_base_url, policy=None)  # type: ignore[arg-type]  # nothing is sent
    return RiskIQClient(account, transport).look_up(Question(ASKED, "Domain-Name", datetime(2020, 1, 1, tzinfo=UTC)))


# Responses


@pytest.mark.parametrize(
    ("status", "content", "is_certain"),
    [
        (204, b"", True),
        (200, b"", False),
        (200, b" \n", False),
        (404, b"", False),
        (404, body({"message": "You have requested this URI"}), True),
    ],
)
def test_an_api_404_and_an_empty_success_mean_nothing_known(status: int, content: bytes, is_certain: bool) -> None:
    assert answer_to(status, content) == Answer([], certain=is_certain)


@pytest.mark.parametrize(
    ("status", "content", "error"),
    [
        (401, body({"message": "invalid credentials"}), CredentialsRefused),
        (401, HTML, Blocked),
        (402, body({"message": "your quota does not include this product"}), NotEntitled),
        (403, body({"message": "forbidden"}), NotEntitled),
        (403, b"", NotEntitled),
        (403, body({"error": {"http_code": 403, "message": "daily query limit reached"}}), QuotaExceeded),
        (200, body({"error": {"http_code": 403, "developer_message": "Quota has been exceeded"}}), QuotaExceeded),
        (200, body({"error": {"http_code": 401, "message": "no"}}), CredentialsRefused),
        (200, body({"message": "quota_exceeded for user"}), QuotaExceeded),
        (429, body({"error": "Too Many", "message": "quota exceeded for operation search_api"}), QuotaExceeded),
        (500, body({"error": "quota has been exceeded"}), QuotaExceeded),
        (429, b"", RateLimited),
        (429, body({"message": "slow down"}), RateLimited),
        (400, body({"message": "bad query"}), RequestRefused),
        (405, HTML, Blocked),
        (500, body({"message": "internal"}), NoAnswer),
        (502, HTML, Blocked),
        (503, b"", NoAnswer),
        (504, HTML, Blocked),
        (200, HTML, BadAnswer),
        (404, HTML, BadAnswer),
        (301, b"", BadAnswer),
        (200, b'{"results": [', BadAnswer),
        (200, b"\xff\xfe\xfd", BadAnswer),
        (200, b"null", BadAnswer),
        (200, b"[" * 100_000, BadAnswer),
        (200, b"1" * 10_000, BadAnswer),
        (200, body({"message": "something else"}), BadAnswer),
    ],
)
def test_each_status_and_body_has_its_error(status: int, content: bytes, error: type[SourceError]) -> None:
    with pytest.raises(error) as raised:
        answer_to(status, content)
    assert type(raised.value) is error


def test_the_error_quotes_the_server_on_one_short_line() -> None:
    with pytest.raises(RequestRefused) as raised:
        answer_to(400, body({"message": "bad\nquery " + "x" * 1000}))
    assert "Its response says: bad query xxx" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize("beside", [{"message": "quota nearly exceeded"}, {"error": None}])
def test_an_answer_with_results_is_never_an_error(beside: dict[str, Any]) -> None:
    assert answer_to(200, body({"results": []} | beside)) == Answer([])


@a_few
@given(st.integers(100, 599), st.binary(max_size=40) | st.recursive(st.none() | st.text(), st.lists).map(body))
def test_any_status_and_body_is_an_answer_or_a_source_error(status: int, content: bytes) -> None:
    with contextlib.suppress(SourceError):
        assert isinstance(answer_to(status, content), Answer)


# Records


def read(answer: Any) -> Answer:
    return read_saved(json.dumps(answer).encode(), ASKED)


def parse_one(**changes: Any) -> Record:
    (record,) = read({"results": [ENTRY | changes]}).records
    return record


def test_an_entry_becomes_a_record_in_dns_terms() -> None:
    assert parse_one() == Record(
        name="example.org",
        type="MX",
        data="alt1.example.com",
        first_seen=datetime(2014, 11, 16, 18, 2, 30, tzinfo=UTC),
        last_seen=datetime(2019, 10, 5, 21, 51, 41, tzinfo=UTC),
        sensors=("pingly", "riskiq"),
        source="riskiq",
    )


@pytest.mark.parametrize("record_type", ["A", "AAAA", "a"])
def test_the_owner_of_an_address_record_that_resolves_to_a_domain_is_that_domain(record_type: str) -> None:
    record = parse_one(recordType=record_type, value="192.0.2.10", resolve="mail.example.com")
    assert (record.name, record.type, record.data) == ("mail.example.com", record_type.upper(), "192.0.2.10")


def test_the_mailbox_of_an_soa_record_gets_an_at_sign() -> None:
    record = parse_one(recordType="SOA", resolveType="email", resolve=r"dns\.admin.example.org")
    assert record.data == "dns.admin@example.org"


def test_entries_keep_their_order() -> None:
    answer = {"results": [ENTRY | {"resolve": name} for name in ("b.example", "a.example", "b.example")]}
    assert [record.data for record in read(answer).records] == ["b.example", "a.example", "b.example"]


def test_an_answer_without_results_has_no_records() -> None:
    assert read({"results": [], "totalRecords": 0, "pager": None}) == Answer([])


def test_an_answer_with_fewer_records_than_its_total_is_incomplete() -> None:
    assert answer_to(200, body({"results": [], "totalRecords": 62})) == Answer([], complete=False)
    assert answer_to(200, body({"results": [ENTRY], "totalRecords": 1})).complete


@pytest.mark.parametrize(
    "answer", [None, [], "results", 7, {}, {"results": None}, {"results": "none"}, {"results": {}}]
)
def test_an_answer_without_a_list_of_results_is_a_bad_answer(answer: Any) -> None:
    with pytest.raises(BadAnswer):
        read(answer)


def test_an_empty_entry_becomes_an_empty_record_of_the_queried_name() -> None:
    assert read({"results": [{}]}) == Answer([Record(ASKED, "", "", None, None, (), "riskiq")])


@pytest.mark.parametrize("entry", [None, 7, "text", ["list"]])
def test_an_entry_that_is_not_an_object_is_unreadable(entry: Any) -> None:
    assert read({"results": [entry]}) == Answer([], unreadable=1)


@pytest.mark.parametrize("value", [None, 7, ["A"], {}])
@pytest.mark.parametrize(("key", "empty"), [("recordType", "type"), ("resolveType", "type"), ("resolve", "data")])
def test_a_field_that_is_not_text_counts_as_missing(key: str, empty: str, value: Any) -> None:
    assert getattr(parse_one(**{key: value}), empty) == ""


@pytest.mark.parametrize("value", [None, 7, "", " "])
def test_an_entry_without_a_value_is_about_the_queried_name(value: Any) -> None:
    assert parse_one(value=value).name == ASKED


@pytest.mark.parametrize(
    "date",
    [None, "None", "", "yesterday", 1571000000, "2019-13-01 00:00:00", "1970-01-01 00:00:00"],
)
def test_an_implausible_date_is_unknown(date: Any) -> None:
    record = parse_one(firstSeen=date)
    assert record.first_seen is None
    assert record.last_seen is not None


def test_dates_in_the_wrong_order_are_unknown() -> None:
    record = parse_one(firstSeen="2019-10-05 21:51:41", lastSeen="2014-11-16 18:02:30")
    assert (record.first_seen, record.last_seen) == (None, None)


def test_a_date_with_a_time_zone_is_converted_to_utc() -> None:
    assert parse_one(firstSeen="2019-01-01T05:00:00-07:00").first_seen == datetime(2019, 1, 1, 12, tzinfo=UTC)


def test_fractions_of_a_second_are_cut_off() -> None:
    assert parse_one(firstSeen="2019-01-01 05:00:00.987").first_seen == datetime(2019, 1, 1, 5, tzinfo=UTC)


def test_a_date_without_a_time_is_midnight() -> None:
    assert parse_one(firstSeen="2019-01-01").first_seen == datetime(2019, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("source", "sensors"),
    [(None, ()), ("riskiq", ("riskiq",)), ([], ()), (["pingly", None, 7, "", "line\nbreak", "x" * 65], ("pingly",))],
)
def test_sensors_are_readable_names_only(source: Any, sensors: tuple[str, ...]) -> None:
    assert parse_one(source=source).sensors == sensors


@a_few
@given(json_values)
def test_any_json_as_an_answer_is_a_bad_answer_or_records(answer: Any) -> None:
    try:
        found = read(answer)
    except BadAnswer:
        return
    assert len(found.records) + found.unreadable == len(answer["results"])


@a_few
@given(st.lists(json_values | st.dictionaries(st.sampled_from(list(ENTRY)), json_values), max_size=6))
def test_any_json_as_an_entry_is_one_record_or_unreadable(entries: list[Any]) -> None:
    found = read({"results": entries})
    assert len(found.records) + found.unreadable == len(entries)


def test_the_last_of_duplicate_keys_wins() -> None:
    entry = '{"recordType": "A", "recordType": "MX", "resolveType": "domain"}'
    answer = read_saved(f'{{"results": [], "results": [{entry}]}}'.encode(), ASKED)
    assert [record.type for record in answer.records] == ["MX"]


def test_all_records_of_the_recorded_answer_are_read() -> None:
    answer = read_saved(recorded("passivetotal", "passivetotal.org.json"), "")
    assert (len(answer.records), answer.complete) == (62, True)
    assert {record.name for record in answer.records} == {"passivetotal.org"}
    assert all(record.data and record.first_seen and record.last_seen and record.sensors for record in answer.records)


# The quota


def allowances(**user: Any) -> tuple[Allowance, ...]:
    return parse_quota({"user": user}).allowances


def licences(used: Any, limit: Any) -> dict[str, Any]:
    return {"licenseCounts": {"searchApi": used}, "licenseLimits": {"searchApi": limit}}


def test_the_quota_is_flat_for_a_user_and_nested_by_licence_for_an_organization() -> None:
    quota = {
        "user": {**licences(1234, 2000), "next_reset": "2026-12-01 00:00:00"},
        "organization": {
            "licenseCounts": {"enterprise": {"searchApi": 0, "searchWeb": 1}},
            "licenseLimits": {"enterprise": {"searchApi": 1234, "searchWeb": 5678}},
        },
    }
    assert parse_quota(quota).allowances == (
        Allowance("user", 1234, 2000, "2026-12-01 00:00:00"),
        Allowance("organization", 0, 1234, ""),
    )


def test_the_older_counters_are_used_if_licences_are_missing() -> None:
    assert allowances(counts={"search_api": 100}, limits={"search_api": 1000}) == (Allowance("user", 100, 1000, ""),)


def test_licences_precede_the_older_counters() -> None:
    both = allowances(**licences(1, 2), counts={"search_api": 1000}, limits={"search_api": 1000})
    assert both == (Allowance("user", 1, 2, ""),)


@pytest.mark.parametrize(("used", "limit", "left"), [(1, 2, 1), (2, 2, 0), (3, 2, 0), (2.5, 2, 0)])
def test_no_searches_are_left_at_or_above_the_limit(used: float, limit: float, left: float) -> None:
    (allowance,) = allowances(**licences(used, limit))
    assert allowance.left == left


@pytest.mark.parametrize("count", [None, "2", True, [], -1, float("nan"), float("inf"), 10**400])
def test_an_invalid_counter_means_unknown_not_used_up(count: Any) -> None:
    assert allowances(**licences(count, 2)) == allowances(**licences(2, count)) == ()


@pytest.mark.parametrize("user", [None, [], {}, {"licenseCounts": {"searchApi": 2}}, {"counts": {"search_api": 2}}])
def test_missing_counters_mean_unknown_not_used_up(user: Any) -> None:
    assert parse_quota({"user": user}).tightest is None


@pytest.mark.parametrize("reset", [None, 7, "x" * 33, "line\nbreak"])
def test_an_unreadable_reset_is_unknown(reset: Any) -> None:
    assert allowances(**licences(1, 2), next_reset=reset) == (Allowance("user", 1, 2, ""),)


def test_one_licence_with_searches_left_is_enough() -> None:
    quota = {
        "licenseCounts": {"enterprise": {"searchApi": 10}, "illuminate": {"searchApi": 3}},
        "licenseLimits": {"enterprise": {"searchApi": 10}, "illuminate": {"searchApi": 5}},
    }
    assert allowances(**quota) == (Allowance("user", 3, 5, ""),)


def test_the_quota_of_the_organization_counts_as_well() -> None:
    tightest = parse_quota({"user": licences(1, 2), "organization": licences(5, 5)}).tightest
    assert tightest == Allowance("organization", 5, 5, "")


@a_few
@given(json_values | st.fixed_dictionaries({"user": json_values, "organization": json_values}))
def test_any_json_as_a_quota_is_a_bad_answer_or_a_quota(answer: Any) -> None:
    try:
        parse_quota(answer)
    except BadAnswer:
        assert not isinstance(answer, dict)
