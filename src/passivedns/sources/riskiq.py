"""Queries RiskIQ PassiveTotal: `GET /v2/account/quota` and `GET /v2/dns/passive`.

Sources: recorded answers of `/v2/dns/passive` (2019) and the vendor's fixture of `/v2/account/quota`. Microsoft shut
down the default API, but other services implement it.
"""

from datetime import UTC, timedelta
from typing import Any

from pydantic import Field

from passivedns.errors import BadAnswer
from passivedns.formats import dates, rdata
from passivedns.formats.json_body import (
    Row,
    at,
    has_all,
    is_count,
    json_of,
    read_rows,
    rows_of,
    text,
    whole,
)
from passivedns.formats.tolerant_json import JsonRows
from passivedns.model import Allowance, Answer, Question, Quota, Record
from passivedns.settings.values import BaseUrl, Secret, allowed
from passivedns.sources.source import Client, QuotaSettings, Source
from passivedns.transport.http import Http
from passivedns.transport.reply import Reply


class RiskIQSettings(QuotaSettings):
    """RiskIQ PassiveTotal."""

    username: Secret = Field(
        description="User name.",
        json_schema_extra=allowed("the user name of the PassiveTotal account, usually an e-mail address"),
    )
    api_key: Secret = Field(
        description="API key.", json_schema_extra=allowed("the API key of the PassiveTotal account")
    )
    api_base_url: BaseUrl = Field(
        default="https://api.riskiq.net/pt",
        description="Base URL of the API, without the version. Microsoft shut down the default.",
    )


class RiskIQClient(Client):
    """Queries PassiveTotal, or a service with its API."""

    def __init__(self, settings: RiskIQSettings, http: Http) -> None:
        http.session.auth = (settings.username.get_secret_value(), settings.api_key.get_secret_value())
        self._http = http

    def look_up(self, question: Question) -> Answer:
        start = question.since.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "seconds")
        reply = self._http.request("/v2/dns/passive", {"query": question.value, "start": start})
        if _is_own_404(reply) or reply.is_blank:
            # An empty body without status 204 may be a lost answer.
            return Answer([], certain=not reply.is_blank or reply.status == 204)
        return whole(RISKIQ, read_saved(reply.body, question.value), reply)._replace(about="")

    def quota(self) -> Quota:
        reply = self._http.request("/v2/account/quota", purpose="quota")
        return parse_quota(None if _is_own_404(reply) else json_of(RISKIQ, reply.body))


def _is_own_404(reply: Reply) -> bool:
    """Whether a reply is PassiveTotal's "nothing known"; raises BadAnswer if it is the 404 of another server."""
    if reply.status == 404 and reply.body.lstrip()[:1] not in (b"", b"{"):
        raise RISKIQ.error(BadAnswer, 404)
    return reply.status == 404


def read_saved(body: bytes, asked: str) -> Answer:
    """Read a saved answer; `asked` is the queried value if the answer does not state it."""
    rows = rows_of(RISKIQ, body, "results")

    def read(row: dict[str, Any]) -> Row:
        is_row = rows.documents or "resolve" in row
        # The queried value precedes the rows.
        return [_record(row, text(row.get("value")) or _about(rows) or asked)] if is_row else None

    answer = read_rows(RISKIQ, rows, read, "list of results")
    # No recorded answer was paged; one that is would lose records silently.
    is_complete = answer.complete and has_all(rows.number, rows.fields.get("totalRecords"))
    return answer._replace(complete=is_complete, about=_about(rows))


def _about(rows: JsonRows) -> str:
    return text(rows.fields.get("queryValue"))


def _record(entry: dict[str, Any], value: str) -> Record:
    get = entry.get
    first_seen, last_seen = dates.iso_span(get("firstSeen"), get("lastSeen"))
    kind, record_type = text(get("resolveType")).lower(), text(get("recordType")).upper()
    resolve, seen_by = text(get("resolve")), get("source")
    name, data = (resolve, value) if kind == "domain" and record_type in ("A", "AAAA") else (value, resolve)
    return Record(
        name,
        record_type if kind else "",
        rdata.mailbox(data) if kind == "email" else data,
        first_seen,
        last_seen,
        rdata.sensors(seen_by if isinstance(seen_by, list) else [seen_by]),
        RISKIQ.key,
    )


def parse_quota(answer: Any) -> Quota:
    """The allowances of the user and of the organization.

    Raises:
        BadAnswer: the answer is not PassiveTotal's.
    """
    if not isinstance(answer, dict):
        raise RISKIQ.unexpected("contains no quota")
    owners = ("user", "organization")
    return Quota(tuple(allowance for owner in owners for allowance in _allowance(owner, answer.get(owner))))


def _allowance(owner: str, account: Any) -> list[Allowance]:
    """At most one allowance: the licence with the most remaining searches, since one is enough."""
    pairs = _licences(account) or _pair(at(account, "counts", "search_api"), at(account, "limits", "search_api"))
    if not pairs:
        return []
    used, limit = max(pairs, key=lambda pair: pair[1] - pair[0])
    reset = text(at(account, "next_reset"))
    return [Allowance(owner, used, limit, reset if len(reset) <= 32 and reset.isprintable() else "")]


def _licences(account: Any) -> list[tuple[float, float]]:
    """The used and allowed searches: flat for a user, nested by licence for an organization."""
    counts, limits = at(account, "licenseCounts"), at(account, "licenseLimits")
    places = [("searchApi",), *((name, "searchApi") for name in counts)] if isinstance(counts, dict) else []
    return [pair for keys in places for pair in _pair(at(counts, *keys), at(limits, *keys))]


def _pair(used: Any, limit: Any) -> list[tuple[float, float]]:
    """The used and allowed searches, if both are known."""
    return [(used, limit)] if is_count(used) and is_count(limit) else []


RISKIQ = Source(
    key="riskiq",
    title="PassiveTotal",
    organization="RiskIQ PassiveTotal",
    settings=RiskIQSettings,
    client=RiskIQClient,
    read=read_saved,
    shut="Microsoft has shut the PassiveTotal API down",
    # Dates have no time zone; in answers of 2020 and 2021 they are 7 to 8 hours behind UTC.
    clock_tolerance=timedelta(hours=8),
    credentials=("username", "api_key"),
    default_with="username",
    unknown=frozenset({404}),
)
