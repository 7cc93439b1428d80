"""An unreachable source: the error names the cause."""

import contextlib
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import trustme

from passivedns.errors import NoAnswer, Unreachable
from passivedns.transport.http import Http
from tests.helpers.raw_server import RawServer, Speak, plain_server, raw_server, says
from tests.helpers.transports import asking

GOOD = says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


def told_of(asker: Http) -> str:
    """The text of the error of a search that could not be sent."""
    with pytest.raises(Unreachable) as raised:
        asker.request("/dns")
    return str(raised.value)


def told_later_of(asker: Http) -> str:
    """The text of the error of a search that was sent."""
    with pytest.raises(NoAnswer) as raised:
        asker.request("/dns")
    assert type(raised.value) is NoAnswer
    return str(raised.value)


@contextlib.contextmanager
def tls_server(
    speak: Speak = GOOD, host: str = "127.0.0.1", span: Mapping[str, Any] = MappingProxyType({})
) -> Iterator[tuple[RawServer, trustme.CA]]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host, **span).configure_cert(context)
    with raw_server(speak, context) as server:
        yield server, authority


@pytest.fixture(autouse=True)
def _no_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[RawServer]:
    """A proxy, set in the environment, that requires a password."""
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with raw_server(says(refusal)) as server:
        use_proxy(monkeypatch, server.url)
        yield server


def use_proxy(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, url)
    monkeypatch.setenv("NO_PROXY", "")


def test_a_host_that_does_not_resolve() -> None:
    assert told_of(asking("http://api.invalid")) == (
        "Example DNS cannot be reached: its host name does not resolve; check the network and EXAMPLE_API_BASE_URL."
    )


def test_a_refused_connection() -> None:
    assert told_of(asking("http://127.0.0.1:9")) == (
        "Example DNS cannot be reached: the connection is refused; check that it runs there, and EXAMPLE_API_BASE_URL."
    )


def test_a_server_that_does_not_respond() -> None:
    with raw_server(lambda _: time.sleep(2)) as server:
        told = told_later_of(asking(server.url, timeout=0.2))
    assert told == "Example DNS did not answer within 0.2 s."


def test_a_truncated_response() -> None:
    with (
        raw_server(says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}")) as server,
        pytest.raises(NoAnswer) as raised,
    ):
        asking(server.url).request("/dns")
    assert type(raised.value) is NoAnswer
    assert str(raised.value) == "Example DNS cannot be reached: the response was cut off."


def test_an_untrusted_certificate() -> None:
    with tls_server() as (server, _):
        assert told_of(asking(server.url)) == (
            "Example DNS cannot be reached: the TLS certificate is from an issuer that is not trusted; set "
            "REQUESTS_CA_BUNDLE to a CA bundle that contains its issuer."
        )


def test_a_bundle_that_is_set_but_lacks_the_issuer_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with tls_server() as (server, _):
        trust(trustme.CA(), monkeypatch, tmp_path)
        assert told_of(asking(server.url)) == (
            "Example DNS cannot be reached: the TLS certificate is from an issuer that is not trusted; the CA bundle "
            f"{tmp_path}/ca.pem (REQUESTS_CA_BUNDLE) does not contain its issuer."
        )


def test_a_certificate_of_another_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with tls_server(host="other.example") as (server, authority):
        trust(authority, monkeypatch, tmp_path)
        for url in (server.url, server.url.replace("127.0.0.1", "localhost")):
            assert told_of(asking(url)) == (
                "Example DNS cannot be reached: its TLS certificate is for another host; check EXAMPLE_API_BASE_URL."
            )


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (-1, "its TLS certificate has expired; have it renewed, or check the clock of this machine."),
        (1, "its TLS certificate is not valid yet; check the clock of this machine."),
    ],
)
def test_a_certificate_outside_its_dates(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, days: int, told: str) -> None:
    now = datetime.now(UTC)
    span = {"not_before": now + timedelta(days=days - 0.5), "not_after": now + timedelta(days=days + 0.5)}
    with tls_server(span=span) as (server, authority):
        trust(authority, monkeypatch, tmp_path)
        assert told_of(asking(server.url)) == f"Example DNS cannot be reached: {told}"


def test_a_self_signed_certificate(tmp_path: Path) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem"]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    subprocess.run([*command, *names], cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with raw_server(GOOD, context) as server:
        assert told_of(asking(server.url)) == (
            "Example DNS cannot be reached: the TLS certificate is self-signed; set REQUESTS_CA_BUNDLE to a CA bundle "
            "that contains the certificate."
        )


def trust(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folder / "ca.pem"))


def test_the_ca_bundle_from_the_environment_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with tls_server() as (server, authority):
        trust(authority, monkeypatch, tmp_path)
        assert asking(server.url).request("/").body == b"{}"


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_an_unreadable_ca_bundle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None) -> None:
    if content:
        (tmp_path / "ca.pem").write_text(content)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with tls_server() as (server, _):
        assert told_of(asking(server.url)) == (
            "Example DNS cannot be reached: the CA bundle cannot be read; check REQUESTS_CA_BUNDLE."
        )


def test_a_plain_http_server_is_not_reported_as_an_untrusted_certificate() -> None:
    def speak(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

    with plain_server(speak) as port:
        assert told_of(asking(f"https://127.0.0.1:{port}")) == (
            "Example DNS cannot be reached: no TLS connection can be made; check whether EXAMPLE_API_BASE_URL should "
            "begin with http://."
        )


def test_a_proxy_that_refuses_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    use_proxy(monkeypatch, "http://127.0.0.1:9")
    for scheme in ("http", "https"):
        assert told_of(asking(f"{scheme}://api.example")) == (
            "Example DNS cannot be reached: no connection to the proxy 127.0.0.1:9 can be made; check "
            f"{scheme.upper()}_PROXY, or use NO_PROXY."
        )


def test_a_proxy_whose_host_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    use_proxy(monkeypatch, "http://proxy.invalid:3128")
    assert told_of(asking("http://api.example")) == (
        "Example DNS cannot be reached: no connection to the proxy proxy.invalid:3128 can be made; check HTTP_PROXY, "
        "or use NO_PROXY."
    )


def test_a_proxy_that_requires_a_password_for_a_tunnel(proxy: RawServer) -> None:
    assert told_of(asking("https://api.example")) == (
        f"Example DNS cannot be reached: the proxy 127.0.0.1:{proxy.port} requires a login; put its user name and "
        "password into HTTPS_PROXY."
    )
    assert proxy.heads[0].startswith(b"CONNECT api.example:443 ")


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("403 Forbidden", "does not allow this host; allow it there, or exclude it with NO_PROXY."),
        (
            "503 Service Unavailable",
            "cannot connect to this host; check the proxy, or exclude the host with NO_PROXY.",
        ),
    ],
)
def test_a_proxy_that_refuses_a_tunnel(monkeypatch: pytest.MonkeyPatch, status: str, told: str) -> None:
    with raw_server(says(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())) as server:
        use_proxy(monkeypatch, f"http://user:password-of-nobody@127.0.0.1:{server.port}")
        assert told_of(asking("https://api.example")) == (
            f"Example DNS cannot be reached: the proxy 127.0.0.1:{server.port} {told}"
        )


def test_plain_http_to_a_server_with_tls() -> None:
    with tls_server() as (server, _):
        assert told_later_of(asking(server.url.replace("https:", "http:"))) == (
            "Example DNS cannot be reached: the response was cut off; check whether EXAMPLE_API_BASE_URL should begin "
            "with https://."
        )


def test_plain_http_goes_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_server(GOOD) as server:
        use_proxy(monkeypatch, server.url)
        assert asking("http://api.example").request("/dns").body == b"{}"
    assert server.heads[0].startswith(b"GET http://api.example/dns ")


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("kind", ["socks5", "socks5h", "socks4", "SOCKS5"])
def test_a_socks_proxy_is_rejected_and_not_bypassed(monkeypatch: pytest.MonkeyPatch, scheme: str, kind: str) -> None:
    with raw_server(GOOD) as server:
        use_proxy(monkeypatch, f"{kind}://127.0.0.1:9")
        told = told_of(asking(f"{scheme}://127.0.0.1:{server.port}"))
    assert told == ("Example DNS cannot be reached: SOCKS proxies are not supported; set HTTPS_PROXY to an HTTP proxy.")
    assert server.heads == []


@pytest.mark.parametrize("proxy_url", ["http://", "ftp://127.0.0.1:9"])
def test_an_invalid_proxy_address(monkeypatch: pytest.MonkeyPatch, proxy_url: str) -> None:
    use_proxy(monkeypatch, proxy_url)
    assert told_of(asking("http://api.example")) == (
        "Example DNS cannot be reached: the URL of the proxy is invalid; check HTTP_PROXY."
    )
