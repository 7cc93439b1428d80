"""The findings of `main.py check` about the settings, the sources and the cache."""

import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from passivedns.commands.check import cache_finding, settings_findings, source_findings
from passivedns.errors import SettingsError
from passivedns.model import Answer, Finding, State
from passivedns.query.cache import Cache
from passivedns.settings.loading import load_settings
from passivedns.settings.model import LookupSettings, PdnsSettings
from passivedns.sources import SOURCES
from sandbox.server import serving
from sandbox.sources import dnsdb, riskiq
from sandbox.sources.dnsdb import Dnsdb, dnsdb_app
from sandbox.sources.riskiq import PassiveTotal, passivetotal_app
from tests.helpers.raw_server import raw_server, says
from tests.unit.sources.samples import SAMPLES

PROBED = [key for key in SOURCES if key not in ("riskiq", "dnsdb")]
"""Sources whose quota cannot be read."""
RESET = "2026-12-01 00:00:00"


def check(key: str, url: str, timeout: float = 10, **settings: Any) -> list[Finding]:
    source = SOURCES[key]
    section = source.settings(**{source.address: url}, **{**SAMPLES[key].settings, **settings})
    return list(source_findings(key, LookupSettings(PdnsSettings(request_timeout=timeout), {key: section})))


# Settings


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of config.yml, with only the required variables."""
    required = {
        "OPENCTI_URL": "http://opencti:8080",
        "OPENCTI_TOKEN": "token",
        "CONNECTOR_ID": "3f0b6e0a-6f4e-4ad1-9a65-0d1c2b3a4f5e",
        "RISKIQ_USERNAME": "analyst",
        "RISKIQ_API_KEY": "secret",
        "RISKIQ_API_BASE_URL": "https://passivetotal.example.org",
    }
    for name, value in required.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def test_files_and_variables_are_named_without_their_values(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine / "src").mkdir()
    (machine / "config.yml").write_text("riskiq:\n  max_tlp: TLP:RED\n")
    (machine / "src" / "config.yml").write_text("")
    monkeypatch.setenv("MQ_HOST", "rabbitmq")
    (finding,) = settings_findings(load_settings(machine), machine)
    assert finding == Finding(
        "settings",
        State.GOOD,
        f"{machine}/config.yml and {machine}/src/config.yml; 7 variables: CONNECTOR_ID, MQ_HOST, OPENCTI_TOKEN, "
        "OPENCTI_URL, RISKIQ_API_BASE_URL, RISKIQ_API_KEY, RISKIQ_USERNAME",
    )


def test_warnings_follow_the_settings(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PDNS_MAX_TLP", "none")
    monkeypatch.setenv("OTX_API_KEY", "1")
    states = [finding.state for finding in settings_findings(load_settings(machine), machine)]
    assert states == [State.GOOD, State.WARNING, State.WARNING]


@pytest.mark.usefixtures("machine")
def test_invalid_settings_are_all_listed(tmp_path: Path) -> None:
    (finding,) = settings_findings(SettingsError("2 settings need correcting.\n  A\n  B"), tmp_path)
    assert finding.state is State.BAD
    assert finding.text.startswith("2 settings need correcting.\n  A\n  B\nno config.yml; ")


# Sources with a quota


@contextmanager
def serving_account(service: PassiveTotal) -> Iterator[str]:
    with serving(passivetotal_app(service)) as url:
        yield url


def account(service: PassiveTotal, timeout: float = 10, **settings: Any) -> tuple[str, list[Finding]]:
    """The URL of a stand-in with a quota, and the findings about it."""
    with serving_account(service) as url:
        credentials = {"username": riskiq.USERNAME, "api_key": riskiq.API_KEY}
        return url, check("riskiq", url, timeout, **credentials | settings)


def states(findings: Sequence[Finding]) -> list[State]:
    return [finding.state for finding in findings]


def test_an_account_with_searches_left_is_good_and_no_search_is_spent() -> None:
    service = PassiveTotal({}, used=12, next_reset=RESET)
    url, findings = account(service)
    assert findings == [
        Finding("PassiveTotal", State.GOOD, f"{url} answers, the credentials are accepted"),
        Finding(
            "PassiveTotal",
            State.GOOD,
            "quota of the user: 12 of 2,000 searches used, 1,988 left until 2026-12-01 00:00:00",
        ),
        Finding(
            "PassiveTotal",
            State.GOOD,
            "quota of the organization: 0 of 10,000 searches used, 10,000 left until 2026-12-01 00:00:00",
        ),
    ]
    assert [request.path for request in service.requests] == ["/v2/account/quota"]


def test_the_quota_of_another_source_is_worded_alike() -> None:
    service = Dnsdb()
    service.quota, service.used, service.limit = "block", 599, 600
    with serving(dnsdb_app(service)) as url:
        findings = check("dnsdb", url, api_key=dnsdb.API_KEY)
    assert findings == [
        Finding("DNSDB", State.GOOD, f"{url} answers, the credentials are accepted"),
        Finding("DNSDB", State.GOOD, "quota of the API key: 599 of 600 searches used, 1 left"),
    ]
    assert [request.path for request in service.requests] == ["/dnsdb/v2/rate_limit"]


@pytest.mark.parametrize(
    ("used", "limit", "words"),
    [
        (2001, 2000, "quota of the user: 2,001 of 2,000 searches used, 0 left"),
        (0, 999994881.0, "quota of the user: 0 of 999,994,881 searches used, 999,994,881 left"),
    ],
)
def test_an_allowance_is_worded_in_whole_searches(used: float, limit: float, words: str) -> None:
    body = {"user": {"licenseCounts": {"searchApi": used}, "licenseLimits": {"searchApi": limit}}}
    _, (_, quota) = account(PassiveTotal({}, quota_body=body))
    assert quota.text == words


def test_a_quota_that_is_used_up_is_bad() -> None:
    _, findings = account(PassiveTotal({}, organization_used=10_000))
    assert states(findings) == [State.GOOD, State.GOOD, State.BAD]


def test_a_quota_with_only_the_reserve_left_is_bad_and_names_the_reserve() -> None:
    _, (_, user, _) = account(PassiveTotal({}, used=1995, next_reset=""), quota_reserve=5)
    assert user == Finding(
        "PassiveTotal", State.BAD, "quota of the user: 1,995 of 2,000 searches used, 5 left, 5 of them reserved"
    )


def test_an_unstated_quota_is_unknown() -> None:
    _, (_, quota) = account(PassiveTotal({}, quota_body={"user": None}))
    assert quota == Finding("PassiveTotal", State.UNKNOWN, "no quota is reported")


def test_rejected_credentials_are_bad() -> None:
    url, findings = account(PassiveTotal({}), api_key="wrong-key")
    assert findings == [
        Finding(
            "PassiveTotal",
            State.BAD,
            f"{url}: PassiveTotal rejected the credentials (HTTP 401); check RISKIQ_USERNAME and RISKIQ_API_KEY. "
            "Its response says: invalid credentials",
        )
    ]


@pytest.mark.parametrize("fault", ["503", "stall", "reset"])
def test_a_service_that_does_not_answer_is_bad(fault: str) -> None:
    service = PassiveTotal({})
    service.fail(fault)
    _, findings = account(service, timeout=0.5)
    assert states(findings) == [State.BAD]
    assert len(service.requests) == 1


@pytest.mark.parametrize("fault", ["html", "404-html", "404-json", "402"])
def test_an_unreadable_quota_is_a_warning_since_searches_may_still_work(fault: str) -> None:
    service = PassiveTotal({})
    service.fail(fault)
    url, (finding,) = account(service)
    assert finding.state is State.WARNING
    assert finding.text.startswith(f"{url} answers, but the quota cannot be read: ")


def test_a_response_that_the_quota_is_used_up_is_bad() -> None:
    service = PassiveTotal({})
    service.fail("403-quota")
    url, findings = account(service)
    assert findings[0] == Finding("PassiveTotal", State.GOOD, f"{url} answers")
    assert findings[1].state is State.BAD
    assert findings[1].text.startswith("The PassiveTotal quota is used up (HTTP 403).")


# Sources without a quota


class Anything:
    """A server that answers every request with the same status and records the requests."""

    def __init__(self, status: int = 404) -> None:
        self.requests: list[Request] = []
        self.app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

        @self.app.api_route("/{path:path}", methods=["GET", "POST"])
        def anything(request: Request) -> Response:
            self.requests.append(request)
            return JSONResponse({}, status)


def probe(key: str, status: int = 404, **settings: Any) -> tuple[str, list[Finding], list[Request]]:
    server = Anything(status)
    with serving(server.app) as origin:
        url = f"{origin}/base"
        return url, check(key, url, **settings), server.requests


@pytest.mark.parametrize("key", PROBED)
def test_only_the_base_url_of_a_source_without_a_quota_is_requested(key: str) -> None:
    _, (finding,), (request,) = probe(key)
    assert (finding.subject, finding.state) == (SOURCES[key].title, State.GOOD)
    assert (request.method, request.url.path, request.url.query) == ("GET", "/base", "")


@pytest.mark.parametrize("key", PROBED)
def test_credentials_are_not_sent_if_they_would_not_be_checked(key: str) -> None:
    _, _, (request,) = probe(key)
    assert set(request.headers.keys()) == {"host", "user-agent", "accept-encoding", "accept", "connection"}


@pytest.mark.parametrize(
    ("key", "settings", "text"),
    [
        ("otx", {}, "; only a look-up would check the credentials"),
        (
            "virustotal",
            {},
            "; only a look-up would check the credentials; rate limit 4 requests a minute and 500 a day",
        ),
        ("virustotal", {"pace": "none"}, "; only a look-up would check the credentials"),
        ("mnemonic", {"api_key": None}, "; rate limit 10 requests a minute and 1,000 a day"),
        ("robtex", {}, ""),
    ],
)
def test_the_finding_about_a_source_without_a_quota(key: str, settings: dict[str, Any], text: str) -> None:
    url, (finding,), _ = probe(key, **settings)
    assert finding == Finding(SOURCES[key].title, State.GOOD, f"{url} answers{text}")


@pytest.mark.parametrize("status", [200, 302, 401, 403, 500])
def test_any_response_of_the_service_means_that_a_source_is_reachable(status: int) -> None:
    _, findings, requests = probe("otx", status)
    assert states(findings) == [State.GOOD]
    assert len(requests) == 1


def test_a_trusted_certificate_is_mentioned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with raw_server(says(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), tls) as server:
        (finding,) = check("robtex", server.url)
    assert finding == Finding("Robtex", State.GOOD, f"{server.url} answers, its TLS certificate is trusted")


def test_a_refused_connection_is_bad() -> None:
    assert check("otx", "http://127.0.0.1:9") == [
        Finding(
            "AlienVault OTX",
            State.BAD,
            "http://127.0.0.1:9: AlienVault OTX cannot be reached: the connection is refused; check that it runs "
            "there, and OTX_API_BASE_URL.",
        )
    ]


def test_an_unresolvable_host_name_is_bad() -> None:
    (finding,) = check("otx", "http://api.invalid")
    assert (finding.subject, finding.state) == ("AlienVault OTX", State.BAD)
    assert "its host name does not resolve; check the network and OTX_API_BASE_URL." in finding.text


# The cache


def test_the_cache_is_described_by_place_number_of_answers_and_age_of_the_oldest(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    cache = Cache(str(tmp_path / "answers.sqlite"), timedelta(hours=24))
    cache.put("key", Answer([]), now - timedelta(days=30), now - timedelta(hours=3))
    assert cache_finding(PdnsSettings(cache=str(tmp_path / "answers.sqlite")), now) == (
        "cache",
        State.GOOD,
        f"{tmp_path / 'answers.sqlite'}: 1 answer, the oldest 3 hours old",
    )


def test_an_unusable_cache_is_a_warning_since_it_only_costs_searches(tmp_path: Path) -> None:
    (tmp_path / "answers.sqlite").mkdir()
    finding = cache_finding(PdnsSettings(cache=str(tmp_path / "answers.sqlite")), datetime.now(UTC))
    assert finding.state == State.WARNING


def test_a_disabled_cache_is_mentioned() -> None:
    assert cache_finding(PdnsSettings(cache_ttl="PT0S"), datetime.now(UTC)) == (
        "cache",
        State.UNKNOWN,
        "off (PDNS_CACHE_TTL)",
    )


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("407 Proxy Authentication Required", "requires a login (HTTP 407)"),
        ("511 Network Authentication Required", "The network requires a sign-in (HTTP 511)"),
        ("503 Service Unavailable", "{title} server error (HTTP 503); try again later."),
    ],
)
@pytest.mark.parametrize("key", [key for key in PROBED if key != "defender"])
def test_an_answer_that_is_not_from_the_source_is_no_approval(key: str, status: str, told: str) -> None:
    answer = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
    with raw_server(says(answer)) as server:
        (finding,) = check(key, server.url)
    assert finding.state is State.BAD
    assert told.format(title=SOURCES[key].title) in finding.text
