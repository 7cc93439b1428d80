"""Finds the message of an error, and tells what it is about: a rate limit, a quota, the credentials or the licence.

The words are those of recorded errors, of the clients of the sources, and of usual gateways (Kong, slowapi, nginx).
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from passivedns.errors import CredentialsRefused, NotEntitled, QuotaExceeded, RateLimited, SourceError
from passivedns.transport.reply import Reply

MAX_ERROR_BODY = 2**16
"""Bytes of an error body that are read."""
MAX_MESSAGE = 1000
"""Characters of a message that are read."""

_PER = re.compile(r"(?:\b(?:per|each|every|(?<!in )an?)\s|/)\s*(?:\d+\s*)?").pattern
_SHORT = re.compile(rf"{_PER}(?:secs?|seconds?|mins?|minutes?|hrs?|hours?)\b|\d/[smh]\b|\b(?:minute|hour)ly\b", re.I)
_LONG = re.compile(rf"{_PER}(?:days?|weeks?|months?|years?)\b|\d/d\b|\b(?:dai|week|month|year)ly\b|\btoday\b", re.I)
_LIMIT = re.compile(
    r"limit|quota|exceed|exhaust|used up|too many|throttl|out of|insufficient|\bno\b.*\b(?:left|remain)|spent|deplet",
    re.I,
)
_RATE = re.compile(
    r"rate.?limit|too.?many.?requests|throttl|slow down|too (?:fast|quickly|often|frequent)|concurren", re.I
)
_QUOTA = re.compile(r"quota|\bcredits?\b|allowance|(?:query|search|usage|look-?up)s? limit", re.I)
_USED_UP = re.compile(
    r"exceed|exhaust|used.up|reach|out of|\bno\b.*\b(?:left|remain)|insufficient|not enough|spent|deplet", re.I
)
_KEY = r"(?:token|api.?key|key|credentials?|password|login|authentication|authorization)"
_CREDENTIALS = re.compile(
    r"unauthori[sz]ed|not authenticated|authentication (?:required|failed)|log ?in required"
    rf"|\b(?:invalid|expired|missing|unknown|wrong|bad|incorrect|no)\b[\w /'-]{{0,24}}\b{_KEY}"
    rf"|\b{_KEY}s?\b[\w /:'*-]{{0,40}}\b(?:invalid|expired|missing|unknown|wrong|revoked|disabled|required|not valid)",
    re.I,
)
_LICENCE = re.compile(
    r"entitle|subscription|upgrade|licen[cs]e|forbidden|access denied|permission|not (?:allowed|permitted)", re.I
)
_REACHED = re.compile(r"limits? (?:has been |was |is )?(?:reached|exceeded)|exceeded .*limit", re.I)


def limit_in(said: str) -> type[SourceError] | None:
    """The limit that a message names: a rate (per second, minute or hour) or a quota (per day or month, or credits)."""
    said = said[:MAX_MESSAGE]
    if not (_LIMIT.search(said) or _RATE.search(said)):
        return None
    is_short, is_long = bool(_SHORT.search(said)), bool(_LONG.search(said))
    if is_short != is_long:
        return RateLimited if is_short else QuotaExceeded
    if _RATE.search(said):
        return RateLimited
    return QuotaExceeded if _QUOTA.search(said) and _USED_UP.search(said) else None


def is_limit_reached(said: str) -> bool:
    """Whether a message says that a limit is reached, without saying which."""
    return _REACHED.search(said[:MAX_MESSAGE]) is not None


def names_credentials(said: str) -> bool:
    """Whether a message is about missing or wrong credentials."""
    return _CREDENTIALS.search(said[:MAX_MESSAGE]) is not None


def by_words(said: str) -> type[SourceError] | None:
    """The class of an error that has no status of an error; None if the words do not tell."""
    if limit := limit_in(said):
        return limit
    if names_credentials(said):
        return CredentialsRefused
    return NotEntitled if _LICENCE.search(said[:MAX_MESSAGE]) else None


# Messages


def message_in_success(reply: Reply, complaint: Callable[[Reply], str]) -> tuple[str, int]:
    """The message of an error that has the status of a success, and the status that its body states, if any.

    An empty message if it is no error. An answer with rows is none, whatever else it says.
    """
    answer = error_json(reply.body)
    if not isinstance(answer, dict):
        line = answer if isinstance(answer, str) else first_line(reply) if answer is None else ""
        is_all = line == answer or line == reply.body.strip().decode(errors="replace")
        return (line if is_all and by_words(line) else ""), reply.status
    lists = [value for key, value in answer.items() if isinstance(value, list) and key not in ("errors", "messages")]
    if any(lists) or "rrname" in answer or "cond" in answer:
        return "", reply.status
    error = answer.get("error")
    codes = [*map(answer.get, _CODES), *(map(error.get, _CODES) if isinstance(error, dict) else [])]
    status = next((code for code in codes if isinstance(code, int) and 400 <= code < 600), reply.status)
    has_failed = bool(error or answer.get("errors")) or status != reply.status or _says_no(answer)
    if has_failed or not any(isinstance(value, list | dict) for value in answer.values()):
        said = usual_complaint(reply) or (complaint(reply) if has_failed else "")
        return said or (first_line(reply) if _says_no(answer) else ""), status
    return "", reply.status


_CODES = ("http_code", "code", "status", "status_code", "statusCode", "responseCode")


def _says_no(answer: Mapping[str, Any]) -> bool:
    return answer.get("success") is False or answer.get("status") in ("error", "fail", "failed", "failure")


def usual_complaint(reply: Reply) -> str:
    """The message of an error body in a usual JSON form, each part once.

    Known forms: `{"error": {"message"}}`, `{"error": "…", "message": "…"}`, `{"message": "…"}`, `{"detail": "…"}`,
    `{"reason": "…"}`, `{"errors": [{"message"}]}` and `{"error": "…", "error_description": "…"}`.
    """
    answer = error_json(reply.body)
    if not isinstance(answer, dict):
        return ""
    errors_told = answer.get("errors")
    entries = [answer.get("error"), *(errors_told[:3] if isinstance(errors_told, list) else [errors_told])]
    nested = map(_message, entries)
    words = [*nested, *map(answer.get, ("message", "detail", "reason", "error_description"))]
    told = dict.fromkeys(text.strip() for text in words if isinstance(text, str) and text.strip())
    return "; ".join(told)


def _message(entry: Any) -> Any:
    return (entry.get("message") or entry.get("developer_message")) if isinstance(entry, dict) else entry


def first_line(reply: Reply) -> str:
    """The message of a plain text error body; empty for HTML."""
    text = reply.body[:MAX_MESSAGE].decode(errors="replace").strip()
    return "" if text.startswith("<") else text.partition("\n")[0]


def error_json(body: bytes) -> Any:
    """The JSON of an error body; None if it is not JSON."""
    try:
        return json.loads(body[:MAX_ERROR_BODY])
    except (ValueError, RecursionError):
        return None
