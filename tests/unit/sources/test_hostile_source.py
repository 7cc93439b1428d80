"""A hostile source: whatever it sends, the transport ends in time, limits its memory, and names the failure."""

import socket
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from passivedns.errors import NoAnswer, SourceError
from passivedns.transport.reply import MAX_BODY, Reply
from tests.helpers.raw_server import Speak, raw_server, says
from tests.helpers.transports import ask

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
MEBIBYTE = 2**20
LONG = 5
"""Timeout in seconds while tracemalloc slows Python down."""


def outcome_of(speak: Speak, timeout: float = 0.5) -> Reply | Exception:
    with raw_server(speak) as server:
        return ask(server.url, timeout)


def with_headers(status: bytes, *headers: bytes) -> Speak:
    return says(b"\r\n".join([b"HTTP/1.1 " + status, b"Content-Length: 0", b"Connection: close", *headers, b"", b""]))


# Invalid HTTP


@pytest.mark.parametrize(
    "location",
    [
        b"/",
        b"http:///",
        b"http://[",
        b"http://\xff/",
        b"http://a b/",
        b"http://xn--.../",
        b"http://127.0.0.1:x/",
        b"http://127.0.0.1:99999/",
        b"http://" + b"a" * 64 + b"/",
        b"file:///etc/passwd",
    ],
)
def test_any_redirect_is_an_error_of_the_source(location: bytes) -> None:
    assert isinstance(outcome_of(with_headers(b"302 Found", b"Location: " + location)), SourceError)


@pytest.mark.parametrize(
    "pause",
    [
        b"soon",
        b"-1",
        b"9" * 5000,
        b"Mon, 99 Jan 2020 99:99:99 GMT",
        b"Mon, 01 Jan 99999 00:00:00 GMT",
        b"Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
    ],
    ids=lambda pause: repr(pause[:40]),
)
def test_an_invalid_retry_after_is_a_failure_of_the_source(pause: bytes) -> None:
    assert type(outcome_of(with_headers(b"503 Unavailable", b"Retry-After: " + pause))) is NoAnswer


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 000 Nothing\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 999999999999 Much\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n{}",
        OK + b"X: " + b"a" * 70_000 + b"\r\n\r\n{}",
        OK + b"X: a\r\n" * 200 + b"\r\n{}",
        OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        CHUNKED + b"-1\r\n{}",
        CHUNKED + b"f" * 5000 + b"\r\n{}",
        CHUNKED + b"2\r\n{}",
        OK + b"Content-Length: 3\r\n\r\n{}",
        OK + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        OK + b"Content-Encoding: " + b",".join([b"gzip"] * 20) + b"\r\nContent-Length: 2\r\n\r\n{}",
    ],
    ids=lambda answer: repr(answer[:60]),
)
def test_what_is_not_http_is_an_error_of_the_source(answer: bytes) -> None:
    assert isinstance(outcome_of(says(answer)), SourceError)


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK", OK, OK + b"Content-Type: text/", OK + b"Content-Length: 0\r\n"], ids=repr
)
def test_a_connection_that_ends_inside_the_headers_is_an_error(head: bytes) -> None:
    outcome = outcome_of(says(head))
    assert type(outcome) is NoAnswer
    assert str(outcome) == "Example DNS cannot be reached: the response was cut off."


@pytest.mark.parametrize(
    "header",
    [
        b"Set-Cookie: a=b; expires=Mon, 99 Foo 99999 99:99:99; Max-Age=" + b"9" * 50,
        b'Set-Cookie: a; port=","; version=x',
        b"Content-Length: " + b"9" * 5000,
        b"X\x00: \xff\r\n folded",
        b": nameless",
        b"Content-Type: \xff; charset=\x00",
    ],
    ids=lambda header: repr(header[:40]),
)
def test_an_odd_header_does_not_affect_a_good_response(header: bytes) -> None:
    outcome = outcome_of(says(OK, header, b"\r\n\r\n{}"))
    assert isinstance(outcome, Reply)
    assert (outcome.status, outcome.body) == (200, b"{}")


# Memory


def gushing(head: bytes, content: bytes, times: int) -> Speak:
    def speak(connection: socket.socket) -> None:
        connection.sendall(head)
        for _ in range(times):
            connection.sendall(content)

    return speak


def peak(of: Callable[[], object]) -> int:
    """The peak of Python's memory in bytes during a call."""
    tracemalloc.start()
    try:
        of()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize(
    "head",
    [OK, b"HTTP/1.1 302 Found\r\nLocation: /\r\n", b"HTTP/1.1 503 Unavailable\r\n", b"HTTP/1.1 401 Unauthorized\r\n"],
    ids=lambda head: head[9:12].decode(),
)
def test_an_endless_response_takes_little_more_memory_than_the_largest_body(head: bytes) -> None:
    flood = gushing(head + b"\r\n", b" " * MEBIBYTE, 400)
    assert peak(lambda: outcome_of(flood, LONG)) < 2.5 * MAX_BODY


@pytest.mark.slow
def test_a_gzip_bomb_is_cut_off_at_the_largest_body() -> None:
    member = zlib.compress(bytes(128 * MEBIBYTE), level=9, wbits=31)
    bomb = gushing(OK + b"Content-Encoding: gzip\r\n\r\n", member, 8)
    assert len(member) * 8 < 1.2 * MEBIBYTE
    outcomes: list[Reply | Exception] = []
    assert peak(lambda: outcomes.append(outcome_of(bomb, LONG))) < 2.5 * MAX_BODY
    assert isinstance(outcomes[0], Reply)
    assert (len(outcomes[0].body), outcomes[0].cut) == (MAX_BODY, True)
