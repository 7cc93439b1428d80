"""Decides whether and when a request is sent again."""

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from urllib3.exceptions import ReadTimeoutError

from passivedns.transport.causes import related

MAX_PAUSE = 60
"""Seconds between two attempts; a request is not repeated if the service asks for a longer delay."""
MAX_RETRY_AFTER = 86_400
"""Seconds; a service that asks for a longer delay is asked again after a day."""

_SENT = "sent"
"""The note on an error that came after the request."""
_NO_SUCH_HOST = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """Timeout and retries of requests."""

    timeout: float = 60
    """Seconds for one attempt, from connecting to the last byte."""
    max_retries: int = 4
    backoff: float = 2
    """Seconds before the second attempt, doubled for each later one."""
    sleep: Callable[[float], None] = time.sleep
    """Waits for as many seconds."""

    def pause(self, retry: int, requested: float) -> None:
        """Wait before a retry, numbered from 0, for at least as many seconds as the service requested."""
        self.sleep(min(max(self.backoff * 2.0**retry, requested), MAX_PAUSE))


def retry_after(headers: Mapping[str, str]) -> float:
    """The delay in seconds that a service requests, as a number or a date; 0 if none or invalid."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:20]), MAX_RETRY_AFTER)
    try:
        seconds = parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, OverflowError, IndexError, TypeError):
        return 0
    return min(max(seconds, 0), MAX_RETRY_AFTER)


@contextmanager
def awaiting_answer() -> Iterator[None]:
    """Mark the errors of the block as later than the request."""
    try:
        yield
    except Exception as error:
        error.add_note(_SENT)
        raise


def was_sent(error: BaseException) -> bool:
    """Whether the request had been sent: the failure then concerns this request, not the connection to the host."""
    return any(_SENT in getattr(each, "__notes__", ()) for each in related(error))


def is_unanswered(error: BaseException) -> bool:
    """Whether the request had been sent, and the answer took too long."""
    return was_sent(error) and any(isinstance(each, TimeoutError | ReadTimeoutError) for each in related(error))


def may_pass(error: BaseException) -> bool:
    """Whether another attempt may succeed and does no harm: a search that timed out may still run at the server."""
    return not is_unanswered(error) if was_sent(error) else not any(map(_is_permanent, related(error)))


def _is_permanent(error: BaseException) -> bool:
    if isinstance(error, socket.gaierror):
        return error.errno in _NO_SUCH_HOST
    # A ValueError is a rejected certificate, or an invalid URL or header.
    return isinstance(error, ValueError) or "CA certificate bundle" in str(error)
