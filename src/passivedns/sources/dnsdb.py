"""Queries DomainTools DNSDB, API version 2: `GET /dnsdb/v2/lookup/…` and `GET /dnsdb/v2/rate_limit`.

Sources: the vendor's clients dnsdb2 (1.2.0) and dnsdbq, their tests, one printed answer of version 2, and recorded
answers of version 1 (2020), which has the same rows without the frame.
"""

import logging
import math
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from pydantic import Field

from passivedns import __version__
from passivedns.errors import BadAnswer, CredentialsRefused, NoAnswer, RateLimited, SourceError
from passivedns.formats import dates
from passivedns.formats.cof import KEYS, Page, page_of, read_entries, targets_of
from passivedns.formats.json_body import at, is_count, json_of, rows_of, text
from passivedns.model import Allowance, Answer, Question, Quota, merge_answers
from passivedns.settings.values import BaseUrl, Flag, Secret, allowed
from passivedns.sources.source import ADDRESSES, Client, QuotaSettings, RestrictedSettings, Source
from passivedns.text import one_line
from passivedns.transport.complaints import first_line
from passivedns.transport.http import Http
from passivedns.transport.reply import Reply
from passivedns.transport.service import TRANSIENT

log = logging.getLogger(__name__)

MAX_SETS = 50_000
"""Rows of an answer; at 1,300 bytes each they fit into the largest body."""
CLIENT = {"swclient": "opencti", "version": __version__}
"""Parameters that identify the client program to the vendor."""

_SENSORS = {"time_first": "sensors", "zone_time_first": "zone files"}
"""The group that saw a row, by the date field of the row."""
_ENDS = ("succeeded", "limited", "failed")
_NOTHING_KNOWN = "Error: no results found for query."
"""Version 1's text for HTTP 404; version 2 sends an empty answer instead."""


class DnsdbSettings(QuotaSettings, RestrictedSettings):
    """DomainTools DNSDB."""

    api_key: Secret = Field(description="API key.", json_schema_extra=allowed("the API key of DNSDB"))
    # Off by default: it costs a second query, and most rows are about the customers of a name server.
    reverse_names: Flag = Field(
        default=False,
        description="Also query which names point to a domain name (CNAME, MX, NS). Costs a second query per name.",
    )
    api_base_url: BaseUrl = Field(
        default="https://api.dnsdb.info", description="Base URL of the API, without /dnsdb/v2."
    )


class DnsdbClient(Client):
    def __init__(self, settings: DnsdbSettings, http: Http) -> None:
        http.session.headers["X-API-Key"] = settings.api_key.get_secret_value()
        http.session.headers["Accept"] = "application/x-ndjson"
        self._http = http
        self._reverse_names = settings.reverse_names

    def look_up(self, question: Question) -> Answer:
        """Look up an address in one query, a name in one or, with `reverse_names`, two."""
        name = quote(question.value, safe="")
        if question.type in ADDRESSES:
            return self._ask(f"rdata/ip/{name}", question.since)
        owned = self._ask(f"rrset/name/{name}", question.since)
        if not self._reverse_names:
            return owned
        try:
            return merge_answers([owned, self._ask(f"rdata/name/{name}", question.since)])
        except SourceError as error:
            # The records of the first query have been paid for.
            if not owned.records:
                raise
            log.warning("The second query for a name failed; using the records of the first. %s", error)
            return owned._replace(complete=False)

    def _ask(self, path: str, since: datetime) -> Answer:
        reply = self._http.request(f"/dnsdb/v2/lookup/{path}", CLIENT | {"limit": str(MAX_SETS)} | _fence(since))
        if reply.status != 404:
            try:
                return _read(reply)
            except SourceError:
                # The error quotes the response.
                return _read(reply.without_credentials())
        if (said := first_line(reply)) != _NOTHING_KNOWN:
            raise DNSDB.error(BadAnswer, 404, said)
        return Answer([])

    def quota(self) -> Quota:
        return parse_rate(
            json_of(DNSDB, self._http.request(f"/dnsdb/v2/rate_limit?{urlencode(CLIENT)}", purpose="quota").body)
        )


def _fence(since: datetime) -> dict[str, str]:
    """The filter by last seen; omitted if negative, since DNSDB counts negative numbers back from now."""
    second_before = math.ceil(since.timestamp()) - 1
    return {"time_last_after": str(second_before)} if second_before > 0 else {}


def _read(reply: Reply) -> Answer:
    answer = parse_answer(reply.body)
    return answer._replace(complete=answer.complete and not reply.cut)


def read_saved(body: bytes, _asked: str) -> Answer:
    """Read a saved answer of `/lookup/…`: framed (version 2) or bare rows (version 1)."""
    rows = rows_of(DNSDB, body, *KEYS)
    first = next((row for row in rows if isinstance(row, dict) and row.keys() & {"cond", "obj", "rrname"}), {})
    if "rrname" in first:
        return _answer(page_of(DNSDB, body, _with_sensor))
    return parse_answer(body)


def parse_answer(body: bytes) -> Answer:
    """An answer in the frame of version 2: `begin`, one row per line, and the final condition.

    Raises:
        BadAnswer: it does not follow that form, or was cut off before the first record.
        NoAnswer: DNSDB failed before the first record.
    """
    rows, end = rows_of(DNSDB, body, *KEYS), dict[str, Any]()
    answer = _answer(read_entries(map(_with_sensor, _unframe(rows, end)), DNSDB.key))
    condition = end.get("cond")
    if condition not in (None, *_ENDS):
        raise DNSDB.unexpected(f"has an unknown condition ({one_line(str(condition), 40)})")
    if not answer.records and condition is None:
        raise DNSDB.unexpected("was cut off before its first record")
    if not answer.records and condition == "failed":
        raise DNSDB.error(NoAnswer, 200, text(end.get("msg")))
    return answer._replace(complete=answer.complete and condition == "succeeded" and not rows.cut)


def _unframe(lines: Iterable[Any], end: dict[str, Any]) -> Iterator[Any]:
    """The rows. Fills `end` with the final line, which may contain the last row; without it, the answer was cut off."""
    for line in lines:
        fields = line if isinstance(line, dict) else {}
        condition = fields.get("cond")
        if "obj" in fields or condition is None:
            yield fields.get("obj")
        if condition not in (None, "begin", "ongoing") and not end:
            end |= fields


def _answer(page: Page) -> Answer:
    """The answer in rows of the Common Output Format."""
    records, unreadable = targets_of(page.records)
    return Answer(records, complete=not page.cut, unreadable=unreadable + page.unreadable)


def _with_sensor(row: Any) -> Any:
    """A row with the group that saw it as its sensor."""
    seen_by = [sensor for field, sensor in _SENSORS.items() if field in row] if isinstance(row, dict) else []
    return row | {"sensor_id": seen_by[0]} if seen_by else row


def parse_rate(answer: Any) -> Quota:
    """The allowance of the API key; unknown if the remaining queries are not stated.

    Raises:
        BadAnswer: the answer is not DNSDB's.
    """
    rate = at(answer, "rate")
    if not isinstance(rate, dict):
        raise DNSDB.unexpected("contains no quota")
    left, limit = rate.get("remaining"), rate.get("limit")
    if not is_count(left):
        return Quota()
    used = max(limit - left, 0) if is_count(limit) else 0
    # A block of queries never resets ("n/a").
    reset = dates.unix(rate.get("reset"))
    return Quota((Allowance("API key", used, used + left, f"{reset:%Y-%m-%d %H:%M:%S} UTC" if reset else ""),))


DNSDB = Source(
    key="dnsdb",
    title="DNSDB",
    organization="DomainTools DNSDB",
    settings=DnsdbSettings,
    client=DnsdbClient,
    read=read_saved,
    credentials=("api_key",),
    # 403: wrong key, expired block of queries, or client address not allowed; 503: too many concurrent queries.
    statuses={401: CredentialsRefused, 403: CredentialsRefused, 503: RateLimited},
    unknown=frozenset({404}),
    retried=TRANSIENT - {429, 503},
    complaint=first_line,
)
