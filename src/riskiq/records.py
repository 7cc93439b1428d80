"""What PassiveTotal answers, lenient in and typed out; past this module nothing knows its field names.

Sources: recorded answers of `/v2/dns/passive` (2019) and the vendor's fixture of `/v2/account/quota`.
"""

from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeGuard

from riskiq.errors import BadAnswer


class DnsRecord(NamedTuple):
    """One fact of passive DNS: the queried observable was seen together with `answer`.

    Any source of passive DNS can feed the converter by producing these.
    """

    record_type: str
    """Upper case, such as `A`, `CNAME` or `TXT (SPF1)`; empty where the source did not say."""
    kind: str
    """What the source says that `answer` is: `ip`, `domain` or `email`."""
    answer: str
    """The other side, as the source spells it; empty where it is missing."""
    first_seen: datetime | None
    """UTC; None where unknown."""
    last_seen: datetime | None
    """UTC, never before `first_seen`; None where unknown."""
    sources: tuple[str, ...]
    """The sensors that saw it, such as `riskiq` or `pingly`."""


class Answer(NamedTuple):
    """What a source knows of one observable."""

    records: list[DnsRecord]
    cached_since: datetime | None = None
    """UTC; when the source gave it, where it comes from a cache; None where it was asked just now."""
    searches_left: float | None = None
    """Of the quota, as it was before the search; None where it was not read."""


class Allowance(NamedTuple):
    """How many searches one owner has spent, of how many, until when."""

    owner: str
    used: float
    limit: float
    next_reset: str
    """As PassiveTotal writes it, without a time zone; empty where unknown."""

    @property
    def left(self) -> float:
        """Searches that may still be made."""
        return max(self.limit - self.used, 0)

    @property
    def reached(self) -> bool:
        return self.used >= self.limit


class Quota(NamedTuple):
    """The allowances that an answer states clearly; none of them means unknown, not used up."""

    allowances: tuple[Allowance, ...]

    def reached(self, reserve: int = 0) -> Allowance | None:
        """The first allowance of which no more than `reserve` searches are left."""
        return next((allowance for allowance in self.allowances if allowance.left <= reserve), None)

    @property
    def left(self) -> float | None:
        """Searches that may still be made by all that is known; None where nothing is."""
        return min((allowance.left for allowance in self.allowances), default=None)


def parse_records(answer: Any) -> list[DnsRecord]:
    """Every entry of an answer's `results`, in its order.

    An entry that is no object, or lacks a field, becomes a record with that field empty, so that it can be counted.

    Raises:
        BadAnswer: the answer is not PassiveTotal's.
    """
    results = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(results, list):
        raise BadAnswer("PassiveTotal's answer holds no list of results; is RISKIQ_API_BASE_URL right?")
    return [_record(entry if isinstance(entry, dict) else {}) for entry in results]


def _record(entry: dict[str, Any]) -> DnsRecord:
    first_seen, last_seen = _seen(entry.get("firstSeen")), _seen(entry.get("lastSeen"))
    if first_seen and last_seen and last_seen < first_seen:
        first_seen = last_seen = None
    return DnsRecord(
        _text(entry.get("recordType")).upper(),
        _text(entry.get("resolveType")).lower(),
        _text(entry.get("resolve")),
        first_seen,
        last_seen,
        _sources(entry.get("source")),
    )


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _sources(value: Any) -> tuple[str, ...]:
    names = value if isinstance(value, list) else [value]
    return tuple([name for name in names if isinstance(name, str) and 0 < len(name) <= 64 and name.isprintable()])


def _seen(value: Any) -> datetime | None:
    """A date in UTC, to the second; nonsense is unknown."""
    if not isinstance(value, str):
        return None
    try:
        seen = _moment(value)
    except (ValueError, OverflowError):
        return None
    # PassiveTotal writes the Unix epoch where it does not know; the end of time is somebody's placeholder too.
    return seen if 1970 < seen.year < 9999 else None


def _moment(text: str) -> datetime:
    try:
        # A date without a zone is read as UTC; this way takes a sixth of the time of replacing the zone afterwards.
        moment = datetime.fromisoformat(f"{text}Z")
    except ValueError:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.replace(microsecond=0) if moment.microsecond else moment


def parse_quota(answer: Any) -> Quota:
    """The allowances of the user and of the organization.

    Raises:
        BadAnswer: the answer is not PassiveTotal's.
    """
    if not isinstance(answer, dict):
        raise BadAnswer("PassiveTotal's quota is no JSON object")
    owners = ((owner, answer.get(owner)) for owner in ("user", "organization"))
    return Quota(tuple(a for owner, body in owners if isinstance(body, dict) for a in _allowance(owner, body)))


def _allowance(owner: str, body: dict[str, Any]) -> list[Allowance]:
    """At most one allowance: of several licences, the one with the most searches left, since one is enough."""
    pairs = _licences(body) or _legacy(body)
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


def _legacy(body: dict[str, Any]) -> list[tuple[float, float]]:
    return _pair(body.get("counts"), body.get("limits"), "search_api")


def _pair(counts: Any, limits: Any, key: str) -> list[tuple[float, float]]:
    """The used and allowed searches, where both are numbers that can be compared."""
    if not isinstance(counts, dict) or not isinstance(limits, dict):
        return []
    used, limit = counts.get(key), limits.get(key)
    return [(used, limit)] if _is_count(used) and _is_count(limit) else []


def _is_count(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**63
