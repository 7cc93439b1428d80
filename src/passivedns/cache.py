"""Caches answers of sources in memory, a SQLite file or Redis.

It stores records, not responses: a paged answer is one entry, and no credentials are stored.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar, cast

from isodate import Duration

from passivedns.errors import ConnectorError
from passivedns.model import Record
from passivedns.settings.values import since as moment_before

log = logging.getLogger(__name__)

MOST_ANSWERS = 10_000
"""Maximum entries in memory and in a file; an answer of 62 records takes about 2 kB. Redis has `maxmemory`."""
PATIENCE = 2
"""Timeout in seconds for a file lock or Redis."""
RESPITE = 60
"""Seconds before a failed cache is tried again, so that not every look-up waits for it."""

T = TypeVar("T")


class Kept(NamedTuple):
    """A complete answer as a source gave it."""

    records: list[Record]
    given: datetime
    """UTC."""


class Stock(NamedTuple):
    """The contents of a cache, including expired answers."""

    answers: int
    oldest: datetime | None
    """UTC; None if there is no answer, and for Redis, which does not report it."""


class CacheAway(ConnectorError):
    """The cache cannot be used: check its file, its disk or its Redis; until then every look-up is a search."""


class Store(Protocol):
    """A storage back end."""

    def get(self, key: str) -> bytes | None: ...

    def put(self, key: str, value: bytes, given: float, lifetime: float) -> None:
        """Store a value given at a moment (Unix seconds) for `lifetime` seconds."""

    def stock(self) -> Stock: ...


class Cache:
    """Keeps answers by question. A cache that fails costs searches, never an enrichment: it warns, and raises nothing.

    Several threads may use it.
    """

    def __init__(self, place: str, ttl: timedelta | Duration) -> None:
        """`place` is `memory`, the path of a SQLite file (below the user's cache folder unless it is absolute), or a
        `redis://` or `rediss://` URL; nothing is opened yet. Answers are kept for `ttl`.
        """
        self._resolved = _resolved(place)
        self._ttl = ttl
        self._store: Store | None = None
        self._left_alone_until = 0.0
        self._told = False
        self._lock = threading.Lock()

    @property
    def place(self) -> str:
        """The location, without the credentials of a URL."""
        return re.sub("(?<=://).*@", "", self._resolved).strip(":")

    def get(self, question: str, source: str, since: datetime, now: datetime) -> Kept | None:
        """A source's unexpired answer that reaches back to at least `since` (both UTC).

        `question` identifies all that the answer depends on: source, account and value.
        """
        kept = self._spared(lambda store: store.get(_hashed(question)))
        try:
            found = json.loads(zlib.decompress(kept)) if kept else None
            if not found or _moment(found["since"]) > since:
                return None
            given = _moment(found["given"])
            # The lifetime may have been shortened since.
            return Kept(_records(found["records"], source), given) if given > moment_before(self._ttl, now) else None
        except (KeyError, TypeError, ValueError, OverflowError, zlib.error):
            return None  # somebody else wrote it

    def put(self, question: str, records: Iterable[Record], since: datetime, now: datetime) -> None:
        """Store a source's answer given `now` for records since `since` (both UTC)."""
        rows = [(*record[:3], *map(_seconds, record[3:5]), record.sensors) for record in records]
        text = json.dumps({"since": since.timestamp(), "given": now.timestamp(), "records": rows})
        value, lifetime = zlib.compress(text.encode()), (now + self._ttl - now).total_seconds()

        def keep(store: Store) -> bool:
            store.put(_hashed(question), value, now.timestamp(), lifetime)
            return True

        if self._spared(keep):
            # A full disk can still be read, so reading ends no outage.
            self._told = False

    def stock(self) -> Stock:
        """The contents.

        Raises:
            CacheAway: the cache cannot be used; the text says why.
        """
        return self._use(lambda store: store.stock())

    def _spared(self, work: Callable[[Store], T]) -> T | None:
        """The result of an operation, or None and one warning per outage."""
        if time.monotonic() < self._left_alone_until:
            return None
        try:
            return self._use(work)
        except CacheAway as error:
            if not self._told:
                log.warning("%s Until it can, every look-up is a search.", error)
            self._told = True
            self._left_alone_until = time.monotonic() + RESPITE
            return None

    def _use(self, work: Callable[[Store], T]) -> T:
        with self._lock:
            try:
                if self._store is None:
                    self._store = _opened(self._resolved)
                return work(self._store)
            except Exception as error:  # whatever sqlite3, redis and the file system raise
                self._store = None
                reason = getattr(error, "strerror", None) or error
                raise CacheAway(f"The cache {self.place} cannot be used ({reason}).") from error


def open_store(place: str, prefix: str, *, is_dear: bool = True) -> Store:
    """Open what `Cache` takes as its place; `prefix` is that of the keys in Redis.

    What is not dear may be lost when the machine loses its power, and is written much faster.
    """
    return _opened(_resolved(place), prefix, is_dear)


def _opened(resolved: str, prefix: str = "passive-dns:", is_dear: bool = True) -> Store:
    return _RedisStore(resolved, prefix) if "://" in resolved else _File(resolved, is_dear)


class _File:
    """A SQLite file that only its owner can read, or a database in memory."""

    def __init__(self, path: str, is_dear: bool) -> None:
        if path != ":memory:":
            _make_private(Path(path))
        self._database = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        if not is_dear:
            self._database.execute("PRAGMA synchronous = OFF")
        self._database.executescript(
            """
            CREATE TABLE IF NOT EXISTS lookups (key TEXT PRIMARY KEY, value BLOB, given REAL, expires REAL);
            CREATE INDEX IF NOT EXISTS by_expiry ON lookups (expires);
            """
        )

    def get(self, key: str) -> bytes | None:
        found = self._database.execute("SELECT value FROM lookups WHERE key = ?", (key,)).fetchone()
        return found[0] if found else None

    def put(self, key: str, value: bytes, given: float, lifetime: float) -> None:
        self._database.execute("REPLACE INTO lookups VALUES (?, ?, ?, ?)", (key, value, given, given + lifetime))
        self._database.execute(
            "DELETE FROM lookups WHERE expires <= ? OR key IN "
            "(SELECT key FROM lookups ORDER BY expires DESC LIMIT -1 OFFSET ?)",
            (given, MOST_ANSWERS),
        )

    def stock(self) -> Stock:
        answers, oldest = self._database.execute("SELECT count(*), min(given) FROM lookups").fetchone()
        return Stock(answers, _moment(oldest) if answers else None)


class _RedisStore:
    """A Redis; it expires answers itself."""

    def __init__(self, url: str, prefix: str) -> None:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        self._prefix = prefix
        self._redis = Redis.from_url(
            url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE, retry=Retry(NoBackoff(), 1)
        )

    def get(self, key: str) -> bytes | None:
        return cast(bytes | None, self._redis.get(self._prefix + key))

    def put(self, key: str, value: bytes, given: float, lifetime: float) -> None:  # noqa: ARG002  # Redis has a clock
        self._redis.set(self._prefix + key, value, px=max(int(lifetime * 1000), 1))

    def stock(self) -> Stock:
        return Stock(sum(1 for _ in self._redis.scan_iter(f"{self._prefix}*", count=1000)), None)


def _resolved(place: str) -> str:
    if place == "memory":
        return ":memory:"
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "opencti-passive-dns")
    return place if "://" in place else str(folder / Path(place).expanduser())


def _make_private(path: Path) -> None:
    """Create the file and its folder, readable only by the owner, since look-ups are confidential."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    path.chmod(0o600)


def _hashed(question: str) -> str:
    return blake2b(question.encode(), digest_size=16).hexdigest()


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _records(rows: list[Any], source: str) -> list[Record]:
    return [
        Record(
            name,
            kind,
            data,
            None if first is None else _moment(first),
            None if last is None else _moment(last),
            tuple(sensors),
            source,
        )
        for name, kind, data, first, last, sensors in rows
    ]
