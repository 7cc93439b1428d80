"""PassiveTotal over HTTP: two endpoints, the quota first, and an error for each way in which it can fail."""

import logging
import time
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError, ReadTimeoutError
from urllib3.util import Retry

from riskiq import __version__
from riskiq.answers import read_answer
from riskiq.errors import BadAnswer, CredentialsRefused, NoAnswer, PassiveTotalError, QuotaExceeded
from riskiq.records import DnsRecord, Quota, parse_quota, parse_records

log = logging.getLogger(__name__)

RETRIED = (429, 500, 502, 503, 504)
LONGEST_WAIT = 60
"""Seconds; a longer Retry-After, or a longer back-off, is cut to this."""
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
    ) -> None:
        """`base_url` stands before `/v2/…`; `timeout` (seconds) holds for connecting and for each read;
        `retry_backoff` (seconds) is the first pause between tries, each later one is twice as long.
        """
        self._base_url = base_url.rstrip("/")
        self._timeout = timeout
        self._patience = (max_retries + 1) * (timeout + retry_backoff)
        self._session = _session(username, api_key, max_retries, retry_backoff)

    def quota(self) -> Quota:
        """How many searches the account has spent (`GET /v2/account/quota`).

        Raises:
            PassiveTotalError: it cannot be read; the class says why.
        """
        return parse_quota(self._get("/v2/account/quota", {}))

    def passive_dns(self, value: str, since: datetime) -> list[DnsRecord]:
        """The records of a name or an address that were last seen after `since` (`GET /v2/dns/passive`).

        No search is made where the quota is used up. Records of unknown date are kept.

        Raises:
            PassiveTotalError: there is no answer; the class says why.
        """
        self._check_quota()
        start = since.astimezone(UTC)
        window = {"start": start.replace(tzinfo=None).isoformat(" ", "seconds")}
        answer = self._get("/v2/dns/passive", {"query": value, **window})
        records = [] if answer is None else parse_records(answer)
        _warn_of_missing(answer, len(records))
        oldest = start - CLOCK_TOLERANCE
        return [record for record in records if record.last_seen is None or record.last_seen >= oldest]

    def _check_quota(self) -> None:
        try:
            reached = self.quota().reached
        except CredentialsRefused:
            raise
        except PassiveTotalError as error:
            log.warning("The quota cannot be read; PassiveTotal is asked all the same. %s", error)
            return
        if reached:
            reset = f"; it is reset on {reached.next_reset}" if reached.next_reset else ""
            raise QuotaExceeded(
                f"The PassiveTotal quota of the {reached.owner} is used up: "
                f"{reached.used:g} of {reached.limit:g} searches{reset}."
            )

    def _get(self, path: str, parameters: dict[str, str]) -> Any:
        """The JSON of an answer, or None where PassiveTotal knows nothing."""
        deadline = time.monotonic() + self._patience
        try:
            # session.get, unlike session.send, reads proxies and CA bundles from the environment.
            url = self._base_url + path
            with self._session.get(url, params=parameters, timeout=self._timeout, stream=True) as response:
                body = _read(response, deadline)
        except requests.RequestException as error:
            raise NoAnswer(f"PassiveTotal cannot be reached: {_cause(error, self._timeout)}.") from error
        return read_answer(response.status_code, body)


def _session(username: str, api_key: str, max_retries: int, retry_backoff: float) -> requests.Session:
    session = requests.Session()
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
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session


class _Retry(Retry):
    """Waits before the first retry too, where urllib3 tries again at once."""

    def get_backoff_time(self) -> float:
        failures = len(list(takewhile(lambda request: request.redirect_location is None, reversed(self.history))))
        return min(self.backoff_max, self.backoff_factor * 2.0 ** (failures - 1)) if failures else 0


def _read(response: requests.Response, deadline: float) -> bytes:
    """The whole body, unless it drips or grows without end."""
    body = bytearray()
    for chunk in response.iter_content(2**16):
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise BadAnswer(f"PassiveTotal's answer is larger than {LARGEST_ANSWER >> 20} MiB and was dropped.")
        if time.monotonic() > deadline:
            raise NoAnswer("PassiveTotal's answer came too slowly and was given up.")
    return bytes(body)


def _cause(error: requests.RequestException, timeout: float) -> str:
    """What went wrong on the way, without the request that the libraries print."""
    cause = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(cause, NameResolutionError):
        return "its host name does not resolve; is RISKIQ_API_BASE_URL right"
    if isinstance(cause, NewConnectionError):
        return "no connection can be made"
    if isinstance(cause, ConnectTimeoutError | ReadTimeoutError):
        return f"no answer within {timeout:g} seconds"
    if isinstance(error, requests.exceptions.SSLError):
        return "its TLS certificate is not trusted"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy does not connect"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the answer was cut off"
    return f"the connection failed ({type(cause or error).__name__})"


def _warn_of_missing(answer: Any, received: int) -> None:
    """No recorded answer was ever paged; one that is would lose records silently."""
    total = answer.get("totalRecords") if isinstance(answer, dict) else None
    if isinstance(total, int) and total > received:
        log.warning("PassiveTotal knows %d records and sent %d of them.", total, received)
