"""Describes a service as its operator knows it: its names, its settings and what its statuses mean."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from passivedns.errors import BadAnswer, SourceError
from passivedns.transport.reply import Reply

TRANSIENT = frozenset({429, 500, 502, 503, 504})
"""HTTP statuses that usually pass."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """What requests to a service, and the texts of their errors, depend on."""

    key: str
    """Name in `PDNS_SOURCES` and of the section in config.yml."""
    title: str
    """Display name."""
    address: str = "api_base_url"
    """The setting with the URL."""
    credentials: tuple[str, ...] = ()
    """The settings with the credentials."""
    account: Literal["none", "free", "restricted", "vetted", "paid", "own server"] = "paid"
    """The kind of account needed. Restricted and vetted ones are free: for non-commercial use, and upon request."""
    entitlement: str = "ask the provider"
    """The remedy if the account is not entitled to passive DNS."""
    statuses: Mapping[int, type[SourceError]] = field(default_factory=dict)
    """Statuses whose meaning differs from most services."""
    unknown: frozenset[int] = frozenset()
    """Error statuses that may mean "nothing known"; the client reads their bodies."""
    retried: frozenset[int] = TRANSIENT
    """Statuses that are retried."""
    complaint: Callable[[Reply], str] | None = None
    """Reads the error message of the service; by default from the usual JSON forms."""

    def variable(self, setting: str) -> str:
        """The environment variable of a setting, such as `CIRCL_USERNAME`."""
        return f"{self.key}_{setting}".upper()

    def unexpected(self, fault: str) -> BadAnswer:
        """The error for a response that is not from the API of the service, such as `is a web page`."""
        return BadAnswer(f"The response from {self.title} {fault}; check {self.variable(self.address)}.")
