"""Turns responses that are errors into errors that say what to do."""

import json
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from passivedns import errors
from passivedns.errors import SourceError
from passivedns.text import and_list, one_line, wait_time
from passivedns.transport.causes import Peer, blocked, foreign, is_page
from passivedns.transport.complaints import by_words, is_limit_reached, limit_in, names_credentials
from passivedns.transport.reply import Reply
from passivedns.transport.service import Service

LONGEST_COMPLAINT = 200
"""Maximum characters quoted from a server."""
LONGEST_ERROR = 2**16
"""Bytes of an error body that are read."""
LONGEST_RATE = 3600
"""Seconds; a source that wants to be left alone for less has a rate limit."""
LONGEST_RETRY_AFTER = 86_400
"""Seconds; a source that asks for a longer delay is asked again after a day."""

_USUAL: Mapping[int, type[SourceError]] = {
    401: errors.CredentialsRefused,
    402: errors.NotEntitled,
    403: errors.NotEntitled,
    404: errors.BadAnswer,
    429: errors.RateLimited,
}


def peer_of(service: Service, url: str) -> Peer:
    """A source as the server at a URL."""
    return Peer(service.title, service.variable(service.address), url)


def failure(service: Service, reply: Reply, url: str) -> SourceError | None:
    """The error for the reply to a request; None for an answer, or for a status that the client handles."""
    if 200 <= reply.status < 300:
        return _failure_in_success(service, reply)
    what = foreign(reply.status, reply.headers, reply.body)
    if what and reply.status >= 400 and reply.status not in (404, 429) and not _asks_for_login(service, reply):
        error = errors.Blocked(f"{blocked(peer_of(service, url), reply.status, what)}.")
        error.status = reply.status
        return error
    if reply.status in service.unknown:
        return None
    said = _redirect(reply) or (service.complaint or usual_complaint)(reply)
    wait = retry_after(reply.headers)
    kind = errors.RateLimited if what and reply.status == 429 else meaning(service, reply.status, said, wait)
    return worded(service, kind, reply.status, said, wait)


def _redirect(reply: Reply) -> str:
    """Where a redirect leads, such as the sign-in of a network, without path and credentials; empty if it is none."""
    try:
        target = urlsplit(reply.headers.get("Location", "") if 300 <= reply.status < 400 else "")
    except ValueError:
        return ""
    host = reply.mask((target.hostname or "").encode()).decode(errors="replace")
    return f"redirect to {target.scheme}://{host}" if host else ""


def _asks_for_login(service: Service, reply: Reply) -> bool:
    """Whether a web server refused the credentials itself, as RFC 9110 section 15.5.2 demands."""
    return reply.status == 401 and "www-authenticate" in reply.headers and bool(service.credentials)


def _failure_in_success(service: Service, reply: Reply) -> SourceError | None:
    """The error in a reply that has the status of a success."""
    if is_page(reply.body):
        return service.unexpected("is a web page")
    if len(reply.body) > LONGEST_ERROR:
        return None
    said, status = told_in_success(reply.masked(), service.complaint or usual_complaint)
    return worded(service, meaning(service, status, said), status, said) if said or status >= 400 else None


def meaning(service: Service, status: int, said: str, wait: float = 0) -> type[SourceError]:
    """The error class for a status, the message with it, and the seconds until another attempt, if stated."""
    kind = service.statuses.get(status) or _USUAL.get(status) or (by_words(said) if status < 400 else None)
    if kind in (errors.NotEntitled, errors.RateLimited, errors.QuotaExceeded, None):
        kind = limit_in(said) or _meaning_of_limit(kind, status, said, wait)
    if kind is errors.NotEntitled and status == 403 and names_credentials(said):
        kind = errors.CredentialsRefused
    if kind is None:
        kind = errors.NoAnswer if status >= 500 else errors.BadAnswer if status < 400 else errors.RequestRefused
    return _suiting(service, kind)


def _meaning_of_limit(kind: type[SourceError] | None, status: int, said: str, wait: float) -> type[SourceError] | None:
    """The class where the words alone do not tell a rate limit from a quota."""
    if status in (402, 403) and kind is errors.NotEntitled and is_limit_reached(said):
        return errors.QuotaExceeded
    return errors.RateLimited if status == 429 and 0 < wait < LONGEST_RATE else kind


def _suiting(service: Service, kind: type[SourceError]) -> type[SourceError]:
    """The class for a source that may have no account, of which no error may speak."""
    if kind not in (errors.CredentialsRefused, errors.NotEntitled):
        return kind
    if not service.credentials:
        return errors.RequestRefused
    return errors.CredentialsRefused if service.account in ("none", "own server") else kind


def worded(service: Service, kind: type[SourceError], status: int, said: str = "", wait: float = 0) -> SourceError:
    """An error of that class with its text.

    `said` is the message of the source, which is shortened; `wait` is how many seconds it wants to be left alone.
    """
    check, said = service.variable(service.address), one_line(said, LONGEST_COMPLAINT)
    has_choice = kind is errors.CredentialsRefused and service.account in ("none", "own server")
    sentence = (_NO_ACCOUNT if has_choice else _SENTENCES[kind]).format(
        title=service.title,
        status=status,
        until=f"; next try in {wait_time(wait)}" if wait else "",
        again=f"next try in {wait_time(wait)}" if wait else "try again later",
        check=check,
        credentials=and_list([*map(service.variable, service.credentials)] or [check]),
        entitlement=service.entitlement,
    )
    is_new = said and said.lower().removeprefix("error: ").rstrip(".") not in sentence.lower()
    error = kind(f"{sentence} Its response says: {said}" if is_new else sentence, retry_in=wait or None)
    error.status = status
    return error


_NO_ACCOUNT = "{title} requires credentials or rejected them (HTTP {status}); check {credentials}."
_SENTENCES: Mapping[type[SourceError], str] = {
    errors.CredentialsRefused: "{title} rejected the credentials (HTTP {status}); check {credentials}.",
    errors.NotEntitled: "The {title} account is not entitled to passive DNS (HTTP {status}); {entitlement}.",
    errors.QuotaExceeded: "The {title} quota is used up (HTTP {status}){until}.",
    errors.RateLimited: "{title} rate limit exceeded (HTTP {status}); {again}.",
    errors.RequestRefused: "{title} rejected the request (HTTP {status}).",
    errors.NoAnswer: "{title} server error (HTTP {status}); {again}.",
    errors.BadAnswer: "The response (HTTP {status}) is not from the {title} API; check {check}.",
}


def told_in_success(reply: Reply, complaint: Callable[[Reply], str]) -> tuple[str, int]:
    """The message of an error that has the status of a success, and the status that its body states, if any.

    An empty message if it is no error. An answer with rows is none, whatever else it says.
    """
    answer = parsed(reply.body)
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
    answer = parsed(reply.body)
    if not isinstance(answer, dict):
        return ""
    errors_told = answer.get("errors")
    entries = [answer.get("error"), *(errors_told[:3] if isinstance(errors_told, list) else [errors_told])]
    nested = [(_message(entry)) for entry in entries]
    words = [*nested, *map(answer.get, ("message", "detail", "reason", "error_description"))]
    told = dict.fromkeys(text.strip() for text in words if isinstance(text, str) and text.strip())
    return "; ".join(told)


def _message(entry: Any) -> Any:
    return (entry.get("message") or entry.get("developer_message")) if isinstance(entry, dict) else entry


def first_line(reply: Reply) -> str:
    """The message of a plain text error body; empty for HTML."""
    text = reply.body[:1000].decode(errors="replace").strip()
    return "" if text.startswith("<") else text.partition("\n")[0]


def parsed(body: bytes) -> Any:
    """The JSON of an error body; None if it is not JSON."""
    try:
        return json.loads(body[:LONGEST_ERROR])
    except (ValueError, RecursionError):
        return None


def retry_after(headers: Mapping[str, str]) -> float:
    """The delay in seconds that a source requests, as a number or a date; 0 if none or invalid."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:20]), LONGEST_RETRY_AFTER)
    try:
        seconds = parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, OverflowError, IndexError, TypeError):
        return 0
    return min(max(seconds, 0), LONGEST_RETRY_AFTER)
