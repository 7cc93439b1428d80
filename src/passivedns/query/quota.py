"""Tracks the quota of a source, read periodically and counted down in between, and applies its rate limit."""

import logging
import time
from collections.abc import Callable

from passivedns import metrics
from passivedns.errors import CredentialsRefused, QuotaExceeded, SourceError, Unreachable
from passivedns.model import Allowance, Quota
from passivedns.query.cool_down import REFUSED, CoolDown
from passivedns.query.rate_limit import RateLimit
from passivedns.sources.source import Source

log = logging.getLogger(__name__)

MAX_AGE = 60
"""Seconds after which a quota is read again."""


class QuotaMeter:
    """Counts the searches of one source."""

    def __init__(self, source: Source, reserve: int = 0, rate_limit: RateLimit | None = None) -> None:
        """Leaves the last `reserve` searches of the quota unused."""
        self._source = source
        self._reserve = reserve
        self._rate_limit = rate_limit
        self.cool_down = CoolDown(source.title)
        """Why and until when the source is left alone."""
        self.quota = Quota()
        """As read, less the searches since."""
        self._stale_at = 0.0

    @property
    def left(self) -> float | None:
        """Remaining searches including the reserve; None if the quota is unknown."""
        return tightest.left if (tightest := self.quota.tightest) else None

    def refresh(self, read: Callable[[], Quota]) -> None:
        """Read the quota unless it was read recently; it is unknown if that fails.

        Raises:
            CredentialsRefused, Unreachable: a search would fail as well.
        """
        if time.monotonic() < self._stale_at:
            return
        max_age = MAX_AGE
        try:
            self.quota = read()
        except (CredentialsRefused, Unreachable):
            raise
        except SourceError as error:
            log.warning("The quota cannot be read; querying %s anyway. %s", self._source.title, error)
            self.quota, max_age = Quota(), REFUSED
        self._stale_at = time.monotonic() + max_age
        metrics.show_quota(self._source.key, self.quota)

    def check(self) -> None:
        """Raises QuotaExceeded if only the reserve is left."""
        if (tightest := self.quota.tightest) and tightest.left <= self._reserve:
            raise QuotaExceeded(self._no_search_left(tightest), retry_in=max(self._stale_at - time.monotonic(), 0))

    def spend(self) -> None:
        """Count one request; called before each attempt of a search.

        Raises:
            QuotaExceeded: only the reserve is left.
            RateLimited: the wait would be too long.
        """
        self.check()
        if self._rate_limit:
            self._rate_limit.wait()
        self.quota = Quota(tuple(item._replace(used=item.used + 1) for item in self.quota.allowances))

    def _no_search_left(self, allowance: Allowance) -> str:
        owner, _, limit, reset = allowance
        left = allowance.left
        when = f" It resets on {reset}." if reset else ""
        if not left:
            return f"The {self._source.title} quota of the {owner} is used up ({limit:,.15g} searches).{when}"
        return (
            f"The {self._source.title} quota of the {owner} is down to {left:,.15g} of {limit:,.15g} searches, which "
            f"are reserved ({self._source.variable('quota_reserve')} is {self._reserve}).{when}"
        )
