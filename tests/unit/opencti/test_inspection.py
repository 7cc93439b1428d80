"""The findings of `main.py check` about OpenCTI and its broker, against the sandbox."""

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import pycti
import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from passivedns.model import Finding, State
from passivedns.opencti.inspection import _callback, platform_findings
from sandbox.api import opencti_app
from sandbox.daemon import free_port
from sandbox.graphql import errors
from sandbox.import_rules import TLP
from sandbox.opencti import OpenCTI
from sandbox.server import serving
from tests.helpers.world import HAS_HTTP_PROTOCOLS

HTTP = {"listen_protocol": "API", "queue_protocol": "api"}


def by_subject(findings: Iterator[Finding]) -> dict[str, Finding]:
    return {finding.subject: finding for finding in findings}


# OpenCTI


def config(url: str, token: str, **connector: str) -> dict[str, dict[str, Any]]:
    return {
        "opencti": {"url": url, "token": token},
        "connector": {"id": str(uuid.uuid4()), "log_level": "info", **connector},
        "mq": {},
    }


def found(platform: OpenCTI, tlps: Sequence[str] = ("TLP:CLEAR",), **connector: str) -> dict[str, Finding]:
    with serving(opencti_app(platform)) as url:
        return by_subject(platform_findings(config(url, platform.token, **connector), tlps))


def test_the_same_version_and_sufficient_rights_are_good_and_nothing_is_registered() -> None:
    platform = OpenCTI(pycti.__version__)
    findings = found(platform, **HTTP)
    assert [finding.state for finding in findings.values()] == [State.GOOD] * 5
    assert findings["OpenCTI"].text.endswith(f"answers; OpenCTI and pycti are {pycti.__version__}")
    assert findings["token"].text == "accepted; the user connector may register and create knowledge"
    assert {call.field for call in platform.calls} == {"about", "me"}
    assert platform.link.registered is None


def test_a_version_other_than_pyctis_is_a_warning_with_the_remedy() -> None:
    finding = found(OpenCTI("6.8.10"))["OpenCTI"]
    assert finding.state is State.WARNING
    assert "pip install pycti==6.8.10" in finding.text


def test_a_rejected_token_is_bad_and_the_broker_is_not_tried() -> None:
    with serving(opencti_app(OpenCTI(pycti.__version__))) as url:
        findings = by_subject(platform_findings(config(url, "wrong"), []))
    assert findings["OpenCTI"].state is State.BAD
    assert "rejected the token; set OPENCTI_TOKEN to" in findings["OpenCTI"].text
    assert findings["broker"].state is State.UNKNOWN


def test_an_opencti_that_cannot_be_reached_is_bad() -> None:
    findings = by_subject(platform_findings(config("http://127.0.0.1:9", "token"), []))
    assert findings["OpenCTI"].state is State.BAD
    assert findings["OpenCTI"].text == (
        "http://127.0.0.1:9: the connection is refused; check that it runs there, and OPENCTI_URL"
    )


@pytest.mark.skipif(not HAS_HTTP_PROTOCOLS, reason="this pycti does not read HTTPS_CA_CERTIFICATES")
def test_certificates_that_pycti_cannot_use_are_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_CA_CERTIFICATES", "/no/ca.pem")
    finding = by_subject(platform_findings(config("http://127.0.0.1:9", "token"), []))["OpenCTI"]
    assert finding.state is State.BAD
    assert "pycti cannot start: HTTPS_CA_CERTIFICATES is not a valid certificate or file path" in finding.text


def test_an_error_with_status_400_is_recognized_too() -> None:
    app = FastAPI()

    @app.post("/graphql")
    def refuse() -> JSONResponse:
        return JSONResponse(errors("AUTH_REQUIRED", "You must be logged in to do this."), status_code=400)

    with serving(app) as url:
        finding = next(platform_findings(config(url, "token"), []))
    assert f"OpenCTI at {url} rejected the token; set OPENCTI_TOKEN to" in finding.text


def test_rights_that_opencti_does_not_report_are_unknown() -> None:
    platform = OpenCTI(pycti.__version__)
    platform.fail("me")
    assert found(platform)["token"].state is State.UNKNOWN


def test_a_user_who_may_not_query_works_is_a_warning_that_says_what_follows() -> None:
    platform = OpenCTI(pycti.__version__)
    platform.user["capabilities"] = [
        {"name": name} for name in ("CONNECTORAPI", "KNOWLEDGE_KNUPDATE", "SETTINGS_SETMARKINGS")
    ]
    finding = found(platform)["token"]
    assert finding.state is State.WARNING
    assert finding.text == (
        "the user connector lacks MODULES: OpenCTI does not tell the connector what became of a work, so after a lost "
        "response a work may complete before its objects arrive; give it the role Connector"
    )


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


def test_a_user_who_may_not_set_markings_is_a_warning_since_each_work_gets_errors() -> None:
    platform = OpenCTI(pycti.__version__)
    platform.user["capabilities"] = [{"name": "CONNECTORAPI"}, {"name": "KNOWLEDGE_KNUPDATE"}]
    assert found(platform)["token"] == Finding(
        "token",
        State.WARNING,
        "the user connector lacks SETTINGS_SETMARKINGS: OpenCTI imports what the connector finds, but each work gets "
        "an error FORBIDDEN_ACCESS for every marking; give it the role Connector",
    )


def test_the_visible_markings_are_listed() -> None:
    platform = OpenCTI(pycti.__version__)
    platform.hide_marking("TLP:AMBER+STRICT")
    platform.hide_marking("TLP:RED")
    assert found(platform)["markings"] == Finding(
        "markings",
        State.GOOD,
        "the user connector sees TLP:CLEAR, TLP:GREEN, TLP:AMBER; entities with other markings cannot be enriched",
    )


def test_a_user_who_does_not_see_the_marking_of_new_observables_is_bad() -> None:
    platform = OpenCTI(pycti.__version__)
    platform.hide_marking("TLP:AMBER")
    assert found(platform, ["TLP:CLEAR", "TLP:AMBER"])["markings"] == Finding(
        "markings",
        State.BAD,
        "the user connector does not see TLP:AMBER, a marking of the observables that the connector creates: OpenCTI "
        "rejects them (MISSING_REFERENCE_ERROR); allow it in a group of the user",
    )


def test_only_the_markings_of_new_observables_matter() -> None:
    platform = OpenCTI(pycti.__version__)
    platform.hide_marking("TLP:CLEAR")
    assert found(platform, ["TLP:AMBER"])["markings"].state is State.GOOD


def test_a_user_without_any_marking_is_bad() -> None:
    platform = OpenCTI(pycti.__version__)
    for definition in TLP:
        platform.hide_marking(definition)
    assert found(platform)["markings"].state is State.BAD


def test_markings_that_opencti_does_not_report_are_unknown() -> None:
    platform = OpenCTI(pycti.__version__)
    platform.fail("me")
    finding = found(platform)["markings"]
    assert finding == Finding("markings", State.UNKNOWN, "this OpenCTI does not report which of them its user may see")


# Where OpenCTI calls


def test_the_url_to_which_opencti_posts_messages_is_shown() -> None:
    finding = found(OpenCTI(pycti.__version__), listen_protocol="API", listen_protocol_api_uri="http://connector:7070")
    assert finding["callback"] == Finding(
        "callback", State.GOOD, "OpenCTI will post messages to http://connector:7070/api/callback"
    )


@pytest.mark.parametrize("uri", ["http://connector:7070/api/callback", "http://connector:7070/"])
def test_an_address_with_the_path_or_a_slash_at_the_end_is_bad(uri: str) -> None:
    finding = found(OpenCTI(pycti.__version__), listen_protocol="api", listen_protocol_api_uri=uri)["callback"]
    assert finding.state is State.BAD
    assert finding.text == (
        f"OpenCTI would post messages to {uri}/api/callback, where nothing listens; "
        "CONNECTOR_LISTEN_PROTOCOL_API_URI must not contain the path or end with a slash"
    )


@pytest.mark.parametrize(
    ("settings", "state", "told"),
    [
        (
            {"listen_protocol_api_uri": "http://127.0.0.1:8080"},
            State.BAD,
            "http://127.0.0.1:8080/api/callback, but the connector listens on port 7070 "
            "(CONNECTOR_LISTEN_PROTOCOL_API_PORT); correct CONNECTOR_LISTEN_PROTOCOL_API_URI",
        ),
        (
            {"listen_protocol_api_uri": "http://connector:7070", "listen_protocol_api_port": "7171"},
            State.WARNING,
            "http://connector:7070/api/callback, but the connector listens on port 7171 "
            "(CONNECTOR_LISTEN_PROTOCOL_API_PORT); unless something in between forwards the requests, correct "
            "CONNECTOR_LISTEN_PROTOCOL_API_URI",
        ),
        (
            {"listen_protocol_api_uri": "http://connector"},
            State.WARNING,
            "http://connector/api/callback, but the connector listens on port 7070 "
            "(CONNECTOR_LISTEN_PROTOCOL_API_PORT); unless something in between forwards the requests, correct "
            "CONNECTOR_LISTEN_PROTOCOL_API_URI",
        ),
        (
            {"listen_protocol_api_uri": "https://connector:7070"},
            State.WARNING,
            "https://connector:7070/api/callback, but it listens without TLS (CONNECTOR_LISTEN_PROTOCOL_API_SSL); "
            "unless something in between forwards the requests, correct CONNECTOR_LISTEN_PROTOCOL_API_URI",
        ),
    ],
)
def test_a_callback_on_another_port_or_scheme_is_found(settings: dict[str, str], state: State, told: str) -> None:
    finding = found(OpenCTI(pycti.__version__), listen_protocol="API", **settings)["callback"]
    assert finding == Finding("callback", state, f"OpenCTI will post messages to {told}")


def test_a_callback_to_the_machine_of_an_opencti_elsewhere_is_found() -> None:
    settings = config("http://opencti:8080", "token", listen_protocol="API")
    assert _callback(settings) == (
        State.WARNING,
        "OpenCTI will post messages to http://127.0.0.1:7070/api/callback, which is its own machine; set "
        "CONNECTOR_LISTEN_PROTOCOL_API_URI to the address of the connector",
    )


def test_a_path_in_the_settings_is_used() -> None:
    own = {"listen_protocol_api_path": "/dns", "listen_protocol_api_uri": "http://connector:7070"}
    finding = found(OpenCTI(pycti.__version__), listen_protocol="API", **own)["callback"]
    assert finding.text.endswith("http://connector:7070/dns")


def test_over_the_broker_there_is_no_callback() -> None:
    assert "callback" not in found(OpenCTI(pycti.__version__))


# The broker


def test_over_http_no_broker_is_needed() -> None:
    finding = found(OpenCTI(pycti.__version__), **HTTP)["broker"]
    assert finding.state is State.GOOD
    assert "over HTTP" in finding.text


def test_a_broker_that_opencti_does_not_report_is_known_only_after_registration() -> None:
    platform = OpenCTI(pycti.__version__)
    platform.fail("connectorsForWorker")
    finding = found(platform)["broker"]
    assert finding.state is State.UNKNOWN
    assert finding.text.startswith("known only after registration")


def test_the_broker_that_opencti_reports_is_tried() -> None:
    port = free_port()
    finding = found(OpenCTI(pycti.__version__, f"amqp://guest:secret@127.0.0.1:{port}/%2F"))["broker"]
    assert finding.state is State.BAD
    assert finding.text == (
        f"RabbitMQ at 127.0.0.1:{port}, virtual host / cannot be used: the connection is refused; check that it runs "
        "there, and MQ_HOST and MQ_PORT"
    )


def test_the_settings_override_the_broker_that_opencti_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MQ_HOST", "localhost")
    monkeypatch.setenv("MQ_PORT", "9")
    assert found(OpenCTI(pycti.__version__))["broker"].text.startswith("RabbitMQ at localhost:9, ")


def test_a_port_that_is_not_a_number_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MQ_PORT", "many")
    finding = found(OpenCTI(pycti.__version__))["broker"]
    assert finding.state is State.BAD
    assert "MQ_…" in finding.text
