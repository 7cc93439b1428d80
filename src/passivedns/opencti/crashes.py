"""Which messages were under way when a process ended without a word, so that one that kills it does not do so for ever.

What is answered is remembered too: a message comes again when the process or its connection ends between the answer
and the acknowledgement, and a playbook cannot be asked whether it was answered.
"""

import logging
import threading
import time

from passivedns.cache import RESPITE, Store, open_store

log = logging.getLogger(__name__)

LIFETIME = 24 * 3600.0
"""Seconds for which a message is remembered."""
_ANSWERED = b"answered"
_MOST_IN_MEMORY = 10_000


class Crashes:
    """Counts, for each message, how often it was begun and not let go; several threads and processes may share it.

    A place that fails costs the memory of other processes only: it warns, and raises nothing.
    """

    def __init__(self, place: str) -> None:
        """`place` is a path or a Redis URL, as of the cache; nothing is opened yet."""
        self._place = place
        self._store: Store | None = None
        self._own: dict[str, bytes] = {}
        self._left_alone_until = 0.0
        self._told = False
        self._lock = threading.Lock()

    def begin(self, key: str, is_new: bool) -> int:
        """A message is begun; how often it was before without an end. One that `is_new` is not looked up."""
        before = 0 if is_new else self._count(key)
        self._put(key, b"%d" % (before + 1))
        return before

    def let_go(self, key: str) -> None:
        """A message that was begun is left to another delivery, and did not kill the process."""
        self._put(key, b"%d" % max(self._count(key) - 1, 0))

    def answer(self, key: str) -> None:
        """A message is answered."""
        self._put(key, _ANSWERED)

    def is_answered(self, key: str) -> bool:
        """Whether a message was answered, by this process or another that shares the place."""
        return self._get(key) == _ANSWERED

    def _count(self, key: str) -> int:
        found = self._get(key)
        return int(found) if found and found.isdigit() else 0

    def _get(self, key: str) -> bytes | None:
        with self._lock:
            return self._own.get(key) or (self._kept(key, None) if self._is_usable() else None)

    def _put(self, key: str, value: bytes) -> None:
        with self._lock:
            self._own.pop(key, None)
            if self._is_usable() and self._kept(key, value):
                return
            self._own[key] = value
            if len(self._own) > _MOST_IN_MEMORY:
                del self._own[next(iter(self._own))]

    def _is_usable(self) -> bool:
        return time.monotonic() >= self._left_alone_until

    def _kept(self, key: str, value: bytes | None) -> bytes | None:
        """Put a value, or get one; None when there is none, or no place."""
        try:
            self._store = self._store or open_store(self._place, "passive-dns-deliveries:", is_dear=False)
            if value is None:
                return self._store.get(key)
            self._store.put(key, value, time.time(), LIFETIME)
        except Exception as error:  # whatever sqlite3, redis and the file system raise
            self._leave_alone(error)
            return None
        return value

    def _leave_alone(self, error: Exception) -> None:
        self._store, self._left_alone_until = None, time.monotonic() + RESPITE
        if not self._told:
            reason = getattr(error, "strerror", None) or error
            log.warning("Messages that are under way cannot be remembered beyond the end of this process (%s).", reason)
        self._told = True
