"""The client against a real server that plays PassiveTotal."""

import contextlib
import json
import logging
import sqlite3
import time
import zlib
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from fastapi import FastAPI

from passivedns import __version__, transport
from passivedns.cache import Cache
from passivedns.client import CLOCK_TOLERANCE, RiskIQClient
from passivedns.errors import (
    BadAnswer,
    CredentialsRefused,
    NoAnswer,
    NotEntitled,
    PassiveTotalError,
    QuotaExceeded,
    RateLimited,
    RequestRefused,
)
from passivedns.records import Answer
from sandbox.dataset import ADDRESS, DOMAIN, own_records
from sandbox.faults import FAULTS
from sandbox.passivetotal import API_KEY, USERNAME, PassiveTotal, passivetotal_app
from sandbox.server import serving

NOW = datetime.now(UTC)
MONTH_AGO = NOW - timedelta(days=30)

# What each fault of the stand-in means to the operator; None where nothing is known.
MEANING: dict[str, type[PassiveTotalError] | None] = {
    "400": RequestRefused,
    "401": CredentialsRefused,
    "402": NotEntitled,
    "403": NotEntitled,
    "403-quota": QuotaExceeded,
    "404-json": None,
    "404-html": BadAnswer,
    "429": RateLimited,
    "429-quota-message": QuotaExceeded,
    "429-quota-error": QuotaExceeded,
    "500": NoAnswer,
    "502": NoAnswer,
    "503": NoAnswer,
    "504": NoAnswer,
    "204": None,
    "empty-body": None,
    "html": BadAnswer,
    "cut-json": BadAnswer,
    "deeply-nested": BadAnswer,
    "list": BadAnswer,
    "results-string": BadAnswer,
    "results-missing": BadAnswer,
    "huge": BadAnswer,
    "redirect": BadAnswer,
    "cut-connection": NoAnswer,
    "reset": NoAnswer,
    "stall": NoAnswer,
    "drip": NoAnswer,
}


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[PassiveTotal, str]]:
    service = PassiveTotal(own_records(NOW.date()))
    with serving(passivetotal_app(service)) as url:
        yield service, url


@pytest.fixture(autouse=True)
def service(server: tuple[PassiveTotal, str]) -> PassiveTotal:
    server[0].reset()
    return server[0]


@pytest.fixture
def url(server: tuple[PassiveTotal, str]) -> str:
    return server[1]


@pytest.fixture
def asker(url: str) -> RiskIQClient:
    return RiskIQClient(f"{url}/pt", USERNAME, API_KEY, timeout=5, max_retries=1, retry_backoff=0)


def endpoints(service: PassiveTotal) -> list[str]:
    return [request.endpoint for request in service.requests]


def test_the_records_of_a_domain_come_back(asker: RiskIQClient) -> None:
    answer = asker.passive_dns(DOMAIN, MONTH_AGO)
    assert {record.record_type for record in answer.records} >= {"A", "AAAA", "MX", "NS", "SOA", "CNAME"}


def test_the_quota_is_asked_before_the_search(asker: RiskIQClient, service: PassiveTotal) -> None:
    asker.passive_dns(DOMAIN, MONTH_AGO)
    assert endpoints(service) == ["quota", "search"]


def test_the_quota_tells_what_was_spent(asker: RiskIQClient, service: PassiveTotal) -> None:
    service.used, service.limit = 7, 9
    user, organization = asker.quota().allowances
    assert (user.owner, user.used, user.limit) == ("user", 7, 9)
    assert organization.owner == "organization"


def test_the_base_url_may_end_in_a_slash(url: str) -> None:
    assert RiskIQClient(f"{url}/pt/", USERNAME, API_KEY).quota().allowances


def test_requests_are_what_the_api_wants(asker: RiskIQClient, service: PassiveTotal) -> None:
    asker.passive_dns(DOMAIN, MONTH_AGO)
    search = service.searches[0]
    assert search.method == "GET"
    assert search.headers["accept"] == "application/json"
    assert "content-type" not in search.headers
    assert search.headers["user-agent"] == f"opencti-riskiq-passivetotal/{__version__}"
    assert search.headers["authorization"].startswith("Basic ")


def test_the_window_starts_in_utc_with_a_blank_between_date_and_time(
    asker: RiskIQClient, service: PassiveTotal
) -> None:
    pacific = timezone(timedelta(hours=-7))
    asker.passive_dns(DOMAIN, datetime(2026, 10, 25, 5, 4, 3, 999, tzinfo=pacific))
    assert service.searches[0].params == {"query": DOMAIN, "start": "2026-10-25 12:04:03"}


def test_records_before_the_window_are_dropped_where_the_server_ignores_it(
    asker: RiskIQClient, service: PassiveTotal
) -> None:
    within = asker.passive_dns(DOMAIN, MONTH_AGO)
    service.ignores_window = True
    assert asker.passive_dns(DOMAIN, MONTH_AGO).records == within.records
    assert len(asker.passive_dns(DOMAIN, NOW - timedelta(days=36500)).records) > len(within.records)


def test_a_record_that_is_up_to_8_hours_too_old_is_kept(url: str, service: PassiveTotal) -> None:
    service.ignores_window = True
    asker = RiskIQClient(url, USERNAME, API_KEY)
    newest = max(record.last_seen for record in asker.passive_dns(DOMAIN, MONTH_AGO).records if record.last_seen)
    assert asker.passive_dns(DOMAIN, newest + timedelta(hours=8)).records
    assert not asker.passive_dns(DOMAIN, newest + timedelta(hours=8, seconds=1)).records


def test_a_used_up_quota_is_told_with_its_numbers_and_its_reset_and_nothing_is_searched(
    asker: RiskIQClient, service: PassiveTotal
) -> None:
    service.used, service.limit, service.next_reset = 2001, 2000, "2026-12-01 00:00:00"
    with pytest.raises(QuotaExceeded, match=r"of the user is used up: 2001 of 2000 searches; .* 2026-12-01 00:00:00"):
        asker.passive_dns(DOMAIN, MONTH_AGO)
    assert service.searches == []


def test_the_quota_of_the_organization_counts_too(asker: RiskIQClient, service: PassiveTotal) -> None:
    service.organization_used = service.organization_limit
    with pytest.raises(QuotaExceeded, match="of the organization"):
        asker.passive_dns(DOMAIN, MONTH_AGO)


@pytest.mark.parametrize(("used", "is_left"), [(1899, True), (1900, False), (1999, False)])
def test_the_searches_in_reserve_are_not_made(url: str, service: PassiveTotal, used: int, is_left: bool) -> None:
    service.used, service.limit = used, 2000
    asker = RiskIQClient(url, USERNAME, API_KEY, quota_reserve=100)
    with contextlib.nullcontext() if is_left else pytest.raises(QuotaExceeded):
        asker.passive_dns(DOMAIN, MONTH_AGO)
    assert len(service.searches) == is_left


def test_a_quota_of_which_the_reserve_is_left_is_told_with_the_reserve_and_its_reset(
    url: str, service: PassiveTotal
) -> None:
    service.used, service.limit, service.next_reset = 1905, 2000, "2026-12-01 00:00:00"
    with pytest.raises(QuotaExceeded) as raised:
        RiskIQClient(url, USERNAME, API_KEY, quota_reserve=100).passive_dns(DOMAIN, MONTH_AGO)
    assert str(raised.value) == (
        "The PassiveTotal quota of the user is used up but for the last 95 of 2000 searches, which are kept back until "
        "it is reset on 2026-12-01 00:00:00 (RISKIQ_QUOTA_RESERVE is 100)."
    )


def test_a_quota_that_is_used_up_altogether_is_told_without_the_reserve(url: str, service: PassiveTotal) -> None:
    service.used, service.limit = 2000, 2000
    with pytest.raises(QuotaExceeded, match="of the user is used up: 2000 of 2000 searches"):
        RiskIQClient(url, USERNAME, API_KEY, quota_reserve=100).passive_dns(DOMAIN, MONTH_AGO)


def test_the_reserve_holds_for_the_quota_of_the_organization_too(url: str, service: PassiveTotal) -> None:
    service.organization_used = service.organization_limit - 100
    with pytest.raises(QuotaExceeded, match="of the organization is used up but for the last 100 of"):
        RiskIQClient(url, USERNAME, API_KEY, quota_reserve=100).passive_dns(DOMAIN, MONTH_AGO)


@pytest.mark.parametrize("fault", ["500", "html", "404-json", "204", "list", "403", "429"])
def test_a_quota_that_cannot_be_read_is_a_warning_and_the_search_goes_ahead(
    asker: RiskIQClient, service: PassiveTotal, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    service.fail(fault, on="quota")
    assert asker.passive_dns(DOMAIN, MONTH_AGO).records
    assert "The quota cannot be read" in caplog.text


def test_a_quota_in_an_unknown_form_does_not_stop_the_search(asker: RiskIQClient, service: PassiveTotal) -> None:
    service.quota_body = {"user": {"licenseCounts": None}}
    assert asker.passive_dns(DOMAIN, MONTH_AGO).records


def test_wrong_credentials_are_told_by_the_quota_already(service: PassiveTotal, url: str) -> None:
    with pytest.raises(CredentialsRefused, match="RISKIQ_API_KEY"):
        RiskIQClient(url, USERNAME, "wrong").passive_dns(DOMAIN, MONTH_AGO)
    assert service.searches == []


def test_every_fault_of_the_stand_in_has_a_meaning() -> None:
    assert MEANING.keys() == FAULTS.keys()


@pytest.mark.parametrize(("fault", "error"), MEANING.items())
def test_each_fault_of_the_search_comes_to_its_error(
    service: PassiveTotal, url: str, fault: str, error: type[PassiveTotalError] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "LONGEST_WAIT", 0.3)
    asker = RiskIQClient(url, USERNAME, API_KEY, timeout=0.5, max_retries=1, retry_backoff=0)
    service.fail(fault, on="search")
    if error is None:
        assert asker.passive_dns(DOMAIN, MONTH_AGO).records == []
        return
    with pytest.raises(PassiveTotalError) as raised:
        asker.passive_dns(DOMAIN, MONTH_AGO)
    assert type(raised.value) is error
    assert API_KEY not in str(raised.value)


@pytest.mark.parametrize("fault", ["429", "500", "502", "503", "504", "reset"])
def test_a_passing_fault_is_retried(asker: RiskIQClient, service: PassiveTotal, fault: str) -> None:
    service.fail(fault, times=1, on="search")
    assert asker.passive_dns(DOMAIN, MONTH_AGO).records
    assert len(service.searches) == 2


@pytest.mark.parametrize("fault", ["400", "401", "402", "403", "404-json", "html", "cut-json"])
def test_a_fault_that_would_come_again_is_not_retried(asker: RiskIQClient, service: PassiveTotal, fault: str) -> None:
    service.fail(fault, times=1, on="search")
    with contextlib.suppress(PassiveTotalError):
        asker.passive_dns(DOMAIN, MONTH_AGO)
    assert len(service.searches) == 1


def test_the_pauses_between_tries_double_from_the_first(service: PassiveTotal, url: str) -> None:
    asker = RiskIQClient(url, USERNAME, API_KEY, max_retries=3, retry_backoff=0.1)
    service.fail("500", on="search")
    begun = time.monotonic()
    with pytest.raises(NoAnswer):
        asker.passive_dns(DOMAIN, MONTH_AGO)
    assert 0.7 <= time.monotonic() - begun < 1.7


def test_a_retry_after_is_obeyed(asker: RiskIQClient, service: PassiveTotal) -> None:
    service.fail("429", times=1, on="search")
    begun = time.monotonic()
    asker.passive_dns(DOMAIN, MONTH_AGO)
    assert 1 <= time.monotonic() - begun < 3


def test_a_retry_after_is_cut_to_the_longest_wait(
    service: PassiveTotal, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "LONGEST_WAIT", 0.1)
    service.fail("429", times=1, on="search")
    begun = time.monotonic()
    RiskIQClient(url, USERNAME, API_KEY).passive_dns(DOMAIN, MONTH_AGO)
    assert time.monotonic() - begun < 1


def test_a_host_that_does_not_resolve_is_told() -> None:
    with pytest.raises(NoAnswer, match="does not resolve; look at RISKIQ_API_BASE_URL"):
        RiskIQClient("http://api.invalid", USERNAME, API_KEY, max_retries=0).passive_dns(DOMAIN, MONTH_AGO)


def test_a_port_where_nobody_listens_is_told() -> None:
    with pytest.raises(NoAnswer, match="no connection can be made"):
        RiskIQClient("http://127.0.0.1:9", USERNAME, API_KEY, max_retries=0).passive_dns(DOMAIN, MONTH_AGO)


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    with pytest.raises(NoAnswer, match="proxy"):
        RiskIQClient("http://passivetotal.example", USERNAME, API_KEY, max_retries=0).quota()


def test_an_answer_that_holds_fewer_records_than_it_tells_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    app = FastAPI()
    app.get("/v2/dns/passive")(lambda: {"results": [], "totalRecords": 62})
    with serving(app) as url:
        assert RiskIQClient(url, USERNAME, API_KEY).passive_dns(DOMAIN, MONTH_AGO).records == []
    assert "PassiveTotal knows 62 records and sent 0 of them." in caplog.messages


def test_neither_the_key_nor_its_base64_is_ever_logged(
    asker: RiskIQClient, service: PassiveTotal, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    service.fail("500", times=1, on="search")
    asker.passive_dns(DOMAIN, MONTH_AGO)
    sent = service.searches[0].headers["authorization"].removeprefix("Basic ")
    assert caplog.records
    assert API_KEY not in caplog.text
    assert sent not in caplog.text
    assert API_KEY not in repr(asker) + str(vars(asker).keys())


# With a cache


KEPT = {"404-json", "204"}
"""Of the faults, those that say clearly that nothing is known."""


@pytest.fixture
def thrifty(url: str) -> RiskIQClient:
    """One that keeps answers."""
    cache = Cache("memory", timedelta(hours=24))
    return RiskIQClient(url, USERNAME, API_KEY, timeout=5, max_retries=0, cache=cache)


def test_what_is_in_the_cache_costs_no_request_not_even_for_the_quota(
    thrifty: RiskIQClient, service: PassiveTotal
) -> None:
    first = thrifty.passive_dns(DOMAIN, MONTH_AGO)
    asked = len(service.requests)
    second = thrifty.passive_dns(DOMAIN, MONTH_AGO)
    assert second.records == first.records
    assert len(service.requests) == asked


def test_an_answer_tells_since_when_it_is_in_the_cache(thrifty: RiskIQClient) -> None:
    before = datetime.now(UTC)
    assert thrifty.passive_dns(DOMAIN, MONTH_AGO).cached_since is None
    after = datetime.now(UTC)
    cached_since = thrifty.passive_dns(DOMAIN, MONTH_AGO).cached_since
    assert cached_since is not None
    assert before <= cached_since <= after


def test_the_cache_answers_where_the_quota_is_used_up(thrifty: RiskIQClient, service: PassiveTotal) -> None:
    thrifty.passive_dns(DOMAIN, MONTH_AGO)
    service.used = service.limit
    assert thrifty.passive_dns(DOMAIN, MONTH_AGO).records


def test_the_quota_itself_is_asked_each_time(thrifty: RiskIQClient, service: PassiveTotal) -> None:
    thrifty.quota()
    service.used = 1234
    assert thrifty.quota().allowances[0].used == 1234


@pytest.mark.parametrize("window", [timedelta(days=30), timedelta(hours=12), timedelta(minutes=30)])
def test_a_window_of_the_same_length_is_answered_from_the_cache_however_late_it_begins(
    thrifty: RiskIQClient, service: PassiveTotal, window: timedelta
) -> None:
    thrifty.passive_dns(DOMAIN, datetime.now(UTC) - window)
    thrifty.passive_dns(DOMAIN, datetime.now(UTC) - window)
    thrifty.passive_dns(DOMAIN, datetime.now(UTC) - window - timedelta(seconds=5))
    assert len(service.searches) == 1


def test_a_window_of_another_length_is_another_search(thrifty: RiskIQClient, service: PassiveTotal) -> None:
    thrifty.passive_dns(DOMAIN, NOW - timedelta(days=30))
    thrifty.passive_dns(DOMAIN, NOW - timedelta(days=31))
    assert len(service.searches) == 2


def test_another_observable_is_another_search(thrifty: RiskIQClient, service: PassiveTotal) -> None:
    thrifty.passive_dns(DOMAIN, MONTH_AGO)
    thrifty.passive_dns(ADDRESS, MONTH_AGO)
    assert len(service.searches) == 2


def test_the_answers_of_another_service_do_not_count(service: PassiveTotal, url: str) -> None:
    cache = Cache("memory", timedelta(hours=24))
    for base_url in (url, f"{url}/", f"{url}/pt"):
        RiskIQClient(base_url, USERNAME, API_KEY, cache=cache).passive_dns(DOMAIN, MONTH_AGO)
    assert [search.path for search in service.searches] == ["/v2/dns/passive", "/pt/v2/dns/passive"]


def test_records_that_have_left_the_window_since_they_were_kept_are_dropped(
    thrifty: RiskIQClient, service: PassiveTotal
) -> None:
    service.ignores_window = True
    newest = max(record.last_seen for record in thrifty.passive_dns(DOMAIN, MONTH_AGO).records if record.last_seen)
    edge = newest + CLOCK_TOLERANCE
    assert thrifty.passive_dns(DOMAIN, edge).records
    moved_on = thrifty.passive_dns(DOMAIN, edge + timedelta(seconds=1))
    assert moved_on == Answer([], thrifty.passive_dns(DOMAIN, edge).cached_since)


@pytest.mark.parametrize(
    ("fault", "is_kept"), [(fault, fault in KEPT) for fault in MEANING if fault not in ("stall", "drip", "redirect")]
)
def test_only_what_says_clearly_that_nothing_is_known_is_kept_of_the_faults(
    thrifty: RiskIQClient, service: PassiveTotal, fault: str, is_kept: bool
) -> None:
    service.fail(fault, on="search")
    for _ in range(2):
        with contextlib.suppress(PassiveTotalError):
            assert thrifty.passive_dns(DOMAIN, MONTH_AGO).records == []
    assert len(service.searches) == (1 if is_kept else 2)


def test_an_observable_of_which_nothing_is_known_is_searched_once(thrifty: RiskIQClient, service: PassiveTotal) -> None:
    for _ in range(2):
        assert thrifty.passive_dns("unheard-of.example", MONTH_AGO).records == []
    assert len(service.searches) == 1


def test_a_cache_that_fails_costs_a_search_and_no_enrichment(url: str, service: PassiveTotal, tmp_path: Path) -> None:
    (tmp_path / "cache.sqlite").write_bytes(b"no database " * 1000)
    cache = Cache(str(tmp_path / "cache.sqlite"), timedelta(hours=24))
    asker = RiskIQClient(url, USERNAME, API_KEY, cache=cache)
    for _ in range(2):
        assert asker.passive_dns(DOMAIN, MONTH_AGO).records
    assert len(service.searches) == 2


def test_what_others_put_into_the_cache_is_no_answer_and_is_replaced(
    url: str, service: PassiveTotal, tmp_path: Path
) -> None:
    path = tmp_path / "cache.sqlite"
    asker = RiskIQClient(url, USERNAME, API_KEY, cache=Cache(str(path), timedelta(hours=24)))
    asker.passive_dns(DOMAIN, MONTH_AGO)
    with contextlib.closing(sqlite3.connect(path)) as other:
        (entry,) = other.execute("SELECT value FROM answers").fetchone()
        forged = json.loads(entry) | {"_content": b64encode(zlib.compress(b"<html>")).decode()}
        with other:
            other.execute("UPDATE answers SET value = ?", [json.dumps(forged)])
    assert asker.passive_dns(DOMAIN, MONTH_AGO).cached_since is None
    assert asker.passive_dns(DOMAIN, MONTH_AGO).cached_since is not None
    assert len(service.searches) == 2


def test_no_credential_comes_into_the_cache(url: str, service: PassiveTotal, tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    RiskIQClient(url, USERNAME, API_KEY, cache=Cache(str(path), timedelta(hours=24))).passive_dns(DOMAIN, MONTH_AGO)
    sent = service.searches[0].headers["authorization"].removeprefix("Basic ")
    kept = path.read_bytes()
    assert b"_content" in kept
    assert not any(secret.encode() in kept for secret in (USERNAME, API_KEY, sent, "uthorization"))
