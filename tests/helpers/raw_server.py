"""A server that sends raw bytes, for responses that no HTTP library would send."""

import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Speak = Callable[[socket.socket], None]
"""Serves a connection after the server has read a request."""


@dataclass
class RawServer:
    """A server on 127.0.0.1 and the requests that it read."""

    port: int
    scheme: str = "http"
    heads: list[bytes] = field(default_factory=list)
    """The requests, with their bodies."""

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"


@contextlib.contextmanager
def raw_server(speak: Speak, tls: ssl.SSLContext | None = None, login: Speak | None = None) -> Iterator[RawServer]:
    """Serve while the block runs, then close all connections.

    `login` answers POST requests, if given.
    """
    connections: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), tls.wrap_socket(connection, True) if tls else connection as secured:
            connections.append(secured)
            head = _request(secured)
            server.heads.append(head)
            (login if login and head.startswith(b"POST") else speak)(secured)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = RawServer(listener.getsockname()[1], "https" if tls else "http")
        threading.Thread(target=accept, daemon=True).start()
        yield server
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def plain_server(speak: Speak) -> Iterator[int]:
    """A server that treats any bytes as a request, including a TLS handshake."""

    def accept() -> None:
        with contextlib.suppress(OSError), listener.accept()[0] as connection:
            connection.recv(2**16)
            speak(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(5)


def says(*parts: bytes) -> Speak:
    """Send these bytes, then close."""
    return lambda connection: connection.sendall(b"".join(parts))


def _request(connection: socket.socket) -> bytes:
    request = b""
    while not _is_whole(request) and (received := connection.recv(2**16)):
        request += received
    return request


def _is_whole(request: bytes) -> bool:
    head, end, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\nContent-Length: (\d+)", head)
    return bool(end) and len(body) >= (int(length[1]) if length else 0)
