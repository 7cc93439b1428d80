"""Defines what became of one source in one look-up."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from passivedns.errors import ConnectorError
from passivedns.model import Record
from passivedns.sources.source import Source

EVERYTHING = datetime(1970, 1, 1, tzinfo=UTC)
"""Earlier than any sighting."""
OLDER = "older than the time window"
"""The reason for leaving out records that were last seen before the queried period."""


class Outcome(NamedTuple):
    """The outcome of one source."""

    source: Source
    since: datetime
    """UTC; start of the queried period."""
    records: Sequence[Record] = ()
    complete: bool = True
    """False if the source has more records."""
    unreadable: int = 0
    """Rows of the answer, and items of lists in rows, that could not be read."""
    left_out: Mapping[str, int] = MappingProxyType({})
    """Further rows of the answer, by the reason for leaving them out before any conversion."""
    newest_older: datetime | None = None
    """UTC; when the newest record that is `OLDER` was last seen."""
    window_setting: str = ""
    """What sets the time window, such as `PDNS_IMPORT_LAST_SEEN_TIME_WINDOW`."""
    clock_ahead: timedelta = timedelta(0)
    """How far ahead of this clock the source has seen a record, which counts as seen now."""
    cached_since: datetime | None = None
    """UTC; when the source gave a cached answer."""
    failure: ConnectorError | None = None
    """Why the source was not queried, or did not answer."""

    @property
    def received(self) -> int:
        """The number of rows that the source sent; an item of a list in a row counts like a row."""
        return len(self.records) + self.unreadable + sum(self.left_out.values())
