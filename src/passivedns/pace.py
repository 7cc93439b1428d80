"""Limits requests to the published rate of a source."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from passivedns.errors import RateLimited
from passivedns.store import PATIENCE

if TYPE_CHECKING:
    from limits.strategies import MovingWindowRateLimiter

log = logging.getLogger(__name__)


class Pace:
    """The rate limit of one source, shared by all processes with the same Redis."""

    def __init__(self, title: str, rates: str, patience: float, redis_url: str = "") -> None:
        """`title` is the name of the source, `rates` such as `10/minute;1000/day`; `wait` waits up to `patience`
        seconds.
        """
        # Loading this library takes longer than anything else, and few sources are paced.
        from limits import parse_many
        from limits.storage import MemoryStorage, storage_from_string
        from limits.strategies import MovingWindowRateLimiter

        self._title = title
        self._rates = rates
        self._limits = parse_many(rates)
        self._patience = patience
        self._own = self._shared = MovingWindowRateLimiter(MemoryStorage())
        if redis_url:
            options = {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE, "wrap_exceptions": True}
            self._shared = MovingWindowRateLimiter(storage_from_string(redis_url, **options))

    def wait(self) -> None:
        """Wait until the next request is allowed.

        Raises:
            RateLimited: the wait would be too long; the text says when to try again.
        """
        deadline = time.time() + self._patience
        while free := self._next_turn():
            if free > deadline:
                raise RateLimited(
                    f"{self._title} allows {self._rates} requests; try again at "
                    f"{datetime.fromtimestamp(free, UTC):%Y-%m-%d %H:%M:%S} UTC."
                )
            log.info("Waiting %.0f s for the rate limit of %s (%s).", free - time.time(), self._title, self._rates)
            time.sleep(max(free - time.time(), 0.01))

    def _next_turn(self) -> float:
        """Take a turn; 0 if that succeeded, else when the next one is free (Unix seconds)."""
        from limits.errors import StorageError

        try:
            return self._take(self._shared)
        except StorageError as error:
            log.warning("The rate limit of %s is not shared with other processes (%s).", self._title, error)
            return self._take(self._own)

    def _take(self, limiter: MovingWindowRateLimiter) -> float:
        full = [limit for limit in self._limits if not limiter.test(limit, self._title)]
        # Another process may take the turn meanwhile.
        full = full or [limit for limit in self._limits if not limiter.hit(limit, self._title)]
        return max((float(limiter.get_window_stats(limit, self._title).reset_time) for limit in full), default=0)
