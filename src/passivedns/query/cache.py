"""Caches the answers of sources.

It stores records, not responses: a paged answer is one value, and no credentials are stored.
"""

import json
import time
import zlib
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Annotated, NamedTuple

from isodate import Duration
from pydantic import BaseModel, ConfigDict, FailFast, Field

from passivedns.model import Answer, Record
from passivedns.settings.values import since as moment_before
from passivedns.store import Store, digest

MAX_TEXT = 16 * 2**20
"""Bytes of an answer before compression; a larger one is not cached."""
_FASTER_CLOCK = 3600
"""Seconds by which the clock of another connector may be ahead."""

_Number = Annotated[int, Field(ge=0, le=10**9)]
_Seconds = Annotated[float, Field(ge=-62_135_596_800, le=253_402_300_799)]
"""Unix seconds in the years 1 to 9999."""


class _Stored(BaseModel):
    """An answer as it is stored."""

    model_config = ConfigDict(strict=True)

    since: _Seconds
    given: _Seconds
    records: Annotated[list[tuple[str, str, str, _Seconds | None, _Seconds | None, list[str]]], FailFast()]
    """As in `Record` without the source, which the reader knows."""
    unreadable: _Number
    left_out: dict[str, _Number]


class CachedAnswer(NamedTuple):
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

    def get(self, question: str, source: str, since: datetime, now: datetime) -> CachedAnswer | None:
        """A source's unexpired answer back to at least `since` (all UTC).

        `question` identifies all that the answer depends on: source, account and value.
        """
        found = _read(self.read(digest(question.encode())) or b"")
        if not found or found.since > since.timestamp() or found.given > time.time() + _FASTER_CLOCK:
            return None
        given = datetime.fromtimestamp(found.given, UTC)
        # The lifetime may have been shortened since.
        if given <= moment_before(self._ttl, now):
            return None
        records = [
            Record(name, kind, data, _moment(first), _moment(last), tuple(sensors), source)
            for name, kind, data, first, last, sensors in found.records
        ]
        return CachedAnswer(Answer(records, unreadable=found.unreadable, left_out=Counter(found.left_out)), given)

    def put(self, question: str, answer: Answer, since: datetime, now: datetime) -> None:
        """Store a source's complete answer given `now` for records since `since` (both UTC)."""
        found = {
            "since": since,
            "given": now,
            "records": [record[:-1] for record in answer.records],
            "unreadable": answer.unreadable,
            "left_out": dict(answer.left_out),
        }
        text = json.dumps(found, default=datetime.timestamp).encode()
        lifetime = (now + self._ttl - now).total_seconds()
        if len(text) <= MAX_TEXT:
            self.write(digest(question.encode()), zlib.compress(text), now.timestamp(), lifetime)


def _read(value: bytes) -> _Stored | None:
    """The content of a value; None if it is not from this program, since others may write to a shared cache."""
    try:
        text = zlib.decompressobj().decompress(value, MAX_TEXT)
        return _Stored.model_validate_json(text)
    except (ValueError, zlib.error):
        return None


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
