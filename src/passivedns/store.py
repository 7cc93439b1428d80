"""Stores values by key in memory, a SQLite file or Redis; while that fails, nothing is stored or found."""

import logging
import os
import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar, cast

from passivedns.errors import ConnectorError

log = logging.getLogger(__name__)

MOST_VALUES = 10_000
"""Maximum values in memory and in a file. Redis has `maxmemory`."""
PATIENCE = 2
"""Timeout in seconds for a file lock or Redis."""
RESPITE = 60
"""Seconds before a failed store is tried again, so that not every message waits for it."""

T = TypeVar("T")
Stock = tuple[int, datetime | None]
"""The number of values, and the date of the oldest (UTC); None if there is none, and for Redis."""


class _Sqlite:
    """A SQLite file that only its owner can read, or a database in memory."""

    def __init__(self, path: str, is_dear: bool) -> None:
        import sqlite3  # not loaded without a store, like redis

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

    def read(self, key: str) -> bytes | None:
        found = self._database.execute("SELECT value FROM lookups WHERE key = ?", (key,)).fetchone()
        return found[0] if found else None

    def write(self, key: str, value: bytes, given: float, lifetime: float) -> bool:
        self._database.execute("REPLACE INTO lookups VALUES (?, ?, ?, ?)", (key, value, given, given + lifetime))
        self._database.execute(
            "DELETE FROM lookups WHERE expires <= ? OR key IN "
            "(SELECT key FROM lookups ORDER BY expires DESC LIMIT -1 OFFSET ?)",
            (given, MOST_VALUES),
        )
        return True

    def stock(self) -> Stock:
        values, oldest = self._database.execute("SELECT count(*), min(given) FROM lookups").fetchone()
        return values, datetime.fromtimestamp(oldest, UTC) if values else None


class _Redis:
    """Redis, which expires values itself."""

    def __init__(self, url: str, prefix: str) -> None:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        self._prefix = prefix
        self._redis = Redis.from_url(
            url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE, retry=Retry(NoBackoff(), 1)
        )

    def read(self, key: str) -> bytes | None:
        return cast(bytes | None, self._redis.get(self._prefix + key))

    def write(self, key: str, value: bytes, _given: float, lifetime: float) -> bool:
        return bool(self._redis.set(self._prefix + key, value, px=max(int(lifetime * 1000), 1)))

    def stock(self) -> Stock:
        return sum(1 for _ in self._redis.scan_iter(f"{self._prefix}*", count=1000)), None


class Store:
    """Stores values by key; several threads may use it. If that fails, it warns once per outage."""

    def __init__(self, place: str, prefix: str, failure: str, consequence: str = "", *, is_dear: bool = True) -> None:
        """`place` is `memory`, the path of a SQLite file (in the user's cache folder unless it is absolute), or a
        `redis://` or `rediss://` URL; nothing is opened yet. `prefix` precedes the keys in Redis.

        `failure`, with the fields `place` and `reason`, and `consequence` make up the warning. Values that are not
        dear may be lost in a power failure, and are written much faster.
        """
        self._path = _resolved(place)
        self._open = partial(_Redis, self._path, prefix) if "://" in place else partial(_Sqlite, self._path, is_dear)
        self._failure = failure
        self._consequence = consequence
        self._backend: _Sqlite | _Redis | None = None
        self._left_alone_until = 0.0
        self._warned = False
        self._lock = threading.Lock()

    @property
    def place(self) -> str:
        """The location, without the credentials of a URL."""
        return re.sub("(?<=://).*@", "", self._path).strip(":")

    def read(self, key: str) -> bytes | None:
        """A value, which may have expired; None if there is none, or the store fails."""
        return self._tried(lambda backend: backend.read(key))

    def write(self, key: str, value: bytes, given: float, lifetime: float) -> bool:
        """Store a value given at a moment (Unix seconds) for `lifetime` seconds; False if the store fails."""
        is_stored = self._tried(lambda backend: backend.write(key, value, given, lifetime)) or False
        # Reading does not end an outage: a full disk can still be read.
        self._warned = self._warned and not is_stored
        return is_stored

    def stock(self) -> Stock:
        """The contents, including expired values.

        Raises:
            ConnectorError: the store fails; the text says why.
        """
        return self._use(lambda backend: backend.stock())

    def _tried(self, work: Callable[[_Sqlite | _Redis], T]) -> T | None:
        if time.monotonic() < self._left_alone_until:
            return None
        try:
            return self._use(work)
        except ConnectorError as error:
            if not self._warned:
                log.warning("%s", f"{error} {self._consequence}".strip())
            self._warned = True
            self._left_alone_until = time.monotonic() + RESPITE
            return None

    def _use(self, work: Callable[[_Sqlite | _Redis], T]) -> T:
        with self._lock:
            try:
                self._backend = self._backend or self._open()
                return work(self._backend)
            except Exception as error:  # whatever sqlite3, redis and the file system raise
                self._backend = None
                reason = getattr(error, "strerror", None) or error
                raise ConnectorError(self._failure.format(place=self.place, reason=reason)) from error


def hashed(data: bytes) -> str:
    """A short key for data of any length."""
    return blake2b(data, digest_size=16).hexdigest()


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
