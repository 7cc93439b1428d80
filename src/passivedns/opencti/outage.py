"""Retries calls to OpenCTI and its broker while either is away, so that an outage delays a message but never fails it.

The enrichment continues where it was: no search is repeated, and no bundle is sent twice.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import requests
from pika.exceptions import AMQPError, ConnectionBlockedTimeout
from pycti import OpenCTIApiClient

from passivedns.opencti.delivery import Delivery
from passivedns.opencti.registration import TRANSIENT, graphql_error, growing_pauses

log = logging.getLogger(__name__)

T = TypeVar("T")

LONGEST_PAUSE = 10.0
"""The longest pause between two attempts, in seconds."""
LONGEST_ILLNESS = 600.0
"""Seconds for which errors that OpenCTI itself reports are retried. They may concern only this message, and the others
wait behind it. While OpenCTI cannot be reached, nothing else could be done.
"""

# A proxy answers 404 if OpenCTI is not there, and some answer 408 if it is slow.
_NOT_OPENCTI = (404, 408, 429)
# With a rejected token, no work can be closed either.
_LOCKED_OUT = ("AUTH_REQUIRED", "OTP_REQUIRED")


class Current(threading.local):
    """What this thread does at the moment."""

    delivery: Delivery | None = None
    """The message that it processes."""
    is_done: Callable[[], bool] | None = None
    """Whether the call that is retried took effect."""


current = Current()


@contextmanager
def processing(delivery: Delivery) -> Iterator[None]:
    """Retry the calls of this thread for that message."""
    current.delivery = delivery
    try:
        yield
    finally:
        current.delivery = None


@contextmanager
def retried_unless(is_done: Callable[[], bool] | None) -> Iterator[None]:
    """Before a call is retried, ask whether it took effect and only its response was lost."""
    before, current.is_done = current.is_done, is_done
    try:
        yield
    finally:
        current.is_done = before


def retry_queries(api: OpenCTIApiClient) -> None:
    """Retry what this client queries for a message; other queries, such as pycti's ping, fail at once as before."""
    api.session.hooks["response"].append(_raise_if_away)
    query = api.query
    api.query = lambda *arguments, **named: retry_while_away(partial(query, *arguments, **named))


def retry_while_away(call: Callable[[], T]) -> T | None:
    """Call until there is no outage; None if the call took effect before one. For no message, call once.

    Raises:
        Postponed: the message is left to its next delivery.
        Exception: whatever the call raises, except for outages.
    """
    delivery, is_done, away_since = current.delivery, current.is_done, 0.0
    if delivery is None:
        return call()
    for pause in growing_pauses(0.25, LONGEST_PAUSE):
        delivery.wait_until_held()
        try:
            return call()
        except Exception as error:
            if not _is_outage(error, time.monotonic() - away_since if away_since else 0):
                raise
            level = logging.DEBUG if away_since else logging.WARNING
            log.log(level, "OpenCTI or RabbitMQ is unavailable (%s); %s is waiting.", _text(error), delivery)
            away_since = away_since or time.monotonic()
        delivery.pause(pause)
        if is_done and is_done():
            break
    return None


def _is_outage(error: Exception, seconds: float) -> bool:
    """True if the call may succeed later; `seconds` is how long it has been retried."""
    # A broker that is short of memory or disk blocks connections for as long as it is.
    if isinstance(error, requests.RequestException | ConnectionBlockedTimeout):
        return True
    reported = graphql_error(error)
    if reported and reported[0] in _LOCKED_OUT:
        return True
    is_ill = reported[0] in TRANSIENT if reported else isinstance(error, AMQPError | OSError)
    return is_ill and seconds < LONGEST_ILLNESS


def _raise_if_away(response: requests.Response, *_: Any, **__: Any) -> None:
    """Tell statuses of an outage apart from others, for which pycti raises the same error."""
    if response.status_code >= 500 or response.status_code in _NOT_OPENCTI:
        raise requests.HTTPError(f"HTTP {response.status_code}", response=response)


def _text(error: Exception) -> str:
    reported = graphql_error(error)
    return reported[1] if reported else f"{type(error).__name__} {error}".strip()[:200]
