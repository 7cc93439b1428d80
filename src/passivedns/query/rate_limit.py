"""Limits requests to the published rate of a source."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from passivedns.circuit_breaker import Unavailable, redis_at
from passivedns.errors import RateLimited
from passivedns.text import rates_in_words, wait_time

if TYPE_CHECKING:
    from limits.strategies import MovingWindowRateLimiter
    from redis import Redis

log = logging.getLogger(__name__)


class RateLimit:
    """The rate limit of one source, shared by all processes with the same Redis."""

    def __init__(self, title: str, rates: str, max_wait: float, redis_url: str = "") -> None:
        """`title` is the name of the source, `rates` such as `10/minute;1000/day`; `wait` waits up to `max_wait`
        seconds.
        """
        # Loading this library takes longer than anything else, and few sources are paced.
        from limits import parse_many
        from limits.storage import MemoryStorage
        from limits.strategies import MovingWindowRateLimiter

        self._title = title
        self._rates = rates_in_words(rates)
        self._limits = parse_many(rates)
        self._max_wait = max_wait
        self._own = MovingWindowRateLimiter(MemoryStorage())
        self._redis = redis_at(redis_url) if redis_url else None
        self._warned = False

    def wait(self) -> None:
        """Wait until the next request is allowed.

        Raises:
            RateLimited: the wait would be too long; the text says when the next request is allowed.
        """
        deadline = time.time() + self._max_wait
        while free := self._next_turn():
            left = free - time.time()
            if free > deadline:
                raise RateLimited(f"{self._title} allows {self._rates}; next try in {wait_time(left)}.", retry_in=left)
            log.info("Waiting %s for the rate limit of %s (%s).", wait_time(left), self._title, self._rates)
            time.sleep(max(left, 0.01))

    def _next_turn(self) -> float:
        """Take a turn; 0 if that succeeded, else when the next one is free (Unix seconds)."""
        if self._redis:
            try:
                turn = self._redis.use(self._take_shared)
                self._warned = False
                return turn
            except Unavailable as error:
                if not self._warned:
                    log.warning("The rate limit of %s is not shared with other processes (%s).", self._title, error)
                self._warned = True
        return self._take(self._own)

    def _take_shared(self, redis: Redis) -> float:
        from limits.storage import RedisStorage
        from limits.strategies import MovingWindowRateLimiter

        return self._take(MovingWindowRateLimiter(RedisStorage("redis://", connection_pool=redis.connection_pool)))

    def _take(self, limiter: MovingWindowRateLimiter) -> float:
        full = [limit for limit in self._limits if not limiter.test(limit, self._title)]
        # Another process may take the turn meanwhile.
        full = full or [limit for limit in self._limits if not limiter.hit(limit, self._title)]
        return max((float(limiter.get_window_stats(limit, self._title).reset_time) for limit in full), default=0)
