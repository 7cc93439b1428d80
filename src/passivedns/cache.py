"""Caches the answers of sources.

It stores records, not responses: a paged answer is one value, and no credentials are stored.
"""

import json
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from isodate import Duration

from passivedns.model import Record
from passivedns.settings.values import since as moment_before
from passivedns.store import Store, hashed


class Kept(NamedTuple):
    """A cached answer."""

    records: list[Record]
    given: datetime
    """UTC; when the source gave it."""
    unreadable: int
    """Rows that could not be read."""


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
            return Kept(records, given, int(found["unreadable"]))
        except (KeyError, TypeError, ValueError, OverflowError, zlib.error):
            return None  # another program wrote it

    def put(
        self, question: str, records: Iterable[Record], since: datetime, now: datetime, unreadable: int = 0
    ) -> None:
        """Store a source's answer given `now` for records since `since` (both UTC)."""
        # The reader knows the source, which is the last field.
        fields = [record[:-1] for record in records]
        found = {"since": since, "given": now, "records": fields, "unreadable": unreadable}
        text = json.dumps(found, default=datetime.timestamp)
        lifetime = (now + self._ttl - now).total_seconds()
        self.write(hashed(question.encode()), zlib.compress(text.encode()), now.timestamp(), lifetime)


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
