"""PassiveTotal: requests, quota, errors and the cache."""

import contextlib
import logging
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from passivedns import __version__
from passivedns.assembly import enricher_of
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
from passivedns.model import RECORD_TYPES, Allowance, Answer, Entity, Question
from passivedns.query.all_sources import ConfiguredSource, query_all
from passivedns.query.outcome import Outcome
from passivedns.settings.model import LookupSettings, PdnsSettings
from passivedns.sources.riskiq import RISKIQ, RiskIQClient, RiskIQSettings
from passivedns.transport.http import Http
from passivedns.transport.retry import RetryPolicy
from sandbox.faults import FAULTS
from sandbox.sources.riskiq import API_KEY, USERNAME, PassiveTotal, passivetotal_app
from sandbox.sources.riskiq_data import ADDRESS, DOMAIN, own_records
from tests.helpers.broken_answers import ENDLESS, NO_ANSWER, SHORT, closed, each, gateway_page
from tests.helpers.stand_ins import stand_in

NOW = datetime.now(UTC)
MONTH_AGO = NOW - timedelta(days=30)
RESET = "2026-12-01 00:00:00"

CHECK_ADDRESS = "check RISKIQ_API_BASE_URL."
NOT_JSON = f"The response from PassiveTotal is not valid JSON or was cut off; {CHECK_ADDRESS}"
NO_LIST = f"The response from PassiveTotal contains no list of results; {CHECK_ADDRESS}"
CUT_OFF = "PassiveTotal cannot be reached: the response was cut off."
TOO_SLOW = f"PassiveTotal {NO_ANSWER}"

MEANING: dict[str, tuple[type[SourceError], str]] = {
    "400": (RequestRefused, "PassiveTotal rejected the request (HTTP 400). Its response says: invalid query"),
    "401": (
        CredentialsRefused,
        "PassiveTotal rejected the credentials (HTTP 401); check RISKIQ_USERNAME and RISKIQ_API_KEY. "
        "Its response says: invalid credentials",
    ),
    "402": (
        NotEntitled,
        "The PassiveTotal account is not entitled to passive DNS (HTTP 402); ask the provider. "
        "Its response says: your account has no access to this endpoint",
    ),
    "403": (
        NotEntitled,
        "The PassiveTotal account is not entitled to passive DNS (HTTP 403); ask the provider. "
        "Its response says: forbidden",
    ),
    "403-quota": (
        QuotaExceeded,
        "The PassiveTotal quota is used up (HTTP 403). "
        "Its response says: You have exceeded your daily query limit (quota).",
    ),
    "404-html": (BadAnswer, f"The response (HTTP 404) is not from the PassiveTotal API; {CHECK_ADDRESS}"),
    "429": (
        RateLimited,
        "PassiveTotal rate limit exceeded (HTTP 429); next try in 1 s. Its response says: too many requests",
    ),
    "429-quota-message": (
        QuotaExceeded,
        "The PassiveTotal quota is used up (HTTP 429). Its response says: quota_exceeded: no search is left",
    ),
    "429-quota-error": (
        QuotaExceeded,
        "The PassiveTotal quota is used up (HTTP 429). "
        "Its response says: quota exceeded for operation search_api; quota has been exceeded",
    ),
    "500": (
        NoAnswer,
        "PassiveTotal server error (HTTP 500); try again later. Its response says: Internal Server Error",
    ),
    "502": (Blocked, gateway_page("PassiveTotal", 502)),
    "503": (Blocked, gateway_page("PassiveTotal", 503)),
    "504": (Blocked, gateway_page("PassiveTotal", 504)),
    "html": (BadAnswer, f"The response from PassiveTotal is a web page; {CHECK_ADDRESS}"),
    "cut-json": (BadAnswer, NOT_JSON),
    "deeply-nested": (BadAnswer, NOT_JSON),
    "list": (BadAnswer, NO_LIST),
    "results-string": (BadAnswer, NO_LIST),
    "results-missing": (BadAnswer, NO_LIST),
    "huge": (BadAnswer, "The response from PassiveTotal contains no list of results; check RISKIQ_API_BASE_URL."),
    "redirect": (
        BadAnswer,
        f"The response (HTTP 302) is not from the PassiveTotal API; {CHECK_ADDRESS} Its response says: "
        "redirect to http://community.example",
    ),
    "cut-connection": (NoAnswer, CUT_OFF),
    "reset": (NoAnswer, f"PassiveTotal cannot be reached: {closed('RISKIQ_API_BASE_URL')}"),
    "stall": (NoAnswer, TOO_SLOW),
    "drip": (NoAnswer, TOO_SLOW),
}
"""The error of each fault of the stand-in."""
NOTHING_KNOWN = {"404-json", "204", "empty-body"}
"""Faults that mean "nothing known"."""
KEPT = {"404-json", "204"}
"""Those that are cached, since they say so clearly."""


served = stand_in(lambda: PassiveTotal(own_records(NOW.date())), passivetotal_app)


def client(url: str, timeout: float = 10, retries: int = 0, api_key: str = API_KEY) -> RiskIQClient:
    settings = RiskIQSettings(username=USERNAME, api_key=api_key, api_base_url=url)
    return RiskIQClient(
        settings, Http(RISKIQ, url, RetryPolicy(timeout=timeout, max_retries=retries, sleep=lambda _: None))
    )


def search(of: RiskIQClient, value: str = DOMAIN, since: datetime = MONTH_AGO) -> Answer:
    return of.look_up(Question(value, "Domain-Name", since))


def new_asker(url: str, cache: str = "", cache_ttl: str = "PT24H", **settings: Any) -> ConfiguredSource:
    """The source with its quota and, if named, a cache, as in the connector."""
    account = {"username": USERNAME, "api_key": API_KEY, "api_base_url": url} | settings
    pdns = {"cache": cache or "memory", "cache_ttl": cache_ttl if cache else "PT0S", "max_retries": 0}
    (only,) = enricher_of(LookupSettings(PdnsSettings(**pdns), {"riskiq": RiskIQSettings(**account)})).sources
    return only


@pytest.fixture
def asker(url: str) -> ConfiguredSource:
    return new_asker(url)


@pytest.fixture
def thrifty(url: str) -> ConfiguredSource:
    """An asker with a cache."""
    return new_asker(url, "memory")


def ask(of: ConfiguredSource, value: str = DOMAIN, now: datetime = NOW) -> Outcome:
    (outcome,) = query_all([of], Entity("", "Domain-Name", value), now, RECORD_TYPES)
    return outcome


def endpoints(service: PassiveTotal) -> list[str]:
    return [request.path.rpartition("/v2")[2] for request in service.requests]


# Requests


def test_a_domain_returns_its_records(url: str) -> None:
    records = search(client(url)).records
    assert {record.type for record in records} == {"A", "AAAA", "MX", "NS", "SOA", "CNAME", "TXT (SPF1)"}
    assert {record.name for record in records} == {DOMAIN}


def test_an_address_returns_the_names_that_point_to_it(url: str) -> None:
    records = search(client(url), ADDRESS).records
    assert {record.data for record in records} == {ADDRESS}
    assert "mail.example.com" in {record.name for record in records}


def test_requests_have_the_expected_method_and_headers(url: str, service: PassiveTotal) -> None:
    search(client(url))
    (request,) = service.searches
    assert request.method == "GET"
    assert request.headers["accept"] == "application/json"
    assert "content-type" not in request.headers
    assert request.headers["user-agent"] == f"opencti-passive-dns/{__version__}"
    assert request.headers["authorization"].startswith("Basic ")


def test_the_window_starts_in_utc_with_a_space_between_date_and_time(url: str, service: PassiveTotal) -> None:
    pacific = timezone(timedelta(hours=-7))
    search(client(url), since=datetime(2026, 10, 25, 5, 4, 3, 999, tzinfo=pacific))
    assert service.searches[0].params == {"query": DOMAIN, "start": "2026-10-25 12:04:03"}


def test_records_before_the_window_are_dropped_if_the_server_ignores_it(
    asker: ConfiguredSource, service: PassiveTotal
) -> None:
    within = ask(asker).records
    service.ignores_window = True
    assert ask(asker).records == within
    asker.since = lambda now: now - timedelta(days=10_000)
    assert len(ask(asker).records) > len(within)


def test_a_record_up_to_8_hours_too_old_is_kept(asker: ConfiguredSource, service: PassiveTotal) -> None:
    service.ignores_window = True
    newest = max(record.last_seen for record in ask(asker).records if record.last_seen)
    asker.since = lambda _: newest + timedelta(hours=8)
    assert ask(asker).records
    asker.since = lambda _: newest + timedelta(hours=8, seconds=1)
    assert not ask(asker).records


def test_neither_the_key_nor_its_base64_is_logged(
    url: str, service: PassiveTotal, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    service.fail("500", times=1, on="search")
    asked = client(url, retries=1)
    search(asked)
    sent = service.searches[0].headers["authorization"].removeprefix("Basic ")
    assert caplog.records
    assert API_KEY not in caplog.text
    assert sent not in caplog.text
    assert API_KEY not in repr(asked) + str(vars(asked).keys())


# The quota


def test_the_quota_is_read_before_the_first_search_only(asker: ConfiguredSource, service: PassiveTotal) -> None:
    ask(asker)
    ask(asker, ADDRESS)
    assert endpoints(service) == ["/account/quota", "/dns/passive", "/dns/passive"]


def test_the_quota_states_the_used_searches(url: str, service: PassiveTotal) -> None:
    service.used, service.limit, service.next_reset = 7, 9, RESET
    assert client(url).quota().allowances == (
        Allowance("user", 7, 9, RESET),
        Allowance("organization", 0, 10_000, RESET),
    )


def test_reading_the_quota_costs_no_search(url: str, service: PassiveTotal) -> None:
    client(url).quota()
    assert service.used == 0


@pytest.mark.parametrize(
    ("state", "reserve", "sentence"),
    [
        (
            {"used": 2001},
            0,
            "The PassiveTotal quota of the user is used up (2,000 searches). It resets on 2026-12-01 00:00:00.",
        ),
        (
            {"used": 2000},
            100,
            "The PassiveTotal quota of the user is used up (2,000 searches). It resets on 2026-12-01 00:00:00.",
        ),
        (
            {"organization_used": 10_000},
            0,
            "The PassiveTotal quota of the organization is used up (10,000 searches). "
            "It resets on 2026-12-01 00:00:00.",
        ),
        (
            {"used": 1905},
            100,
            "The PassiveTotal quota of the user is down to 95 of 2,000 searches, which are reserved "
            "(RISKIQ_QUOTA_RESERVE is 100). It resets on 2026-12-01 00:00:00.",
        ),
        (
            {"organization_used": 9_900},
            100,
            "The PassiveTotal quota of the organization is down to 100 of 10,000 searches, which are reserved "
            "(RISKIQ_QUOTA_RESERVE is 100). It resets on 2026-12-01 00:00:00.",
        ),
    ],
)
def test_a_used_up_quota_is_reported_without_a_search(
    url: str, service: PassiveTotal, state: dict[str, int], reserve: int, sentence: str
) -> None:
    vars(service).update(state, next_reset=RESET)
    failure = ask(new_asker(url, quota_reserve=reserve)).failure
    assert isinstance(failure, QuotaExceeded)
    assert str(failure) == sentence
    assert service.searches == []


@pytest.mark.parametrize(("used", "is_left"), [(1899, True), (1900, False), (1999, False)])
def test_reserved_searches_are_not_used(url: str, service: PassiveTotal, used: int, is_left: bool) -> None:
    service.used = used
    ask(new_asker(url, quota_reserve=100))
    assert len(service.searches) == is_left


@pytest.mark.parametrize("fault", ["500", "html", "404-json", "204", "list", "403", "403-quota"])
def test_an_unreadable_quota_causes_a_warning_and_does_not_stop_the_search(
    asker: ConfiguredSource, service: PassiveTotal, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    service.fail(fault, on="quota")
    assert ask(asker).records
    assert "The quota cannot be read; querying PassiveTotal anyway." in caplog.text


def test_a_quota_call_that_is_asked_to_wait_delays_the_search_as_well(
    asker: ConfiguredSource, service: PassiveTotal
) -> None:
    service.fail("429", on="quota")
    assert isinstance(ask(asker).failure, RateLimited)
    assert service.searches == []


def test_a_quota_of_unknown_form_does_not_stop_the_search(asker: ConfiguredSource, service: PassiveTotal) -> None:
    service.quota_body = {"user": {"licenseCounts": None}}
    assert ask(asker).records


def test_the_quota_call_reports_wrong_credentials(url: str, service: PassiveTotal) -> None:
    failure = ask(new_asker(url, api_key="wrong")).failure
    assert isinstance(failure, CredentialsRefused)
    assert "check RISKIQ_USERNAME and RISKIQ_API_KEY." in str(failure)
    assert service.searches == []


# Failures


def test_every_fault_has_an_expected_error() -> None:
    assert MEANING.keys() | NOTHING_KNOWN == FAULTS.keys()


@pytest.mark.parametrize("fault", each(MEANING))
def test_each_fault_raises_its_error(service: PassiveTotal, url: str, fault: str) -> None:
    service.fail(fault, on="search")
    with pytest.raises(SourceError) as raised:
        search(client(url, timeout=SHORT if fault in ENDLESS else 10))
    assert (type(raised.value), str(raised.value)) == MEANING[fault]


@pytest.mark.parametrize("fault", sorted(NOTHING_KNOWN))
def test_nothing_known_is_not_a_failure(service: PassiveTotal, url: str, fault: str) -> None:
    service.fail(fault, on="search")
    assert search(client(url)).records == []


@pytest.mark.parametrize("fault", ["429", "500", "502", "503", "504", "reset"])
def test_a_transient_fault_is_retried(url: str, service: PassiveTotal, fault: str) -> None:
    service.fail(fault, times=1, on="search")
    assert search(client(url, retries=1)).records
    assert len(service.searches) == 2


@pytest.mark.parametrize("fault", ["400", "401", "402", "403", "404-json", "html", "cut-json", "redirect"])
def test_a_permanent_fault_is_not_retried(url: str, service: PassiveTotal, fault: str) -> None:
    service.fail(fault, times=1, on="search")
    with contextlib.suppress(SourceError):
        search(client(url, retries=1))
    assert len(service.searches) == 1


# The cache


def test_a_cached_answer_costs_no_request_not_even_for_the_quota(
    thrifty: ConfiguredSource, service: PassiveTotal
) -> None:
    first = ask(thrifty)
    asked = len(service.requests)
    service.used = service.limit
    second = ask(thrifty, now=NOW + timedelta(hours=1))
    assert (first.cached_since, second.failure, len(service.requests)) == (None, None, asked)
    assert second.cached_since is not None
    assert {record.data for record in second.records} <= {record.data for record in first.records}
    assert len(second.records) >= len(first.records) - 1


@pytest.mark.parametrize("window", [timedelta(days=30), timedelta(hours=12), timedelta(minutes=30)])
def test_a_later_window_of_the_same_length_is_answered_from_the_cache(
    thrifty: ConfiguredSource, service: PassiveTotal, window: timedelta
) -> None:
    thrifty.since = lambda now: now - window
    for seconds in (0, 1, 5):
        ask(thrifty, now=NOW + timedelta(seconds=seconds))
    assert len(service.searches) == 1


def test_a_longer_window_needs_another_search(thrifty: ConfiguredSource, service: PassiveTotal) -> None:
    ask(thrifty)
    thrifty.since = lambda now: now - timedelta(days=31)
    ask(thrifty)
    assert len(service.searches) == 2


def test_another_observable_needs_another_search(thrifty: ConfiguredSource, service: PassiveTotal) -> None:
    ask(thrifty)
    ask(thrifty, ADDRESS)
    assert len(service.searches) == 2


def test_an_unknown_observable_is_searched_once(thrifty: ConfiguredSource, service: PassiveTotal) -> None:
    for _ in range(2):
        assert ask(thrifty, "unheard-of.example").records == []
    assert len(service.searches) == 1


def test_cached_answers_of_another_service_are_not_used(url: str, service: PassiveTotal, tmp_path: Path) -> None:
    for base_url in (url, f"{url}/", f"{url}/pt"):
        ask(new_asker(base_url, str(tmp_path / "cache.sqlite")))
    assert [request.path for request in service.searches] == ["/v2/dns/passive", "/pt/v2/dns/passive"]


def test_cached_records_that_have_left_the_window_are_dropped(thrifty: ConfiguredSource, service: PassiveTotal) -> None:
    service.ignores_window = True
    edge = max(record.last_seen for record in ask(thrifty).records if record.last_seen) + timedelta(hours=8)
    thrifty.since = lambda _: edge
    assert ask(thrifty).records
    thrifty.since = lambda _: edge + timedelta(seconds=1)
    moved_on = ask(thrifty)
    assert moved_on.records == []
    assert moved_on.cached_since is not None


@pytest.mark.parametrize("fault", each(sorted(FAULTS.keys() - ENDLESS)))
def test_only_faults_that_clearly_mean_nothing_known_are_cached(
    thrifty: ConfiguredSource, service: PassiveTotal, fault: str
) -> None:
    service.fail(fault, on="search")
    ask(thrifty)
    assert bool(ask(thrifty).cached_since) is (fault in KEPT)


def test_a_failing_cache_costs_a_search_and_no_enrichment(url: str, service: PassiveTotal, tmp_path: Path) -> None:
    (tmp_path / "cache.sqlite").mkdir()
    thrifty = new_asker(url, str(tmp_path / "cache.sqlite"))
    for _ in range(2):
        assert ask(thrifty).records
    assert len(service.searches) == 2


def test_the_cache_contains_no_credentials(url: str, service: PassiveTotal, tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    ask(new_asker(url, str(path)))
    sent = service.searches[0].headers["authorization"].removeprefix("Basic ")
    kept = path.read_bytes()
    assert b"stored" in kept
    assert not any(secret.encode() in kept for secret in (USERNAME, API_KEY, sent, "uthorization"))
