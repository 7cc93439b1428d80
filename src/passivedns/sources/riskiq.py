"""Queries RiskIQ PassiveTotal: `GET /v2/account/quota` and `GET /v2/dns/passive`.

Sources: recorded answers of `/v2/dns/passive` (2019) and the vendor's fixture of `/v2/account/quota`. Microsoft shut
down the default API, but other services implement it.
"""

from __future__ import annotations

from datetime import UTC, timedelta
from functools import lru_cache
from typing import Any, TypeGuard

from pydantic import Field

from passivedns.errors import BadAnswer
from passivedns.model import Allowance, Answer, Budget, Question, Record
from passivedns.settings.sections import A_BASE_URL, QuotaSettings, allowed
from passivedns.settings.values import BaseUrl, Secret
from passivedns.sources import dates, rdata
from passivedns.sources.bodies import json_of, list_of
from passivedns.sources.failures import cleaned, meaning, usual_complaint, worded
from passivedns.sources.http import Http, Reply
from passivedns.sources.source import Client, Source


class RiskIQSettings(QuotaSettings):
    """RiskIQ PassiveTotal."""

    username: Secret = Field(
        description="User name.",
        json_schema_extra=allowed("the user name of the PassiveTotal account, usually an e-mail address"),
    )
    api_key: Secret = Field(
        description="API key.",
        json_schema_extra=allowed("the API key of the PassiveTotal account"),
    )
    api_base_url: BaseUrl = Field(
        default="https://api.riskiq.net/pt",
        description="Base URL of the API, without the version. Microsoft shut down the default.",
        json_schema_extra=allowed(A_BASE_URL),
    )


class RiskIQClient(Client):
    """Queries PassiveTotal, or a service with its API."""

    def __init__(self, settings: RiskIQSettings, http: Http) -> None:
        http.session.auth = (settings.username.get_secret_value(), settings.api_key.get_secret_value())
        self._http = http

    def look_up(self, question: Question) -> Answer:
        """Look up a name or an address (`GET /v2/dns/passive`)."""
        start = question.since.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "seconds")
        reply = self._http.search("/v2/dns/passive", {"query": question.value, "start": start})
        answer = _read(reply)
        if answer is None and (reply.status == 404 or not reply.body.strip()):
            # Without a word or the status for it, the body may have got lost.
            return Answer([], certain=bool(reply.body.strip()) or reply.status == 204)
        return _answer(answer, question.value)

    def budget(self) -> Budget:
        """The used searches of the account (`GET /v2/account/quota`)."""
        return parse_quota(_read(self._http.fetch("/v2/account/quota")))


def read_saved(body: bytes, asked: str) -> Answer:
    """Read a saved answer of `/v2/dns/passive`."""
    answer = json_of(RISKIQ, body)
    about = _text(answer.get("queryValue")) if isinstance(answer, dict) else ""
    return _answer(answer, about or asked)._replace(about=about)


def _answer(answer: Any, asked: str) -> Answer:
    records = parse_records(answer, asked)
    total = answer.get("totalRecords")
    # No recorded answer was ever paged; one that is would lose records silently.
    return Answer(records, complete=not isinstance(total, int) or total <= len(records))


def _read(reply: Reply) -> Any:
    """The JSON of a reply; None if nothing is known: PassiveTotal's own 404, or a success without a body."""
    if reply.status == 404 and reply.body.strip() and not reply.body.lstrip().startswith(b"{"):
        raise worded(RISKIQ, BadAnswer, 404)
    answer = json_of(RISKIQ, reply.body)
    if reply.status == 404:
        return None
    if isinstance(answer, dict) and "results" in answer:
        return answer
    said, stated = cleaned(usual_complaint(reply)), _stated_status(answer)
    if said or stated:
        raise worded(RISKIQ, meaning(RISKIQ, stated or reply.status, said), stated or reply.status, said)
    return answer


def _stated_status(answer: Any) -> int | None:
    """The status in the body of the oldest error form."""
    error = answer.get("error") if isinstance(answer, dict) else None
    code = error.get("http_code") if isinstance(error, dict) else None
    return code if isinstance(code, int) and 400 <= code < 600 else None


def parse_records(answer: Any, asked: str) -> list[Record]:
    """Every entry of `results` in order; `asked` is the queried value if the answer does not state it.

    Entries that are not objects, or lack a field, become records with empty fields, so that they are counted.

    Raises:
        BadAnswer: the answer is not PassiveTotal's.
    """
    results = list_of(RISKIQ, answer, "results", "list of results")
    latest = dates.latest()
    return [_record(entry if isinstance(entry, dict) else {}, asked, latest) for entry in results]


def _record(entry: dict[str, Any], asked: str, latest: float) -> Record:
    get = entry.get
    first_seen, last_seen = dates.seen(dates.iso(get("firstSeen"), latest), dates.iso(get("lastSeen"), latest))
    kind, record_type = _text(get("resolveType")).lower(), _text(get("recordType")).upper()
    value, resolve = _text(get("value")) or asked, _text(get("resolve"))
    name, data = (resolve, value) if kind == "domain" and record_type in ("A", "AAAA") else (value, resolve)
    return Record(
        name,
        record_type if kind else "",
        rdata.mailbox(data) if kind == "email" else data,
        first_seen,
        last_seen,
        _sensors(entry.get("source")),
        RISKIQ.key,
    )


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _sensors(value: Any) -> tuple[str, ...]:
    names = tuple(value) if isinstance(value, list) else (value,)
    try:
        return _readable(names)
    except TypeError:  # a list or an object among them
        return _readable(tuple([name for name in names if isinstance(name, str)]))


@lru_cache(maxsize=1024)  # an answer names few combinations, in thousands of records
def _readable(names: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple([name for name in names if isinstance(name, str) and 0 < len(name) <= 64 and name.isprintable()])


def parse_quota(answer: Any) -> Budget:
    """The allowances of the user and of the organization.

    Raises:
        BadAnswer: the answer is not PassiveTotal's.
    """
    if not isinstance(answer, dict):
        raise BadAnswer(f"The quota that {RISKIQ.title} sent is not a JSON object.")
    owners = ((owner, answer.get(owner)) for owner in ("user", "organization"))
    return Budget(tuple(a for owner, body in owners if isinstance(body, dict) for a in _allowance(owner, body)))


def _allowance(owner: str, body: dict[str, Any]) -> list[Allowance]:
    """At most one allowance: the licence with the most remaining searches, since one is enough."""
    pairs = _licences(body) or _pair(body.get("counts"), body.get("limits"), "search_api")
    if not pairs:
        return []
    used, limit = max(pairs, key=lambda pair: pair[1] - pair[0])
    next_reset = _text(body.get("next_reset"))
    readable = len(next_reset) <= 32 and next_reset.isprintable()
    return [Allowance(owner, used, limit, next_reset if readable else "")]


def _licences(body: dict[str, Any]) -> list[tuple[float, float]]:
    """Counters are flat for a user and nested by licence for an organization."""
    counts, limits = body.get("licenseCounts"), body.get("licenseLimits")
    if not isinstance(counts, dict) or not isinstance(limits, dict):
        return []
    levels: list[tuple[Any, Any]] = [(counts, limits), *((counts[name], limits.get(name)) for name in counts)]
    return [pair for used, limit in levels for pair in _pair(used, limit, "searchApi")]


def _pair(counts: Any, limits: Any, key: str) -> list[tuple[float, float]]:
    """The used and allowed searches, if both are comparable numbers."""
    if not isinstance(counts, dict) or not isinstance(limits, dict):
        return []
    used, limit = counts.get(key), limits.get(key)
    return [(used, limit)] if _is_count(used) and _is_count(limit) else []


def _is_count(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**63


RISKIQ = Source(
    key="riskiq",
    title="PassiveTotal",
    organization="RiskIQ PassiveTotal",
    settings=RiskIQSettings,
    client=RiskIQClient,
    read=read_saved,
    shut="Microsoft has shut the PassiveTotal API down",
    # It gives no time zone: in answers of 2020 and 2021 the dates run 7 to 8 hours behind UTC.
    clock_tolerance=timedelta(hours=8),
    credentials=("username", "api_key"),
    unknown=frozenset({404}),
)
