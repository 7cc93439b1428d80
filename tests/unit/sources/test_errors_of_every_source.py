"""The same error of a service has the right class and the right sentence at every source."""

import html
import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

from passivedns.errors import (
    BadAnswer,
    Blocked,
    CredentialsRefused,
    NotEntitled,
    QuotaExceeded,
    RateLimited,
    RequestRefused,
    SourceError,
)
from passivedns.sources import SOURCES
from passivedns.sources.source import Source
from passivedns.transport.complaints import usual_complaint
from tests.helpers.clients import client, question
from tests.helpers.raw_server import RawServer, raw_server
from tests.unit.sources.samples import SAMPLES

KEYS = list(SOURCES)
PAGE = b"<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head><body>Blocked</body></html>"
HTML = "Content-Type: text/html"


class Service:
    """Sends one response to every request except a sign-in."""

    def __init__(self) -> None:
        self.response, self.login, self.server = b"", b"", RawServer(0)

    def error(self, key: str, status: str, body: bytes, *headers: str, url: str = "", **changed: str) -> SourceError:
        """The error of a look-up at a source that sends this."""
        self.response, self.login = response(status, body, *headers), response("200 OK", SAMPLES[key].login)
        place = url or self.server.url
        settings: dict[str, Any] = {**SAMPLES[key].settings, **changed}
        settings |= dict.fromkeys(SAMPLES[key].addresses, place)
        with pytest.raises(SourceError) as raised:
            client(key, place, **settings).look_up(question("example.org"))
        return raised.value


def response(status: str, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    serving = Service()
    with raw_server(
        lambda connection: connection.sendall(serving.response),
        login=lambda connection: connection.sendall(serving.login),
    ) as serving.server:
        yield serving


def spoken(key: str, words: str) -> bytes:
    """An error message in the form of the source."""
    forms: Mapping[str, object] = {
        "virustotal": {"error": {"code": "SomeError", "message": words}},
        "defender": {"error": {"code": "SomeError", "message": words}},
        "otx": {"detail": words},
        "mnemonic": {"messages": [{"message": words}]},
    }
    return words.encode() if key == "dnsdb" else json.dumps(forms.get(key, {"error": words})).encode()


# Limits


@pytest.mark.parametrize(
    "words",
    [
        "Rate limit exceeded: 50 per 1 minute",
        "API rate limit exceeded",
        "Too many requests",
        "limit of 10 requests per second",
    ],
)
@pytest.mark.parametrize("key", KEYS)
def test_a_rate_limit_is_never_a_quota(service: Service, key: str, words: str) -> None:
    error = service.error(key, "429 Too Many Requests", spoken(key, words))
    assert type(error) is RateLimited
    assert str(error).startswith(f"{SOURCES[key].title} rate limit exceeded (HTTP 429); try again later.")
    assert words in str(error)
    assert "quota" not in str(error)


@pytest.mark.parametrize(
    "words", ["quota exceeded", "Your monthly quota has been exceeded", "daily query limit reached"]
)
@pytest.mark.parametrize("key", KEYS)
def test_a_quota_is_never_a_rate_limit(service: Service, key: str, words: str) -> None:
    error = service.error(key, "429 Too Many Requests", spoken(key, words))
    assert type(error) is QuotaExceeded
    assert str(error).startswith(f"The {SOURCES[key].title} quota is used up (HTTP 429).")


@pytest.mark.parametrize(("seconds", "wait"), [(47, "47 s"), (600, "10 min"), (86_400, "24 h")])
@pytest.mark.parametrize("key", KEYS)
def test_a_rate_limit_says_when_the_source_may_be_asked_again(
    service: Service, key: str, seconds: int, wait: str
) -> None:
    words = spoken(key, "Rate limit exceeded")
    error = service.error(key, "429 Too Many Requests", words, f"Retry-After: {seconds}")
    assert str(error).startswith(f"{SOURCES[key].title} rate limit exceeded (HTTP 429); next try in {wait}.")


@pytest.mark.parametrize("key", KEYS)
def test_a_short_wait_without_words_is_a_rate_limit(service: Service, key: str) -> None:
    assert type(service.error(key, "429 Too Many Requests", b"", "Retry-After: 2")) is RateLimited


@pytest.mark.parametrize("key", KEYS)
def test_a_page_about_too_many_requests_is_a_rate_limit(service: Service, key: str) -> None:
    assert type(service.error(key, "429 Too Many Requests", PAGE, HTML)) is RateLimited


# What is not from the API


class Foreign(NamedTuple):
    status: str
    body: bytes
    headers: tuple[str, ...]


BLOCKS = [
    Foreign("403 Forbidden", PAGE, (HTML, "Server: cloudflare")),
    Foreign("401 Unauthorized", PAGE, (HTML, "Server: cloudflare")),
    Foreign("400 Bad Request", PAGE, (HTML, "Server: cloudflare")),
    Foreign("405 Not Allowed", b"\xef\xbb\xbf\n" + PAGE, ("Server: cloudflare",)),
    Foreign("503 Service Unavailable", PAGE, (HTML, "Server: cloudflare")),
    Foreign("403 Forbidden", b"error code: 1010", ("Content-Type: text/plain", "Server: cloudflare")),
]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.status)
@pytest.mark.parametrize("key", KEYS)
def test_a_firewall_is_neither_the_account_nor_the_source(service: Service, key: str, block: Foreign) -> None:
    error, title = service.error(key, block.status, block.body, *block.headers), SOURCES[key].title
    assert type(error) is Blocked
    assert f"omething between the connector and {title} blocked the request (HTTP {block.status[:3]}, " in str(error)
    assert "server: cloudflare); " in str(error)
    assert "check the proxy and the firewall" in str(error)
    assert not says_account(str(error))


def says_account(text: str) -> bool:
    return any(word in text for word in ("account", "credentials", "entitled", "licence", "quota", "API key"))


@pytest.mark.parametrize("key", [key for key in KEYS if SOURCES[key].credentials])
def test_a_web_server_that_asks_for_a_login_rejects_the_credentials(service: Service, key: str) -> None:
    error = service.error(key, "401 Unauthorized", PAGE, HTML, 'WWW-Authenticate: Basic realm="pdns"')
    assert type(error) is CredentialsRefused


@pytest.mark.parametrize("key", KEYS)
def test_a_network_that_requires_a_sign_in_is_not_the_source(service: Service, key: str) -> None:
    error = service.error(key, "511 Network Authentication Required", PAGE, HTML)
    assert type(error) is Blocked
    assert str(error) == (
        "The network requires a sign-in (HTTP 511); sign in to it, or have it let " + SOURCES[key].title + " pass."
    )


@pytest.mark.parametrize("body", [PAGE, b'{"error": "Proxy login required"}', b""])
@pytest.mark.parametrize("key", KEYS)
def test_a_proxy_that_requires_a_login_is_not_the_source(
    service: Service, key: str, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", service.server.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1" if SAMPLES[key].login else "")
    error = service.error(key, "407 Proxy Authentication Required", body, url=address(service, key, "api.example"))
    assert type(error) is Blocked
    assert "HTTP 407" in str(error)
    assert "requires a login" in str(error)
    assert "put its user name and password into HTTP_PROXY" in str(error)
    assert SOURCES[key].title not in str(error)


def address(service: Service, key: str, host: str) -> str:
    """A URL behind the proxy; the sign-in of a source would get the refusal instead."""
    return service.server.url if SAMPLES[key].login else f"http://{host}"


@pytest.mark.parametrize("key", [key for key in KEYS if not SAMPLES[key].login])
def test_a_proxy_that_answers_itself_is_named_without_its_password(
    service: Service, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://user:pass-of-nobody@127.0.0.1:{service.server.port}")
    monkeypatch.setenv("NO_PROXY", "")
    error = service.error(key, "503 Service Unavailable", PAGE, HTML, "Server: squid/6.6", url="http://api.example")
    assert str(error) == (
        f"The proxy 127.0.0.1:{service.server.port} or something behind it blocked the request to "
        f"{SOURCES[key].title} (HTTP 503, a web page, server: squid/6.6); allow the host there, or exclude it with "
        "NO_PROXY."
    )


@pytest.mark.parametrize("key", KEYS)
def test_a_web_page_with_the_status_of_a_success_is_called_one(service: Service, key: str) -> None:
    error = service.error(key, "200 OK", PAGE, HTML)
    assert type(error) is BadAnswer
    assert str(error) == f"The response from {SOURCES[key].title} is a web page; check {variable(SOURCES[key])}."


def variable(source: Source) -> str:
    return source.variable(source.address)


@pytest.mark.parametrize("key", KEYS)
def test_a_redirect_names_the_host_that_it_leads_to(service: Service, key: str) -> None:
    error = service.error(key, "302 Found", b"", "Location: https://user:pass@portal.example/login?to=x")
    assert type(error) is BadAnswer
    assert str(error).endswith("Its response says: redirect to https://portal.example")


# Errors with the status of a success

TOLD: list[tuple[bytes, str, type[SourceError]]] = [
    (b'{"error": "Invalid or expired token"}', "Invalid or expired token", CredentialsRefused),
    (b'{"message": "Unauthorized"}', "Unauthorized", CredentialsRefused),
    (b'{"status": "error", "message": "Wrong API key"}', "Wrong API key", CredentialsRefused),
    (b'{"status": "error", "reason": "something broke"}', "something broke", BadAnswer),
    (b'{"success": false, "message": "Too Many Requests"}', "Too Many Requests", RateLimited),
    (b'{"error": {"code": 403, "message": "no subscription"}}', "no subscription", NotEntitled),
    (b'{"errors": [{"message": "Quota exceeded"}], "data": null}', "Quota exceeded", QuotaExceeded),
    (b'{"error": "Invalid token", "results": []}', "Invalid token", CredentialsRefused),
    (b"Rate limit exceeded", "", RateLimited),
]


@pytest.mark.parametrize(("body", "words", "kind"), TOLD)
@pytest.mark.parametrize("key", KEYS)
def test_an_error_with_the_status_of_a_success_is_quoted(
    service: Service, key: str, body: bytes, words: str, kind: type[SourceError]
) -> None:
    error = service.error(key, "200 OK", body)
    assert type(error) is expected(SOURCES[key], kind)
    assert words in str(error)


def expected(source: Source, kind: type[SourceError]) -> type[SourceError]:
    """The class at a source that may have no account."""
    if kind not in (CredentialsRefused, NotEntitled):
        return kind
    kind = source.statuses.get(403, kind)
    if not source.credentials:
        return RequestRefused
    return CredentialsRefused if source.account in ("none", "own server") else kind


# Sources without an account


@pytest.mark.parametrize("status", ["401 Unauthorized", "402 Payment Required", "403 Forbidden", "400 Bad Request"])
@pytest.mark.parametrize("key", [key for key in KEYS if not SOURCES[key].credentials])
def test_a_source_without_an_account_never_speaks_of_one(service: Service, key: str, status: str) -> None:
    error = service.error(key, status, b'{"error": "no"}')
    assert str(error) == f"{SOURCES[key].title} rejected the request (HTTP {status[:3]}). Its response says: no"


@pytest.mark.parametrize("key", [key for key in KEYS if SOURCES[key].account in ("none", "own server")])
def test_a_source_that_needs_no_account_never_speaks_of_its_licence(service: Service, key: str) -> None:
    assert "entitled" not in str(service.error(key, "403 Forbidden", b'{"error": "Forbidden"}'))


@pytest.mark.parametrize("key", [key for key in KEYS if SOURCES[key].complaint is usual_complaint])
def test_a_message_that_a_source_sends_twice_is_quoted_once(service: Service, key: str) -> None:
    error = service.error(key, "400 Bad Request", b'{"error": "no such name", "message": "no such name"}')
    assert str(error).count("no such name") == 1


# Credentials


ENCODINGS: Mapping[str, Callable[[str], str]] = {
    "percent": lambda text: quote(text, safe=""),
    "percent, every character": lambda text: "".join(f"%{ord(c):02x}" for c in text),
    "HTML": lambda text: html.escape(text),
    "HTML, every character": lambda text: "".join(f"&#x{ord(c):X};" for c in text),
    "Base64": lambda text: b64encode(text.encode()).decode(),
    "Base64 in more": lambda text: b64encode(f"x={text}&".encode()).decode(),
}


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request", "403 Forbidden", "429 Too Many Requests"])
@pytest.mark.parametrize("key", [key for key in KEYS if SOURCES[key].credentials and not SAMPLES[key].login])
def test_a_key_is_quoted_in_no_encoding(service: Service, key: str, status: str, encode: Callable[[str], str]) -> None:
    secret = next(text for text in reversed([*SAMPLES[key].settings.values()]) if text.endswith("-of-nobody"))
    quoted = encode(secret)
    error = service.error(key, status, spoken(key, f"invalid key {quoted}"))
    # Characters that the key alone does not determine may remain.
    assert not [quoted[i : i + 12] for i in range(len(quoted) - 11) if quoted[i : i + 12] in str(error)]


@pytest.mark.parametrize("key", [key for key in KEYS if SOURCES[key].credentials and not SAMPLES[key].login])
def test_nothing_is_quoted_if_a_secret_is_short(service: Service, key: str) -> None:
    short = dict.fromkeys(SAMPLES[key].settings, "a1b2c")
    error = service.error(key, "400 Bad Request", spoken(key, "no such name a1b2c"), **short)
    assert "says" not in str(error)
