"""Defines the interface of a passive DNS source: its row in `SOURCES`, its settings and its client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import Field

from passivedns.errors import BadAnswer, SourceError
from passivedns.model import RECORD_TYPES, Answer, Question, Quota
from passivedns.settings.values import A_DURATION, A_TLP, MaxTlp, Quantity, ResultsTlp, Section, Window, allowed

if TYPE_CHECKING:
    from passivedns.transport.http import Http, Reply

NAMES = frozenset({"Domain-Name", "Hostname"})
ADDRESSES = frozenset({"IPv4-Addr", "IPv6-Addr"})
PASSING = frozenset({429, 500, 502, 503, 504})
"""HTTP statuses that are usually transient."""


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


@dataclass(frozen=True)
class Source:
    """One row of `SOURCES`."""

    key: str
    """Name in `PDNS_SOURCES` and of the section in config.yml."""
    title: str
    """Display name."""
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
    account: Literal["none", "free", "restricted", "vetted", "paid", "own server"] = "paid"
    """The kind of account needed. Restricted and vetted ones are free: for non-commercial use, and upon request."""
    shut: str = ""
    """Why the default URL is shut down; empty if it is not."""
    pace: Callable[[Any], str] = lambda _: ""
    """The published rate with these settings, in the notation of `limits`: `10/minute`; empty if there is none."""
    clock_tolerance: timedelta = timedelta(0)
    """How far the dates of the source may lag behind UTC."""
    tlp: str = "TLP:CLEAR"
    """The marking of created objects, unless the settings have `results_tlp`."""
    address: str = "api_base_url"
    """The setting with the URL."""
    credentials: tuple[str, ...] = ()
    """The settings with the credentials."""
    default_with: str = ""
    """The setting that selects the source where PDNS_SOURCES is missing; empty for all but one source."""
    entitlement: str = "ask the provider"
    """The remedy if the account is not entitled to passive DNS."""
    statuses: Mapping[int, type[SourceError]] = field(default_factory=dict)
    """Statuses whose meaning differs from most services."""
    unknown: frozenset[int] = frozenset()
    """Error statuses that may mean "nothing known"; the client reads their bodies."""
    retried: frozenset[int] = PASSING
    """Statuses that are retried."""
    complaint: Callable[[Reply], str] | None = None
    """Reads the error message of the source; by default from the usual JSON forms."""

    def variable(self, setting: str) -> str:
        """The environment variable of a setting, such as `CIRCL_USERNAME`."""
        return f"{self.key}_{setting}".upper()

    def unexpected(self, fault: str) -> BadAnswer:
        """The error for a response that is not from the API of the source, such as `is a web page`."""
        return BadAnswer(f"The response from {self.title} {fault}; check {self.variable(self.address)}.")
