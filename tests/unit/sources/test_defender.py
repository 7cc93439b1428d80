"""The client of Microsoft Graph over HTTP: requests, pages, tokens and errors."""

import json
import logging
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from passivedns import metrics
from passivedns.errors import (
    BadAnswer,
    Blocked,
    CredentialsRefused,
    NoAnswer,
    NotEntitled,
    RateLimited,
    RequestRefused,
    SourceError,
    Unreachable,
)
from passivedns.formats import paging
from passivedns.model import Answer, Question, Quota, Record
from passivedns.sources import SOURCES, defender
from passivedns.sources.source import Client
from passivedns.transport.retry import RetryPolicy
from sandbox.sources.defender import CLIENT_ID, CLIENT_SECRET, FAULTS, LOGIN_FAULTS, TENANT_ID, Defender, defender_app
from sandbox.sources.history import ADDRESS, ADDRESS_V6, DOMAIN, Fact, history
from tests.helpers.broken_answers import NO_ANSWER, closed, each, error_of, gateway_page
from tests.helpers.clients import LONG_AGO, client, question
from tests.helpers.recorded import recorded
from tests.helpers.stand_ins import stand_in

FACTS = history(date(2026, 11, 24))
CREDENTIALS = {"tenant_id": TENANT_ID, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
SEEN = (datetime(2022, 4, 18, 10, 31, 12, tzinfo=UTC), datetime(2023, 3, 7, 13, 19, 35, tzinfo=UTC))


served = stand_in(lambda: Defender(FACTS), defender_app)


def graph(url: str, **settings: Any) -> Client:
    return client("defender", f"{url}/v1.0", **({"login_base_url": url} | CREDENTIALS | settings))


def requests_for_pages(service: Defender) -> list[str]:
    return [request.path.rpartition("/")[2] for request in service.requests]


# Requests and records


def test_a_name_is_looked_up_in_both_directions(url: str, service: Defender) -> None:
    graph(url).look_up(question(DOMAIN))
    assert [request.path for request in service.requests] == [
        f"/v1.0/security/threatIntelligence/hosts/{DOMAIN}/passiveDns",
        f"/v1.0/security/threatIntelligence/hosts/{DOMAIN}/passiveDnsReverse",
    ]


@pytest.mark.parametrize("address", [ADDRESS, ADDRESS_V6])
def test_an_address_is_looked_up_in_reverse_only(url: str, service: Defender, address: str) -> None:
    graph(url).look_up(question(address))
    assert requests_for_pages(service) == ["passiveDnsReverse"]


def test_a_hostname_is_looked_up_as_a_name(url: str, service: Defender) -> None:
    graph(url).look_up(Question(DOMAIN, "Hostname", LONG_AGO))
    assert requests_for_pages(service) == ["passiveDns", "passiveDnsReverse"]


def test_the_window_is_not_sent(url: str, service: Defender) -> None:
    graph(url).look_up(question(DOMAIN, datetime(2026, 11, 1, tzinfo=UTC)))
    assert [request.params for request in service.requests] == [{}, {}]


def test_a_value_is_escaped_in_the_path(url: str, service: Defender) -> None:
    service.unknown_is_404 = True
    graph(url).look_up(question("a?b.example"))
    assert service.requests[0].path == "/v1.0/security/threatIntelligence/hosts/a%3Fb.example/passiveDns"


def test_the_records_of_a_name_have_the_right_direction(url: str) -> None:
    answer = graph(url).look_up(question(DOMAIN))
    mail = next(fact for fact in FACTS if fact.type == "MX")
    alias = next(fact for fact in FACTS if fact.type == "CNAME")
    assert Record(DOMAIN, "MX", "mx1.example.net", mail.first, mail.last, (), "defender") in answer.records
    assert Record("www.example.org", "CNAME", DOMAIN, alias.first, alias.last, (), "defender") in answer.records
    assert len(answer.records) == 11
    assert answer.complete
    assert answer.certain


def test_an_address_returns_its_names_as_owners(url: str) -> None:
    records = graph(url).look_up(question(ADDRESS)).records
    assert [(record.name, record.type, record.data) for record in records] == [
        (fact.name, "A", ADDRESS) for fact in FACTS if fact.data == ADDRESS
    ]


def test_unclassified_artifacts_are_returned_unchanged(url: str) -> None:
    texts = [record.data for record in graph(url).look_up(question(DOMAIN)).records if record.type == "TXT"]
    assert texts == ['"v=spf1 -all"']


@pytest.mark.parametrize("unknown_is_404", [True, False])
def test_an_unknown_host_is_an_empty_answer(url: str, service: Defender, unknown_is_404: bool) -> None:
    service.unknown_is_404 = unknown_is_404
    assert graph(url).look_up(question("unheard-of.example")) == Answer([], certain=not unknown_is_404)


def test_the_budget_is_unknown_and_costs_no_request(url: str, service: Defender) -> None:
    assert graph(url).quota() == Quota()
    assert service.requests == []


# Pages


def test_every_page_is_read(url: str, service: Defender) -> None:
    whole = graph(url).look_up(question(DOMAIN))
    service.page_size = 3
    assert graph(url).look_up(question(DOMAIN)) == whole
    assert requests_for_pages(service)[2:] == ["passiveDns"] * 4 + ["passiveDnsReverse"]


def test_an_answer_of_too_many_pages_is_incomplete(
    url: str, service: Defender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(defender, "MAX_PAGES", 2)
    service.page_size = 3
    answer = graph(url).look_up(question(ADDRESS))
    assert (len(answer.records), answer.complete) == (5, True)
    service.page_size = 2
    answer = graph(url).look_up(question(ADDRESS))
    assert (len(answer.records), answer.complete) == (4, False)


def test_no_page_is_requested_after_the_time_limit(
    url: str, service: Defender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "MAX_SECONDS", 0)
    service.page_size = 3
    answer = graph(url).look_up(question(ADDRESS))
    assert (len(answer.records), answer.complete) == (3, False)


def test_an_answer_of_too_many_records_is_incomplete(
    url: str, service: Defender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "MAX_ROWS", 2)
    service.page_size = 2
    answer = graph(url).look_up(question(ADDRESS))
    assert (len(answer.records), answer.complete) == (2, False)


def test_a_page_that_links_to_itself_is_requested_once_more(url: str, service: Defender) -> None:
    service.recorded[f"{ADDRESS}/passiveDnsReverse"] = json.dumps(
        {"value": [], "@odata.nextLink": f"{url}/v1.0/security/threatIntelligence/hosts/{ADDRESS}/passiveDnsReverse"}
    ).encode()
    assert graph(url).look_up(question(ADDRESS)) == Answer([], complete=False)
    assert len(service.requests) == 2


@pytest.mark.parametrize("fault", ["next-page-elsewhere", "next-page-nowhere"])
def test_a_next_page_on_another_host_is_rejected(url: str, service: Defender, fault: str) -> None:
    service.fail(fault, 1)
    with pytest.raises(BadAnswer, match="not on its own host"):
        graph(url).look_up(question(ADDRESS))
    assert len(service.requests) == 1


# The token


def test_one_token_serves_many_look_ups(url: str, service: Defender) -> None:
    asker = graph(url)
    for _ in range(3):
        asker.look_up(question(DOMAIN))
    assert len(service.login.requests) == 1
    assert len({request.headers["authorization"] for request in service.requests}) == 1


def test_a_token_is_renewed_shortly_before_it_expires(
    url: str, service: Defender, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(defender, "time", SimpleNamespace(monotonic=lambda: now[0]))
    service.token_life = 600
    asker = graph(url)
    for now[0], logins in ((0, 1), (600 - defender.RENEWED - 1, 1), (600 - defender.RENEWED, 2)):
        asker.look_up(question(ADDRESS))
        assert len(service.login.requests) == logins


@pytest.mark.parametrize("life", [None, -1, "soon", True, 10**30])
def test_an_implausible_lifetime_requires_a_token_per_request(url: str, service: Defender, life: object) -> None:
    service.token_life = life
    graph(url).look_up(question(DOMAIN))
    assert len(service.login.requests) == 2


def test_a_rejected_token_is_replaced_once(url: str, service: Defender) -> None:
    asker = graph(url)
    asker.look_up(question(ADDRESS))
    service.revoke()
    assert asker.look_up(question(ADDRESS)).records
    assert len(service.login.requests) == 2
    assert requests_for_pages(service) == ["passiveDnsReverse"] * 3


def test_a_second_rejection_is_an_error_that_names_the_credentials(url: str, service: Defender) -> None:
    service.fail("401")
    with pytest.raises(CredentialsRefused) as raised:
        graph(url).look_up(question(ADDRESS))
    assert str(raised.value) == (
        "Microsoft Defender rejected the credentials (HTTP 401); check DEFENDER_TENANT_ID, DEFENDER_CLIENT_ID and "
        "DEFENDER_CLIENT_SECRET. Its response says: InvalidAuthenticationToken: Access token has expired or is not yet "
        "valid."
    )
    assert (len(service.requests), len(service.login.requests)) == (2, 2)


def test_the_sign_in_counts_as_a_request_but_not_as_a_search(url: str) -> None:
    def counted(purpose: str) -> float:
        return float(metrics.REQUESTS.labels("defender", purpose)._value.get())

    before = counted("login"), counted("search")
    graph(url).look_up(question(ADDRESS))
    assert (counted("login"), counted("search")) == (before[0] + 1, before[1] + 1)


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("tenant_id", "other.example", "AADSTS90002: Tenant 'other.example' not found."),
        ("client_id", "other", "AADSTS700016: Application was not found in the directory."),
        ("client_secret", "another-secret", "AADSTS7000215: Invalid client secret provided."),
    ],
)
def test_the_error_about_wrong_credentials_quotes_entra_id(
    url: str, service: Defender, setting: str, value: str, said: str
) -> None:
    with pytest.raises(CredentialsRefused) as raised:
        graph(url, **{setting: value}).look_up(question(DOMAIN))
    status = 401 if setting == "client_secret" else 400
    assert str(raised.value) == (
        f"Microsoft Entra ID rejected the credentials (HTTP {status}); check DEFENDER_TENANT_ID, DEFENDER_CLIENT_ID "
        f"and DEFENDER_CLIENT_SECRET. Its response says: {said}"
    )
    assert service.requests == []


def test_an_unreachable_sign_in_names_its_own_variable(url: str) -> None:
    with pytest.raises(Unreachable, match=r"Entra ID cannot be reached: .* and DEFENDER_LOGIN_BASE_URL\."):
        graph(url, login_base_url="http://login.invalid").look_up(question(DOMAIN))


def test_a_failed_sign_in_is_repeated_at_the_next_look_up(url: str, service: Defender) -> None:
    asker = graph(url)
    service.login.fail("500", 1)
    with pytest.raises(NoAnswer):
        asker.look_up(question(ADDRESS))
    assert asker.look_up(question(ADDRESS)).records


def test_neither_the_secret_nor_a_token_is_logged_or_shown(
    url: str, service: Defender, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    asker = graph(url, retries=1)
    asker.look_up(question(DOMAIN))
    service.revoke()
    service.fail("500", 1)
    asker.look_up(question(DOMAIN))
    settings = SOURCES["defender"].settings(**CREDENTIALS)
    shown = caplog.text + repr(asker) + str(vars(asker)) + repr(settings) + str(settings)
    tokens = {request.headers["authorization"].removeprefix("Bearer ") for request in service.requests}
    assert caplog.records
    assert len(tokens) == 2
    assert not any(secret in shown for secret in (CLIENT_SECRET, *tokens))


def test_neither_the_secret_nor_a_token_is_in_a_url(url: str, service: Defender) -> None:
    graph(url).look_up(question(DOMAIN))
    for request in [*service.requests, *service.login.requests]:
        assert CLIENT_SECRET not in request.path + str(request.params)
        assert request.params == {}


# Faults

MEANING: dict[str, tuple[type[SourceError], str] | None] = {
    "400": (RequestRefused, "rejected the request (HTTP 400). Its response says: BadRequest: Invalid host."),
    "401": (CredentialsRefused, "check DEFENDER_TENANT_ID, DEFENDER_CLIENT_ID and DEFENDER_CLIENT_SECRET."),
    "403": (NotEntitled, "grant the application ThreatIntelligence.Read.All with admin consent"),
    "404": None,
    "404-html": (BadAnswer, "is not from the Microsoft Defender API; check DEFENDER_API_BASE_URL."),
    "429": (RateLimited, "Microsoft Defender rate limit exceeded (HTTP 429); next try in 1 s."),
    "429-without-retry-after": (RateLimited, "TooManyRequests: Please retry again later."),
    "500": (NoAnswer, "Microsoft Defender server error (HTTP 500); try again later."),
    "502": (Blocked, gateway_page("Microsoft Defender", 502)),
    "503": (NoAnswer, "ServiceUnavailable: The service is temporarily unavailable."),
    "504": (Blocked, gateway_page("Microsoft Defender", 504)),
    "html": (BadAnswer, "is a web page; check DEFENDER_API_BASE_URL."),
    "cut-json": (BadAnswer, "is not valid JSON or was cut off; check DEFENDER_API_BASE_URL."),
    "huge": (BadAnswer, "contains no list of records; check DEFENDER_API_BASE_URL."),
    "no-list": (BadAnswer, "contains no list of records; check DEFENDER_API_BASE_URL."),
    "empty-body": (BadAnswer, "contains no list of records; check DEFENDER_API_BASE_URL."),
    "next-page-elsewhere": (BadAnswer, "a next-page URL that is not on its own host."),
    "next-page-nowhere": (BadAnswer, "a next-page URL that is not on its own host."),
    "next-page-number": None,
    "cut-connection": (NoAnswer, "the response was cut off."),
    "reset": (NoAnswer, closed("DEFENDER_API_BASE_URL")),
    "stall": (NoAnswer, NO_ANSWER),
    "drip": (NoAnswer, NO_ANSWER),
}
"""The error of each fault of Graph; None if it is an answer."""

LOGIN_MEANING: dict[str, tuple[type[SourceError], str]] = {
    "invalid-client": (CredentialsRefused, "Its response says: AADSTS7000215: Invalid client secret provided."),
    "unauthorized-client": (CredentialsRefused, f"Application with identifier '{CLIENT_ID}' was not found."),
    "unknown-tenant": (CredentialsRefused, "AADSTS90002: Tenant not found."),
    "403": (CredentialsRefused, "AADSTS53003: Access has been blocked."),
    "429": (RateLimited, "Microsoft Entra ID rate limit exceeded (HTTP 429); next try in 1 s."),
    "no-token": (BadAnswer, "is not from the Microsoft Entra ID API; check DEFENDER_LOGIN_BASE_URL."),
    "unprintable-token": (BadAnswer, "is not from the Microsoft Entra ID API; check DEFENDER_LOGIN_BASE_URL."),
    "500": (NoAnswer, "Microsoft Entra ID server error (HTTP 500); try again later."),
    "502": (Blocked, gateway_page("Microsoft Entra ID", 502)),
    "504": (Blocked, gateway_page("Microsoft Entra ID", 504)),
    "html": (BadAnswer, "from Microsoft Entra ID is a web page; check DEFENDER_LOGIN_BASE_URL."),
    "cut-json": (BadAnswer, "from Microsoft Entra ID is not valid JSON or was cut off; check DEFENDER_LOGIN_BASE_URL."),
    "huge": (BadAnswer, "is not from the Microsoft Entra ID API; check DEFENDER_LOGIN_BASE_URL."),
    "cut-connection": (NoAnswer, "Microsoft Entra ID cannot be reached: the response was cut off."),
    "reset": (NoAnswer, f"Microsoft Entra ID cannot be reached: {closed('DEFENDER_LOGIN_BASE_URL')}"),
    "stall": (NoAnswer, f"Microsoft Entra ID {NO_ANSWER}"),
    "drip": (NoAnswer, f"Microsoft Entra ID {NO_ANSWER}"),
}
"""The error of each fault of Entra ID."""


def test_every_fault_has_an_expected_error() -> None:
    assert MEANING.keys() == FAULTS.keys()
    assert LOGIN_MEANING.keys() == LOGIN_FAULTS.keys()


def assert_raised(meaning: tuple[type[SourceError], str] | None, url: str) -> None:
    kind, sentence = error_of(lambda: graph(url).look_up(question(ADDRESS)))
    assert meaning
    assert kind is meaning[0]
    assert meaning[1] in sentence


@pytest.mark.parametrize("fault", each(fault for fault, meaning in MEANING.items() if meaning))
def test_each_fault_of_graph_raises_its_error(url: str, service: Defender, fault: str) -> None:
    service.fail(fault)
    assert_raised(MEANING[fault], url)


@pytest.mark.parametrize("fault", each(LOGIN_MEANING))
def test_each_fault_of_entra_id_raises_its_error(url: str, service: Defender, fault: str) -> None:
    service.login.fail(fault)
    assert_raised(LOGIN_MEANING[fault], url)
    assert service.requests == []


def test_a_graph_404_is_an_uncertain_empty_answer(url: str, service: Defender) -> None:
    service.fail("404")
    assert graph(url).look_up(question(ADDRESS)) == Answer([], certain=False)


def test_an_invalid_link_to_the_next_page_makes_the_answer_incomplete(url: str, service: Defender) -> None:
    service.fail("next-page-number")
    assert graph(url).look_up(question(ADDRESS)) == Answer([], complete=False)


def test_a_missing_licence_is_reported_with_a_remedy(url: str, service: Defender) -> None:
    service.entitled = False
    with pytest.raises(NotEntitled) as raised:
        graph(url).look_up(question(ADDRESS))
    assert str(raised.value) == (
        "The Microsoft Defender account is not entitled to passive DNS (HTTP 403); grant the application "
        "ThreatIntelligence.Read.All with admin consent, and check the Defender licence. Its response says: Forbidden: "
        "The tenant has no licence for threat intelligence."
    )


def test_the_retry_after_of_a_429_is_respected(url: str, service: Defender) -> None:
    pauses: list[float] = []
    service.fail("429", 1)
    assert graph(url, retries=1, sleep=pauses.append).look_up(question(ADDRESS)).records
    assert pauses == [RetryPolicy().backoff]  # longer than the second that the service asks for


def test_a_429_at_the_sign_in_is_retried(url: str, service: Defender) -> None:
    service.login.fail("429", 1)
    assert graph(url, retries=1).look_up(question(ADDRESS)).records


# Documented answers


def test_the_documented_forward_list_is_read(url: str, service: Defender) -> None:
    service.facts = []
    service.recorded["contoso.com/passiveDns"] = recorded("msgraph", "list-passivedns.json")
    assert graph(url).look_up(question("contoso.com")).records == [
        Record("contoso.com", "A", "20.103.85.33", *SEEN, (), "defender")
    ]


def test_the_documented_reverse_list_is_read(url: str, service: Defender) -> None:
    service.facts = []
    service.recorded["contoso.com/passiveDnsReverse"] = recorded("msgraph", "list-passivednsreverse.json")
    assert graph(url).look_up(question("contoso.com")).records == [
        Record("www.contoso.com", "CNAME", "contoso.com", *SEEN, (), "defender")
    ]


def test_the_records_are_those_of_the_history(url: str) -> None:
    def expected(value: str) -> set[Fact]:
        return {fact for fact in FACTS if fact.is_about(value) and fact.type in ("A", "AAAA")}

    for value in (DOMAIN, ADDRESS, ADDRESS_V6):
        records = {record for record in graph(url).look_up(question(value)).records if record.type in ("A", "AAAA")}
        assert {(r.name, r.type, r.data, r.first_seen, r.last_seen) for r in records} == expected(value)
