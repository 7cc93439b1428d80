"""The client of CIRCL over HTTP, and its recorded answers."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import Request, Response
from pydantic import ValidationError

from passivedns.errors import CredentialsRefused, NoAnswer, NotEntitled, QuotaExceeded, RateLimited
from passivedns.formats import paging
from passivedns.model import Answer, Record
from passivedns.sources import circl
from passivedns.sources.circl import CIRCL, PAGE, CirclSettings
from sandbox.server import serving
from sandbox.sources.circl import PASSWORD, TOKEN, USERNAME, Circl, circl_app
from sandbox.sources.history import ADDRESS, DOMAIN, Fact, history
from tests.helpers.broken_answers import Meanings, each, error_of, meanings_of_broken
from tests.helpers.clients import client, question
from tests.helpers.raw_server import raw_server, says
from tests.helpers.recorded import recorded
from tests.helpers.stand_ins import stand_in

NOW = datetime.now(UTC).replace(microsecond=0)
FACTS = history(NOW.date())
CREDENTIALS = "CIRCL_USERNAME, CIRCL_PASSWORD and CIRCL_TOKEN"
MEANING: Meanings = meanings_of_broken("CIRCL", "CIRCL_API_BASE_URL") | {
    "401": (
        CredentialsRefused,
        f"CIRCL rejected the credentials (HTTP 401); check {CREDENTIALS}. Its response says: Unauthorized",
    ),
    "403": (
        NotEntitled,
        "The CIRCL account is not entitled to passive DNS (HTTP 403); ask the provider. Its response says: Forbidden",
    ),
    "429": (QuotaExceeded, "The CIRCL quota is used up (HTTP 429). Its response says: Quota exhausted"),
    "200-rate-limit": (RateLimited, "CIRCL rate limit exceeded (HTTP 200); try again later."),
    "503": (
        NoAnswer,
        "CIRCL server error (HTTP 503); try again later. Its response says: Service Unavailable",
    ),
}


served = stand_in(lambda: Circl(FACTS), circl_app, "/pdns")


def ask(url: str, value: str = DOMAIN) -> Answer:
    return client("circl", url, username=USERNAME, password=PASSWORD).look_up(question(value))


def names_at(address: str, number: int) -> list[Fact]:
    return [Fact(f"h{i}.example.org", "A", address, NOW - timedelta(days=9), NOW) for i in range(number)]


def test_a_name_returns_its_history_to_the_second(url: str) -> None:
    answer = ask(url)
    found = {record[:5] for record in answer.records}
    seen = next(fact for fact in FACTS if (fact.name, fact.data) == (DOMAIN, ADDRESS))
    assert (DOMAIN, "A", ADDRESS, seen.first, seen.last) in found
    assert {record.type for record in answer.records} == {"A", "AAAA", "NS", "MX", "SOA", "TXT", "CNAME"}
    assert (answer.complete, answer.certain, answer.unreadable) == (True, True, 0)


def test_swapped_rows_have_the_right_direction(url: str) -> None:
    ends = {(record.name, record.data) for record in ask(url).records}
    assert {(DOMAIN, "ns1.example.net"), (DOMAIN, "mx1.example.net"), ("www.example.org", DOMAIN)} < ends


def test_swapped_rows_of_names_have_the_right_direction(url: str) -> None:
    (record,) = ask(url, "ns1.example.net").records[:1]
    assert (record.name, record.type, record.data) == (DOMAIN, "NS", "ns1.example.net")


def test_rows_that_are_not_swapped_are_read_too(service: Circl, url: str) -> None:
    expected = set(ask(url).records)
    service.swapped = False
    assert set(ask(url).records) == expected


def test_nothing_known_is_an_empty_answer(url: str) -> None:
    assert ask(url, "nobody.example") == Answer([])


# Active queries


def test_no_request_causes_an_active_query(service: Circl, url: str) -> None:
    service.facts = names_at("192.0.2.77", 2 * PAGE + 1)
    ask(url, "192.0.2.77")
    service.fail("502", times=1)
    client("circl", url, retries=1, token=TOKEN).look_up(question(DOMAIN))
    assert len(service.requests) == 5
    assert service.active_queries == []


# Pages


def test_all_pages_form_one_answer(service: Circl, url: str) -> None:
    service.facts = names_at("192.0.2.77", 2 * PAGE + 1)
    answer = ask(url, "192.0.2.77")
    assert {record.name for record in answer.records} == {fact.name for fact in service.facts}
    assert answer.complete


def test_each_page_is_requested_with_the_cursor_of_the_previous_one(service: Circl, url: str) -> None:
    service.facts = names_at("192.0.2.77", PAGE + 1)
    ask(url, "192.0.2.77")
    cursors = [request.headers.get("dribble-paginate-cursor") for request in service.requests]
    assert cursors == [None, str(7_346_046_680_497_455_128 + PAGE)]
    assert {request.headers["dribble-paginate-count"] for request in service.requests} == {str(PAGE)}


def test_an_answer_of_too_many_pages_is_incomplete(service: Circl, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circl, "MAX_PAGES", 3)
    service.facts = names_at("192.0.2.77", PAGE * 3 + 1)
    answer = ask(url, "192.0.2.77")
    assert len(service.requests) == 3
    assert (len(answer.records), answer.complete) == (PAGE * 3, False)


def test_no_page_is_requested_after_the_time_limit(service: Circl, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "MAX_SECONDS", 0)
    service.facts = names_at("192.0.2.77", PAGE + 1)
    answer = ask(url, "192.0.2.77")
    assert (len(answer.records), answer.complete) == (PAGE, False)


def test_a_page_with_its_own_cursor_is_the_last(service: Circl, url: str) -> None:
    service.endless = True
    answer = ask(url)
    assert len(service.requests) == 2
    assert not answer.complete


def test_pages_that_are_too_large_together_are_incomplete(
    service: Circl, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "MAX_BODY", 100)
    service.facts = names_at("192.0.2.77", 2 * PAGE)
    answer = ask(url, "192.0.2.77")
    assert (len(answer.records), answer.complete, len(service.requests)) == (PAGE, False, 1)


def test_addresses_on_one_page_decide_the_field_order_of_all(service: Circl, url: str) -> None:
    service.swapped = False
    names = [Fact(DOMAIN, "NS", f"ns{i}.example.net", NOW, NOW) for i in range(PAGE)]
    service.facts = [*names, Fact(DOMAIN, "A", ADDRESS, NOW, NOW)]
    assert {record.name for record in ask(url).records} == {DOMAIN}


@pytest.mark.parametrize("cursor", ["-1", "x", "", "1e9", "²"])
def test_a_cursor_that_is_not_a_number_is_not_followed(cursor: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nx-dribble-cursor: {cursor}\r\n\r\n"
    with raw_server(says(head.encode("latin-1"))) as server:
        answer = ask(f"{server.url}/pdns")
    assert (answer.records, answer.complete, len(server.heads)) == ([], False, 1)


class _FailsLater(Circl):
    """Fails after the first page."""

    def receive(self, request: Request) -> Response | None:
        if self.requests:
            self.fail("200-rate-limit")
        return super().receive(request)


def test_a_later_page_that_fails_makes_the_answer_incomplete() -> None:
    service = _FailsLater(names_at("192.0.2.77", PAGE + 1))
    with serving(circl_app(service)) as url:
        answer = ask(f"{url}/pdns", "192.0.2.77")
    assert (len(answer.records), answer.complete, len(service.requests)) == (PAGE, False, 2)


# Truncation


@pytest.mark.parametrize("in_list", [True, False])
def test_a_truncated_set_makes_the_answer_incomplete(service: Circl, url: str, in_list: bool) -> None:
    service.total, service.errors_in_list = 532_915, in_list
    answer = ask(url)
    assert answer.records
    assert not answer.complete


@pytest.mark.parametrize(("errors", "complete"), [("", True), ("[]", True), ("{}", True), ("maxset", False)])
def test_any_reported_error_makes_the_answer_incomplete(errors: str, complete: bool) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nx-dribble-errors: {errors}\r\n\r\n"
    with raw_server(says(head.encode())) as server:
        assert ask(f"{server.url}/pdns").complete == complete


# Errors


@pytest.mark.parametrize("fault", each(MEANING))
def test_each_fault_raises_its_error(service: Circl, url: str, fault: str) -> None:
    service.fail(fault)
    assert error_of(lambda: ask(url)) == MEANING[fault]


def test_every_fault_has_an_expected_error() -> None:
    assert set(MEANING) == set(Circl.faults)


def test_a_used_up_quota_is_not_retried(service: Circl, url: str) -> None:
    service.fail("429")
    with pytest.raises(QuotaExceeded):
        client("circl", url, retries=3, token=TOKEN).look_up(question(DOMAIN))
    assert len(service.requests) == 1


# The account


def test_a_token_is_accepted(url: str) -> None:
    assert client("circl", url, token=TOKEN).look_up(question(DOMAIN)).records


def test_a_wrong_password_is_rejected_and_not_shown(url: str) -> None:
    with pytest.raises(CredentialsRefused) as caught:
        client("circl", url, username=USERNAME, password="wrong horse").look_up(question(DOMAIN))
    assert "horse" not in str(caught.value)


@pytest.mark.parametrize(
    "account",
    [
        {},
        {"token": ""},
        {"username": USERNAME},
        {"password": PASSWORD},
        {"username": USERNAME, "password": ""},
        {"username": USERNAME, "token": TOKEN},
        {"username": USERNAME, "password": PASSWORD, "token": TOKEN},
    ],
)
def test_exactly_one_kind_of_credentials_is_required(account: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as caught:
        CirclSettings(**account)
    (problem,) = caught.value.errors()
    assert str(problem["ctx"]["error"]) == "Set either CIRCL_USERNAME and CIRCL_PASSWORD, or CIRCL_TOKEN."


def test_results_are_amber_by_default() -> None:
    assert CirclSettings(token=TOKEN).results_tlp == "TLP:AMBER"


def test_the_default_url_is_that_of_the_service() -> None:
    assert CirclSettings(token=TOKEN).api_base_url == "https://www.circl.lu/pdns"


# Recorded answers


def date(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]  # year to second


def test_the_answer_of_2019_is_not_swapped() -> None:
    answer = CIRCL.read(recorded("circl", "domain-www.circl.lu-2019.ndjson"), "www.circl.lu")
    name, host = "www.circl.lu", ("www.circl.lu",)
    assert answer == Answer(
        [
            Record(
                name,
                "CNAME",
                "cpab.circl.lu",
                date(2016, 10, 7, 7, 26, 2),
                date(2018, 10, 30, 0, 56, 36),
                host,
                "circl",
            ),
            Record(
                name, "A", "194.154.205.24", date(2011, 2, 22, 18, 13, 37), date(2011, 3, 4, 18, 41, 17), host, "circl"
            ),
            Record(
                name, "CNAME", "cpa.circl.lu", date(2011, 2, 22, 18, 6, 42), date(2012, 2, 14, 9, 31, 34), host, "circl"
            ),
        ]
    )


def test_the_documented_answer_of_version_2_is_swapped() -> None:
    answer = CIRCL.read(recorded("circl", "docs-v2-circl.lu-2023-swapped.ndjson"), "circl.lu")
    first = date(2023, 10, 8, 20, 53, 5)
    assert answer == Answer(
        [
            Record("circl.lu", "A", "185.194.93.14", first, date(2023, 10, 21, 12, 20, 24), (), "circl"),
            Record("circl.lu", "AAAA", "2a00:5980:93::14", first, date(2023, 10, 21, 12, 20, 24), (), "circl"),
            Record(
                "circl.lu",
                "MX",
                "cppy.circl.lu",
                date(2023, 10, 8, 17, 37, 16),
                date(2023, 10, 21, 14, 7, 12),
                (),
                "circl",
            ),
        ]
    )


def test_the_client_reads_a_recorded_answer_like_a_saved_one(service: Circl, url: str) -> None:
    body = recorded("circl", "domain-www.circl.lu-2019.ndjson")
    service.recorded["www.circl.lu"] = body
    assert ask(url, "www.circl.lu") == CIRCL.read(body, "www.circl.lu")


def test_a_broken_line_of_a_saved_page_does_not_affect_the_others() -> None:
    row: dict[str, Any] = {"rrname": DOMAIN, "rrtype": "A", "rdata": ADDRESS}
    answer = CIRCL.read(f"{json.dumps(row)}\n{{\n{json.dumps(row)}\n".encode(), DOMAIN)
    assert (len(answer.records), answer.unreadable) == (2, 1)
