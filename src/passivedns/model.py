"""The plain data that every part shares: what is asked, what comes back, and what it amounts to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from socket import AF_INET, AF_INET6, inet_pton
from typing import NamedTuple


class Question(NamedTuple):
    """What a source is asked."""

    value: str
    """An address in canonical form, or a name in lower case and ASCII, as the DNS has it."""
    type: str
    """OpenCTI's name of its type, such as `Domain-Name`."""
    since: datetime
    """UTC; records last seen before it are of no use."""


class Record(NamedTuple):
    """One observation in DNS's own terms."""

    name: str
    """The owner name (rrname), as the source spells it."""
    type: str
    """Upper case, such as `A` or `CNAME`; empty where the source did not say."""
    data: str
    """The rdata reduced to its name, address or mailbox: no MX preference, no SOA numbers."""
    first_seen: datetime | None
    """UTC; None where unknown."""
    last_seen: datetime | None
    """UTC, never before `first_seen`; None where unknown."""
    sensors: tuple[str, ...]
    """Who saw it within the source, such as `pingly`."""
    source: str
    """The key of the source in `SOURCES`."""


class Answer(NamedTuple):
    """What a source knows of one observable."""

    records: list[Record]
    complete: bool = True
    """False where the source knows more than it sent, or sent more than could be read."""
    certain: bool = True
    """False where "nothing known" may be an answer that got lost on the way; such an answer is not cached."""
    unreadable: int = 0
    """Rows that could not be read."""
    about: str = ""
    """The name or address that it is about, where it says so."""


class Allowance(NamedTuple):
    """How many searches one owner has spent, of how many, until when."""

    owner: str
    used: float
    limit: float
    reset: str
    """When it starts anew, as the source writes it; empty where unknown."""

    @property
    def left(self) -> float:
        """Searches that remain."""
        return max(self.limit - self.used, 0)


class Budget(NamedTuple):
    """The allowances that a source states; without any, the budget is unknown."""

    allowances: tuple[Allowance, ...] = ()

    @property
    def tightest(self) -> Allowance | None:
        """The allowance with the fewest searches left; None where the budget is unknown."""
        return min(self.allowances, key=lambda allowance: allowance.left, default=None)


class Entity(NamedTuple):
    """The observable that is enriched."""

    id: str
    type: str
    """OpenCTI's name, such as `Domain-Name`."""
    value: str
    """In canonical form: `converter.canonical_value`."""
    markings: Sequence[str] = ()
    """The ids of its markings; the relationships carry them too."""
    tlp: str | None = None
    """The strictest TLP among them, such as `TLP:AMBER`."""


Sources = tuple[tuple[str, tuple[str, ...]], ...]
"""Each source by its key and in alphabetical order, with its sensors, which are in that order too."""


class Relation(NamedTuple):
    """How the entity and one other observable are related, by all the records that say so."""

    type: str
    """`resolves-to` or `related-to`."""
    value: str
    """The other side, in canonical form."""
    value_type: str
    """Its type, such as `Domain-Name`."""
    reverse: bool
    """Whether the arrow comes from the other side."""
    record_types: tuple[str, ...]
    """In alphabetical order, each once."""
    sources: Sources
    """Who saw it."""
    first_seen: datetime | None
    """UTC; None where unknown."""
    last_seen: datetime | None
    """UTC, later than `first_seen` by a second at least; None exactly where `first_seen` is."""


class Enrichment(NamedTuple):
    """What the records came to."""

    relations: list[Relation]
    kept: Counter[str]
    """Records used, by type."""
    left_out: Counter[str]
    """Records not used, by reason."""

    @property
    def observables(self) -> int:
        """How many different observables the relations lead to."""
        return len({(relation.value_type, relation.value) for relation in self.relations})


_FAMILIES = {"IPv4-Addr": AF_INET, "IPv6-Addr": AF_INET6}


def newest_first(relations: Iterable[Relation]) -> list[Relation]:
    """The relations, the most recently seen first, those of unknown date last; then by type and value."""
    return sorted(relations, key=lambda found: (-_order(found.last_seen), -_order(found.first_seen), *_name(found)))


def _name(relation: Relation) -> tuple[tuple[str, ...], bytes, str]:
    """Addresses are in order as numbers."""
    family = _FAMILIES.get(relation.value_type)
    return relation.record_types, inet_pton(family, relation.value) if family else b"", relation.value


def _order(moment: datetime | None) -> float:
    return moment.timestamp() if moment else float("-inf")


class State(StrEnum):
    """What became of one check of `main.py check`."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
    UNKNOWN = "unknown"
    """It was not tried, or nothing came of it."""


class Finding(NamedTuple):
    """One line of the report of `main.py check`."""

    subject: str
    state: State
    text: str
