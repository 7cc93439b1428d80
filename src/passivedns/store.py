"""Stores values by key in memory, a SQLite file or Redis; while that fails, nothing is stored or found."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from passivedns import circuit_breaker
from passivedns.circuit_breaker import CircuitBreaker, Unavailable, redis_at
from passivedns.errors import ConnectorError

if TYPE_CHECKING:
    import sqlite3

    from redis import Redis

log = logging.getLogger(__name__)

MAX_BYTES = 256 * 2**20
"""Maximum size of all values in memory or in a file. Redis has `maxmemory`."""
MAX_SHARE = 16
"""A value that takes more than this part of the maximum is not stored."""

_DELETE_OLDEST = """
    DELETE FROM stored WHERE key IN
    (SELECT key FROM stored ORDER BY expires LIMIT 1 + (SELECT count(*) FROM stored) / 16)
"""

T = TypeVar("T")
Stock = tuple[int, datetime | None]
"""The number of values, and the date of the oldest (UTC); None if there is none, and for Redis."""


class _Sqlite:
    """A SQLite file that only its owner can read, or a database in memory. A damaged file is replaced."""

    def __init__(self, path: str, is_durable: bool) -> None:
        self._path = path
        self._is_durable = is_durable
        self._database = self._connect()

    def read(self, key: str) -> bytes | None:
        found = self._run(lambda base: base.execute("SELECT value FROM stored WHERE key = ?", (key,)).fetchone())
        return found[0] if found and isinstance(found[0], bytes) else None

    def write(self, key: str, value: bytes, given: float, lifetime: float) -> bool:
        self._run(partial(_write, row=(key, value, given, given + lifetime)))
        return True

    def stock(self) -> Stock:
        values, oldest = self._run(lambda base: base.execute("SELECT count(*), min(given) FROM stored").fetchone())
        return values, datetime.fromtimestamp(oldest, UTC) if values else None

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        # Another process may have replaced a damaged file, so it is opened again before it is set aside.
        for is_reopened in (False, True):
            try:
                return work(self._database)
            except Exception as error:
                self._database.close()
                if not _is_damage(error):
                    raise
                if is_reopened:
                    _set_aside(self._path, error)
            self._database = self._connect()
        return work(self._database)

    def _connect(self) -> sqlite3.Connection:
        try:
            return _open(self._path, self._is_durable)
        except Exception as error:
            if not _is_damage(error):
                raise
            _set_aside(self._path, error)
        return _open(self._path, self._is_durable)


def _open(path: str, is_durable: bool) -> sqlite3.Connection:
    import sqlite3  # not loaded without a store, like redis

    if path != ":memory:":
        _make_private(Path(path))
    database = sqlite3.connect(path, timeout=circuit_breaker.TIMEOUT, isolation_level=None, check_same_thread=False)
    if not is_durable:
        database.execute("PRAGMA synchronous = OFF")
    if database.execute("SELECT 1 FROM sqlite_schema WHERE name = 'lookups'").fetchone():
        # Version 1.0.0 derived its keys from passwords.
        database.executescript("DROP TABLE lookups; VACUUM")
    database.execute("CREATE TABLE IF NOT EXISTS stored (key TEXT PRIMARY KEY, value BLOB, given REAL, expires REAL)")
    database.execute("CREATE INDEX IF NOT EXISTS by_end ON stored (expires)")
    return database


def _write(database: sqlite3.Connection, row: tuple[str, bytes, float, float]) -> None:
    database.execute("REPLACE INTO stored VALUES (?, ?, ?, ?)", row)
    database.execute("DELETE FROM stored WHERE expires <= ?", (row[2],))
    while _size(database) > MAX_BYTES and database.execute(_DELETE_OLDEST).rowcount:
        pass


def _size(database: sqlite3.Connection) -> int:
    """The bytes in use, without the free pages that later values fill."""
    pages, free, size = (
        database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _is_damage(error: Exception) -> bool:
    """Whether SQLite reports a damaged file or another format (SQLITE_CORRUPT, SQLITE_NOTADB)."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (11, 26)


def _set_aside(path: str, error: Exception) -> None:
    """Rename a damaged file; the journal must not be applied to its successor."""
    log.warning("The file %s is damaged (%s); it is now %s.damaged, and a new one replaces it.", path, error, path)
    for suffix in ("-journal", "-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            os.replace(path + suffix, f"{path}.damaged{suffix}")


class _InRedis:
    """Values in Redis, which expires them itself."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix

    def read(self, key: str) -> bytes | None:
        from redis.exceptions import ResponseError

        try:
            return cast(bytes, self._redis.getrange(self._prefix + key, 0, MAX_BYTES // MAX_SHARE)) or None
        except ResponseError as error:
            if "WRONGTYPE" not in str(error):
                raise
            return None  # another program wrote it

    def write(self, key: str, value: bytes, _given: float, lifetime: float) -> bool:
        return bool(self._redis.set(self._prefix + key, value, px=max(int(lifetime * 1000), 1)))

    def stock(self) -> Stock:
        return sum(1 for _ in self._redis.scan_iter(f"{self._prefix}*", count=1000)), None


class Store:
    """Stores values by key; several threads may use it. If that fails, it warns once per outage."""

    def __init__(
        self, place: str, prefix: str, failure: str, consequence: str = "", *, is_durable: bool = True
    ) -> None:
        """`place` is `memory`, the path of a SQLite file (in the user's cache folder unless it is absolute), or a
        `redis://` or `rediss://` URL; nothing is opened yet. `prefix` precedes the keys in Redis.

        `failure`, with the fields `place` and `reason`, and `consequence` make up the warning. Values that are not
        durable may be lost in a power failure, and are written much faster.
        """
        self._path = _location(place)
        self._prefix = prefix
        self._redis = redis_at(place) if "://" in place else None
        self._file = CircuitBreaker(partial(_Sqlite, self._path, is_durable))
        self._failure = failure
        self._consequence = consequence
        self._warned: list[ConnectorError] = []

    @property
    def place(self) -> str:
        """The location, without the credentials of a URL."""
        return re.sub("(?<=://).*@", "", self._path).strip(":")

    def read(self, key: str) -> bytes | None:
        """A value, which may have expired; None if there is none, or the store fails."""
        return self._try(lambda backend: backend.read(key))

    def write(self, key: str, value: bytes, given: float, lifetime: float) -> bool:
        """Store a value given at a moment (Unix seconds) for `lifetime` seconds; False if it is too large, or the
        store fails.
        """
        if len(value) > MAX_BYTES // MAX_SHARE:
            return False
        is_stored = self._try(lambda backend: backend.write(key, value, given, lifetime)) or False
        if is_stored:
            # Reading does not end an outage: a full disk can still be read.
            self._warned.clear()
        return is_stored

    def stock(self) -> Stock:
        """The contents, including expired values.

        Raises:
            ConnectorError: the store fails; the text says why.
        """
        return self._use(lambda backend: backend.stock())

    def _try(self, work: Callable[[_Sqlite | _InRedis], T]) -> T | None:
        try:
            return self._use(work)
        except ConnectorError as error:
            if not self._warned:
                self._warned.append(error)
                if self._warned[0] is error:  # of several threads
                    log.warning("%s", f"{error} {self._consequence}".strip())
            return None

    def _use(self, work: Callable[[_Sqlite | _InRedis], T]) -> T:
        try:
            if self._redis:
                return self._redis.use(lambda redis: work(_InRedis(redis, self._prefix)))
            return self._file.use(work)
        except Unavailable as error:
            raise ConnectorError(self._failure.format(place=self.place, reason=error)) from error


def digest(data: bytes) -> str:
    """A short key for data of any length."""
    return blake2b(data, digest_size=16).hexdigest()


def _location(place: str) -> str:
    if place == "memory":
        return ":memory:"
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "opencti-passive-dns")
    return place if "://" in place else str(folder / Path(place).expanduser())


def _make_private(path: Path) -> None:
    """Create the file and its folder, readable only by the owner, since look-ups are confidential."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    path.chmod(0o600)
