"""The client of Common Output Format servers, D4 and balboa, over HTTP."""

import json
import socket
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from pydantic import ValidationError

from passivedns.errors import BadAnswer, CredentialsRefused, NoAnswer
from passivedns.formats import paging
from passivedns.model import Answer, Quota
from passivedns.sources import cof
from passivedns.sources.cof import COF, CofSettings
from sandbox.sources.cof import CofServer, cof_app
from sandbox.sources.history import ADDRESS, ADDRESS_V6, DOMAIN, Fact, history
from tests.helpers.broken_answers import Meanings, closed, each, error_of, meanings_of_broken
from tests.helpers.clients import client, question
from tests.helpers.raw_server import raw_server, says
from tests.helpers.recorded import recorded
from tests.helpers.stand_ins import renewed, stand_in

FACTS = history(datetime.now(UTC).date())
MEANING: Meanings = meanings_of_broken("COF server", "COF_URL") | {
    "401": (
        CredentialsRefused,
        "COF server requires credentials or rejected them (HTTP 401); check COF_USERNAME, COF_PASSWORD and COF_TOKEN. "
        "Its response says: Unauthorized",
    ),
    "403": (
        CredentialsRefused,
        "COF server requires credentials or rejected them (HTTP 403); check COF_USERNAME, COF_PASSWORD and COF_TOKEN. "
        "Its response says: Forbidden",
    ),
    "backend-failure": (NoAnswer, f"COF server cannot be reached: {closed('COF_URL')}"),
    "404-page": (BadAnswer, "The response (HTTP 404) is not from the COF server API; check COF_URL."),
}


def many(number: int) -> list[Fact]:
    now = datetime.now(UTC)
    return [Fact(DOMAIN, "A", f"198.18.{i >> 8}.{i & 255}", now, now) for i in range(number)]


served_d4 = stand_in(lambda: CofServer("d4", FACTS), cof_app, "/query")
served_fork = stand_in(lambda: CofServer("d4-fork", FACTS), cof_app, "/query")
served_balboa = stand_in(lambda: CofServer("balboa", FACTS), cof_app, "/pdns/query")


d4, fork, balboa = renewed("served_d4"), renewed("served_fork"), renewed("served_balboa")


def ask(url: str, value: str = DOMAIN, **settings: Any) -> Answer:
    return client("cof", url, **settings).look_up(question(value))


def seen_in(answer: Answer) -> set[tuple[str, str, str, datetime | None, datetime | None]]:
    return {record[:5] for record in answer.records}


def fact(name: str, kind: str, data: str) -> Fact:
    return next(fact for fact in FACTS if (fact.name, fact.type, fact.data) == (name, kind, data))


def test_a_name_returns_its_history_to_the_second(d4: tuple[CofServer, str]) -> None:
    answer = ask(d4[1])
    seen = fact(DOMAIN, "A", ADDRESS)
    assert (DOMAIN, "A", ADDRESS, seen.first, seen.last) in seen_in(answer)
    assert {record.type for record in answer.records} == {"A", "AAAA", "NS", "MX", "TXT"}
    assert (answer.complete, answer.certain, answer.unreadable) == (True, True, 0)


def test_d4_returns_all_records_of_the_names_of_an_address(d4: tuple[CofServer, str]) -> None:
    records = ask(d4[1], ADDRESS).records
    assert {"192.0.2.11", "mx1.example.net", ADDRESS} < {record.data for record in records}


def test_balboa_returns_what_points_to_a_name_and_its_sensor(balboa: tuple[CofServer, str]) -> None:
    answer = ask(balboa[1])
    seen = fact("www.example.org", "CNAME", "example.org.")
    assert ("www.example.org", "CNAME", DOMAIN, seen.first, seen.last) in seen_in(answer)
    assert {record.sensors for record in answer.records} == {("sandbox",)}


def test_rows_of_several_balboa_databases_are_repeated(balboa: tuple[CofServer, str]) -> None:
    service, url = balboa
    once = ask(url)
    service.backends = 2
    twice = ask(url)
    assert len(twice.records) == 2 * len(once.records)
    assert seen_in(twice) == seen_in(once)


@pytest.mark.parametrize(
    ("pointing", "owned", "backends", "complete"),
    [
        (999, 999, 1, True),
        (1000, 2, 1, False),
        (37, 1000, 1, False),
        (1001, 0, 1, False),
        (0, 1001, 1, False),
        (1000, 1000, 1, False),
        (600, 3, 2, False),
        (400, 400, 2, True),
    ],
)
def test_each_of_balboas_searches_may_stop_at_a_thousand_rows(
    balboa: tuple[CofServer, str], pointing: int, owned: int, backends: int, complete: bool
) -> None:
    service, url = balboa
    now = datetime.now(UTC)
    service.backends = backends
    service.facts = [Fact(f"h{i}.example.net", "NS", DOMAIN, now, now) for i in range(pointing)]
    service.facts += [Fact(DOMAIN, "A", f"198.18.{i >> 8}.{i & 255}", now, now) for i in range(owned)]
    answer = ask(url)
    assert len(answer.records) == backends * (min(pointing, 1000) + min(owned, 1000))
    assert answer.complete is complete
    body = requests.get(f"{url}/{DOMAIN}", timeout=5).content
    assert COF.read(body, DOMAIN) == answer


def test_thousands_of_rows_from_d4_are_complete(d4: tuple[CofServer, str]) -> None:
    service, url = d4
    now = datetime.now(UTC)
    service.facts = [Fact(f"h{i}.example.net", "A", ADDRESS, now, now) for i in range(2000)]
    answer = ask(url, ADDRESS)
    assert (len(answer.records), answer.complete) == (2000, True)


# Pages


@pytest.mark.parametrize(
    "parameters", ["", "?limit=100", "?format=json&metadata=true", "?format=json&metadata=true&limit=300"]
)
def test_all_pages_of_the_fork_of_d4_are_read(fork: tuple[CofServer, str], parameters: str) -> None:
    service, url = fork
    service.facts = many(254)
    answer = ask(url + parameters)
    assert (len(set(answer.records)), answer.complete) == (254, True)


def test_pages_end_at_their_maximum(fork: tuple[CofServer, str], monkeypatch: pytest.MonkeyPatch) -> None:
    service, url = fork
    service.facts = many(254)
    monkeypatch.setattr(cof, "MAX_PAGES", 2)
    answer = ask(f"{url}?limit=100")
    assert (len(answer.records), answer.complete, len(service.requests)) == (200, False, 2)


@pytest.mark.parametrize("most", ["MAX_ROWS", "MAX_BODY"])
def test_pages_end_at_a_maximum_of_all_of_them(
    fork: tuple[CofServer, str], monkeypatch: pytest.MonkeyPatch, most: str
) -> None:
    service, url = fork
    service.facts = many(254)
    monkeypatch.setattr(paging, most, 90)
    answer = ask(f"{url}?limit=100")
    assert (len(answer.records), answer.complete, len(service.requests)) == (100, False, 1)


ROW = {"rrname": DOMAIN, "rrtype": "A", "rdata": ADDRESS, "origin": "origin not configured"}
SIGNS = [
    ('Link: </query/x?page=2>; rel="next"', {}),
    ("Link: </a>; rel=prev, <http://192.0.2.1/query/x?page=2>; rel=next", {}),
    ("X-Total-Count: 2", {}),
    ("X-Total: 2", {}),
    ("X-Next-Cursor: 200", {}),
    ("X-Pagination-Required: true", {}),
    ("X-Has-More: 1", {}),
    ("x-dribble-cursor: 7346046680497455128", {}),
    ('x-dribble-errors: {"error":"maxset"}', {}),
    ("Content-Range: items 0-0/2", {}),
    ("X-Other: 2", {"total": 2}),
    ("X-Other: 2", {"total": 1, "next_cursor": "abc"}),
    ("X-Other: 2", {"next": "https://elsewhere.example/?page=2"}),
    ("X-Other: 2", {"has_more": True}),
    ("X-Other: 2", {"hasMore": True}),
    ("X-Other: 2", {"truncated": True}),
    ("X-Other: 2", {"limited": True}),
    ("X-Other: 2", {"meta": {"total_count": 2}}),
    ("X-Other: 2", {"links": {"next": "/query/x?page=2"}}),
]


@pytest.mark.parametrize(("header", "fields"), SIGNS)
def test_any_sign_of_more_rows_that_do_not_come_makes_an_answer_incomplete(header: str, fields: dict[str, Any]) -> None:
    head = f"HTTP/1.1 200 OK\r\nConnection: close\r\n{header}\r\n\r\n"
    with raw_server(says(head.encode(), json.dumps({"data": [ROW], **fields}).encode())) as server:
        answer = ask(f"{server.url}/query")
    assert {record.data for record in answer.records} == {ADDRESS}
    assert not answer.complete
    assert not any(b"192.0.2.1" in head or b"elsewhere" in head for head in server.heads[1:])


@pytest.mark.parametrize(
    ("header", "fields"),
    [
        ("X-Total-Count: 1", {"total": 1, "next_cursor": None, "has_more": False, "limited": "false"}),
        ("x-dribble-errors: []", {"next": "", "meta": {"count": 1, "cursor": ""}, "truncated": 0}),
        ("Link: </first>; rel=first", {"limit": 200, "query_opts": {"limit": 2, "wildcard": False}}),
        ("Content-Range: items 0-0/*", {"page": 1, "cursor": 0}),
    ],
)
def test_an_answer_that_says_that_it_is_whole_is_complete(header: str, fields: dict[str, Any]) -> None:
    head = f"HTTP/1.1 200 OK\r\nConnection: close\r\n{header}\r\n\r\n"
    with raw_server(says(head.encode(), json.dumps({"data": [ROW], **fields}).encode())) as server:
        assert ask(f"{server.url}/query").complete
    assert len(server.heads) == 1


def test_a_page_that_a_server_repeats_is_read_once() -> None:
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nX-Total-Count: 254\r\nX-Next-Cursor: 200\r\n\r\n"
    with raw_server(says(head, json.dumps(ROW).encode())) as server:
        answer = ask(f"{server.url}/query")
    assert (len(answer.records), answer.complete, len(server.heads)) == (1, False, 2)


def test_a_link_to_the_next_page_is_followed() -> None:
    def speak(connection: socket.socket) -> None:
        number = len(server.heads)
        link = f'Link: </query/next?page={number + 1}>; rel="next"\r\n' if number < 3 else ""
        body = json.dumps(ROW | {"rdata": f"192.0.2.{number}"})
        connection.sendall(f"HTTP/1.1 200 OK\r\nConnection: close\r\n{link}\r\n{body}".encode())

    with raw_server(speak) as server:
        answer = ask(f"{server.url}/query")
    assert [record.data for record in answer.records] == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    assert answer.complete
    assert [head.split(b" ")[1] for head in server.heads[1:]] == [b"/query/next?page=2", b"/query/next?page=3"]


def test_a_limit_of_the_operator_that_is_reached_makes_an_answer_incomplete(d4: tuple[CofServer, str]) -> None:
    _, url = d4
    number = len(ask(url).records)
    assert not ask(f"{url}?limit={number}").complete
    assert ask(f"{url}?limit={number + 1}").complete


# IPv6


def test_an_ipv6_address_is_found_in_either_spelling(balboa: tuple[CofServer, str]) -> None:
    service, url = balboa
    short = ask(url, ADDRESS_V6)
    assert len(service.requests) == 1
    service.full_addresses = True
    full = ask(url, ADDRESS_V6)
    assert [record.name for record in full.records] == [record.name for record in short.records] != []
    assert {record.data for record in full.records} == {"2001:0db8:0000:0000:0000:0000:0000:0010"}
    assert [request.path for request in service.requests[1:]] == [
        f"/pdns/query/{ADDRESS_V6}",
        "/pdns/query/2001:0db8:0000:0000:0000:0000:0000:0010",
    ]


def test_an_unknown_ipv6_address_is_asked_about_twice_and_other_values_once(balboa: tuple[CofServer, str]) -> None:
    service, url = balboa
    for value, number in (("2001:db8::99", 2), ("192.0.2.99", 1), ("nobody.example", 1)):
        before = len(service.requests)
        assert ask(url, value) == Answer([])
        assert len(service.requests) - before == number


def test_an_empty_404_means_nothing_known(balboa: tuple[CofServer, str]) -> None:
    assert ask(balboa[1], "nobody.example") == Answer([])


def test_an_empty_success_is_uncertain(balboa: tuple[CofServer, str]) -> None:
    service, url = balboa
    service.fail("empty-body")
    assert ask(url) == Answer([], certain=False)


@pytest.mark.parametrize("fault", each(MEANING))
def test_each_fault_raises_its_error(d4: tuple[CofServer, str], fault: str) -> None:
    service, url = d4
    service.fail(fault)
    assert error_of(lambda: ask(url)) == MEANING[fault]


def test_every_fault_has_an_expected_error() -> None:
    assert set(MEANING) == set(CofServer.faults) - {"empty-body"}


def test_a_url_without_the_path_is_a_bad_answer(balboa: tuple[CofServer, str]) -> None:
    _, url = balboa
    with pytest.raises(BadAnswer, match=r"check COF_URL\. Its response says: 404 page not found$"):
        ask(url.removesuffix("/pdns/query"))


def test_a_transient_fault_is_retried(d4: tuple[CofServer, str]) -> None:
    service, url = d4
    service.fail("502", times=1)
    assert client("cof", url, retries=1).look_up(question(DOMAIN)).records


# Requests


def test_a_look_up_is_one_request(d4: tuple[CofServer, str]) -> None:
    service, url = d4
    ask(url)
    (request,) = service.requests
    assert (request.method, request.path, request.params) == ("GET", f"/query/{DOMAIN}", {})
    assert request.headers["accept"] == "application/x-ndjson, */*;q=0.5"
    assert "authorization" not in request.headers


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("2001:db8::10", "2001:db8::10"),
        ("a b.example", "a%20b.example"),
        ("a/b?c#d.example", "a%2Fb%3Fc%23d.example"),
        ("100%.example", "100%25.example"),
    ],
)
def test_a_value_is_one_segment_of_the_path(value: str, part: str) -> None:
    with raw_server(says(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")) as server:
        ask(f"{server.url}/query", value)
    assert server.heads[0].startswith(f"GET /query/{part} HTTP/1.1\r\n".encode())


def test_a_user_name_and_password_use_basic_authentication(d4: tuple[CofServer, str]) -> None:
    service, url = d4
    service.ask_for_account("analyst", "correct horse")
    assert ask(url, username="analyst", password="correct horse").records


def test_a_token_is_the_entire_header(
    d4: tuple[CofServer, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    service, url = d4
    # By default, requests replaces the header with the account of a netrc file.
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    service.authorization = "Bearer 0123abcd"
    assert ask(url, token="Bearer 0123abcd").records


def test_a_token_may_have_another_header(d4: tuple[CofServer, str]) -> None:
    service, url = d4
    service.header, service.authorization = "x-api-auth", "0123abcd"
    assert ask(url, token="0123abcd", token_header="X-API-AUTH").records
    assert "authorization" not in service.requests[0].headers
    with pytest.raises(CredentialsRefused):
        ask(url, token="0123abcd")


def test_a_value_goes_into_the_path_before_the_parameters_of_the_url(d4: tuple[CofServer, str]) -> None:
    service, url = d4
    assert ask(f"{url}?limit=1000&x=a%20b").records
    (request,) = service.requests
    assert (request.path, request.params) == (f"/query/{DOMAIN}", {"limit": "1000", "x": "a b"})


def test_the_budget_is_unknown(d4: tuple[CofServer, str]) -> None:
    assert client("cof", d4[1]).quota() == Quota()


# Settings


@pytest.mark.parametrize(
    "account",
    [
        {"username": "analyst"},
        {"password": "correct horse"},
        {"username": "analyst", "token": "0123"},
        {"username": "analyst", "password": "correct horse", "token": "0123"},
    ],
)
def test_incomplete_or_several_credentials_are_rejected(account: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as caught:
        CofSettings(url="https://pdns.example.org/query", **account)
    (problem,) = caught.value.errors()
    assert str(problem["ctx"]["error"]) == "Set either COF_USERNAME and COF_PASSWORD, or COF_TOKEN, or none of them."
    assert "horse" not in str(caught.value)


@pytest.mark.parametrize("account", [{}, {"username": "", "password": "", "token": " "}])
def test_an_account_is_optional(account: dict[str, str]) -> None:
    assert CofSettings(url="https://pdns.example.org/query", **account).results_tlp == "TLP:CLEAR"


@pytest.mark.parametrize("header", ["", "X API", "X-API:", "Ü", "X\r\nY"])
def test_a_header_that_http_does_not_allow_is_rejected(header: str) -> None:
    with pytest.raises(ValidationError):
        CofSettings(url="https://pdns.example.org/query", token_header=header)


@pytest.mark.parametrize(
    "url", ["https://a:b@pdns.example.org/q", "https://pdns.example.org/q#x", "ftp://x/?a=b", "?a=b"]
)
def test_a_url_with_a_user_name_or_a_fragment_is_rejected(url: str) -> None:
    with pytest.raises(ValidationError):
        CofSettings(url=url)


def test_the_url_is_required() -> None:
    with pytest.raises(ValidationError, match="url"):
        CofSettings.model_validate({})


def test_shown_settings_contain_no_secret() -> None:
    settings = CofSettings(url="https://pdns.example.org/query", username="analyst", password="correct horse")
    encoded = b64encode(b"analyst:correct horse").decode()
    assert not {"correct horse", encoded} & set(repr(settings).split("'"))


# Recorded answers


def test_the_client_reads_a_recorded_answer_like_a_saved_one(d4: tuple[CofServer, str]) -> None:
    service, url = d4
    body = recorded("d4", "ip-2a02-250-0-8--53.ndjson")
    service.recorded["2a02:250:0:8::53"] = body
    answer = ask(url, "2a02:250:0:8::53")
    assert answer == COF.read(body, "2a02:250:0:8::53")
    assert len(answer.records) == 16
