"""Describes a service as its operator knows it: its names, its settings and what its statuses mean."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from passivedns import errors
from passivedns.errors import BadAnswer, SourceError
from passivedns.text import and_list, one_line, wait_time
from passivedns.transport.causes import Peer
from passivedns.transport.complaints import usual_complaint
from passivedns.transport.reply import Reply

MAX_QUOTE = 200
"""Characters quoted from a service."""
TRANSIENT = frozenset({429, 500, 502, 503, 504})
"""HTTP statuses that usually pass."""

_NO_ACCOUNT = "{title} requires credentials or rejected them (HTTP {status}); check {credentials}."
_SENTENCES: Mapping[type[SourceError], str] = {
    errors.CredentialsRefused: "{title} rejected the credentials (HTTP {status}); check {credentials}.",
    errors.NotEntitled: "The {title} account is not entitled to passive DNS (HTTP {status}); {entitlement}.",
    errors.QuotaExceeded: "The {title} quota is used up (HTTP {status}){until}.",
    errors.RateLimited: "{title} rate limit exceeded (HTTP {status}); {again}.",
    errors.RequestRefused: "{title} rejected the request (HTTP {status}).",
    errors.NoAnswer: "{title} server error (HTTP {status}); {again}.",
    errors.BadAnswer: "The response (HTTP {status}) is not from the {title} API; check {check}.",
}


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
    complaint: Callable[[Reply], str] = usual_complaint
    """Reads the error message of the service; by default from the usual JSON forms."""

    @property
    def needs_account(self) -> bool:
        """Whether it answers nobody without credentials."""
        return self.account not in ("none", "own server")

    def peer(self, url: str) -> Peer:
        """The server at a URL."""
        return Peer(self.title, self.variable(self.address), url)

    def variable(self, setting: str) -> str:
        """The environment variable of a setting, such as `CIRCL_USERNAME`."""
        return f"{self.key}_{setting}".upper()

    def unexpected(self, fault: str) -> BadAnswer:
        """The error for a response that is not from the API of the service, such as `is a web page`."""
        return BadAnswer(f"The response from {self.title} {fault}; check {self.variable(self.address)}.")

    def error(self, kind: type[SourceError], status: int, said: str = "", wait: float = 0) -> SourceError:
        """An error of that class with its text.

        `said` is the message of the service, which is shortened; `wait` is how many seconds it wants to be left alone.
        """
        check, said = self.variable(self.address), one_line(said, MAX_QUOTE)
        has_choice = kind is errors.CredentialsRefused and not self.needs_account
        sentence = (_NO_ACCOUNT if has_choice else _SENTENCES[kind]).format(
            title=self.title,
            status=status,
            until=f"; next try in {wait_time(wait)}" if wait else "",
            again=f"next try in {wait_time(wait)}" if wait else "try again later",
            check=check,
            credentials=and_list([*map(self.variable, self.credentials)] or [check]),
            entitlement=self.entitlement,
        )
        is_new = said and said.lower().removeprefix("error: ").rstrip(".") not in sentence.lower()
        error = kind(f"{sentence} Its response says: {said}" if is_new else sentence, retry_in=wait or None)
        error.status = status
        return error
