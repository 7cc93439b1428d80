"""Leaves a place that stores data alone for a while once it fails, and shares one connection to a Redis."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from redis import Redis

TIMEOUT = 1
"""Timeout in seconds for a file lock or Redis."""
RESET_AFTER = 60
"""Seconds before a failed place is tried again, so that not every message waits for it."""

T = TypeVar("T")
Place = TypeVar("Place")


class Unavailable(Exception):
    """The place failed, now or a moment ago; the text is the reason."""


class CircuitBreaker(Generic[Place]):
    """Access to one place for several threads, one at a time: while one waits for it in vain, so do the others."""

    def __init__(self, open_place: Callable[[], Place]) -> None:
        """Nothing is opened yet."""
        self._open = open_place
        self._place: Place | None = None
        self._reason = ""
        self._left_alone_until = 0.0
        self._lock = threading.Lock()

    def use(self, work: Callable[[Place], T]) -> T:
        """The result of `work` with the opened place.

        Raises:
            Unavailable: it failed, or did so less than `RESET_AFTER` seconds ago.
        """
        with self._lock:
            if time.monotonic() < self._left_alone_until:
                raise Unavailable(self._reason)
            try:
                self._place = self._place or self._open()
                return work(self._place)
            except Exception as error:  # whatever sqlite3, redis and the file system raise
                self._place = None
                self._reason = str(getattr(error, "strerror", None) or error)
                self._left_alone_until = time.monotonic() + RESET_AFTER
                raise Unavailable(self._reason) from error


# One per URL, so that a Redis that does not respond costs its timeout once and not once per use.
@lru_cache
def redis_at(url: str) -> CircuitBreaker[Redis]:
    """The Redis at a URL."""
    return CircuitBreaker(partial(_redis, url))


def _redis(url: str) -> Redis:
    from redis import Redis  # not loaded without a need, like sqlite3
    from redis.backoff import NoBackoff
    from redis.exceptions import ConnectionError as ConnectionLost
    from redis.retry import Retry

    # A lost connection may be an old one, so it is retried once; a timeout would only repeat.
    retry = Retry(NoBackoff(), 1, supported_errors=(ConnectionLost,))
    return Redis.from_url(url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, retry=retry)
