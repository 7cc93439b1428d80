"""How a source is asked: one session, one deadline for each attempt, bounded bodies, and pauses between attempts."""

import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from http.client import IncompleteRead
from http.cookiejar import DefaultCookiePolicy
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)
from urllib3.util import Retry

from passivedns import __version__, metrics
from passivedns.errors import BadAnswer, NoAnswer, Unreachable
from passivedns.sources.deadline import TimedAdapter
from passivedns.sources.failures import failure
from passivedns.sources.source import Source
from passivedns.wording import counted

LARGEST_BODY = 64 * 2**20
"""Bytes; the largest answer on record, 6,912 records of PassiveTotal, takes about 3 MB."""
MOST_VALUES = 5_000_000
"""Values of JSON in a body; a body of this size that is all brackets would take gigabytes once it is parsed."""
LONGEST_WAIT = 60
"""Seconds; a longer Retry-After, or a longer pause, is cut to this."""
RESPITE = 60
"""Seconds for which a source that could not be reached is left alone, so that queued messages do not wait for it."""


class Patience(NamedTuple):
    """How long to wait for a source, and how often to ask again."""

    timeout: float = 60
    """Seconds for one attempt, from connecting to the last byte."""
    max_retries: int = 4
    backoff: float = 2
    """Seconds before the second attempt, doubled for each later one."""


class Reply(NamedTuple):
    """A response that was read to its end."""

    status: int
    headers: Mapping[str, str]
    """By name, in any case."""
    body: bytes


class Http:
    """Asks one source over HTTP; used by one thread at a time.

    `session` is for the credentials: its `auth` and `headers` go out with every request.
    """

    def __init__(
        self, source: Source, base_url: str, patience: Patience, spend: Callable[[], None] = lambda: None
    ) -> None:
        """`base_url` stands before every path; `spend` is called before each attempt of a search, which it may
        delay, or stop with a SourceError.
        """
        self.source = source
        self.base_url = base_url.rstrip("/")
        self.session = _new_session()
        self._patience = patience
        self._spend = spend
        self._left_alone_until = 0.0

    def search(self, path: str, params: Mapping[str, str] | None = None, **headers: str) -> Reply:
        """GET what counts as a search of the source; `headers` are named with underscores for dashes.

        Raises:
            SourceError: there is no answer, or one whose status is an error.
        """
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._ask("search", "GET", self.base_url + path, params=params, headers=named)

    def follow(self, url: str) -> Reply:
        """GET the next page of a search at the address that the source gave.

        Raises:
            BadAnswer: the address is on another host, which must not get the credentials.
            SourceError: as `search`.
        """
        if _origin(url) != _origin(self.base_url):
            raise BadAnswer(f"{self.source.title} sent an address for the next page that is not on its own host.")
        return self._ask("search", "GET", url)

    def fetch(self, path: str) -> Reply:
        """GET what costs nothing, such as the quota.

        Raises:
            SourceError: as `search`.
        """
        return self._ask("quota", "GET", self.base_url + path)

    def probe(self) -> None:
        """GET the base address, which is not a search; any response will do.

        Raises:
            SourceError: none came.
        """
        self._reply("probe", "GET", self.base_url)

    def log_in(self, url: str, form: Mapping[str, str]) -> Reply:
        """POST a form that trades credentials for a token; the reply comes back whatever its status.

        Raises:
            SourceError: there is no answer.
        """
        return self._reply("login", "POST", url, data=form, headers={"Authorization": None})

    def _ask(self, purpose: str, method: str, url: str, **how: Any) -> Reply:
        reply = self._reply(purpose, method, url, **how)
        if error := failure(self.source, reply):
            raise error
        return reply

    def _reply(self, purpose: str, method: str, url: str, **how: Any) -> Reply:
        self._check_respite()
        try:
            return self._persist(purpose, method, url, **how)
        except Unreachable:
            self._left_alone_until = time.monotonic() + RESPITE
            raise

    def _check_respite(self) -> None:
        left = self._left_alone_until - time.monotonic()
        if left > 0:
            raise NoAnswer(
                f"{self.source.title} could not be reached a moment ago and is not asked again for "
                f"{counted(max(round(left), 1), 'second')}."
            )

    def _persist(self, purpose: str, method: str, url: str, **how: Any) -> Reply:
        """The first reply that another attempt would not change, else the last one."""
        for pause in self._pauses():
            last_error, reply = None, None
            try:
                reply = self._attempt(purpose, method, url, **how)
            except NoAnswer as error:
                last_error = error
            if reply and reply.status not in self.source.retried:
                return reply
            if pause is not None:
                time.sleep(min(max(pause, _retry_after(reply)), LONGEST_WAIT))
        if reply is None:
            raise last_error or NoAnswer(f"{self.source.title} was not asked.")
        return reply

    def _pauses(self) -> Iterator[float | None]:
        """The pause after each attempt in seconds; None after the last."""
        for retry in range(self._patience.max_retries):
            yield self._patience.backoff * 2.0**retry
        yield None

    def _attempt(self, purpose: str, method: str, url: str, **how: Any) -> Reply:
        if purpose == "search":
            self._spend()
        metrics.REQUESTS.labels(self.source.key, purpose).inc()
        timeout = self._patience.timeout
        try:
            with (
                metrics.WAITING.labels(self.source.key, purpose).time(),
                self.session.request(method, url, timeout=timeout, stream=True, **how) as response,
            ):
                return Reply(response.status_code, response.headers, self._body(response))
        except (requests.RequestException, HTTPError, ValueError, OverflowError) as error:
            # A header that makes no sense comes as a ValueError or an OverflowError.
            cause = self._cause(error)
            raise Unreachable(f"{self.source.title} cannot be reached: {cause}.") from error

    def _body(self, response: requests.Response) -> bytes:
        body = bytearray()
        while chunk := response.raw.read1(2**16, decode_content=True):
            body += chunk
            if len(body) > LARGEST_BODY:
                size = f"{LARGEST_BODY >> 20} MiB"
                raise BadAnswer(f"The response from {self.source.title} is larger than {size} and was dropped.")
        return bytes(body)

    def _cause(self, error: Exception) -> str:
        """What went wrong on the way, without the request that the libraries print."""
        causes = list(_causes(error))
        for kind, sentence in _CAUSES:
            if any(isinstance(cause, kind) for cause in causes):
                return sentence.format(
                    timeout=f"{self._patience.timeout:g}", address=self.source.variable(self.source.address)
                )
        return f"the connection failed ({type(causes[-1]).__name__})"


class _Session(requests.Session):
    """Follows no redirect: neither the credentials nor the question belong anywhere else."""

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002  # no response leads on
        return None


def _new_session() -> requests.Session:
    session = _Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers["Accept"] = "application/json"
    session.headers["User-Agent"] = f"opencti-passive-dns/{__version__}"
    for scheme in ("http://", "https://"):
        session.mount(scheme, TimedAdapter())
    return session


def json_of(source: Source, body: bytes) -> Any:
    """The JSON of a body; None where the body is empty.

    Raises:
        BadAnswer: it is not JSON, or far more of it than a real answer holds.
    """
    if not body.strip():
        return None
    check_values(source, body)
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise BadAnswer(
            f"The response from {source.title} is not valid JSON or was cut off; check "
            f"{source.variable(source.address)}."
        ) from None


def lines_of(source: Source, body: bytes) -> tuple[list[Any], int]:
    """The JSON of each line of a body (NDJSON), and how many lines could not be read.

    Raises:
        BadAnswer: the body is HTML, or holds far more than a real answer does.
    """
    if body.lstrip()[:1] == b"<":
        raise BadAnswer(f"The response from {source.title} is a web page; check {source.variable(source.address)}.")
    check_values(source, body)
    lines = [line for line in body.split(b"\n") if line and not line.isspace()]
    try:
        # At once takes half the time of line by line.
        return json.loads(b"[" + b",".join(lines) + b"]"), 0
    except (ValueError, RecursionError):
        read = [entry for line in lines for entry in _entry(line)]
        return read, len(lines) - len(read)


def _entry(line: bytes) -> list[Any]:
    try:
        return [json.loads(line)]
    except (ValueError, RecursionError):
        return []


def check_values(source: Source, body: bytes) -> None:
    """Refuse a body that would take gigabytes once it is parsed.

    Raises:
        BadAnswer: it holds more than `MOST_VALUES` values.
    """
    if len(body) > MOST_VALUES and sum(map(body.count, (b",", b"{", b"["))) > MOST_VALUES:
        raise BadAnswer(f"The response from {source.title} holds more than {MOST_VALUES:,} values and was dropped.")


def _retry_after(reply: Reply | None) -> float:
    """The pause in seconds that the source asks for; 0 where it asks for none, or for one that makes no sense."""
    asked = reply.headers.get("Retry-After") if reply else None
    try:
        return Retry().parse_retry_after(asked) if asked else 0
    except (HTTPError, ValueError, OverflowError):
        return 0


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, what it wraps, and what it was raised from; libraries wrap the cause several times."""
    while error is not None:
        yield error
        wrapped = [getattr(error, "reason", None), *error.args, error.__cause__, error.__context__]
        error = next((cause for cause in wrapped if isinstance(cause, BaseException)), None)


_CAUSES: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (ssl.SSLCertVerificationError, "its TLS certificate is not trusted; set REQUESTS_CA_BUNDLE if its CA is your own"),
    (ssl.SSLError, "it does not speak TLS; check whether {address} should begin with http://"),
    (NameResolutionError, "its host name does not resolve; check {address}"),
    (requests.exceptions.InvalidProxyURL, "SOCKS proxies are not supported; set HTTPS_PROXY to an HTTP proxy"),
    (requests.exceptions.ProxyError, "the proxy does not connect"),
    (NewConnectionError, "no connection can be made"),
    ((ConnectTimeoutError, ReadTimeoutError, TimeoutError), "no answer within {timeout} s"),
    ((ProtocolError, IncompleteRead), "the response was cut off"),
)
"""What goes wrong on the way, the most specific first."""
