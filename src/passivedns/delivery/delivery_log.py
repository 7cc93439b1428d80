"""Remembers across processes what became of each message, since a broker may deliver it again, here or elsewhere.

A message may kill the process: it is counted each time it begins. It may be answered, but not acknowledged. And OpenCTI
does not tell everyone what was announced to a work, and nobody whether a playbook was answered.
"""

import time

from passivedns.store import Store

LIFETIME = 24 * 3600.0
"""Seconds for which a message is remembered."""


class DeliveryLog:
    """Remembers the messages of the last 24 hours by key; threads and processes may share it.

    Each fact has a key of its own in the store, so that none overwrites another: a count never replaces an answer. If
    the store fails, only this process remembers.
    """

    def __init__(self, place: str) -> None:
        """`place` as for `Store`; nothing is opened yet."""
        failure = "Messages that are under way cannot be remembered beyond the end of this process ({reason})."
        self._shared = Store(place, "passive-dns-deliveries:", failure, is_durable=False)
        self._own = Store("memory", "", failure)

    def begin(self, key: str, is_new: bool) -> int:
        """Count a message, and return how often it was begun before; one that `is_new` is not looked up."""
        before = 0 if is_new else self._count(key)
        self._put(key, b"%d" % (before + 1))
        return before

    def let_go(self, key: str) -> None:
        """Uncount a message that did not kill the process, but is left to another delivery."""
        self._put(key, b"%d" % max(self._count(key) - 1, 0))

    def was_begun(self, key: str) -> bool:
        """Whether a message is known at all; if not, another process with a store of its own may have begun it."""
        return self._get(key) is not None

    def answer(self, key: str) -> None:
        """Mark a message as answered."""
        self._put(f"{key}:answered", b"1")

    def is_answered(self, key: str) -> bool:
        """Whether this process, or another that shares the store, answered a message."""
        return self._get(f"{key}:answered") is not None

    def announce(self, key: str, objects: int) -> None:
        """Note how many objects OpenCTI was told to expect, or 0 if it certainly was not told."""
        self._put(f"{key}:announced", b"%d" % objects)

    def announced(self, key: str) -> int:
        """How many objects OpenCTI was told to expect, even if it may not have heard."""
        return self._count(f"{key}:announced")

    def send(self, key: str, times: int) -> None:
        """Note how often a playbook's bundle was sent without a response that says whether it arrived."""
        self._put(f"{key}:sent", b"%d" % times)

    def sent(self, key: str) -> int:
        """How often a playbook's bundle may have arrived."""
        return self._count(f"{key}:sent")

    def leave_open(self, key: str, text: str) -> None:
        """Note the text with which the work of a message remains to be closed; everything else is done."""
        self._put(f"{key}:open", text.encode())

    def left_open(self, key: str) -> str | None:
        """The text with which a work remains to be closed, if that is all that remains."""
        found = self._get(f"{key}:open")
        return found.decode() if found else None

    def give_back(self, key: str) -> float:
        """Note that a message is given back to its queue; return the seconds since the first time."""
        if not (since := self._count(f"{key}:given-back")):
            self._put(f"{key}:given-back", b"%d" % time.time())
        return time.time() - since if since else 0

    def was_given_back(self, key: str) -> bool:
        """Whether a message was given back to its queue, since OpenCTI did not take its answer."""
        return self._count(f"{key}:given-back") > 0

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
