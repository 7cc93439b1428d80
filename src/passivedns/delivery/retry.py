"""Retries calls to OpenCTI and its broker while either is away, so that an outage delays a message but never fails it.

The enrichment continues where it was: no search is repeated. Before a call to OpenCTI is repeated, OpenCTI is asked
something trivial. If it does not answer that either, it is away, and the message waits. If it does, the failure is
about this message, which must not block the others: after `MAX_TRIES` the failure is final.
"""

import logging
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import requests
from pika.exceptions import AMQPError, ChannelClosedByBroker
from pycti import OpenCTIApiClient
from urllib3.exceptions import MaxRetryError, NewConnectionError

from passivedns.delivery.delivery import Delivery
from passivedns.opencti.broker import BrokerUnavailable
from passivedns.opencti.reasons import graphql_error, raise_if_foreign, why
from passivedns.opencti.registration import TRANSIENT, growing_pauses

log = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_PAUSE = 0.25
"""The pause before the second attempt, in seconds; each is twice as long as the one before."""
MAX_PAUSE = 10.0
"""The longest pause between two attempts, in seconds."""
MAX_TRIES = 7
"""Failures of one call, while OpenCTI answers others, after which the failure is final: about 16 seconds.

A call that takes long counts once more for each minute.
"""

# Unlike the version, it is read from the database.
_TRIVIAL = "query { markingDefinitions(first: 1) { edges { node { standard_id } } } }"
# A proxy answers 404 if OpenCTI is not there, and some answer 408 if it is slow.
_NOT_OPENCTI = (404, 408, 429)
# With a rejected token, no work can be closed either.
_LOCKED_OUT = ("AUTH_REQUIRED", "OTP_REQUIRED")
# A proxy passed the request on, and did not get the response.
_RESPONSE_LOST = (502, 504)
_BROKER_AWAY = (AMQPError, ConnectionError, TimeoutError, socket.gaierror)

_WAITS = "OpenCTI or RabbitMQ is unavailable (%s); %s is waiting."


class TooLarge(ValueError):
    """A proxy in front of OpenCTI rejects requests of this size."""


class Retrier:
    """Retries the calls for one message."""

    def __init__(self, delivery: Delivery, api: OpenCTIApiClient) -> None:
        """`api` is pycti's client, which tries once."""
        self.delivery = delivery
        self.api = api

    def call(self, call: Callable[[], T], unless: Callable[[Exception], bool] | None = None) -> T | None:
        """Call until there is no outage. `unless` tells from its failure whether a call took effect; then return None.

        Raises:
            Postponed: the message is left to its next delivery.
            Exception: what the call raises, unless it is an outage; it is then also the delivery's `failure`.
        """
        delivery, tries, level, pauses = self.delivery, 0, logging.WARNING, growing_pauses(FIRST_PAUSE, MAX_PAUSE)
        while True:
            delivery.wait_until_held()
            begun = time.monotonic()
            try:
                return call()
            except Exception as error:
                if error is delivery.failure or not may_pass(error):
                    delivery.failure = error
                    raise
                failure = error
            log.log(level, _WAITS, in_words(failure), delivery)
            level, minutes = logging.DEBUG, int((time.monotonic() - begun) / 60)
            if not self._wait_for_end(failure, delivery, pauses):
                # pycti waits five minutes for a response.
                tries += 1 + minutes
            if unless and unless(failure):
                return None
            if tries >= MAX_TRIES:
                log.error("OpenCTI answers, but fails %d times on %s: %s", tries, delivery, in_words(failure))
                delivery.failure = failure
                raise failure

    def query(self, *arguments: Any, **named: Any) -> Any:
        """As the client's `query`, with retries."""
        return self.call(partial(self.api.query, *arguments, **named))

    def _wait_for_end(self, failure: Exception, delivery: Delivery, pauses: Iterator[float]) -> bool:
        """Pause at least once, and until OpenCTI answers. Return whether there was an outage."""
        delivery.pause(next(pauses))
        if isinstance(failure, _BROKER_AWAY):
            return True  # The call itself asks the broker.
        was_away = False
        while not self._is_up():
            was_away = True
            delivery.pause(next(pauses))
        return was_away

    def _is_up(self) -> bool:
        """Whether OpenCTI answers something trivial, and be it with a refusal."""
        try:
            self.api.query(_TRIVIAL)
        except Exception as error:
            return not may_pass(error)
        return True


def may_pass(error: Exception) -> bool:
    """Whether the same call may succeed later."""
    if isinstance(error, ChannelClosedByBroker):
        # OpenCTI recreates missing exchanges. Other reasons, such as the size of the message, remain.
        return bool(error.reply_code == 404)
    if isinstance(error, requests.RequestException | AMQPError | OSError):
        return True
    reported = graphql_error(error)
    return reported is not None and reported[0] in (*_LOCKED_OUT, *TRANSIENT)


def may_have_arrived(error: Exception) -> bool:
    """Whether OpenCTI may have executed a request, so that only its response was lost."""
    if isinstance(error, requests.HTTPError):
        return error.response is not None and error.response.status_code in _RESPONSE_LOST
    if isinstance(error, requests.ConnectTimeout | requests.exceptions.SSLError | requests.exceptions.ProxyError):
        return False
    # A page in place of an answer comes from a proxy.
    if not isinstance(error, requests.RequestException) or isinstance(error, requests.JSONDecodeError):
        return False
    cause = error.args[0] if error.args else None
    return not (isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError))


def raise_if_away(response: requests.Response, *_: Any, **__: Any) -> None:
    """Tell statuses of an outage apart from others, for which pycti raises the same error."""
    if response.status_code in (401, 403):
        raise_if_foreign(response)
    if response.status_code >= 500 or response.status_code in _NOT_OPENCTI:
        raise requests.HTTPError(f"HTTP {response.status_code}", response=response)
    if response.status_code == 413:
        raise TooLarge(f"HTTP 413, too large for a proxy in front of OpenCTI: {response.text[:200]}")


def in_words(error: Exception) -> str:
    """The error in a few words, with the code that OpenCTI gave it."""
    reported = graphql_error(error)
    if reported:
        return f"{reported[0]}: {reported[1]}"
    if isinstance(error, requests.RequestException):
        return why(error)
    return str(error) if isinstance(error, BrokerUnavailable) else f"{type(error).__name__} {error}".strip()[:200]
