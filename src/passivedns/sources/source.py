"""Defines the interface of a passive DNS source: its row in `SOURCES`, its settings and its client."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from pydantic import Field

from passivedns.model import RECORD_TYPES, Answer, Question, Quota
from passivedns.settings.values import A_DURATION, A_TLP, MaxTlp, Quantity, ResultsTlp, Section, Window, allowed
from passivedns.transport.http import Http
from passivedns.transport.service import Service

NAMES = frozenset({"Domain-Name", "Hostname"})
ADDRESSES = frozenset({"IPv4-Addr", "IPv6-Addr"})


class SourceSettings(Section):
    """Settings of every source, which override those of the section pdns."""

    max_tlp: MaxTlp = Field(
        default=None,
        description="Highest TLP of an observable that may be sent to this source.",
        json_schema_extra=allowed(f"{A_TLP}, or empty for PDNS_MAX_TLP"),
    )
    import_last_seen_time_window: Window | None = Field(
        default=None,
        description="Import only records last seen within this period (ISO 8601).",
        json_schema_extra=allowed(f"{A_DURATION}, or empty for PDNS_IMPORT_LAST_SEEN_TIME_WINDOW"),
    )


class QuotaSettings(SourceSettings):
    """Settings of every source with a quota."""

    quota_reserve: Quantity = Field(
        default=0, description="Searches of the quota reserved for other users of the account."
    )


class RestrictedSettings(SourceSettings):
    """Settings of every source with non-public data."""

    results_tlp: ResultsTlp = Field(
        default="TLP:AMBER",
        description="TLP of the objects created from this source; existing observables are raised to it.",
    )


class Client(Protocol):
    """Queries one source; used by one thread at a time."""

    def look_up(self, question: Question) -> Answer:
        """The source's answer, which may include older or unrelated records.

        Raises:
            SourceError: there is no answer; the class says why.
        """

    def quota(self) -> Quota:
        """The used quota, read in one request without a search; unknown if the source has none.

        Raises:
            SourceError: it cannot be read.
        """
        return Quota()


def tells_quota(client: Client) -> bool:
    """Whether the client can read the quota."""
    return type(client).quota is not Client.quota


@dataclass(frozen=True, kw_only=True)
class Source(Service):
    """One row of `SOURCES`: a service that knows passive DNS."""

    organization: str
    """Its name in descriptions and notes."""
    settings: type[SourceSettings]
    client: Callable[[Any, Http], Client]
    """Creates a client from the settings and a transport."""
    read: Callable[[bytes, str], Answer]
    """Reads a saved answer; the text is the queried name or address, if the answer does not state it.

    Raises BadAnswer if it is not a response from this source.
    """
    takes: frozenset[str] = NAMES | ADDRESSES
    """Supported observable types, by OpenCTI's names."""
    record_types: frozenset[str] = frozenset(RECORD_TYPES)
    """Supported record types."""
    shut: str = ""
    """Why the default URL is shut down; empty if it is not."""
    rate: Callable[[Any], str] = lambda _: ""
    """The published rate with these settings, in the notation of `limits`: `10/minute`; empty if there is none."""
    clock_tolerance: timedelta = timedelta(0)
    """How far the dates of the source may lag behind UTC."""
    tlp: str = "TLP:CLEAR"
    """The marking of created objects, unless the settings have `results_tlp`."""
    default_with: str = ""
    """The setting that selects the source where PDNS_SOURCES is missing; empty for all but one source."""
