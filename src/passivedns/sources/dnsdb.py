"""Queries DomainTools DNSDB, API version 2: `GET /dnsdb/v2/lookup/…` and `GET /dnsdb/v2/rate_limit`.

Sources: the vendor's clients dnsdb2 (1.2.0) and dnsdbq, their tests, one printed answer of version 2, and recorded
answers of version 1 (2020), which has the same rows without the frame around them.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from pydantic import Field

from passivedns import __version__
from passivedns.errors import BadAnswer, CredentialsRefused, NoAnswer, RateLimited, SourceError
from passivedns.model import Allowance, Answer, Budget, Question, Record
from passivedns.settings.sections import A_BASE_URL, QuotaSettings, RestrictedSettings, allowed
from passivedns.settings.values import BaseUrl, Secret
from passivedns.sources import dates, rdata
from passivedns.sources.bodies import json_of, lines_of
from passivedns.sources.failures import cleaned, first_line, worded
from passivedns.sources.http import Http, Reply
from passivedns.sources.source import ADDRESSES, PASSING, Client, Source

log = logging.getLogger(__name__)

MOST_ROWS = 50_000
"""Maximum rows per answer; at 1,300 bytes each they fit into the largest body."""
CLIENT = {"swclient": "opencti", "version": __version__}
"""Parameters that identify the client program to the vendor."""

_KEY = "dnsdb"
_SENSORS, _ZONE_FILES = ("sensors",), ("zone files",)
_BARE = frozenset({"A", "AAAA", "CNAME", "NS", "PTR"})
"""Record types whose data are one name or address."""
_NOTHING_KNOWN = "Error: no results found for query."
"""Version 1's text for HTTP 404; version 2 sends an empty answer instead."""


class DnsdbSettings(QuotaSettings, RestrictedSettings):
    """DomainTools DNSDB."""

    api_key: Secret = Field(
        description="API key.",
        json_schema_extra=allowed("the API key of DNSDB"),
    )
    # A second query for each name, for rows that are mostly about the customers of a name server, is for those who ask.
    reverse_names: bool = Field(
        default=False,
        description="Also query which names point to a domain name (CNAME, MX, NS). Costs a second query per name.",
        json_schema_extra=allowed("true or false"),
    )
    api_base_url: BaseUrl = Field(
        default="https://api.dnsdb.info",
        description="Base URL of the API, without /dnsdb/v2.",
        json_schema_extra=allowed(A_BASE_URL),
    )


class DnsdbClient(Client):
    """Queries DNSDB."""

    def __init__(self, settings: DnsdbSettings, http: Http) -> None:
        http.session.headers["X-API-Key"] = settings.api_key.get_secret_value()
        http.session.headers["Accept"] = "application/x-ndjson"
        self._http = http
        self._reverse_names = settings.reverse_names

    def look_up(self, question: Question) -> Answer:
        """Look up an address in one query, a name in one or, with `reverse_names`, two."""
        answers: list[Answer] = []
        for path in self._paths(question):
            try:
                answers.append(self._ask(path, question.since))
            except SourceError as error:
                # The records of the first query have been paid for.
                if not any(answer.records for answer in answers):
                    raise
                log.warning("The second query of a name failed; the records of the first one are used. %s", error)
                answers.append(Answer([], complete=False))
        return _joined(answers)

    def _paths(self, question: Question) -> Iterator[str]:
        name = quote(question.value, safe="")
        if question.type in ADDRESSES:
            yield f"/dnsdb/v2/lookup/rdata/ip/{name}"
            return
        yield f"/dnsdb/v2/lookup/rrset/name/{name}"
        if self._reverse_names:
            yield f"/dnsdb/v2/lookup/rdata/name/{name}"

    def _ask(self, path: str, since: datetime) -> Answer:
        reply = self._http.search(path, CLIENT | {"limit": str(MOST_ROWS)} | _fence(since))
        if reply.status == 404:
            return _nothing_known(reply)
        return parse_answer(*lines_of(DNSDB, reply.body))

    def budget(self) -> Budget:
        """The used queries of the API key (`GET /dnsdb/v2/rate_limit`); unknown if unlimited."""
        return parse_rate(json_of(DNSDB, self._http.fetch(f"/dnsdb/v2/rate_limit?{urlencode(CLIENT)}").body))


def _fence(since: datetime) -> dict[str, str]:
    """The filter by last seen; omitted if negative, since DNSDB counts negative numbers back from now."""
    second_before = math.ceil(since.timestamp()) - 1
    return {"time_last_after": str(second_before)} if second_before > 0 else {}


def _nothing_known(reply: Reply) -> Answer:
    said = first_line(reply)
    if said != _NOTHING_KNOWN:
        raise worded(DNSDB, BadAnswer, reply.status, cleaned(said))
    return Answer([])


def _joined(answers: Sequence[Answer]) -> Answer:
    return Answer(
        [record for answer in answers for record in answer.records],
        complete=all(answer.complete for answer in answers),
        unreadable=sum(answer.unreadable for answer in answers),
    )


def read_saved(body: bytes, _asked: str) -> Answer:
    """Read a saved answer of `/lookup/…`: framed (version 2) or bare rows (version 1).

    Raises:
        BadAnswer: it is neither.
    """
    lines, unreadable = lines_of(DNSDB, body)
    if any(isinstance(line, dict) and "rrname" in line for line in lines):
        records, broken = parse_rows(lines)
        return Answer(records, unreadable=unreadable + broken)
    return parse_answer(lines, unreadable)


def parse_answer(lines: Sequence[Any], unreadable: int = 0) -> Answer:
    """An answer in the frame of version 2: `begin`, one row per line, and the final condition.

    `unreadable` counts lines that are not JSON.

    Raises:
        BadAnswer: it does not follow that form, or was cut off before the first record.
        NoAnswer: DNSDB failed before the first record.
    """
    rows, end = _unframed(lines)
    records, broken = parse_rows(rows)
    condition = end.get("cond")
    if not records and condition not in ("succeeded", "limited"):
        raise _no_records(end)
    return Answer(records, complete=condition == "succeeded", unreadable=unreadable + broken)


def _unframed(lines: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
    """The rows and the final line, which may contain the last row; without it, the answer was cut off."""
    rows: list[Any] = []
    end: dict[str, Any] = {}
    for line in lines:
        fields = line if isinstance(line, dict) else {}
        row, condition = fields.get("obj"), fields.get("cond")
        if row or condition is None:
            rows.append(row)
        if condition is not None and condition not in ("begin", "ongoing"):
            end = end or _checked(fields)
    return rows, end


def _checked(end: dict[str, Any]) -> dict[str, Any]:
    if end["cond"] in ("succeeded", "limited", "failed"):
        return end
    unknown, address = cleaned(str(end["cond"])[:40]), DNSDB.variable(DNSDB.address)
    raise BadAnswer(f"The response from {DNSDB.title} has an unknown condition ({unknown}); check {address}.")


def _no_records(end: dict[str, Any]) -> SourceError:
    if end:
        said = end.get("msg")
        return worded(DNSDB, NoAnswer, 200, cleaned(said) if isinstance(said, str) else "")
    address = DNSDB.variable(DNSDB.address)
    return BadAnswer(f"The response from {DNSDB.title} was cut off before its first record; check {address}.")


def parse_rows(rows: Sequence[Any]) -> tuple[list[Record], int]:
    """One record per name or address in the data of each row, and the number of unreadable rows."""
    latest = dates.latest()
    records: list[Record] = []
    unreadable = 0
    for row in rows:
        try:
            name, kind, targets = _parts(row)
            (first, last), sensors = _seen(row, latest)
            for target in targets:
                records.append(Record(name, kind, target, first, last, sensors, _KEY))
        except (LookupError, TypeError):
            unreadable += 1
    return records, unreadable


def _parts(row: dict[str, Any]) -> tuple[str, str, Sequence[str]]:
    """Owner, type and data of a row; raises LookupError or TypeError if they are invalid."""
    name, kind, data = row["rrname"], row["rrtype"], row["rdata"]
    if not (isinstance(name, str) and isinstance(kind, str)):
        raise TypeError
    # An answer about data has one text where one about owners has a list.
    members = [data] if isinstance(data, str) else _texts(data)
    if kind in _BARE:
        return name, kind, members
    kind = rdata.record_type(kind)
    return name, kind, [target for text in members for target in rdata.names_and_addresses(kind, text)]


def _texts(data: Any) -> list[str]:
    if isinstance(data, list) and set(map(type, data)) == {str}:
        return data
    raise TypeError


def _seen(row: dict[str, Any], latest: float) -> tuple[dates.Seen, tuple[str, ...]]:
    """The dates of a row and who saw it: sensors or zone files."""
    if "time_first" in row:
        return dates.span(row["time_first"], row.get("time_last"), latest), _SENSORS
    if "zone_time_first" in row:
        return dates.span(row["zone_time_first"], row.get("zone_time_last"), latest), _ZONE_FILES
    return (None, None), ()


def parse_rate(answer: Any) -> Budget:
    """The allowance of the API key; unknown if the remaining queries are not stated.

    Raises:
        BadAnswer: the answer is not DNSDB's.
    """
    rate = answer.get("rate") if isinstance(answer, dict) else None
    if not isinstance(rate, dict):
        address = DNSDB.variable(DNSDB.address)
        raise BadAnswer(f"The quota that {DNSDB.title} sent holds no rate; check {address}.")
    left = _count(rate.get("remaining"))
    if left is None:
        return Budget()
    used = max((_count(rate.get("limit")) or 0) - left, 0)
    return Budget((Allowance("API key", used, used + left, _moment(rate.get("reset"))),))


def _count(value: Any) -> int | None:
    """A number of queries; None if absent, `n/a` or `unlimited`."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 else None


def _moment(value: Any) -> str:
    """Unix seconds as text; empty for a block of queries, which never resets (`n/a`)."""
    moment = dates.unix(value, latest=10**11)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else ""


DNSDB = Source(
    key=_KEY,
    title="DNSDB",
    organization="DomainTools DNSDB",
    settings=DnsdbSettings,
    client=DnsdbClient,
    read=read_saved,
    credentials=("api_key",),
    # 403 is a wrong key, a block that has expired, or an address that may not ask; 503 is too many queries at once.
    statuses={401: CredentialsRefused, 403: CredentialsRefused, 503: RateLimited},
    unknown=frozenset({404}),
    retried=PASSING - {429, 503},
    complaint=first_line,
)
