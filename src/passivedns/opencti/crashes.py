"""Remembers across processes which messages are under way, so that one that kills the process does not do so forever.

It also remembers which ones are answered: a message is redelivered if the process or its connection ends between the
answer and the acknowledgement, and OpenCTI does not say whether a playbook was answered.
"""

import time

from passivedns.store import Store

LIFETIME = 24 * 3600.0
"""Seconds for which a message is remembered."""
_ANSWERED = b"answered"


class Crashes:
    """Counts for each message how often it was begun without an end; threads and processes may share it.

    If its store fails, only this process remembers.
    """

    def __init__(self, place: str) -> None:
        """`place` as for `Store`; nothing is opened yet."""
        failure = "Messages that are under way cannot be remembered beyond the end of this process ({reason})."
        self._shared = Store(place, "passive-dns-deliveries:", failure, is_dear=False)
        self._own = Store("memory", "", failure)

    def begin(self, key: str, is_new: bool) -> int:
        """Count a message, and return how often it was begun before; one that `is_new` is not looked up."""
        before = 0 if is_new else self._count(key)
        self._put(key, b"%d" % (before + 1))
        return before

    def let_go(self, key: str) -> None:
        """Uncount a message that did not kill the process, but is left to another delivery."""
        self._put(key, b"%d" % max(self._count(key) - 1, 0))

    def answer(self, key: str) -> None:
        """Mark a message as answered."""
        self._put(key, _ANSWERED)

    def is_answered(self, key: str) -> bool:
        """Whether this process, or another that shares the store, answered a message."""
        return self._get(key) == _ANSWERED

    def _count(self, key: str) -> int:
        found = self._get(key)
        return int(found) if found and found.isdigit() else 0

    def _get(self, key: str) -> bytes | None:
        return self._own.read(key) or self._shared.read(key)

    def _put(self, key: str, value: bytes) -> None:
        now = time.time()
        is_shared = self._shared.write(key, value, now, LIFETIME)
        # Another process may change a shared value.
        self._own.write(key, b"" if is_shared else value, now, LIFETIME)
