"""Caches the answers of sources.

It stores records, not responses: a paged answer is one value, and no credentials are stored.
"""

import json
import zlib
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from isodate import Duration

from passivedns.model import Answer, Record
from passivedns.settings.values import since as moment_before
from passivedns.store import Store, hashed


class Kept(NamedTuple):
    """A cached answer."""

    answer: Answer
    given: datetime
    """UTC; when the source gave it."""


class Cache(Store):
    """Stores answers by question. If the store fails, every look-up costs a search, but none fails."""

    def __init__(self, place: str, ttl: timedelta | Duration) -> None:
        """`place` as for `Store`; answers are kept for `ttl`."""
        failure = "The cache {place} cannot be used ({reason})."
        super().__init__(place, "passive-dns:", failure, "Until it can, every look-up is a search.")
        self._ttl = ttl

    def get(self, question: str, source: str, since: datetime, now: datetime) -> Kept | None:
        """A source's unexpired answer back to at least `since` (all UTC).

        `question` identifies all that the answer depends on: source, account and value.
        """
        kept = self.read(hashed(question.encode()))
        try:
            found = json.loads(zlib.decompress(kept)) if kept else None
            if not found or found["since"] > since.timestamp():
                return None
            given = datetime.fromtimestamp(found["given"], UTC)
            # The lifetime may have been shortened since.
            if given <= moment_before(self._ttl, now):
                return None
            records = [
                Record(name, kind, data, _moment(first), _moment(last), tuple(sensors), source)
                for name, kind, data, first, last, sensors in found["records"]
            ]
            left_out = Counter({str(reason): int(number) for reason, number in found["left_out"].items()})
            return Kept(Answer(records, unreadable=int(found["unreadable"]), left_out=left_out), given)
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError, zlib.error):
            return None  # another program wrote it

    def put(self, question: str, answer: Answer, since: datetime, now: datetime) -> None:
        """Store a source's complete answer given `now` for records since `since` (both UTC)."""
        found = {
            "since": since,
            "given": now,
            # The reader knows the source, which is the last field.
            "records": [record[:-1] for record in answer.records],
            "unreadable": answer.unreadable,
            "left_out": dict(answer.left_out),
        }
        text = json.dumps(found, default=datetime.timestamp)
        lifetime = (now + self._ttl - now).total_seconds()
        self.write(hashed(question.encode()), zlib.compress(text.encode()), now.timestamp(), lifetime)


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
