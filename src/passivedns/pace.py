"""Limits requests to the published rate of a source."""

import logging
import time
from datetime import UTC, datetime

from limits import RateLimitItem, parse_many
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter

from passivedns.errors import RateLimited

log = logging.getLogger(__name__)

_PLACE = "memory://"


class Pace:
    """The rate limit of one source, shared by all processes with the same Redis."""

    def __init__(self, title: str, rates: str, patience: float, redis_url: str = "") -> None:
        """`title` is the name of the source, `rates` such as `10/minute;1000/day`; a turn is waited for up to
        `patience` seconds.
        """
        self._title = title
        self._rates = rates
        self._limits = parse_many(rates)
        self._patience = patience
        self._limiter = MovingWindowRateLimiter(storage_from_string(redis_url or _PLACE))

    def wait(self) -> None:
        """Wait until the next request is allowed.

        Raises:
            RateLimited: the wait would be too long; the text says when to try again.
        """
        deadline = time.time() + self._patience
        while spent := [limit for limit in self._limits if not self._limiter.test(limit, self._title)]:
            free = max(map(self._free_at, spent))
            if free > deadline:
                raise RateLimited(
                    f"{self._title} allows {self._rates} requests; ask again at "
                    f"{datetime.fromtimestamp(free, UTC):%Y-%m-%d %H:%M:%S} UTC."
                )
            log.info("Waiting %.0f s for the rate of %s (%s).", free - time.time(), self._title, self._rates)
            time.sleep(max(free - time.time(), 0.01))
        for limit in self._limits:
            self._limiter.hit(limit, self._title)

    def _free_at(self, limit: RateLimitItem) -> float:
        return float(self._limiter.get_window_stats(limit, self._title).reset_time)
