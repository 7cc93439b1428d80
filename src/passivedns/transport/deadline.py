"""Provides HTTP connections with one deadline from connecting to the last byte.

The timeouts of http.client apply to each read, so a server that trickles bytes is never cut off. It also takes the end
of the stream for the end of the headers, so a response cut off in its head looks like an empty success. Both are fixed
where the bytes are read. Only the system's name resolution has no deadline.
"""

import http.client
import io
import socket
import time
from typing import Any, Self

from requests.adapters import HTTPAdapter
from requests.exceptions import InvalidProxyURL
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util import Timeout

from passivedns.transport.retry import awaiting_answer


def _until(deadline: float) -> float:
    """The seconds until a deadline; raises TimeoutError if it has passed."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Deadline(Timeout):
    """The time left of an attempt, for each of its steps; urllib3 would start anew for a tunnel through a proxy."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._end = time.monotonic() + seconds

    def clone(self) -> Self:
        return self

    @property
    def connect_timeout(self) -> float:
        return _until(self._end)

    read_timeout = connect_timeout


class _TimedStream(io.RawIOBase):
    """Reads from a socket within its current timeout, and remembers whether the stream ended."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._stream = connection.makefile("rb", buffering=0)
        self._deadline = time.monotonic() + (connection.gettimeout() or 0)
        self.ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._connection.settimeout(_until(self._deadline))
        count = self._stream.readinto(buffer)
        self.ended = count == 0
        # After the response of a tunnel, the TLS handshake takes the timeout from the socket.
        self._connection.settimeout(_until(self._deadline))
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """A response that is read within the time its socket has left, head and body."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self._stream = _TimedStream(sock)
        self.fp = io.BufferedReader(self._stream)

    def begin(self) -> None:
        with awaiting_answer():
            super().begin()
            if self._stream.ended:
                raise http.client.IncompleteRead(b"")


class _Connection(HTTPConnection):
    # http.client instantiates this class for every response, including a proxy's.
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        """Divide the time among the addresses of the host; urllib3 would give all of it to each."""
        left = float(self.timeout or 0)
        deadline = time.monotonic() + left
        self.timeout = left / len(socket.getaddrinfo(self._dns_host, self.port, 0, socket.SOCK_STREAM))
        connection = super()._new_conn()
        connection.settimeout(_until(deadline))
        return connection


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class TimedAdapter(HTTPAdapter):
    """Sends a request with a timeout for all of it, directly or through an HTTP proxy."""

    def send(self, *args: Any, **kwargs: Any) -> Any:
        return super().send(*args, **kwargs | {"timeout": _Deadline(kwargs["timeout"])})

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        pool.ConnectionCls = _TlsConnection if pool.scheme == "https" else _Connection
        return pool

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        # The connections above would bypass a SOCKS proxy.
        if proxy.lower().startswith("socks"):
            raise InvalidProxyURL("SOCKS")
        return super().proxy_manager_for(proxy, **kwargs)
