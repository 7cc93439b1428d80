"""Sends requests to a service, with a deadline per attempt, a size limit and delays between retries."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from io import BytesIO
from typing import Any, Self
from urllib.parse import urljoin

import requests
from urllib3.exceptions import HTTPError

from passivedns import __version__, metrics
from passivedns.errors import BadAnswer
from passivedns.transport.complaints import MAX_ERROR_BODY
from passivedns.transport.deadline import TimedAdapter
from passivedns.transport.failures import failure, lost_connection
from passivedns.transport.masking import mask
from passivedns.transport.reply import MAX_BODY, Reply
from passivedns.transport.retry import MAX_PAUSE, RetryPolicy, awaiting_answer, may_pass, retry_after
from passivedns.transport.service import Service


class Http:
    """Sends HTTP requests to one service; used by one thread at a time.

    Its methods raise a SourceError if there is no response, or if its status is an error.
    """

    session: requests.Session
    """For credentials: its `auth` and `headers` are sent with every request."""

    def __init__(
        self,
        service: Service,
        base_url: str,
        policy: RetryPolicy,
        spend: Callable[[], None] = lambda: None,
        obey: Callable[[float], None] = lambda _: None,
        is_ill: Callable[[], bool] = lambda: False,
    ) -> None:
        """`base_url` precedes every path. `spend` is called before each attempt of a search; it may wait, or raise a
        SourceError to prevent the attempt. `obey` is told for how many seconds the service wants to be left alone.
        Requests are not repeated while the service `is_ill`.
        """
        self.service = service
        self.base_url = base_url.rstrip("/")
        self.session = _new_session()
        self._policy = policy
        self._spend = spend
        self._obey = obey
        self._is_ill = is_ill

    def request(
        self,
        path: str,
        params: Mapping[str, str | Sequence[str]] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        purpose: str = "search",
        form: Mapping[str, str] | None = None,
    ) -> Reply:
        """GET a path that begins with a slash, below the base URL, or POST a form to it.

        `purpose` is its label in the metrics; only a `search` counts against the quota.
        """
        url, method = self.base_url + path, "GET" if form is None else "POST"
        reply = self._with_retries(purpose, method, url, params=params, headers=headers, data=form)
        self._raise_for_failure(reply, url)
        return reply

    def follow(self, url: str) -> Reply:
        """GET the next page of a search at a URL sent by the service.

        Raises:
            BadAnswer: the URL is on another host, which must not receive the credentials.
        """
        if not url.lower().startswith(urljoin(self.base_url, "/").lower()):
            raise BadAnswer(f"{self.service.title} sent a next-page URL that is not on its own host.")
        reply = self._with_retries("search", "GET", url)
        self._raise_for_failure(reply, url)
        return reply

    def probe(self) -> None:
        """GET the base URL; any response of the service will do, but no failure of it or of something in between."""
        reply = self._with_retries("probe", "GET", self.base_url)
        is_from_between = reply.status in (407, 502, 503, 504, 511) or "cf-mitigated" in reply.headers
        if is_from_between:
            self._raise_for_failure(reply, self.base_url)

    def _raise_for_failure(self, reply: Reply, url: str) -> None:
        if error := failure(self.service, reply, url):
            raise error

    def beside(self, service: Service, base_url: str) -> Self:
        """A transport without the credentials, to another host of the same service, such as its sign-in service.

        Errors name the title and settings of `service`.
        """
        return type(self)(service, base_url, self._policy, obey=self._obey, is_ill=self._is_ill)

    def _with_retries(self, purpose: str, method: str, url: str, **how: Any) -> Reply:
        """The first reply that needs no retry, else the last one."""
        retries = 0 if self._is_ill() else self._policy.max_retries
        for retry in itertools.count():
            wait = 0.0
            try:
                reply = self._once(purpose, method, url, **how)
            except (HTTPError, OSError, ValueError, OverflowError) as error:
                # requests raises OSErrors; an invalid header is a ValueError or an OverflowError.
                if retry >= retries or not may_pass(error):
                    raise lost_connection(self.service, error, url, self._policy.timeout) from error
            else:
                wait = retry_after(reply.headers) if reply.status >= 400 else 0
                if retry >= retries or reply.status not in self.service.retried or wait > MAX_PAUSE:
                    self._obey(wait)
                    return reply
            self._policy.pause(retry, wait)
        raise AssertionError

    def _once(self, purpose: str, method: str, url: str, **how: Any) -> Reply:
        if purpose == "search":
            self._spend()
        metrics.REQUESTS.labels(self.service.key, purpose).inc()
        with (
            metrics.WAITING.labels(self.service.key, purpose).time(),
            self.session.request(method, url, timeout=self._policy.timeout, stream=True, **how) as response,
            awaiting_answer(),
        ):
            body, is_cut = _body_of(response)
            reply = Reply(response.status_code, response.headers, body, partial(mask, response.request), is_cut)
            if not 200 <= reply.status < 300:
                reply = reply._replace(body=reply.body[:MAX_ERROR_BODY]).without_credentials()
            return reply


def _body_of(response: requests.Response) -> tuple[bytes, bool]:
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
