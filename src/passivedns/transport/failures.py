"""Turns lost connections, and responses that are errors, into errors that say what to do."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from passivedns import errors
from passivedns.errors import SourceError
from passivedns.transport import complaints
from passivedns.transport.causes import blocked_request, cause, foreign, is_page
from passivedns.transport.reply import Reply
from passivedns.transport.retry import is_unanswered, retry_after, was_sent
from passivedns.transport.service import Service

MAX_RATE_LIMIT = 3600
"""Seconds; a service that wants to be left alone for less has a rate limit."""

_USUAL: Mapping[int, type[SourceError]] = {
    401: errors.CredentialsRefused,
    402: errors.NotEntitled,
    403: errors.NotEntitled,
    404: errors.BadAnswer,
    429: errors.RateLimited,
}


def lost_connection(service: Service, error: Exception, url: str, timeout: float) -> errors.NoAnswer:
    """The error for a connection that failed, or was lost while the answer to a request was awaited."""
    if is_unanswered(error):
        return errors.NoAnswer(f"{service.title} did not answer within {timeout:g} s.")
    kind = errors.NoAnswer if was_sent(error) else errors.Unreachable
    return kind(f"{service.title} cannot be reached: {cause(error, service.peer(url), timeout)}.")


def failure(service: Service, reply: Reply, url: str) -> SourceError | None:
    """The error for the reply to a request; None for an answer, or for a status that the client handles."""
    if 200 <= reply.status < 300:
        return _failure_in_success(service, reply)
    what = foreign(reply.status, reply.headers, reply.body)
    if what and reply.status >= 400 and reply.status not in (404, 429) and not _asks_for_login(service, reply):
        error = errors.Blocked(f"{blocked_request(service.peer(url), reply.status, what)}.")
        error.status = reply.status
        return error
    if reply.status in service.unknown:
        return None
    said = _redirect(reply) or service.complaint(reply)
    wait = retry_after(reply.headers)
    kind = errors.RateLimited if what and reply.status == 429 else meaning(service, reply.status, said, wait)
    return service.error(kind, reply.status, said, wait)


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
    if len(reply.body) > complaints.MAX_ERROR_BODY:
        return None
    said, status = complaints.message_in_success(reply.without_credentials(), service.complaint)
    return service.error(meaning(service, status, said), status, said) if said or status >= 400 else None


def meaning(service: Service, status: int, said: str, wait: float = 0) -> type[SourceError]:
    """The error class for a status, the message with it, and the seconds until another attempt, if stated."""
    kind = service.statuses.get(status) or _USUAL.get(status) or (complaints.by_words(said) if status < 400 else None)
    if kind in (errors.NotEntitled, errors.RateLimited, errors.QuotaExceeded, None):
        kind = complaints.limit_in(said) or _meaning_of_limit(kind, status, said, wait)
    if kind is errors.NotEntitled and status == 403 and complaints.names_credentials(said):
        kind = errors.CredentialsRefused
    if kind is None:
        kind = errors.NoAnswer if status >= 500 else errors.BadAnswer if status < 400 else errors.RequestRefused
    return _for_account(service, kind)


def _meaning_of_limit(kind: type[SourceError] | None, status: int, said: str, wait: float) -> type[SourceError] | None:
    """The class where the words alone do not tell a rate limit from a quota."""
    if status in (402, 403) and kind is errors.NotEntitled and complaints.is_limit_reached(said):
        return errors.QuotaExceeded
    return errors.RateLimited if status == 429 and 0 < wait < MAX_RATE_LIMIT else kind


def _for_account(service: Service, kind: type[SourceError]) -> type[SourceError]:
    """The class for a service that may have no account, of which no error may speak."""
    if kind not in (errors.CredentialsRefused, errors.NotEntitled):
        return kind
    if not service.credentials:
        return errors.RequestRefused
    return kind if service.needs_account else errors.CredentialsRefused
