"""Each attempt has one deadline for connecting and for all parts of the response."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator

import pytest
import trustme

from passivedns.errors import Unreachable
from passivedns.transport.reply import Reply
from tests.helpers.raw_server import Speak, raw_server, says
from tests.helpers.transports import ask, asking

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def dripping(begin: bytes, drop: bytes) -> Speak:
    def speak(connection: socket.socket) -> None:
        connection.sendall(begin)
        while True:
            connection.sendall(drop)
            time.sleep(0.02)

    return speak


DRIPS = {
    "status line": (b"HTTP/1.1 200 ", b"a"),
    "header": (OK + b"X: ", b"a"),
    "many headers": (OK, b"X: a\r\n"),
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": (OK + b"Content-Length: 60000\r\n\r\n", b" "),
    "body without an end": (OK + b"\r\n", b" "),
    "chunks": (CHUNKED, b"1\r\n \r\n"),
    "chunk size": (CHUNKED, b"0"),
    "chunk extension": (CHUNKED + b"2;", b"a"),
    "trailer": (CHUNKED + b"2\r\n{}\r\n0\r\nX: ", b"a"),
    "many trailers": (CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: a\r\n"),
    "compressed": (OK + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x08\0\0\0\0\0\0", b"a"),
}


@pytest.mark.parametrize(("begin", "drop"), DRIPS.values(), ids=DRIPS.keys())
def test_a_response_that_trickles_ends_at_the_deadline_of_the_attempt(begin: bytes, drop: bytes) -> None:
    with raw_server(dripping(begin, drop)) as server:
        outcome = ask(server.url, timeout=0.2, retries=0)
    assert str(outcome) == "Example DNS did not answer within 0.2 s."


def test_a_tls_handshake_that_trickles_ends_at_the_deadline_of_the_attempt() -> None:
    greeting = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc\x03\x03"
    with drip_at_once(greeting) as port:
        outcome = ask(f"https://127.0.0.1:{port}", timeout=0.2, retries=0)
    assert str(outcome) == "Example DNS cannot be reached: no answer within 0.2 s."


@contextlib.contextmanager
def drip_at_once(begin: bytes) -> Iterator[int]:
    """A server that trickles bytes without waiting for a request."""

    def accept() -> None:
        with contextlib.suppress(OSError), listener.accept()[0] as connection:
            dripping(begin, b"\0")(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]


def test_a_proxy_that_trickles_ends_at_the_deadline_of_the_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "")
    with raw_server(dripping(b"HTTP/1.1 200 Connected\r\n", b"X: a\r\n")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        outcome = ask("https://api.example", timeout=0.2, retries=0)
    assert isinstance(outcome, Unreachable)


def test_a_tunnel_and_the_tls_handshake_through_it_share_one_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow_and_then_deaf(connection: socket.socket) -> None:
        time.sleep(0.9)
        connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        while connection.recv(2**16):
            pass

    monkeypatch.setenv("NO_PROXY", "")
    with raw_server(slow_and_then_deaf) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        begun = time.monotonic()
        outcome = ask("https://api.example", timeout=1, retries=0)
        taken = time.monotonic() - begun
    assert str(outcome) == "Example DNS cannot be reached: no answer within 1 s."
    # With the full time for each of them, 1.9.
    assert taken < 1.6


def test_each_attempt_has_its_own_deadline() -> None:
    """On a connection that is already open, too."""

    def slow(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for _ in range(2):
                time.sleep(0.4)
                connection.sendall(OK + b"Content-Length: 2\r\n\r\n{}")
                connection.recv(2**16)

    with raw_server(slow) as server:
        asker = asking(server.url, timeout=0.7)
        assert [asker.request("/").body for _ in range(2)] == [b"{}", b"{}"]
    assert len(server.heads) == 1


# Connecting


@contextlib.contextmanager
def deaf(address: str, port: int = 0) -> Iterator[int]:
    """A port that neither accepts nor refuses connections, since its queue is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((address, port), backlog=0))
        place = listener.getsockname()
        for _ in range(3):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(place)
        yield place[1]


def resolve_to(addresses: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `many.example` resolve to these addresses."""
    real = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *rest: object) -> object:
        hosts = addresses if host == "many.example" else [host]
        return [found for each in hosts for found in real(each, port, *rest)]  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_the_addresses_of_a_host_share_the_time_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = [f"127.0.0.{number}" for number in range(2, 14)]
    resolve_to(addresses, monkeypatch)
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(deaf(addresses[0]))
        for address in addresses[1:]:
            stack.enter_context(deaf(address, port))
        begun = time.monotonic()
        outcome = ask(f"http://many.example:{port}", timeout=0.8, retries=0)
        taken = time.monotonic() - begun
    assert str(outcome) == "Example DNS cannot be reached: no answer within 0.8 s."
    # With the full time for each address, 12 times 0.8.
    assert taken < len(addresses) / 2 * 0.8


def test_an_address_that_times_out_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(["127.0.0.2", "127.0.0.1"], monkeypatch)
    with raw_server(says(OK, b"\r\n{}")) as server, deaf("127.0.0.2", server.port):
        outcome = ask(f"http://many.example:{server.port}", timeout=1, retries=0)
    assert isinstance(outcome, Reply)


def test_after_a_refused_connection_the_next_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(["127.0.0.2", "127.0.0.1"], monkeypatch)
    with raw_server(says(OK, b"\r\n{}")) as server:
        outcome = ask(f"http://many.example:{server.port}", timeout=1, retries=0)
    assert isinstance(outcome, Reply)


def test_a_tls_handshake_may_take_all_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not only the share of its address."""
    addresses = ["127.0.0.1", *(f"127.0.0.{number}" for number in range(2, 12))]
    resolve_to(addresses, monkeypatch)
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("many.example").configure_cert(context)

    def answer_late() -> None:
        with contextlib.suppress(OSError), listener.accept()[0] as connection:
            time.sleep(1)
            with context.wrap_socket(connection, server_side=True) as secured:
                secured.recv(2**16)
                secured.sendall(OK + b"\r\n{}")

    with socket.create_server(("127.0.0.1", 0)) as listener, authority.cert_pem.tempfile() as bundle:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
        threading.Thread(target=answer_late, daemon=True).start()
        outcome = ask(f"https://many.example:{listener.getsockname()[1]}", timeout=5, retries=0)
    assert isinstance(outcome, Reply)


def test_ipv6_addresses_work() -> None:
    def accept() -> None:
        with contextlib.suppress(OSError), listener.accept()[0] as connection:
            connection.recv(2**16)
            connection.sendall(OK + b"\r\n{}")

    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        threading.Thread(target=accept, daemon=True).start()
        outcome = ask(f"http://[::1]:{listener.getsockname()[1]}", timeout=1, retries=0)
    assert isinstance(outcome, Reply)
