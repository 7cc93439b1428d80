"""Provides HTTP connections with one deadline from connecting to the last byte.

The timeouts of http.client apply to each read, so a server that trickles bytes is never cut off. It also takes the end
of the stream for the end of the headers, so a response cut off in its head looks like an empty success. Both are fixed
where the bytes are read. Only the system's name resolution has no deadline.
"""

import http.client
import io
import socket
import time
from functools import partial
from typing import Any

from requests.adapters import HTTPAdapter
from requests.exceptions import InvalidProxyURL
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.response import HTTPResponse
from urllib3.util.connection import allowed_gai_family, create_connection


class SocksRefused(InvalidProxyURL):
    """The proxy is a SOCKS proxy, which is not supported."""


class _TimedReader(io.RawIOBase):
    """Reads from a socket until the deadline, and remembers whether the stream ended."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection = connection
        self._stream = connection.makefile("rb", buffering=0)
        self._deadline = deadline
        self.ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        count = self._stream.readinto(buffer)
        self.ended = count == 0
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    """A response that is read until the deadline, head and body."""

    def __init__(self, sock: socket.socket, *args: Any, deadline: float, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self._reader = _TimedReader(sock, deadline)
        self.fp = io.BufferedReader(self._reader)

    def begin(self) -> None:
        super().begin()
        if self._reader.ended:
            raise http.client.IncompleteRead(b"")


class _Timed(HTTPConnection):
    """Starts the deadline on connecting or, if already connected, on sending."""

    _deadline: float | None = None

    def connect(self) -> None:
        self._start()
        super().connect()

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._start()
        if self.sock is not None:
            # An open connection still has the time-out that the last response left it.
            self.sock.settimeout(self._left())
        super().request(*args, **kwargs)

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 itself overrides it
        try:
            return super().getresponse()
        finally:
            self._deadline = None

    def close(self) -> None:
        self._deadline = None
        super().close()

    def _new_conn(self) -> socket.socket:
        """Connect to one of the host's addresses, which share the deadline; urllib3 would give each the full time."""
        error: Exception | None = None
        addresses = self._addresses()
        for later, address in zip(reversed(range(len(addresses))), addresses, strict=True):
            try:
                connection = create_connection(
                    (address, self.port or 0), self._left() / (later + 1), socket_options=self.socket_options
                )
            except TimeoutError:
                error = ConnectTimeoutError(self, "no address of the host connects in time")
            except OSError as cause:
                error = NewConnectionError(self, str(cause))
            else:
                connection.settimeout(self._left())
                return connection
        raise error or NewConnectionError(self, "the host has no address")

    def _addresses(self) -> list[str]:
        try:
            found = socket.getaddrinfo(self._dns_host, self.port, allowed_gai_family(), socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        return [str(address[0]) for *_, address in found]

    def _left(self) -> float:
        """Seconds until the deadline; slightly above 0 if it has passed, since 0 means not to block."""
        return max((self._deadline or 0) - time.monotonic(), 0.001)

    def _start(self) -> None:
        if self._deadline is None:
            self._deadline = time.monotonic() + float(self.timeout or 0)
            # http.client makes its responses by this name, those of a proxy's tunnel included.
            self.response_class = partial(_TimedResponse, deadline=self._deadline)  # type: ignore[assignment]


class _TimedTls(_Timed, HTTPSConnection):
    """The same over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Timed


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TimedTls


_POOLS = {"http": _Pool, "https": _TlsPool}


class TimedAdapter(HTTPAdapter):
    """Connects with the classes above, directly or through an HTTP proxy, without retries."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        # With the pools above, a SOCKS proxy would be passed by, and the question go out directly.
        if proxy.lower().startswith("socks"):
            raise SocksRefused("SOCKS")
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager
