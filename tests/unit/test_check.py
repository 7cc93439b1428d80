"""What each check finds, against the stand-ins of OpenCTI and PassiveTotal."""

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pycti
import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from passivedns.cache import Cache
from passivedns.check import (
    Finding,
    State,
    cache_finding,
    in_words,
    passivetotal_findings,
    quota_findings,
    settings_findings,
)
from passivedns.check_platform import platform_findings
from passivedns.client import RiskIQClient
from passivedns.errors import SettingsError
from passivedns.records import Allowance, Quota
from sandbox.daemon import free_port
from sandbox.graphql import errors
from sandbox.opencti import OpenCTI, opencti_app
from sandbox.passivetotal import API_KEY, USERNAME, PassiveTotal, passivetotal_app
from sandbox.platform_rules import TLP
from sandbox.server import serving
from tests.unit.settings_loader import Load, loader
from tests.world import HAS_HTTP_PROTOCOLS

HTTP = {"listen_protocol": "API", "queue_protocol": "api"}


@pytest.fixture(autouse=True)
def logging_of_the_tests() -> Iterator[None]:
    """pycti's client takes over the logging of the whole process."""
    loggers = [logging.getLogger(name) for name in (None, "urllib3", "pika")]
    before = [(logger, logger.level, logger.handlers[:]) for logger in loggers]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Load:
    return loader(monkeypatch, tmp_path)


def by_subject(findings: Iterator[Finding]) -> dict[str, Finding]:
    return {finding.subject: finding for finding in findings}


# Settings


def test_the_files_and_variables_are_told_and_no_value_of_them(load: Load, tmp_path: Path) -> None:
    settings = load("riskiq:\n  max_tlp: TLP:RED\n", RISKIQ_API_KEY="secret", MQ_HOST="rabbitmq")
    (finding,) = settings_findings(settings, tmp_path)
    assert finding.state is State.GOOD
    assert f"{tmp_path}/config.yml and {tmp_path}/src/config.yml; 6 variables: CONNECTOR_ID, MQ_HOST" in finding.text
    assert "secret" not in finding.text


def test_warnings_follow(load: Load, tmp_path: Path) -> None:
    states = [finding.state for finding in settings_findings(load(RISKIQ_TYPO="1"), tmp_path)]
    assert states == [State.GOOD, State.WARNING, State.WARNING]


def test_bad_settings_are_all_listed(tmp_path: Path) -> None:
    (finding,) = settings_findings(SettingsError("2 settings need correcting.\n  A\n  B"), tmp_path)
    assert finding.state is State.BAD
    assert finding.text.startswith("2 settings need correcting.\n  A\n  B\nno config.yml; ")


# PassiveTotal and the quota


@contextmanager
def account(service: PassiveTotal, api_key: str = API_KEY) -> Iterator[tuple[RiskIQClient, str]]:
    with serving(passivetotal_app(service)) as url:
        yield RiskIQClient(url, USERNAME, api_key, timeout=1, max_retries=0), url


def test_an_account_with_searches_left_is_good_and_none_is_spent() -> None:
    service = PassiveTotal({}, used=12)
    with account(service) as (client, url):
        first, *quotas = passivetotal_findings(client, url)
    assert first == Finding("PassiveTotal", State.GOOD, f"{url} answers, the credentials are accepted")
    assert quotas[0].state is State.GOOD
    assert quotas[0].text.startswith("user: 12 of 2,000 searches used, 1,988 left until ")
    assert quotas[1].text.startswith("organization: 0 of 10,000 searches used")
    assert service.searches == []


def test_https_says_that_the_certificate_is_trusted() -> None:
    with account(PassiveTotal({})) as (client, _):
        first, *_ = passivetotal_findings(client, "https://api.example.org/pt")
    assert "its TLS certificate is trusted" in first.text


def test_a_quota_that_is_used_up_is_bad() -> None:
    with account(PassiveTotal({}, organization_used=10_000)) as (client, url):
        states = [finding.state for finding in passivetotal_findings(client, url)]
    assert states == [State.GOOD, State.GOOD, State.BAD]


def test_refused_credentials_are_bad() -> None:
    with account(PassiveTotal({}), api_key="wrong") as (client, url):
        (finding,) = passivetotal_findings(client, url)
    assert finding.state is State.BAD
    assert f"{url}: PassiveTotal refuses the credentials; correct RISKIQ_USERNAME and RISKIQ_API_KEY" in finding.text


@pytest.mark.parametrize("fault", ["503", "stall", "reset"])
def test_a_service_that_does_not_answer_is_bad(fault: str) -> None:
    service = PassiveTotal({})
    service.fail(fault)
    with account(service) as (client, url):
        (finding,) = passivetotal_findings(client, url)
    assert finding.state is State.BAD


@pytest.mark.parametrize("fault", ["html", "404-html", "404-json", "402"])
def test_a_service_that_does_not_tell_the_quota_is_worth_a_warning_since_searches_may_still_work(fault: str) -> None:
    service = PassiveTotal({})
    service.fail(fault)
    with account(service) as (client, url):
        (finding,) = passivetotal_findings(client, url)
    assert finding.state is State.WARNING
    assert "does not tell the quota" in finding.text


def test_a_refusal_for_want_of_quota_is_bad() -> None:
    service = PassiveTotal({})
    service.fail("403-quota")
    with account(service) as (client, url):
        states = [finding.state for finding in passivetotal_findings(client, url)]
    assert states == [State.GOOD, State.BAD]


def test_a_quota_of_which_only_the_reserve_is_left_is_bad_and_says_what_is_kept_back() -> None:
    (finding,) = quota_findings(Quota((Allowance("user", 95, 100, ""),)), reserve=5)
    assert finding == ("quota", State.BAD, "user: 95 of 100 searches used, 5 left, 5 of them kept back")


def test_the_cache_tells_its_place_how_many_answers_it_holds_and_the_age_of_the_oldest(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    cache = Cache(str(tmp_path / "answers.sqlite"), timedelta(hours=24))
    cache.put("key", 200, b"{}", now - timedelta(hours=3))
    assert cache_finding(cache, now) == (
        "cache",
        State.GOOD,
        f"{tmp_path / 'answers.sqlite'}: 1 answer, the oldest of 3 hours ago",
    )


def test_a_cache_that_cannot_be_used_is_worth_a_warning_since_it_costs_searches_alone(tmp_path: Path) -> None:
    (tmp_path / "answers.sqlite").write_bytes(b"no database" * 100)
    finding = cache_finding(Cache(str(tmp_path / "answers.sqlite"), timedelta(hours=24)), datetime.now(UTC))
    assert finding.state == State.WARNING


def test_a_cache_that_is_off_is_told() -> None:
    assert cache_finding(None, datetime.now(UTC)) == ("cache", State.UNKNOWN, "off (PDNS_CACHE_TTL)")


def test_a_quota_that_is_not_stated_is_unknown() -> None:
    with account(PassiveTotal({}, quota_body={"user": None})) as (client, url):
        _, quota = passivetotal_findings(client, url)
    assert quota == Finding("quota", State.UNKNOWN, "PassiveTotal does not state it")


@pytest.mark.parametrize(
    ("allowance", "words"),
    [
        (Allowance("user", 12, 2000, "2026-12-01"), "user: 12 of 2,000 searches used, 1,988 left until 2026-12-01"),
        (Allowance("user", 2001, 2000, ""), "user: 2,001 of 2,000 searches used, 0 left"),
        (Allowance("user", 0, 999994881.0, ""), "user: 0 of 999,994,881 searches used, 999,994,881 left"),
    ],
)
def test_an_allowance_is_told_in_words(allowance: Allowance, words: str) -> None:
    assert in_words(allowance) == words


# OpenCTI


def config(url: str, token: str, **connector: str) -> dict[str, dict[str, Any]]:
    return {
        "opencti": {"url": url, "token": token},
        "connector": {"id": str(uuid.uuid4()), "log_level": "info", **connector},
        "mq": {},
    }


def found(platform: OpenCTI, **connector: str) -> dict[str, Finding]:
    with serving(opencti_app(platform)) as url:
        return by_subject(platform_findings(config(url, platform.token, **connector)))


def test_opencti_of_pycti_s_version_and_a_token_with_the_rights_are_good_and_nothing_is_registered() -> None:
    platform = OpenCTI(pycti.__version__)
    findings = found(platform, **HTTP)
    assert [finding.state for finding in findings.values()] == [State.GOOD] * 5
    assert findings["OpenCTI"].text.endswith(f"answers; it is {pycti.__version__}, and so is pycti")
    assert findings["token"].text == "it is accepted; the user connector may register and create knowledge"
    assert {call.field for call in platform.calls} == {"about", "me"}
    assert platform.link.registered is None


def test_another_version_than_pycti_s_is_worth_a_warning_with_the_remedy() -> None:
    finding = found(OpenCTI("6.8.10"))["OpenCTI"]
    assert finding.state is State.WARNING
    assert "pip install pycti==6.8.10" in finding.text


def test_a_refused_token_is_bad_and_the_broker_is_left_alone() -> None:
    with serving(opencti_app(OpenCTI(pycti.__version__))) as url:
        findings = by_subject(platform_findings(config(url, "wrong")))
    assert findings["OpenCTI"].state is State.BAD
    assert "refuses the token; OPENCTI_TOKEN must be" in findings["OpenCTI"].text
    assert findings["broker"].state is State.UNKNOWN


def test_an_opencti_that_cannot_be_reached_is_bad() -> None:
    findings = by_subject(platform_findings(config("http://127.0.0.1:9", "token")))
    assert findings["OpenCTI"] == Finding("OpenCTI", State.BAD, "http://127.0.0.1:9: it cannot be reached")


@pytest.mark.skipif(not HAS_HTTP_PROTOCOLS, reason="this pycti does not read HTTPS_CA_CERTIFICATES")
def test_certificates_that_pycti_cannot_use_are_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_CA_CERTIFICATES", "/no/ca.pem")
    finding = by_subject(platform_findings(config("http://127.0.0.1:9", "token")))["OpenCTI"]
    assert finding.state is State.BAD
    assert "pycti cannot start: HTTPS_CA_CERTIFICATES is not a valid certificate or file path" in finding.text


def test_an_error_that_opencti_answers_with_status_400_is_recognised_too() -> None:
    app = FastAPI()

    @app.post("/graphql")
    def refuse() -> JSONResponse:
        return JSONResponse(errors("AUTH_REQUIRED", "You must be logged in to do this."), status_code=400)

    with serving(app) as url:
        finding = next(platform_findings(config(url, "token")))
    assert f"OpenCTI at {url} refuses the token; OPENCTI_TOKEN must be" in finding.text


def test_rights_that_are_not_told_are_unknown() -> None:
    platform = OpenCTI(pycti.__version__)
    platform.fail("me")
    assert found(platform)["token"].state is State.UNKNOWN


@pytest.mark.parametrize(
    ("held", "lacking"),
    [
        (["KNOWLEDGE_KNUPDATE"], "CONNECTORAPI"),
        (["CONNECTORAPI", "KNOWLEDGE"], "KNOWLEDGE_KNUPDATE"),
        ([], "CONNECTORAPI and KNOWLEDGE_KNUPDATE"),
    ],
)
def test_missing_rights_are_named(held: list[str], lacking: str) -> None:
    platform = OpenCTI(pycti.__version__)
    platform.user["capabilities"] = [{"name": name} for name in held]
    finding = found(platform)["token"]
    assert finding == Finding("token", State.BAD, f"the user connector lacks {lacking}; give it the role Connector")


def test_an_administrator_may_do_everything() -> None:
    platform = OpenCTI(pycti.__version__)
    platform.user["capabilities"] = [{"name": "BYPASS"}]
    assert found(platform)["token"].state is State.GOOD


def test_a_user_without_confidence_level_could_create_nothing() -> None:
    platform = OpenCTI(pycti.__version__)
    platform.user["effective_confidence_level"] = None
    finding = found(platform)["token"]
    assert finding.state is State.BAD
    assert "no confidence level" in finding.text


def test_a_user_who_may_not_set_markings_is_worth_a_warning_since_each_work_gets_errors() -> None:
    platform = OpenCTI(pycti.__version__)
    platform.user["capabilities"] = [{"name": "CONNECTORAPI"}, {"name": "KNOWLEDGE_KNUPDATE"}]
    assert found(platform)["token"] == Finding(
        "token",
        State.WARNING,
        "the user connector lacks SETTINGS_SETMARKINGS: OpenCTI imports what the connector finds, but each work gets "
        "an error FORBIDDEN_ACCESS for every marking; give it the role Connector",
    )


def test_the_markings_that_the_user_sees_are_told() -> None:
    platform = OpenCTI(pycti.__version__)
    platform.hide_marking("TLP:AMBER+STRICT")
    platform.hide_marking("TLP:RED")
    assert found(platform)["markings"] == Finding(
        "markings",
        State.GOOD,
        "the user connector sees TLP:CLEAR, TLP:GREEN, TLP:AMBER; what carries another marking it cannot enrich",
    )


def test_a_user_who_does_not_see_the_marking_of_what_it_creates_is_bad() -> None:
    platform = OpenCTI(pycti.__version__)
    platform.hide_marking("TLP:CLEAR")
    assert found(platform)["markings"] == Finding(
        "markings",
        State.BAD,
        "the user connector does not see TLP:CLEAR, which the connector gives to the observables that it creates: "
        "OpenCTI refuses them all (MISSING_REFERENCE_ERROR); allow TLP:CLEAR or a stricter TLP to a group of that user",
    )


def test_a_user_without_any_marking_is_bad() -> None:
    platform = OpenCTI(pycti.__version__)
    for definition in TLP:
        platform.hide_marking(definition)
    assert found(platform)["markings"].state is State.BAD


def test_markings_that_are_not_told_are_unknown() -> None:
    platform = OpenCTI(pycti.__version__)
    platform.fail("me")
    finding = found(platform)["markings"]
    assert finding == Finding("markings", State.UNKNOWN, "this OpenCTI does not tell which of them its user sees")


# Where OpenCTI calls


def test_the_address_to_which_opencti_posts_messages_is_told() -> None:
    finding = found(OpenCTI(pycti.__version__), listen_protocol="API", listen_protocol_api_uri="http://riskiq:7070")
    assert finding["callback"] == Finding(
        "callback", State.GOOD, "OpenCTI will post messages to http://riskiq:7070/api/callback"
    )


@pytest.mark.parametrize("uri", ["http://riskiq:7070/api/callback", "http://riskiq:7070/"])
def test_an_address_that_holds_the_path_already_is_bad(uri: str) -> None:
    finding = found(OpenCTI(pycti.__version__), listen_protocol="api", listen_protocol_api_uri=uri)["callback"]
    assert finding.state is State.BAD
    assert finding.text == (
        f"OpenCTI would post messages to {uri}/api/callback, where nothing answers; end "
        "CONNECTOR_LISTEN_PROTOCOL_API_URI before the path, without a slash"
    )


def test_a_path_of_the_connector_s_own_is_followed() -> None:
    own = {"listen_protocol_api_path": "/riskiq", "listen_protocol_api_uri": "http://riskiq:7070"}
    finding = found(OpenCTI(pycti.__version__), listen_protocol="API", **own)["callback"]
    assert finding.text.endswith("http://riskiq:7070/riskiq")


def test_over_the_broker_opencti_calls_nowhere() -> None:
    assert "callback" not in found(OpenCTI(pycti.__version__))


# The broker


def test_over_http_no_broker_is_needed() -> None:
    finding = found(OpenCTI(pycti.__version__), **HTTP)["broker"]
    assert finding.state is State.GOOD
    assert "over HTTP" in finding.text


def test_a_broker_that_nobody_tells_of_is_known_only_after_registration() -> None:
    platform = OpenCTI(pycti.__version__)
    platform.fail("connectorsForWorker")
    finding = found(platform)["broker"]
    assert finding.state is State.UNKNOWN
    assert finding.text.startswith("known only after registration")


def test_the_broker_that_opencti_tells_of_is_tried() -> None:
    port = free_port()
    finding = found(OpenCTI(pycti.__version__, f"amqp://guest:secret@127.0.0.1:{port}/%2F"))["broker"]
    assert finding.state is State.BAD
    assert finding.text.startswith(f"127.0.0.1:{port}, virtual host /: no connection can be made")


def test_the_broker_of_the_settings_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MQ_HOST", "localhost")
    monkeypatch.setenv("MQ_PORT", "9")
    assert found(OpenCTI(pycti.__version__))["broker"].text.startswith("localhost:9, ")


def test_a_port_that_is_no_number_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MQ_PORT", "many")
    finding = found(OpenCTI(pycti.__version__))["broker"]
    assert finding.state is State.BAD
    assert "MQ_…" in finding.text
