"""How requests go out: one session, retries with pauses, and bounds that requests and urllib3 leave open."""

import socket
import threading
from contextlib import suppress
from http.cookiejar import DefaultCookiePolicy
from itertools import takewhile
from types import TracebackType
from typing import Any, Self

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import ConnectionPool
from urllib3.response import BaseHTTPResponse, HTTPResponse
from urllib3.util import Retry

from riskiq import __version__

RETRIED = (429, 500, 502, 503, 504)
LONGEST_WAIT = 60
"""Seconds; a longer Retry-After, or a longer back-off, is cut to this."""


def new_session(username: str, api_key: str, max_retries: int, retry_backoff: float) -> requests.Session:
    """A pooled session with these credentials, which retries what may pass and never follows an answer elsewhere."""
    session = _Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.auth = (username, api_key)
    session.headers["Accept"] = "application/json"
    session.headers["User-Agent"] = f"opencti-riskiq-passivetotal/{__version__}"
    retry = _Retry(
        total=max_retries,
        status_forcelist=RETRIED,
        backoff_factor=retry_backoff,
        backoff_max=LONGEST_WAIT,
        retry_after_max=LONGEST_WAIT,
        raise_on_status=False,
    )
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(max_retries=retry))
    return session


class _Session(requests.Session):
    """Follows no redirect: the API has none, and neither the key nor the question belongs anywhere else."""

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 - no answer leads on
        return None


class _Retry(Retry):
    """Waits before the first retry too, where urllib3 tries again at once, and reads no body to its end before."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        retry = super().increment(method, url, response, error, _pool, _stacktrace)
        if response is not None:
            response.close()
        return retry

    def get_backoff_time(self) -> float:
        failures = len(list(takewhile(lambda request: request.redirect_location is None, reversed(self.history))))
        return min(self.backoff_max, self.backoff_factor * 2.0 ** (failures - 1)) if failures else 0


class _Prompt(HTTPConnection):
    """Gives the head of an answer little longer than one read: http.client waits for each of its bytes that long."""

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 itself overrides it
        hung_up = threading.Event()
        too_late = threading.Timer(float(self.timeout or 0) + 1, _hang_up, [self.sock, hung_up])
        too_late.daemon = True
        too_late.start()
        try:
            return super().getresponse()
        finally:
            too_late.cancel()
            # A head that is cut off reads like one that is complete.
            if hung_up.is_set():
                raise TimeoutError


def _hang_up(connection: socket.socket, hung_up: threading.Event) -> None:
    hung_up.set()
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _PromptTls(_Prompt, HTTPSConnection):
    """The same over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Prompt


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _PromptTls


class _Adapter(HTTPAdapter):
    """Connects by the classes above, with and without a proxy."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
        return manager
