"""PassiveTotal over HTTP: two endpoints, cache and quota first, and an error for each way in which it can fail."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import requests
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)

from riskiq import metrics
from riskiq.answers import read_answer
from riskiq.errors import BadAnswer, CredentialsRefused, NoAnswer, PassiveTotalError, QuotaExceeded
from riskiq.records import Allowance, Answer, DnsRecord, Quota, parse_quota, parse_records
from riskiq.transport import new_session

if TYPE_CHECKING:  # the libraries of the cache take long to load, and not every command needs it
    from riskiq.cache import Cache

log = logging.getLogger(__name__)

LARGEST_ANSWER = 64 * 2**20
"""Bytes; 6,912 records, the largest answer on record, take about 3 MB."""
CLOCK_TOLERANCE = timedelta(hours=8)
"""PassiveTotal gives no time zone: in answers of 2020 and 2021 the dates run 7 to 8 hours behind UTC."""


class RiskIQClient:
    """Asks PassiveTotal, or a service that speaks its API, with one pooled session."""

    def __init__(
        self,
        base_url: str,
        username: str,
        api_key: str,
        *,
        timeout: float = 60,
        max_retries: int = 4,
        retry_backoff: float = 2,
        quota_reserve: int = 0,
        cache: Cache | None = None,
    ) -> None:
        """`base_url` stands before `/v2/…`; `timeout` (seconds) holds for connecting and for each read;
        `retry_backoff` (seconds) is the first pause between tries, each later one is twice as long; the last
        `quota_reserve` searches of the quota are not made.
        """
        self._base_url = base_url.rstrip("/")
        self._timeout = timeout
        self._patience = (max_retries + 1) * (timeout + retry_backoff)
        self._quota_reserve = quota_reserve
        self._cache = cache
        self._session = new_session(username, api_key, max_retries, retry_backoff)

    def quota(self) -> Quota:
        """How many searches the account has spent (`GET /v2/account/quota`).

        Raises:
            PassiveTotalError: it cannot be read; the class says why.
        """
        return parse_quota(read_answer(*self._get("/v2/account/quota", {})))

    def passive_dns(self, value: str, since: datetime) -> Answer:
        """The records of a name or an address that were last seen after `since` (`GET /v2/dns/passive`).

        What the cache holds is not asked again, and no search is made where the quota is used up but for the reserve.
        Records of unknown date are kept.

        Raises:
            PassiveTotalError: there is no answer; the class says why.
        """
        now, start = datetime.now(UTC), since.astimezone(UTC)
        # A window of one length begins at another second each time; hours are finer than PassiveTotal's clock is right.
        key = f"{self._base_url} {value} {round((now - start) / timedelta(hours=1))}"
        answer = self._kept(key, now) or self._search(value, start, key)
        oldest = start - CLOCK_TOLERANCE
        within = [record for record in answer.records if record.last_seen is None or record.last_seen >= oldest]
        return answer._replace(records=within)

    def _kept(self, key: str, now: datetime) -> Answer | None:
        kept = self._cache.get(key, now) if self._cache else None
        try:
            answer = Answer(_records(kept.status, kept.body), kept.given) if kept else None
        except PassiveTotalError:
            return None  # others can write to the cache too
        metrics.CACHE_HITS.inc(0 if answer is None else 1)
        return answer

    def _search(self, value: str, start: datetime, key: str) -> Answer:
        searches_left = self._check_quota()
        metrics.SEARCHES.inc()
        window = {"start": start.replace(tzinfo=None).isoformat(" ", "seconds")}
        status, body = self._get("/v2/dns/passive", {"query": value, **window})
        records = _records(status, body)
        # "Nothing known" costs a search too; but without a word or the status for it, the body may have got lost.
        if self._cache and (body.strip() or status == 204):
            self._cache.put(key, status, body, datetime.now(UTC))
        return Answer(records, searches_left=searches_left)

    def _check_quota(self) -> float | None:
        """The searches that are left; None where the quota cannot be read."""
        try:
            quota = self.quota()
        except CredentialsRefused:
            raise
        except PassiveTotalError as error:
            log.warning("The quota cannot be read; PassiveTotal is asked all the same. %s", error)
            return None
        metrics.show_quota(quota)
        if reached := quota.reached(self._quota_reserve):
            raise QuotaExceeded(_no_search_left(reached, self._quota_reserve))
        return quota.left

    def _get(self, path: str, parameters: dict[str, str]) -> tuple[int, bytes]:
        """The status and the body of an answer."""
        deadline = time.monotonic() + self._patience
        try:
            # session.get, unlike session.send, reads proxies and CA bundles from the environment.
            url = self._base_url + path
            with (
                metrics.WAITING.labels(path).time(),
                self._session.get(url, params=parameters, timeout=self._timeout, stream=True) as response,
            ):
                return response.status_code, _read(response, deadline)
        except (requests.RequestException, HTTPError, ValueError, OverflowError) as error:
            # A header that makes no sense comes as a ValueError or an OverflowError.
            raise NoAnswer(f"PassiveTotal cannot be reached: {_cause(error, self._timeout)}.") from error


def _read(response: requests.Response, deadline: float) -> bytes:
    """The whole body, unless it drips or grows without end."""
    body = bytearray()
    # Unlike read, read1 returns what is there, so that the deadline is looked at while an answer drips.
    while chunk := response.raw.read1(2**16, decode_content=True):
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise BadAnswer(f"PassiveTotal's answer is larger than {LARGEST_ANSWER >> 20} MiB and was dropped.")
        if time.monotonic() > deadline:
            raise NoAnswer("PassiveTotal's answer came too slowly and was given up.")
    return bytes(body)


def _cause(error: Exception, timeout: float) -> str:
    """What went wrong on the way, without the request that the libraries print."""
    cause = (getattr(error.args[0], "reason", None) if error.args else None) or error
    if isinstance(cause, NameResolutionError):
        return "its host name does not resolve; look at RISKIQ_API_BASE_URL"
    if isinstance(cause, NewConnectionError):
        return "no connection can be made"
    if isinstance(cause, ConnectTimeoutError | ReadTimeoutError):
        return f"no answer within {timeout:g} s"
    if isinstance(error, requests.exceptions.SSLError):
        return "its TLS certificate is not trusted"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy does not connect"
    if isinstance(error, ProtocolError):
        return "the answer was cut off"
    return f"the connection failed ({type(cause).__name__})"


def _records(status: int, body: bytes) -> list[DnsRecord]:
    answer = read_answer(status, body)
    records = [] if answer is None else parse_records(answer)
    _warn_of_missing(answer, len(records))
    return records


def _warn_of_missing(answer: Any, received: int) -> None:
    """No recorded answer was ever paged; one that is would lose records silently."""
    total = answer.get("totalRecords") if isinstance(answer, dict) else None
    if isinstance(total, int) and total > received:
        log.warning("PassiveTotal knows %d records and sent %d of them.", total, received)


def _no_search_left(allowance: Allowance, reserve: int) -> str:
    owner, used, limit, next_reset = allowance
    if allowance.reached:
        reset = f"; it is reset on {next_reset}" if next_reset else ""
        return f"The PassiveTotal quota of the {owner} is used up: {used:.15g} of {limit:.15g} searches{reset}."
    reset = f" until it is reset on {next_reset}" if next_reset else ""
    return (
        f"The PassiveTotal quota of the {owner} is used up but for the last {allowance.left:.15g} of {limit:.15g} "
        f"searches, which are kept back{reset} (RISKIQ_QUOTA_RESERVE is {reserve})."
    )
