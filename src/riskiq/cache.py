"""Answers of PassiveTotal, kept for a while in memory, in a SQLite file or in Redis, so that no search is paid twice.

The storages are those of requests-cache. Its `CachedSession` is not used: it reads a whole body before `client.py` can
bound it, and keeps each request with the credentials in its header. Here a status, a body and two dates are kept.
"""

import logging
import os
import re
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import NamedTuple, TypeVar

from isodate import Duration
from platformdirs import user_cache_path
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from requests_cache.backends.redis import RedisDict
from requests_cache.backends.sqlite import SQLiteDict
from requests_cache.models.response import CachedResponse
from typing_extensions import override

from riskiq.errors import ConnectorError
from riskiq.settings_values import since

log = logging.getLogger(__name__)

MOST_ANSWERS = 10_000
"""In memory and in a file, where an answer of 62 records takes about 6 kB; Redis has its own `maxmemory`."""
PATIENCE = 2
"""Seconds to wait for a lock of the file, or for Redis."""
RESPITE = 60
"""Seconds for which a cache that failed is left alone, so that not every look-up waits for it."""

Storage = SQLiteDict | RedisDict
T = TypeVar("T")


class Kept(NamedTuple):
    """One answer as PassiveTotal gave it."""

    status: int
    body: bytes
    given: datetime
    """UTC."""


class Stock(NamedTuple):
    """What is in a cache."""

    answers: int
    oldest: datetime | None
    """UTC; None where there is no answer, and for Redis, which does not tell."""


class CacheAway(ConnectorError):
    """The cache cannot be used: look after its file, its disk or its Redis; until then every look-up is a search."""


class Cache:
    """Keeps answers by key. A cache that fails costs searches, never an enrichment: it warns, and raises nothing."""

    def __init__(self, place: str, ttl: timedelta | Duration) -> None:
        """`place` is `memory`, the path of a SQLite file (below the user's cache folder unless it is absolute), or a
        `redis://` or `rediss://` URL; nothing is opened yet. Answers are kept for `ttl`.
        """
        self._resolved = _resolved(place)
        self._ttl = ttl
        self._storage: Storage | None = None
        self._respite_ends = 0.0
        self._told = False

    @property
    def place(self) -> str:
        """Where the answers are, without the credentials of a URL."""
        return re.sub("(?<=://).*@", "", self._resolved)

    def get(self, key: str, now: datetime) -> Kept | None:
        """The answer that is kept under `key`, unless it is too old `now` (UTC)."""
        kept = self._spared(lambda storage: storage.get(_hashed(key)))
        try:
            if kept is None or kept.created_at <= since(self._ttl, now):
                return None
            return Kept(kept.status_code, zlib.decompress(kept.content), kept.created_at)
        except (AttributeError, TypeError, zlib.error):
            return None  # somebody else wrote it

    def put(self, key: str, status: int, body: bytes, now: datetime) -> None:
        """Keep under `key` an answer that was given `now` (UTC)."""
        answer = CachedResponse(
            status_code=status, content=zlib.compress(body), created_at=now, expires=now + self._ttl
        )
        if self._spared(lambda storage: _write(storage, _hashed(key), answer)):
            # A full disk can still be read, so reading ends no outage.
            self._told = False

    def stock(self) -> Stock:
        """What is kept, expired answers included.

        Raises:
            CacheAway: the cache cannot be used; the text says why.
        """
        return self._use(_stock)

    def _spared(self, work: Callable[[Storage], T]) -> T | None:
        """What comes of the work, or None and one warning for each outage."""
        if time.monotonic() < self._respite_ends:
            return None
        try:
            return self._use(work)
        except CacheAway as error:
            if not self._told:
                log.warning("%s Every look-up is a search of PassiveTotal until it can.", error)
            self._told = True
            self._respite_ends = time.monotonic() + RESPITE
            return None

    def _use(self, work: Callable[[Storage], T]) -> T:
        try:
            if self._storage is None:
                self._storage = _opened(self._resolved)
            return work(self._storage)
        except Exception as error:  # whatever sqlite3, redis and the file system raise
            self._storage = None
            raise CacheAway(f"The cache {self.place} cannot be used ({error}).") from error


class _File(SQLiteDict):
    """Each statement is a transaction of its own, and what it raises is raised.

    The library's transactions wait without end for a file that is locked or read-only, and hide a full disk.
    """

    @contextmanager
    @override
    def connection(self, commit: bool = False) -> Iterator[sqlite3.Connection]:
        with super().connection() as connection:
            yield connection


def _resolved(place: str) -> str:
    is_file = place != "memory" and "://" not in place
    return str(user_cache_path() / os.path.expanduser(place)) if is_file else place


def _opened(place: str) -> Storage:
    # JSON, unlike the library's pickle, runs no code of whoever else can write there.
    if "://" not in place:
        path = ":memory:" if place == "memory" else place
        return _File(path, "answers", busy_timeout=PATIENCE * 1000, serializer="json")
    retry = Retry(NoBackoff(), 1)
    redis = Redis.from_url(place, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE, retry=retry)
    # Without the offset, what is about to expire would be kept for ever.
    return RedisDict("riskiq-passivetotal", connection=redis, serializer="json", ttl_offset=1)


def _write(storage: Storage, key: str, answer: CachedResponse) -> bool:
    """Write an answer, and let go of what has expired and of the oldest; Redis does so by itself."""
    storage[key] = answer
    if isinstance(storage, SQLiteDict):
        with storage.connection() as connection:
            connection.execute(
                """
                DELETE FROM answers
                WHERE expires <= ? OR key IN (SELECT key FROM answers ORDER BY expires DESC LIMIT -1 OFFSET ?)
                """,
                (time.time(), MOST_ANSWERS),
            )
    return True


def _stock(storage: Storage) -> Stock:
    first = next(storage.sorted("expires", limit=1), None) if isinstance(storage, SQLiteDict) else None
    return Stock(len(storage), first.created_at if first else None)


def _hashed(key: str) -> str:
    """The library writes keys into its SQL as they are."""
    return blake2b(key.encode(), digest_size=16).hexdigest()
