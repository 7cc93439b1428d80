"""The client against a real server that plays PassiveTotal."""

import contextlib
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from fastapi import FastAPI

from riskiq import __version__, client
from riskiq.client import RiskIQClient
from riskiq.errors import (
    BadAnswer,
    CredentialsRefused,
    NoAnswer,
    NotEntitled,
    PassiveTotalError,
    QuotaExceeded,
    RateLimited,
    RequestRefused,
)
from sandbox.dataset import DOMAIN, own_records
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
    "redirect": NoAnswer,
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
    records = asker.passive_dns(DOMAIN, MONTH_AGO)
    assert {record.record_type for record in records} >= {"A", "AAAA", "MX", "NS", "SOA", "CNAME"}


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
    assert asker.passive_dns(DOMAIN, MONTH_AGO) == within
    assert len(asker.passive_dns(DOMAIN, NOW - timedelta(days=36500))) > len(within)


def test_a_record_that_is_up_to_8_hours_too_old_is_kept(url: str, service: PassiveTotal) -> None:
    service.ignores_window = True
    asker = RiskIQClient(url, USERNAME, API_KEY)
    newest = max(record.last_seen for record in asker.passive_dns(DOMAIN, MONTH_AGO) if record.last_seen)
    assert asker.passive_dns(DOMAIN, newest + timedelta(hours=8))
    assert not asker.passive_dns(DOMAIN, newest + timedelta(hours=8, seconds=1))


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


@pytest.mark.parametrize("fault", ["500", "html", "404-json", "204", "list", "403", "429"])
def test_a_quota_that_cannot_be_read_is_a_warning_and_the_search_goes_ahead(
    asker: RiskIQClient, service: PassiveTotal, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    service.fail(fault, on="quota")
    assert asker.passive_dns(DOMAIN, MONTH_AGO)
    assert "The quota cannot be read" in caplog.text


def test_a_quota_in_an_unknown_form_does_not_stop_the_search(asker: RiskIQClient, service: PassiveTotal) -> None:
    service.quota_body = {"user": {"licenseCounts": None}}
    assert asker.passive_dns(DOMAIN, MONTH_AGO)


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
    monkeypatch.setattr(client, "LONGEST_WAIT", 0.3)
    asker = RiskIQClient(url, USERNAME, API_KEY, timeout=0.5, max_retries=1, retry_backoff=0)
    service.fail(fault, on="search")
    if error is None:
        assert asker.passive_dns(DOMAIN, MONTH_AGO) == []
        return
    with pytest.raises(PassiveTotalError) as raised:
        asker.passive_dns(DOMAIN, MONTH_AGO)
    assert type(raised.value) is error
    assert API_KEY not in str(raised.value)


@pytest.mark.parametrize("fault", ["429", "500", "502", "503", "504", "reset"])
def test_a_passing_fault_is_retried(asker: RiskIQClient, service: PassiveTotal, fault: str) -> None:
    service.fail(fault, times=1, on="search")
    assert asker.passive_dns(DOMAIN, MONTH_AGO)
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
    monkeypatch.setattr(client, "LONGEST_WAIT", 0.1)
    service.fail("429", times=1, on="search")
    begun = time.monotonic()
    RiskIQClient(url, USERNAME, API_KEY).passive_dns(DOMAIN, MONTH_AGO)
    assert time.monotonic() - begun < 1


def test_a_host_that_does_not_resolve_is_told() -> None:
    with pytest.raises(NoAnswer, match="does not resolve; is RISKIQ_API_BASE_URL right"):
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
        assert RiskIQClient(url, USERNAME, API_KEY).passive_dns(DOMAIN, MONTH_AGO) == []
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
