"""Lets an enrichment that OpenCTI itself requested wait until a source can answer; people and playbooks do not wait."""

import time

from passivedns.errors import AllFailed, NoAnswer, RateLimited, SourceError, TlpRefused
from passivedns.opencti.message import Message

MAX_WAIT = 600.0
"""Seconds that a message waits in total, over all its deliveries."""
PAUSE = 30.0
"""Seconds before sources are asked again that do not say when."""

_begun: dict[str, float] = {}
"""When each waiting message began to wait."""


def wait_for_sources(message: Message, error: SourceError) -> bool:
    """Wait, with the message unanswered, after no source answered; whether to ask again, with the entity read anew.

    Raises:
        Postponed: the message is left to its next delivery.
    """
    seconds = _passes_in(error)
    if message.mode != "auto" or seconds is None:
        return False
    if time.monotonic() + seconds > _deadline(message.delivery.key):
        return False
    message.log("info", "No source can answer for now; the message is waiting", wait=round(seconds), reason=str(error))
    message.delivery.pause(seconds)
    message.refresh(older_than=seconds / 2)
    return True


def _passes_in(error: SourceError) -> float | None:
    """The seconds after which a source may answer; None unless all of them will."""
    failures = error.failures if isinstance(error, AllFailed) else (error,)
    # A search that timed out is not sent again.
    pauses = [
        failure.retry_in or PAUSE
        if isinstance(failure, NoAnswer | RateLimited) and (failure.retry_in or failure.status)
        else None
        for failure in failures
        if not isinstance(failure, TlpRefused)
    ]
    known = [pause for pause in pauses if pause is not None]
    return min(known) if known and len(known) == len(pauses) else None


def _deadline(key: str) -> float:
    now = time.monotonic()
    for old in [other for other, begun in _begun.items() if begun < now - 2 * MAX_WAIT]:
        del _begun[old]
    return _begun.setdefault(key, now) + MAX_WAIT
