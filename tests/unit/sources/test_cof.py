"""The client of Common Output Format servers, D4 and balboa, over HTTP."""

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from passivedns.errors import BadAnswer, CredentialsRefused
from passivedns.model import Answer, Budget
from passivedns.sources.cof import COF, CofSettings
from sandbox.sources.cof import CofServer, cof_app
from sandbox.sources.history import ADDRESS, DOMAIN, Fact, history
from tests.unit.raw_server import raw_server, says
from tests.unit.sources.broken_answers import Meanings, each, error_of, meanings_of_broken
from tests.unit.sources.clients import client, question
from tests.unit.sources.recorded import recorded
from tests.unit.stand_ins import renewed, stand_in

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
    "404-page": (BadAnswer, "The response (HTTP 404) is not from the COF server API; check COF_URL."),
}


served_d4 = stand_in(lambda: CofServer("d4", FACTS), cof_app, "/query")
served_balboa = stand_in(lambda: CofServer("balboa", FACTS), cof_app, "/pdns/query")


d4, balboa = renewed("served_d4"), renewed("served_balboa")


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


@pytest.mark.parametrize(("known", "complete"), [(999, True), (1000, False), (1001, False)])
def test_the_maximum_number_of_balboa_rows_may_be_incomplete(
    balboa: tuple[CofServer, str], known: int, complete: bool
) -> None:
    service, url = balboa
    now = datetime.now(UTC)
    service.facts = [Fact(f"h{i}.example.org", "A", ADDRESS, now, now) for i in range(known)]
    answer = ask(url, ADDRESS)
    assert (len(answer.records), answer.complete) == (min(known, 1000), complete)


def test_an_empty_404_means_nothing_known(balboa: tuple[CofServer, str]) -> None:
    assert ask(balboa[1], "nobody.example") == Answer([])


def test_an_empty_success_is_uncertain(balboa: tuple[CofServer, str]) -> None:
    service, url = balboa
    service.fail("backend-failure")
    assert ask(url) == Answer([], certain=False)


@pytest.mark.parametrize("fault", each(MEANING))
def test_each_fault_raises_its_error(d4: tuple[CofServer, str], fault: str) -> None:
    service, url = d4
    service.fail(fault)
    assert error_of(lambda: ask(url)) == MEANING[fault]


def test_every_fault_has_an_expected_error() -> None:
    assert set(MEANING) == set(CofServer.faults) - {"backend-failure"}


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
    with raw_server(says(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")) as server:
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


def test_the_budget_is_unknown(d4: tuple[CofServer, str]) -> None:
    assert client("cof", d4[1]).budget() == Budget()


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
