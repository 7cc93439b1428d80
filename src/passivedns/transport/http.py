"""Sends requests to a source, with a deadline per attempt, a size limit and delays between retries."""

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from io import BytesIO
from typing import Any, NamedTuple, Self
from urllib.parse import urljoin

import requests
from urllib3.exceptions import HTTPError

from passivedns import __version__, metrics
from passivedns.errors import BadAnswer, NoAnswer, Unreachable
from passivedns.transport.broken import awaiting_answer, may_pass, was_sent
from passivedns.transport.causes import cause
from passivedns.transport.deadline import TimedAdapter
from passivedns.transport.failures import LONGEST_ERROR, failure, peer_of, retry_after
from passivedns.transport.masking import masked
from passivedns.transport.reply import MAX_BODY, Reply
from passivedns.transport.service import Service

LONGEST_WAIT = 60
"""Maximum delay in seconds between two attempts."""
MAX_RETRY_AFTER = 60
"""Seconds; the request of a source that asks for a longer delay is not repeated."""


class RetryPolicy(NamedTuple):
    """Timeout and retries of requests to a source."""

    timeout: float = 60
    """Seconds for one attempt, from connecting to the last byte."""
    max_retries: int = 4
    backoff: float = 2
    """Seconds before the second attempt, doubled for each later one."""


class Http:
    """Sends HTTP requests to one source; used by one thread at a time.

    Its methods raise a SourceError if there is no response, or if its status is an error.
    """

    session: requests.Session
    """For credentials: its `auth` and `headers` are sent with every request."""

    def __init__(
        self,
        service: Service,
        base_url: str,
        patience: RetryPolicy,
        spend: Callable[[], None] = lambda: None,
        obey: Callable[[float], None] = lambda _: None,
        is_ill: Callable[[], bool] = lambda: False,
    ) -> None:
        """`base_url` precedes every path. `spend` is called before each attempt of a search; it may wait, or raise a
        SourceError to prevent the attempt. `obey` is told for how many seconds the source wants to be left alone.
        Requests are not repeated while the source `is_ill`.
        """
        self.service = service
        self.base_url = base_url.rstrip("/")
        self.session = _new_session()
        self._patience = patience
        self._spend = spend
        self._obey = obey
        self._is_ill = is_ill

    def search(
        self,
        path: str,
        params: Mapping[str, str | Sequence[str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """GET a search, which counts against the quota."""
        return self._ask("search", "GET", self.base_url + path, params=params, headers=headers)

    def follow(self, url: str) -> Reply:
        """GET the next page of a search at a URL sent by the source.

        Raises:
            BadAnswer: the URL is on another host, which must not receive the credentials.
        """
        if not url.lower().startswith(urljoin(self.base_url, "/").lower()):
            raise BadAnswer(f"{self.service.title} sent a next-page URL that is not on its own host.")
        return self._ask("search", "GET", url)

    def fetch(self, path: str) -> Reply:
        """GET a resource that costs no search, such as the quota."""
        return self._ask("quota", "GET", self.base_url + path)

    def log_in(self, path: str, form: Mapping[str, str]) -> Reply:
        """POST a form that exchanges credentials for a token."""
        return self._ask("login", "POST", self.base_url + path, data=form)

    def probe(self) -> None:
        """GET the base URL; any response of the service will do, but no failure of it or of something in between."""
        reply = self._reply("probe", "GET", self.base_url)
        if reply.status in (407, 502, 503, 504, 511) or "cf-mitigated" in reply.headers:
            error = failure(self.service, reply, self.base_url)
            if error:
                raise error

    def beside(self, service: Service, base_url: str) -> Self:
        """A transport without the credentials, to another host of the same source, such as its sign-in service.

        Errors name the title and settings of `service`.
        """
        return type(self)(service, base_url, self._patience, obey=self._obey, is_ill=self._is_ill)

    def _ask(self, purpose: str, method: str, url: str, **how: Any) -> Reply:
        reply = self._reply(purpose, method, url, **how)
        if error := failure(self.service, reply, url):
            raise error
        return reply

    def _reply(self, purpose: str, method: str, url: str, **how: Any) -> Reply:
        """The first reply that needs no retry, else the last one."""
        retries = 0 if self._is_ill() else self._patience.max_retries
        for retry in itertools.count():
            asked = 0.0
            try:
                reply = self._attempt(purpose, method, url, **how)
            except (HTTPError, OSError, ValueError, OverflowError) as error:
                # requests raises OSErrors; an invalid header is a ValueError or an OverflowError.
                if retry >= retries or not may_pass(error):
                    raise self._lost(error, url) from error
            else:
                asked = retry_after(reply.headers) if reply.status >= 400 else 0
                if retry >= retries or reply.status not in self.service.retried or asked > MAX_RETRY_AFTER:
                    self._obey(asked)
                    return reply
            time.sleep(min(max(self._patience.backoff * 2.0**retry, asked), LONGEST_WAIT))
        raise AssertionError

    def _attempt(self, purpose: str, method: str, url: str, **how: Any) -> Reply:
        if purpose == "search":
            self._spend()
        metrics.REQUESTS.labels(self.service.key, purpose).inc()
        timeout = self._patience.timeout
        with (
            metrics.WAITING.labels(self.service.key, purpose).time(),
            self.session.request(method, url, timeout=timeout, stream=True, **how) as response,
            awaiting_answer(),
        ):
            mask = partial(masked, response.request)
            body, is_cut = self._body(response)
            reply = Reply(response.status_code, response.headers, body, mask, is_cut)
            if not 200 <= reply.status < 300:
                reply = reply._replace(body=reply.body[:LONGEST_ERROR]).masked()
            return reply

    def _lost(self, error: Exception, url: str) -> NoAnswer:
        """The error for a connection that failed, or was lost while the answer to a request was awaited."""
        why = cause(error, peer_of(self.service, url), self._patience.timeout)
        kind = NoAnswer if was_sent(error) else Unreachable
        return kind(f"{self.service.title} cannot be reached: {why}.")

    def _body(self, response: requests.Response) -> tuple[bytes, bool]:
        """The body up to the maximum, and whether it was cut there."""
        body = BytesIO()  # unlike a bytearray, it needs no copy at the end
        while chunk := response.raw.read1(2**16, decode_content=True):
            if body.write(chunk) and body.tell() > MAX_BODY:
                body.truncate(MAX_BODY)
                return body.getvalue(), True
        return body.getvalue(), False


class _Session(requests.Session):
    """Follows no redirects, so that credentials and queries go nowhere else."""

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002  # whatever the response says
        return None


def _new_session() -> requests.Session:
    session = _Session()
    # Without an `auth`, requests replaces the Authorization header by credentials from ~/.netrc.
    session.auth = lambda request: request
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers["Accept"] = "application/json"
    session.headers["User-Agent"] = f"opencti-passive-dns/{__version__}"
    for scheme in ("http://", "https://"):
        session.mount(scheme, TimedAdapter())
    return session
