"""Why OpenCTI cannot be used: the same exact sentence at the start, in `check` and while a message waits."""

import contextlib
import ssl
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from pycti import OpenCTIConnectorHelper

from passivedns.delivery.retry import in_words
from passivedns.errors import PlatformError
from passivedns.model import Finding, State
from passivedns.opencti.inspection import platform_findings
from passivedns.opencti.registration import api_client, is_too_old, register, start_error, version_of
from sandbox.api import opencti_app
from sandbox.opencti import OpenCTI
from sandbox.server import serving
from tests.helpers.raw_server import Speak, raw_server, says

PAGE = b"<html><title>Blocked</title></html>"
GOOD = says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


@pytest.fixture(autouse=True)
def _no_network_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def config(url: str, **opencti: Any) -> dict[str, dict[str, Any]]:
    connector = {"id": str(uuid.uuid4()), "log_level": "info"}
    return {"opencti": {"url": url, "token": "token-of-nobody", **opencti}, "connector": connector, "mq": {}}


def failure(url: str, **opencti: Any) -> Exception:
    """What pycti's client raises."""
    try:
        version_of(api_client(config(url, **opencti), "CRITICAL"))
    except (ValueError, OSError, LookupError, TypeError) as error:
        return error
    raise AssertionError("no error")


def reason(url: str, **opencti: Any) -> str:
    """The reason at the start, which is that of `check` and, unless it is about a setting, of a waiting message."""
    error = failure(url, **opencti)
    told = str(start_error(error, url, ssl_verify=opencti.get("ssl_verify", "")))
    assert next(platform_findings(config(url, **opencti), [])) == Finding("OpenCTI", State.BAD, f"{url}: {told}")
    assert opencti or in_words(error) == told
    return told


def page(status: str, *headers: str, body: bytes = PAGE) -> Speak:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return says("\r\n".join(lines).encode() + body)


@contextlib.contextmanager
def tls(host: str = "127.0.0.1") -> Iterator[tuple[str, trustme.CA]]:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    with raw_server(GOOD, context) as server:
        yield server.url, authority


# Connections


def test_a_refused_connection() -> None:
    assert reason("http://127.0.0.1:9") == "the connection is refused; check that it runs there, and OPENCTI_URL"


def test_an_unknown_host() -> None:
    assert reason("http://opencti.invalid") == "its host name does not resolve; check the network and OPENCTI_URL"


def test_https_in_place_of_http() -> None:
    with serving(opencti_app(OpenCTI("7.260817.0"))) as url:
        assert reason(url.replace("http:", "https:")) == (
            "no TLS connection can be made; check whether OPENCTI_URL should begin with http://"
        )


def test_http_in_place_of_https() -> None:
    with tls() as (url, _):
        assert reason(url.replace("https:", "http:")) == (
            "the response was cut off; check whether OPENCTI_URL should begin with https://"
        )


def test_an_untrusted_certificate() -> None:
    with tls() as (url, _):
        assert reason(url, ssl_verify=True) == (
            "the TLS certificate is from an issuer that is not trusted; set OPENCTI_SSL_VERIFY to a CA bundle that "
            "contains its issuer"
        )


def test_a_bundle_without_the_issuer(tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(bundle := str(tmp_path / "ca.pem"))
    with tls() as (url, _):
        assert reason(url, ssl_verify=bundle) == (
            f"the TLS certificate is from an issuer that is not trusted; the CA bundle {bundle} (OPENCTI_SSL_VERIFY) "
            "does not contain its issuer"
        )


def test_a_certificate_of_another_host(tmp_path: Path) -> None:
    with tls("other.example") as (url, authority):
        authority.cert_pem.write_to_path(bundle := str(tmp_path / "ca.pem"))
        assert reason(url, ssl_verify=bundle) == "its TLS certificate is for another host; check OPENCTI_URL"


@pytest.mark.parametrize(("variable", "setting"), [("REQUESTS_CA_BUNDLE", True), ("OPENCTI_SSL_VERIFY", "/no/ca.pem")])
def test_a_bundle_that_cannot_be_read_is_final(monkeypatch: pytest.MonkeyPatch, variable: str, setting: Any) -> None:
    monkeypatch.setenv(variable, "/no/ca.pem")
    url = "https://127.0.0.1:9"
    error = start_error(failure(url, ssl_verify=setting), url, ssl_verify=setting)
    assert isinstance(error, PlatformError)
    assert str(error).endswith(f"invalid path: /no/ca.pem; check {variable}.")


# Proxies


def test_a_proxy_that_answers_in_place_of_opencti(monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_server(page("503 Service Unavailable", "Server: squid/6.6")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://user:password-of-nobody@127.0.0.1:{proxy.port}")
        assert reason("http://opencti.example:8080") == (
            f"the proxy 127.0.0.1:{proxy.port} or something behind it blocked the request to OpenCTI (HTTP 503, a web "
            "page, server: squid/6.6); allow the host there, or exclude it with NO_PROXY"
        )


def test_a_proxy_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert reason("http://opencti.example:8080") == (
        "no connection to the proxy 127.0.0.1:9 can be made; check HTTP_PROXY, or use NO_PROXY"
    )


def test_a_proxy_that_requires_a_login(monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_server(page("407 Proxy Authentication Required")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        for scheme, capital in (("http", "HTTP"), ("https", "HTTPS")):
            told = reason(f"{scheme}://opencti.example")
            assert told.startswith(f"the proxy 127.0.0.1:{proxy.port} requires a login")
            assert told.endswith(f"put its user name and password into {capital}_PROXY")


# Other answers


@pytest.mark.parametrize("path", ["/graphql", "/dashboard"])
def test_an_address_with_a_path_too_many(path: str) -> None:
    with raw_server(page("404 Not Found", body=b"Not Found")) as server:
        assert reason(f"{server.url}{path}") == (
            f"the response (HTTP 404) is not from OpenCTI; remove {path} from the end of OPENCTI_URL"
        )


ANSWERS: list[tuple[Speak, str]] = [
    (
        page("403 Forbidden", "Server: cloudflare"),
        "something between the connector and OpenCTI blocked the request (HTTP 403, a web page, server: cloudflare); "
        "check the proxy and the firewall, and whether OpenCTI blocks this address",
    ),
    (
        page("502 Bad Gateway", "Server: nginx"),
        "OpenCTI is down, or something between the connector and OpenCTI blocked the request (HTTP 502, a web page, "
        "server: nginx); try again later, then check the proxy and the firewall",
    ),
    (page("200 OK"), "the response (HTTP 200) is not from OpenCTI; check OPENCTI_URL"),
    (page("404 Not Found", body=b"{}"), "the response (HTTP 404) is not from OpenCTI; check OPENCTI_URL"),
    (
        page("511 Network Authentication Required"),
        "the network requires a sign-in (HTTP 511); sign in to it, or have it let OpenCTI pass",
    ),
]


@pytest.mark.parametrize(("answer", "told"), ANSWERS, ids=[str(number) for number in range(len(ANSWERS))])
def test_an_answer_that_is_not_from_opencti(answer: Speak, told: str) -> None:
    with raw_server(answer) as server:
        assert reason(server.url) == told


# Versions


@pytest.mark.parametrize("version", ["5.12.33", "6.2.0", "6.3.4"])
def test_an_opencti_that_is_too_old_must_be_updated_whatever_pycti(version: str) -> None:
    platform = OpenCTI(version)
    with serving(opencti_app(platform)) as url:
        settings = config(url)
        settings["opencti"]["token"] = platform.token
        finding = next(platform_findings(settings, []))
    assert finding == Finding(
        "OpenCTI",
        State.BAD,
        f"{url} answers; OpenCTI is {version}, which is too old for this connector; update OpenCTI to 6.3.5 or later",
    )


def test_an_opencti_that_is_too_old_ends_the_start() -> None:
    platform = OpenCTI("6.2.0")
    with serving(opencti_app(platform)) as url:
        settings = config(url)
        settings["opencti"]["token"] = platform.token
        with pytest.raises(PlatformError) as raised:
            register(settings, 5, threading.Event(), OpenCTIConnectorHelper)
    assert str(raised.value) == (
        f"OpenCTI at {url} is 6.2.0, which is too old for this connector; update OpenCTI to 6.3.5 or later."
    )


@pytest.mark.parametrize("version", ["6.3.5", "6.10.0", "7.260817.0", "", "unknown"])
def test_other_versions_are_not_too_old(version: str) -> None:
    assert not is_too_old(version)
