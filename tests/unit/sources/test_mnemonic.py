"""The client of mnemonic over HTTP, and its recorded answers."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from passivedns.errors import BadAnswer, CredentialsRefused, NoAnswer, RateLimited, RequestRefused
from passivedns.model import Answer, Record
from passivedns.sources import mnemonic
from passivedns.sources.mnemonic import MNEMONIC, MnemonicSettings
from sandbox.sources.history import ADDRESS, ADDRESS_V6, DOMAIN, Fact, history
from sandbox.sources.mnemonic import API_KEY, Mnemonic, mnemonic_app
from tests.helpers.broken_answers import Meanings, each, error_of, meanings_of_broken
from tests.helpers.clients import client, question
from tests.helpers.raw_server import raw_server, says
from tests.helpers.recorded import recorded
from tests.helpers.stand_ins import stand_in

NOW = datetime.now(UTC).replace(microsecond=0)
FACTS = history(NOW.date())
USED_UP = (
    "mnemonic rate limit exceeded (HTTP 402); try again later. Its response says: Resource limit exceeded. "
    "Available again in 60 seconds"
)
TIMED_OUT = (
    "mnemonic server error (HTTP 503); try again later. Its response says: Request timed out, service may be "
    "overloaded or unavailable"
)
MEANING: Meanings = meanings_of_broken("mnemonic", "MNEMONIC_API_BASE_URL") | {
    "402": (RateLimited, USED_UP),
    "402-fragment": (RateLimited, USED_UP),
    "412": (
        RequestRefused,
        "mnemonic rejected the request (HTTP 412). Its response says: Maximum result limit for public usage is 1000",
    ),
    "503": (NoAnswer, TIMED_OUT),
}


served = stand_in(lambda: Mnemonic(FACTS), mnemonic_app, "/pdns/v3")


def ask(url: str, value: str = DOMAIN, **settings: Any) -> Answer:
    return client("mnemonic", url, **settings).look_up(question(value))


def names_at(address: str, number: int) -> list[Fact]:
    return [Fact(f"h{i}.example.org", "A", address, NOW - timedelta(days=9), NOW) for i in range(number)]


def test_a_name_returns_its_history_to_the_second(url: str) -> None:
    answer = ask(url)
    seen = next(fact for fact in FACTS if (fact.name, fact.data) == (DOMAIN, ADDRESS))
    assert Record(DOMAIN, "A", ADDRESS, seen.first, seen.last, (), "mnemonic") in answer.records
    assert {record.type for record in answer.records} == {"A", "AAAA", "NS", "MX", "SOA", "CNAME"}
    assert (answer.complete, answer.certain, answer.unreadable) == (True, True, 0)


def test_only_the_mapped_types_are_requested_as_json() -> None:
    with raw_server(says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")) as server:
        client("mnemonic", f"{server.url}/pdns/v3").look_up(question(DOMAIN))
    head = server.heads[0].decode()
    assert "&rrType=a&rrType=aaaa&rrType=cname&rrType=mx&rrType=ns&rrType=soa " in head
    assert "\r\nAccept: application/json\r\n" in head


def test_an_address_returns_its_names(url: str) -> None:
    names = {record.name for record in ask(url, ADDRESS).records}
    assert names == {"example.org", "www.example.org", "mail.example.com", "shared.example.net", "old.tenant.example"}


def test_nothing_known_is_an_empty_answer(url: str) -> None:
    assert ask(url, "nobody.example") == Answer([])


def test_a_look_up_is_one_request_for_the_public_maximum(service: Mnemonic, url: str) -> None:
    ask(url)
    (request,) = service.requests
    assert (request.path, request.params) == (f"/pdns/v3/cof/{DOMAIN}", {"limit": "1000", "rrType": "soa"})
    assert "argus-api-key" not in request.headers


def test_a_key_allows_ten_times_as_many_rows(service: Mnemonic, url: str) -> None:
    ask(url, api_key=API_KEY)
    (request,) = service.requests
    assert (request.headers["argus-api-key"], request.params) == (API_KEY, {"limit": "10000", "rrType": "soa"})


@pytest.mark.parametrize(("known", "complete"), [(999, True), (1000, False), (1001, False)])
def test_as_many_rows_as_the_limit_may_be_incomplete(service: Mnemonic, url: str, known: int, complete: bool) -> None:
    service.facts = names_at(ADDRESS, known)
    answer = ask(url, ADDRESS)
    assert (len(answer.records), answer.complete) == (min(known, 1000), complete)


def test_a_thousand_rows_are_complete_with_a_key(service: Mnemonic, url: str) -> None:
    service.facts = names_at(ADDRESS, 1000)
    assert ask(url, ADDRESS, api_key=API_KEY).complete


def test_zero_dates_are_unknown(service: Mnemonic, url: str) -> None:
    service.undated = True
    assert {(record.first_seen, record.last_seen) for record in ask(url).records} == {(None, None)}


def test_the_address_decides_between_a_and_aaaa(service: Mnemonic, url: str) -> None:
    service.mixes_types = True
    types = {record.data: record.type for record in ask(url).records}
    assert (types[ADDRESS], types[ADDRESS_V6]) == ("A", "AAAA")


def test_an_envelope_instead_of_lines_is_read() -> None:
    envelope = json.dumps({"responseCode": 200, "count": 0, "size": 0, "data": [], "messages": []})
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(envelope)}\r\n\r\n"
    with raw_server(says(head.encode(), envelope.encode())) as server:
        assert ask(server.url) == Answer([])


# Errors


@pytest.mark.parametrize("fault", each(MEANING))
def test_each_fault_raises_its_error(service: Mnemonic, url: str, fault: str) -> None:
    service.fail(fault)
    assert error_of(lambda: ask(url)) == MEANING[fault]


def test_every_fault_has_an_expected_error() -> None:
    assert set(MEANING) == set(Mnemonic.faults)


def test_a_rate_limit_is_not_retried(service: Mnemonic, url: str) -> None:
    service.left = 0
    with pytest.raises(RateLimited):
        client("mnemonic", url, retries=3).look_up(question(DOMAIN))
    assert len(service.requests) == 1


def test_a_wrong_key_is_rejected_and_not_shown(url: str) -> None:
    with pytest.raises(CredentialsRefused, match="check MNEMONIC_API_KEY") as caught:
        ask(url, api_key="wrong-horse")
    assert "horse" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"messages": [{"message": null}, 7, {"message": "Resource limit exceeded"}]}', "Resource limit exceeded"),
        ('{"metaData": {"millisUntilResourcesAvailable": 1}}', "Available again in 1 second"),
        ('{"metaData": {"millisUntilResourcesAvailable": 1001}, "messages": null}', "Available again in 2 seconds"),
    ],
)
def test_the_error_quotes_the_messages_and_the_delay(body: str, said: str) -> None:
    with (
        raw_server(says(_refusal(body))) as server,
        pytest.raises(RateLimited, match=f"Its response says: {said}$"),
    ):
        ask(server.url)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        '{"metaData": {"millisUntilResourcesAvailable": "60000"}}',
        '{"metaData": {"millisUntilResourcesAvailable": -1}}',
        '{"metaData": [], "messages": [{"message": 7}]}',
        "[" * 50_000,
    ],
)
def test_the_error_omits_unreadable_details(body: str) -> None:
    with raw_server(says(_refusal(body))) as server, pytest.raises(RateLimited) as caught:
        ask(server.url)
    assert str(caught.value) == "mnemonic rate limit exceeded (HTTP 402); try again later."


def _refusal(body: str) -> bytes:
    return f"HTTP/1.1 402 Payment Required\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


# Settings


def test_a_key_lifts_the_public_rate_limit() -> None:
    assert MNEMONIC.rate(MnemonicSettings()) == "10/minute;1000/day"
    assert MNEMONIC.rate(MnemonicSettings(api_key=API_KEY)) == ""


def test_results_are_clear_without_a_key_and_amber_with_one() -> None:
    assert MnemonicSettings().results_tlp == "TLP:CLEAR"
    assert MnemonicSettings(api_key=" ").results_tlp == "TLP:CLEAR"
    assert MnemonicSettings(api_key=API_KEY).results_tlp == "TLP:AMBER"


def test_the_tlp_of_results_can_be_set() -> None:
    assert MnemonicSettings(api_key=API_KEY, results_tlp="TLP:GREEN").results_tlp == "TLP:GREEN"


def test_the_default_url_is_that_of_the_service() -> None:
    assert MnemonicSettings().api_base_url == "https://api.mnemonic.no/pdns/v3"


# Recorded answers


def test_the_recorded_row_is_a_record() -> None:
    answer = MNEMONIC.read(recorded("mnemonic", "cof-test.com-one-record.ndjson"), "test.com")
    first, last = datetime(2024, 4, 5, 12, 18, 6, tzinfo=UTC), datetime(2024, 5, 2, 12, 50, 57, tzinfo=UTC)
    assert answer == Answer([Record("test.com", "A", "34.224.149.186", first, last, (), "mnemonic")])


def test_the_documented_envelope_is_incomplete() -> None:
    answer = MNEMONIC.read(recorded("mnemonic", "docs-envelope-and-record.json"), "cnn.com")
    first, last = datetime(2012, 6, 21, 19, 52, 20, tzinfo=UTC), datetime(2013, 8, 26, 12, 30, 48, tzinfo=UTC)
    record = Record("cnn.com.", "A", "157.166.255.19", first, last, (), "mnemonic")
    assert answer == Answer([record], complete=False)


def test_a_partial_result_has_no_dates() -> None:
    row = {"rrtype": "a", "query": DOMAIN, "answer": ADDRESS, "lastSeenTimestamp": 1377520248000}
    rows = [row, row | {"flags": ["partialResult"]}, 7]
    answer = MNEMONIC.read(json.dumps({"count": 3, "data": rows}).encode(), DOMAIN)
    last_seen = datetime(2013, 8, 26, 12, 30, 48, tzinfo=UTC)
    assert [record.last_seen for record in answer.records] == [last_seen, None]
    assert (answer.complete, answer.unreadable) == (True, 1)


@pytest.mark.parametrize("file", ["error-402-resource-limit.fragment.json", "error-503-timeout.json"])
def test_a_recorded_error_is_not_an_answer(file: str) -> None:
    with pytest.raises(BadAnswer):
        MNEMONIC.read(recorded("mnemonic", file), "test.com")


@pytest.mark.parametrize(
    ("status", "file", "sentence"),
    [
        ("402 Payment Required", "error-402-resource-limit.fragment.json", USED_UP),
        ("503 Service Unavailable", "error-503-timeout.json", TIMED_OUT),
    ],
)
def test_a_recorded_error_is_quoted(status: str, file: str, sentence: str) -> None:
    body = recorded("mnemonic", file)
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n"
    with raw_server(says(head.encode(), body)) as server, pytest.raises((RateLimited, NoAnswer)) as caught:
        ask(server.url)
    assert str(caught.value) == sentence


def test_broken_lines_count_towards_the_limit(service: Mnemonic, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnemonic, "PUBLIC_LIMIT", 2)
    service.recorded[DOMAIN] = b'{"rrname": "example.org", "rrtype": "a", "rdata": "192.0.2.1"}\n{"rr\n'
    answer = ask(url)
    assert (len(answer.records), answer.unreadable, answer.complete) == (1, 1, False)
