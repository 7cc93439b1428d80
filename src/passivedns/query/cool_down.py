"""Leaves a source alone for a while once another request would be in vain, or unwelcome."""

import re
import threading
import time

from passivedns.errors import (
    CredentialsRefused,
    NoAnswer,
    NotEntitled,
    QuotaExceeded,
    RateLimited,
    SourceError,
    Unreachable,
)
from passivedns.text import and_list, wait_time

RESPITE = 60
"""Seconds for which a source that is ill, cannot be reached or has a rate limit is left alone."""
REFUSED = 300
"""Seconds after the credentials were refused. Settings change with a restart only; more attempts lock accounts."""
SEVERAL = 3
"""Different values that a source must fail to answer in a row, since one value may be the cause of its failure."""


class CoolDown:
    """What is remembered of the last failures of one source; threads share it."""

    def __init__(self, title: str) -> None:
        """`title` is the name of the source."""
        self._title = title
        self._failure: SourceError | None = None
        self._until = 0.0
        self._failed: dict[str, int] = {}
        """The last values without an answer, each with the status that came instead."""
        self._lock = threading.Lock()

    def is_ill(self) -> bool:
        """Whether the source has not answered since it was left alone; a single attempt then shows whether it does."""
        return self._failure is not None

    def check(self) -> None:
        """Raises the last failure, as a SourceError that says when the next try is, if the source is left alone."""
        with self._lock:
            if (left := self._until - time.monotonic()) > 0:
                usual = RateLimited(f"{self._title} rate limit exceeded; try again later.")
                raise _with_next_try(self._failure or usual, left)

    def obey(self, seconds: float) -> None:
        """Leave the source alone for as many seconds as it asks for."""
        with self._lock:
            self._until = max(self._until, time.monotonic() + seconds)

    def note_failure(self, value: str, error: SourceError) -> SourceError:
        """Note why a source did not answer about a value; the error to raise, which may say when the next try is."""
        if error.retry_in is not None and not error.status:  # nothing was sent
            return error
        with self._lock:
            was_asked_to_wait = self._until > time.monotonic()
            if seconds := self._seconds(value, error, was_asked_to_wait):
                self._failure = self._summary(error)
                self._until = max(self._until, time.monotonic() + seconds)
            left = self._until - time.monotonic()
            if left <= 0:
                return error
            if was_asked_to_wait:
                self._failure = error
                return _with_next_try(error, left)
            error.retry_in = left
            return error

    def note_answer(self) -> None:
        """Note that the source answered."""
        with self._lock:
            self._failure = None
            self._failed.clear()

    def _seconds(self, value: str, error: SourceError, was_asked_to_wait: bool) -> float:
        match error:
            case CredentialsRefused() | NotEntitled():
                return REFUSED
            case Unreachable() | RateLimited() | QuotaExceeded():
                return 0 if was_asked_to_wait else RESPITE
            case NoAnswer(status=status) if status >= 400:
                self._failed.pop(value, None)
                self._failed[value] = status
                for oldest in [*self._failed][:-SEVERAL]:
                    del self._failed[oldest]
                return RESPITE if len(self._failed) == SEVERAL and not was_asked_to_wait else 0
        return 0

    def _summary(self, error: SourceError) -> SourceError:
        """The error to remember: that of several values says nothing about the last one."""
        if type(error) is not NoAnswer or error.status < 400:
            return error
        statuses = and_list(sorted({str(status) for status in self._failed.values()}))
        return NoAnswer(f"{self._title} answered HTTP {statuses} to the last {SEVERAL} look-ups; try again later.")


def _with_next_try(error: SourceError, seconds: float) -> SourceError:
    """The same error with the time of the next try in its text."""
    sentence, quotes, quoted = str(error).partition(" Its response says: ")
    when = f"next try in {wait_time(seconds)}"
    dated, count = re.subn(r"try again later|next try in [\d,]+ (?:s|min|h)", when, sentence, count=1)
    if not count:
        dated = f"{sentence} {when.capitalize()}."
    return type(error)(dated + quotes + quoted, retry_in=seconds)
