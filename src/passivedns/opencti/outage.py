"""While OpenCTI is away, what is asked of it for a message waits and is asked again, in place of failing the message.

So a message goes on where the outage met it: no search is made twice, and no bundle is sent twice.
"""

import copy
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import requests
from pika.exceptions import AMQPError
from pycti import OpenCTIApiClient, OpenCTIConnectorHelper

from passivedns.opencti.errand import Errand
from passivedns.opencti.registration import PASSING, graphql_error, growing_pauses

log = logging.getLogger(__name__)

T = TypeVar("T")

LONGEST_PAUSE = 10.0
"""Seconds between two tries, once the pauses have grown."""
LONGEST_ILLNESS = 600.0
"""Seconds after which an error that OpenCTI itself answers is taken for its answer: it may be about this message, and
the others wait behind it. While OpenCTI cannot be reached at all, nothing else could be done.
"""

# A proxy answers with 404 for an OpenCTI that is not there, and some answer with 408 for one that is slow.
_NOT_OPENCTI = (404, 408, 429)
# With a token that is not accepted, no work can be closed either.
_LOCKED_OUT = ("AUTH_REQUIRED", "OTP_REQUIRED")

_thread = threading.local()


@contextmanager
def on_errand(errand: Errand) -> Iterator[None]:
    """Within the block, what this thread asks of OpenCTI is asked for that message."""
    _thread.errand = errand
    try:
        yield
    finally:
        _thread.errand = None


def errand_here() -> Errand | None:
    """The message that this thread works on."""
    return getattr(_thread, "errand", None)


def make_patient(helper: OpenCTIConnectorHelper) -> OpenCTIApiClient:
    """Let what is asked for a message wait; what pycti asks beside that, such as its ping, fails as before.

    Returns a client that never waits.
    """
    api = helper.api
    api.session.hooks["response"].append(_refuse_outage)
    impatient = copy.copy(api)  # with the same session and headers
    api.query = lambda *arguments, **named: patiently(partial(impatient.query, *arguments, **named))
    return impatient


def patiently(call: Callable[[], T], is_settled: Callable[[], bool] | None = None) -> T | None:
    """Call until there is no outage; None when it turns out after one that the call had its effect.

    Without a message in this thread it is called once. Raises what the call raises, and Postponed.
    """
    errand, away_since = errand_here(), 0.0
    if errand is None:
        return call()
    for pause in growing_pauses(0.25, LONGEST_PAUSE):
        errand.proceed()
        try:
            return call()
        except Exception as error:
            if not _may_pass(error, time.monotonic() - away_since if away_since else 0):
                raise
            level = logging.DEBUG if away_since else logging.WARNING
            log.log(level, "OpenCTI or its broker is away (%s); %s waits for it.", _words(error), errand)
            away_since = away_since or time.monotonic()
        errand.pause(pause)
        if is_settled and is_settled():
            break
    return None


def _may_pass(error: Exception, seconds: float) -> bool:
    """Whether the same call may succeed later, when the first try was so many seconds ago."""
    if isinstance(error, requests.RequestException):
        return True
    answered = graphql_error(error)
    if answered and answered[0] in _LOCKED_OUT:
        return True
    is_ill = answered[0] in PASSING if answered else isinstance(error, AMQPError | OSError)
    return is_ill and seconds < LONGEST_ILLNESS


def _refuse_outage(response: requests.Response, *_: Any, **__: Any) -> None:
    """pycti makes one kind of error of all statuses."""
    if response.status_code >= 500 or response.status_code in _NOT_OPENCTI:
        raise requests.HTTPError(f"HTTP {response.status_code}", response=response)


def _words(error: Exception) -> str:
    answered = graphql_error(error)
    return answered[1] if answered else f"{type(error).__name__} {error}".strip()[:200]
