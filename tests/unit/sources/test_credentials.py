"""The credentials are sent only to PassiveTotal, in one header."""

import logging
import ssl
import traceback
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from passivedns.errors import CredentialsRefused, NoAnswer, SourceError
from passivedns.sources.riskiq import RISKIQ, RiskIQClient, RiskIQSettings
from passivedns.sources.source import Client
from passivedns.transport.http import Http
from passivedns.transport.retry import RetryPolicy
from sandbox.faults import FAULTS
from sandbox.server import serving
from sandbox.sources.riskiq import API_KEY, USERNAME, PassiveTotal, passivetotal_app
from sandbox.sources.riskiq_data import DOMAIN, own_records
from tests.helpers.clients import question
from tests.helpers.raw_server import RawServer, Speak, raw_server, says

PASSWORDS = (API_KEY, b64encode(f"{USERNAME}:{API_KEY}".encode()).decode(), b64encode(API_KEY.encode()).decode())
OURS = f"Authorization: Basic {PASSWORDS[1]}\r\n".encode()
OK = says(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")


def asker(url: str) -> Client:
    settings = RiskIQSettings.model_validate({"username": USERNAME, "api_key": API_KEY})
    return RiskIQClient(settings, Http(RISKIQ, url, RetryPolicy(timeout=0.5, max_retries=0, backoff=0)))


def fails(ask: Client) -> SourceError | None:
    """The error of a quota request and a search, if any."""
    try:
        ask.quota()
        ask.look_up(question(DOMAIN))
    except SourceError as error:
        return error
    return None


def test_the_credentials_are_only_in_the_authorization_header() -> None:
    with raw_server(OK) as server:
        fails(asker(server.url))
    assert len(server.heads) == 2
    for head in server.heads:
        assert head.count(OURS) == 1
        rest = head.replace(OURS, b"").decode()
        assert not [word for word in (*PASSWORDS, USERNAME, "analyst") if word in rest]


def test_a_request_contains_only_the_value_the_time_window_and_the_connector_version() -> None:
    with serving(passivetotal_app(service := PassiveTotal(own_records(datetime.now(UTC).date())))) as url:
        fails(asker(url))
    quota, search = service.requests
    assert quota.params == {}
    assert search.params.keys() == {"query", "start"}
    assert search.params["query"] == DOMAIN
    assert search.headers.keys() == {"host", "user-agent", "accept-encoding", "accept", "connection", "authorization"}


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[PassiveTotal, str]]:
    service = PassiveTotal(own_records(datetime.now(UTC).date()))
    with serving(passivetotal_app(service)) as url:
        yield service, url


@pytest.mark.parametrize("fault", FAULTS)
def test_no_log_error_or_traceback_of_any_failure_contains_the_credentials(
    server: tuple[PassiveTotal, str], fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    service, url = server
    service.reset()
    service.fail(fault)
    error = fails(asker(url))
    told = "".join(traceback.format_exception(error)) if error else ""
    assert not [word for word in (*PASSWORDS, USERNAME) if word in caplog.text + told + repr(error)]


def test_the_repr_of_a_client_contains_no_credentials() -> None:
    ask = asker("http://127.0.0.1:9")
    assert not [word for word in (*PASSWORDS, USERNAME) if word in f"{ask!r} {ask} {vars(ask)}"]


# Redirects


def redirect(location: str) -> Speak:
    head = f"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nConnection: close\r\nLocation: {location}\r\n\r\n"
    return says(head.encode())


def has_credentials(server: RawServer) -> bool:
    return any(b"authorization" in head.lower() for head in server.heads)


def in_clear(server: RawServer) -> str:
    return server.url


def by_name(server: RawServer) -> str:
    return f"http://localhost:{server.port}"


def with_a_user(server: RawServer) -> str:
    return f"http://{USERNAME.replace('@', '%40')}@127.0.0.1:{server.port}"


@pytest.mark.parametrize("elsewhere", [in_clear, by_name, with_a_user])
def test_a_redirect_to_another_port_or_host_gets_no_credentials(elsewhere: Callable[[RawServer], str]) -> None:
    with raw_server(OK) as other, raw_server(redirect(elsewhere(other))) as first:
        fails(asker(first.url))
        assert has_credentials(first)
        assert not has_credentials(other)


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other credentials, where requests looks for them."""
    path = tmp_path / "netrc"
    path.write_text("machine 127.0.0.1 login other password secret\ndefault login other password secret\n")
    monkeypatch.setenv("NETRC", str(path))


@pytest.mark.usefixtures("netrc")
def test_credentials_in_a_netrc_file_do_not_replace_the_configured_ones() -> None:
    with raw_server(OK) as server:
        fails(asker(server.url))
    assert [OURS in head for head in server.heads] == [True, True]


@pytest.mark.usefixtures("netrc")
def test_credentials_in_a_netrc_file_are_not_sent_after_a_redirect() -> None:
    with raw_server(redirect("/elsewhere")) as server:
        fails(asker(server.url))
    assert [head for head in server.heads if has_credentials(server) and OURS not in head] == []


@pytest.mark.usefixtures("netrc")
def test_credentials_in_a_netrc_file_are_not_sent_to_another_host_after_a_redirect() -> None:
    with raw_server(OK) as other, raw_server(redirect(by_name(other))) as first:
        fails(asker(first.url))
        assert not has_credentials(other)


# TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))


@pytest.mark.usefixtures("trusted")
def test_a_ca_from_the_environment_is_trusted(tls: ssl.SSLContext) -> None:
    with raw_server(says(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"), tls) as server:
        assert isinstance(fails(asker(server.url)), CredentialsRefused)


@pytest.mark.usefixtures("trusted")
def test_a_redirect_from_https_to_http_gets_no_credentials(tls: ssl.SSLContext) -> None:
    with raw_server(OK) as other, raw_server(redirect(in_clear(other)), tls) as first:
        fails(asker(first.url))
        assert has_credentials(first)
        assert not has_credentials(other)


def test_a_server_with_an_untrusted_certificate_gets_no_credentials(tls: ssl.SSLContext) -> None:
    with raw_server(OK, tls) as server:
        error = fails(asker(server.url))
    assert isinstance(error, NoAnswer)
    assert "the TLS certificate is from an issuer that is not trusted" in str(error)
    assert server.heads == []
