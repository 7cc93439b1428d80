"""Requests, retries and replies of the transport, with real servers."""

import contextlib
import json
import socket
import ssl
import threading
import time
import traceback
from pathlib import Path

import pytest
import trustme
from fastapi import FastAPI, Request, Response

from passivedns import __version__, metrics
from passivedns.errors import (
    BadAnswer,
    CredentialsRefused,
    NoAnswer,
    NotEntitled,
    QuotaExceeded,
    RateLimited,
    RequestRefused,
    SourceError,
    Unreachable,
)
from passivedns.transport import retry
from sandbox.sources.service import Service
from tests.helpers.raw_server import Speak, raw_server, says
from tests.helpers.stand_ins import stand_in
from tests.helpers.transports import EXAMPLE, asking

PASSWORD = "pass-word-of-nobody"
TOKEN = "token-of-nobody"


class Echo(Service):
    """Answers and records any request with `status`, `body` and `headers`."""

    status = 200
    body = b"{}"
    headers: dict[str, str] = {}  # noqa: RUF012  # replaced, never changed


def echo_app(service: Echo) -> FastAPI:
    app = FastAPI(openapi_url=None)

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def answer(request: Request) -> Response:
        fault = service.receive(request)
        return fault or Response(service.body, service.status, service.headers)

    return app


served = stand_in(Echo, echo_app)


def answering(*responses: bytes) -> Speak:
    """A server that sends one of these responses on each connection."""
    left = iter(responses)
    return lambda connection: connection.sendall(next(left))


def response(status: str, body: bytes = b"{}", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


# Requests


def test_a_search_is_a_get_request_for_json_with_the_name_of_the_connector(url: str, service: Echo) -> None:
    asking(f"{url}/v1").request("/dns", {"query": "a b"}, {"x-cursor": "7"})
    (request,) = service.requests
    assert (request.method, request.path, request.params) == ("GET", "/v1/dns", {"query": "a b"})
    assert request.headers["accept"] == "application/json"
    assert request.headers["user-agent"] == f"opencti-passive-dns/{__version__}"
    assert request.headers["x-cursor"] == "7"
    assert "content-type" not in request.headers
    assert "authorization" not in request.headers


def test_the_base_url_may_end_in_a_slash(url: str, service: Echo) -> None:
    asking(f"{url}/v1/").request("/dns")
    assert service.requests[0].path == "/v1/dns"


def test_every_request_carries_the_credentials_of_the_session(url: str, service: Echo) -> None:
    asker = asking(url)
    asker.session.headers["X-Key"] = TOKEN
    asker.session.auth = ("nobody", PASSWORD)
    asker.request("/dns")
    asker.follow(f"{url}/dns?page=2")
    asker.request("/quota", purpose="quota")
    assert {request.headers["x-key"] for request in service.requests} == {TOKEN}
    assert all(request.headers["authorization"].startswith("Basic ") for request in service.requests)


def test_a_netrc_file_does_not_replace_the_credentials(
    url: str, service: Echo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("default login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    asker = asking(url)
    asker.session.headers["Authorization"] = f"Bearer {TOKEN}"
    asker.request("/dns")
    assert service.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_a_transport_to_another_host_posts_a_form_without_the_credentials(url: str, service: Echo) -> None:
    asker = asking("http://example.invalid")
    asker.session.headers["Authorization"] = f"Bearer {TOKEN}"
    asker.beside(EXAMPLE, url).request("/token", purpose="login", form={"client_secret": PASSWORD})
    (request,) = service.requests
    assert (request.method, request.path, request.params) == ("POST", "/token", {})
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert "authorization" not in request.headers


def test_the_url_of_the_next_page_is_requested_unchanged(url: str, service: Echo) -> None:
    asking(f"{url}/v1").follow(f"{url}/v2/dns?$skiptoken=a%2Fb")
    assert service.requests[0].path == "/v2/dns"
    assert service.requests[0].params == {"$skiptoken": "a/b"}


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org/",
        "https://{host}/",
        "http://user@{host}/",
        "http://{host}@example.org/",
        "http://{host}.example.org/",
        "http://{host}\n.example.org/",
        "http://exa\tmple.org/",
        "//example.org/",
        "/dns",
        "file:///etc/passwd",
        "http://[",
        "http://[::1",
        "",
    ],
)
def test_a_next_page_on_another_host_is_rejected_before_anything_is_sent(url: str, service: Echo, address: str) -> None:
    with pytest.raises(BadAnswer, match="not on its own host"):
        asking(url).follow(address.format(host=url.removeprefix("http://")))
    assert service.requests == []


def test_the_host_of_a_next_page_may_be_in_upper_case() -> None:
    with raw_server(says(response("200 OK"))) as server:
        lower = f"http://localhost:{server.port}"
        assert asking(lower).follow(f"http://LOCALHOST:{server.port}/").status == 200


def test_one_connection_serves_several_requests() -> None:
    connections = []

    def speak(connection) -> None:  # type: ignore[no-untyped-def]
        connections.append(connection)
        for _ in range(2):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            connection.recv(2**16)

    with raw_server(speak) as server:
        asker = asking(server.url)
        assert [asker.request("/").body for _ in range(2)] == [b"{}", b"{}"]
    assert len(connections) == 1


def test_cookies_are_not_stored() -> None:
    with raw_server(says(response("200 OK", b"{}", "Set-Cookie: crumb=1"))) as server:
        asker = asking(server.url)
        for _ in range(2):
            asker.request("/")
    assert len(server.heads) == 2
    assert not any(b"crumb" in head for head in server.heads)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_redirects_are_not_followed(url: str, service: Echo, status: str) -> None:
    elsewhere = says(response(status, b"", f"Location: {url}/"))
    with raw_server(elsewhere) as server, pytest.raises(BadAnswer, match="not from the Example DNS API"):
        asking(server.url).request("/")
    assert service.requests == []


# Replies


def test_a_reply_has_its_status_its_headers_in_any_case_and_its_body(url: str, service: Echo) -> None:
    service.body, service.status, service.headers = b"[1]", 206, {"X-Cursor": "7"}
    reply = asking(url).request("/dns")
    assert (reply.status, reply.headers["x-cURSOR"], reply.body) == (206, "7", b"[1]")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (302, BadAnswer),
        (400, RequestRefused),
        (401, CredentialsRefused),
        (402, NotEntitled),
        (403, NotEntitled),
        (410, RequestRefused),
        (429, RateLimited),
        (500, NoAnswer),
        (503, NoAnswer),
        (599, NoAnswer),
    ],
)
def test_each_error_status_raises_its_error(url: str, service: Echo, status: int, error: type[SourceError]) -> None:
    service.status = status
    with pytest.raises(SourceError) as raised:
        asking(url).request("/dns")
    assert type(raised.value) is error
    assert f"(HTTP {status})" in str(raised.value)


def test_a_status_that_may_mean_nothing_known_is_returned_as_a_reply(url: str, service: Echo) -> None:
    service.status = 404
    assert asking(url).request("/dns").status == 404


def test_the_error_message_of_a_source_is_quoted_on_one_line(url: str, service: Echo) -> None:
    service.status, service.body = 400, b'{"message": "no\\r\\n\\u001b[31m such \\u0000name"}'
    with pytest.raises(RequestRefused) as raised:
        asking(url).request("/dns")
    assert str(raised.value) == "Example DNS rejected the request (HTTP 400). Its response says: no   [31m such  name"


def test_a_blank_part_of_an_error_message_is_not_quoted(url: str, service: Echo) -> None:
    service.status, service.body = 400, b'{"error": " ", "message": "no such name"}'
    with pytest.raises(RequestRefused, match=r"Its response says: no such name$"):
        asking(url).request("/dns")


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500])
def test_credentials_that_a_server_repeats_are_masked(url: str, service: Echo, status: int) -> None:
    service.status = status
    asker = asking(url)
    asker.session.auth = ("nobody@example.org", PASSWORD)
    asker.session.headers["X-Key"] = TOKEN
    service.body = json.dumps({"message": f"nobody@example.org {PASSWORD} {TOKEN} are wrong"}).encode()
    with pytest.raises(SourceError, match=r"says: \*\*\*\* \*\*\*\* \*\*\*\* are wrong$"):
        asker.request("/dns")


def test_the_header_and_the_secret_of_a_form_are_masked_too(url: str, service: Echo) -> None:
    service.status = 401
    asker = asking(url)
    asker.session.headers["Authorization"] = f"Bearer {TOKEN}"
    service.body = json.dumps({"message": f"Authorization: Bearer {TOKEN}; client_secret={PASSWORD}"}).encode()
    with pytest.raises(CredentialsRefused, match=r"says: Authorization: \*\*\*\*; client_secret=\*\*\*\*$"):
        asker.request("/token", purpose="login", form={"client_secret": PASSWORD})


def test_a_success_is_returned_unmasked_even_if_it_contains_the_user_name(url: str, service: Echo) -> None:
    asker = asking(url)
    asker.session.auth = ("nobody@example.org", PASSWORD)
    service.body = b'{"mailbox": "nobody@example.org"}'
    assert asker.request("/dns").body == service.body


# Retries


@pytest.mark.parametrize("fault", ["500", "502", "504", "reset", "cut-connection"])
def test_transient_failures_are_retried(url: str, service: Echo, fault: str) -> None:
    service.fail(fault, times=1)
    assert asking(url, retries=1).request("/dns").body == b"{}"
    assert len(service.requests) == 2


@pytest.mark.parametrize("status", [302, 400, 401, 402, 403, 404, 501])
def test_permanent_failures_are_not_retried(url: str, service: Echo, status: int) -> None:
    service.status = status
    with contextlib.suppress(SourceError):
        asking(url, retries=3).request("/dns")
    assert len(service.requests) == 1


def test_each_source_defines_which_statuses_are_retried(url: str, service: Echo) -> None:
    service.status = 429
    with pytest.raises(RateLimited):
        asking(url, retries=3, retried=frozenset({500})).request("/dns")
    assert len(service.requests) == 1


def test_the_last_attempt_determines_the_error(url: str, service: Echo) -> None:
    service.fail("reset", times=1)
    service.status = 503
    with pytest.raises(NoAnswer, match=r"server error \(HTTP 503\)"):
        asking(url, retries=1).request("/dns")


def test_the_delays_between_attempts_double(url: str, service: Echo) -> None:
    pauses: list[float] = []
    service.status = 500
    with pytest.raises(NoAnswer):
        asking(url, retries=3, backoff=0.1, sleep=pauses.append).request("/dns")
    assert pauses == pytest.approx([0.1, 0.2, 0.4])


def test_retry_after_is_respected() -> None:
    pauses: list[float] = []
    busy = response("503 Busy", b"", "Retry-After: 17")
    with raw_server(answering(busy, response("200 OK"))) as server:
        assert asking(server.url, retries=1, sleep=pauses.append).request("/").body == b"{}"
    assert pauses == [17]


def test_retry_after_does_not_count_towards_the_deadline() -> None:
    busy = response("503 Busy", b"", "Retry-After: 1")
    with raw_server(answering(busy, response("200 OK"))) as server:
        assert asking(server.url, retries=1, timeout=0.5, sleep=lambda _: time.sleep(0.6)).request("/").body == b"{}"


def test_delays_are_capped(url: str, service: Echo) -> None:
    pauses: list[float] = []
    service.status = 503
    with pytest.raises(NoAnswer):
        asking(url, retries=1, backoff=3600, sleep=pauses.append).request("/dns")
    assert pauses == [retry.MAX_PAUSE]


@pytest.mark.parametrize("status", [429, 503])
def test_a_request_is_not_repeated_before_a_long_retry_after(url: str, service: Echo, status: int) -> None:
    pauses: list[float] = []
    service.status, service.headers = status, {"Retry-After": "61"}
    with pytest.raises(SourceError):
        asking(url, retries=3, sleep=pauses.append).request("/dns")
    assert (len(service.requests), pauses) == (1, [])


def test_a_search_that_timed_out_is_not_sent_again(url: str, service: Echo) -> None:
    """The first one may still run at the server."""
    service.fail("stall")
    with pytest.raises(NoAnswer, match="did not answer within"):
        asking(url, retries=3, timeout=0.3).request("/dns")
    assert len(service.requests) == 1


@pytest.mark.parametrize("pause_in", [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", b"HTTP/1.1 200 OK\r\nX: "])
def test_a_search_whose_answer_stops_is_not_sent_again(pause_in: bytes) -> None:
    over = threading.Event()

    def stop(connection: socket.socket) -> None:
        connection.sendall(pause_in)
        over.wait(10)

    with raw_server(stop) as server, pytest.raises(NoAnswer, match="did not answer within"):
        asking(server.url, retries=3, timeout=0.3).request("/dns")
    over.set()
    assert len(server.heads) == 1


def test_a_host_name_that_does_not_exist_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    resolve(monkeypatch, socket.gaierror(socket.EAI_NONAME, "Name or service not known"))
    with pytest.raises(Unreachable, match="host name does not resolve"):
        asking("http://api.example", retries=3, sleep=pauses.append).request("/dns")
    assert pauses == []


def test_a_name_server_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    resolve(monkeypatch, socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"))
    with pytest.raises(Unreachable, match="host name does not resolve"):
        asking("http://api.example", retries=3, sleep=pauses.append).request("/dns")
    assert len(pauses) == 3


def resolve(monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    """Let no host name resolve."""

    def getaddrinfo(*_: object, **__: object) -> object:
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_a_rejected_certificate_is_not_tried_again() -> None:
    pauses: list[float] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with raw_server(says(response("200 OK")), context) as server, pytest.raises(Unreachable, match="certificate"):
        asking(server.url, retries=3, sleep=pauses.append).request("/dns")
    assert pauses == []


def test_a_missing_ca_bundle_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent/ca.pem")
    with pytest.raises(Unreachable, match="CA bundle"):
        asking("https://127.0.0.1:9", retries=3, sleep=pauses.append).request("/dns")
    assert pauses == []


def test_a_refused_connection_is_tried_again() -> None:
    pauses: list[float] = []
    with pytest.raises(Unreachable):
        asking("http://127.0.0.1:9", retries=3, sleep=pauses.append).request("/dns")
    assert len(pauses) == 3


@pytest.mark.parametrize(
    "pause",
    ["soon", "-1", "Mon, 99 Jan 2020 99:99:99 GMT", "Mon, 01 Jan 99999 00:00:00 GMT", "", "1.5"],
    ids=lambda pause: repr(pause[:40]),
)
def test_an_invalid_retry_after_is_ignored(pause: str) -> None:
    pauses: list[float] = []
    busy = response("503 Busy", b"", f"Retry-After: {pause}")
    with raw_server(answering(busy, response("200 OK"))) as server:
        assert asking(server.url, retries=1, sleep=pauses.append).request("/").body == b"{}"
    assert pauses == [0]


# Counting


def counted(purpose: str) -> float:
    return float(metrics.REQUESTS.labels("example", purpose)._value.get())


@pytest.mark.parametrize("fault", ["500", "reset"])
def test_every_attempt_of_a_search_counts_against_the_quota_and_in_the_metrics(
    url: str, service: Echo, fault: str
) -> None:
    service.fail(fault)
    before, spent = counted("search"), []
    with pytest.raises(NoAnswer):
        asking(url, retries=2, spend=lambda: spent.append(1)).request("/dns")
    assert (len(service.requests), counted("search") - before, len(spent)) == (3, 3, 3)


def test_quota_and_login_requests_are_counted_separately_and_cost_no_search(url: str) -> None:
    before, spent = (counted("quota"), counted("login"), counted("search")), []
    asker = asking(url, spend=lambda: spent.append(1))
    asker.request("/quota", purpose="quota")
    asker.request("/token", purpose="login", form={})
    assert (counted("quota"), counted("login"), counted("search")) == (before[0] + 1, before[1] + 1, before[2])
    assert spent == []


@pytest.mark.parametrize("error", [QuotaExceeded, NoAnswer])
def test_a_search_beyond_the_quota_is_not_sent(url: str, service: Echo, error: type[SourceError]) -> None:
    refused = []

    def refuse() -> None:
        refused.append(1)
        raise error("The day's searches are spent.")

    with pytest.raises(error, match="The day's searches are spent"):
        asking(url, retries=3, spend=refuse).request("/dns")
    assert (service.requests, refused) == ([], [1])


def test_an_error_and_its_causes_contain_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://nobody:{PASSWORD}@127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    asker = asking("http://api.example")
    asker.session.auth = ("nobody", PASSWORD)
    asker.session.headers["X-Key"] = TOKEN
    with pytest.raises(NoAnswer) as raised:
        asker.request("/dns")
    told = "".join(traceback.format_exception(raised.value))
    assert PASSWORD not in told
    assert TOKEN not in told
