"""What a source of passive DNS is: a row of `SOURCES`, its settings, and a client that answers questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, Protocol

from passivedns.errors import SourceError
from passivedns.model import Answer, Budget, Question

if TYPE_CHECKING:
    from passivedns.settings.sections import SourceSettings
    from passivedns.sources.http import Http, Reply

NAMES = frozenset({"Domain-Name", "Hostname"})
ADDRESSES = frozenset({"IPv4-Addr", "IPv6-Addr"})
RECORD_TYPES = frozenset({"A", "AAAA", "CNAME", "MX", "NS", "SOA"})
PASSING = frozenset({429, 500, 502, 503, 504})
"""Statuses after which most services answer when they are asked again."""


class Client(Protocol):
    """Asks one source. It is used by one thread at a time."""

    def look_up(self, question: Question) -> Answer:
        """What the source knows; it may also hold records that are older or about something else.

        Raises:
            SourceError: there is no answer; the class says why.
        """

    def budget(self) -> Budget:
        """What was spent of the quota, in one request that costs no search; unknown where the source has none.

        Raises:
            SourceError: it cannot be read.
        """
        return Budget()


def tells_budget(client: Client) -> bool:
    """Whether a client can read the quota of its source."""
    return type(client).budget is not Client.budget


@dataclass(frozen=True)
class Source:
    """One row of `SOURCES`."""

    key: str
    """Its name in `PDNS_SOURCES`, and of its section in config.yml."""
    title: str
    """Its name in texts for people."""
    organization: str
    """The author of what is created where it is the only source."""
    settings: type[SourceSettings]
    client: Callable[[Any, Http], Client]
    """Makes a client from the settings of the class above and a transport."""
    read: Callable[[bytes, str], Answer]
    """Reads an answer that was saved in a file; the text is the name or address it is about, where it does not say.

    Raises BadAnswer where it is not one of its answers.
    """
    takes: frozenset[str] = NAMES | ADDRESSES
    """OpenCTI's names of the types that it can be asked about."""
    record_types: frozenset[str] = RECORD_TYPES
    """Types of record that it can answer with."""
    account: Literal["none", "free", "paid", "own server"] = "paid"
    """What it takes to be allowed to ask."""
    shut: str = ""
    """Why nobody answers at its default address any more; empty where somebody does."""
    pace: str = ""
    """The published rate in the notation of `limits`, such as `10/minute`; empty where there is none."""
    pace_lifted_by: str = ""
    """The setting, such as an API key, with which `pace` does not apply; empty where nothing lifts it."""
    clock_tolerance: timedelta = timedelta(0)
    """How far its dates may be behind UTC."""
    tlp: str = "TLP:CLEAR"
    """The marking of what is created from its records, unless its settings have a `results_tlp`."""
    address: str = "api_base_url"
    """The setting that holds its address."""
    credentials: tuple[str, ...] = ()
    """The settings that hold its credentials."""
    entitlement: str = "ask the provider"
    """What to do where the account is not entitled to passive DNS."""
    statuses: Mapping[int, type[SourceError]] = field(default_factory=dict)
    """What its statuses mean where they differ from what most services mean by them."""
    unknown: frozenset[int] = frozenset()
    """Statuses of errors that may mean that nothing is known; the client reads their bodies."""
    retried: frozenset[int] = PASSING
    """Statuses after which a request is repeated."""
    complaint: Callable[[Reply], str] | None = None
    """Reads what the source says of an error; the default reads the usual forms of JSON."""

    def variable(self, setting: str) -> str:
        """The environment variable of one of its settings, such as `CIRCL_USERNAME`."""
        return f"{self.key}_{setting}".upper()

    def pace_with(self, settings: SourceSettings) -> str:
        """The rate that applies to an account with these settings; empty where none does."""
        if (own := getattr(settings, "pace", None)) is not None:
            return str(own)
        return "" if self.pace_lifted_by and getattr(settings, self.pace_lifted_by) else self.pace
