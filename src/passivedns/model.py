"""Defines the data that the modules exchange: questions, records, answers, entities and relations."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from math import inf
from socket import AF_INET, AF_INET6, inet_pton
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import quote

RECORD_TYPES = ("A", "AAAA", "CNAME", "MX", "NS", "SOA")
"""Mapped record types."""
FAMILIES = {"IPv4-Addr": AF_INET, "IPv6-Addr": AF_INET6}
"""The socket family of each address type."""


class Question(NamedTuple):
    """A question to a source."""

    value: str
    """A canonical address, or a name in lower-case ASCII, as in the DNS."""
    type: str
    """OpenCTI's type name, such as `Domain-Name`."""
    since: datetime
    """UTC; records last seen earlier are not needed."""

    @property
    def segment(self) -> str:
        """The value as a path segment of a URL; colons are not escaped (RFC 3986), as in the vendors' clients."""
        return quote(self.value, safe=":")


class Record(NamedTuple):
    """One observation in DNS terms."""

    name: str
    """The owner name (rrname), as the source spells it."""
    type: str
    """Upper case, such as `A` or `CNAME`; empty if the source did not say."""
    data: str
    """The name, address or mailbox in the rdata, without MX preference or SOA numbers."""
    first_seen: datetime | None
    """UTC; None if unknown."""
    last_seen: datetime | None
    """UTC, never before `first_seen`; None if unknown."""
    sensors: tuple[str, ...]
    """Sensors within the source, such as `pingly`."""
    source: str
    """The key of the source in `SOURCES`."""


class Answer(NamedTuple):
    """A source's answer about one observable."""

    records: list[Record]
    complete: bool = True
    """False if the source has more records than it sent, or sent more than could be read."""
    certain: bool = True
    """False if "nothing known" may be a lost answer, which is not cached."""
    unreadable: int = 0
    """Rows, and items of lists in rows, that could not be read."""
    left_out: Mapping[str, int] = MappingProxyType({})
    """Rows that the source itself says are no resolutions, by reason, such as `the name did not exist`."""
    about: str = ""
    """The name or address that it is about, if stated."""


def merge_answers(answers: Sequence[Answer]) -> Answer:
    """The answers to the parts of a question as one."""
    return Answer(
        [record for answer in answers for record in answer.records],
        complete=all(answer.complete for answer in answers),
        certain=all(answer.certain for answer in answers),
        unreadable=sum(answer.unreadable for answer in answers),
        left_out=sum((Counter(answer.left_out) for answer in answers), Counter()),
    )


class Allowance(NamedTuple):
    """The searches one owner has used, the limit, and the reset."""

    owner: str
    used: float
    limit: float
    reset: str
    """The reset, as the source writes it; empty if unknown."""

    @property
    def left(self) -> float:
        """Remaining searches."""
        return max(self.limit - self.used, 0)


class Quota(NamedTuple):
    """The allowances reported by a source; unknown if there are none."""

    allowances: tuple[Allowance, ...] = ()

    @property
    def tightest(self) -> Allowance | None:
        """The allowance with the fewest remaining searches; None if unknown."""
        return min(self.allowances, key=lambda allowance: allowance.left, default=None)


class Entity(NamedTuple):
    """The enriched observable."""

    id: str
    type: str
    """OpenCTI's type name, such as `Domain-Name`."""
    value: str
    """Canonical form, from `stix.values.canonical`."""
    markings: Sequence[str] = ()
    """The ids of its markings, which relationships inherit."""
    tlp: str | None = None
    """The strictest TLP among them, such as `TLP:AMBER`."""
    pap: str | None = None
    """The strictest PAP among them, such as `PAP:RED`."""


Sources = tuple[tuple[str, tuple[str, ...]], ...]
"""Sources by key with their sensors, both in alphabetical order."""


class Relation(NamedTuple):
    """The relation of the entity to one other observable, merged from all its records."""

    type: str
    """`resolves-to` or `related-to`."""
    value: str
    """The other side, in canonical form."""
    value_type: str
    """The type of the other side, such as `Domain-Name`."""
    reverse: bool
    """Whether the arrow comes from the other side."""
    record_types: tuple[str, ...]
    """Unique and in alphabetical order."""
    sources: Sources
    """The sources that saw it."""
    first_seen: datetime | None
    """UTC; None if unknown."""
    last_seen: datetime | None
    """UTC, at least a second after `first_seen`; None exactly if `first_seen` is."""


class Tally(NamedTuple):
    """What became of the rows of one source: each was kept, left out for a reason, or could not be read."""

    kept: Counter[str]
    """Records used, by type."""
    left_out: Counter[str]
    """Records left out, by reason."""
    unreadable: int = 0
    """Rows, and items of lists in rows, that could not be read."""


class Enrichment(NamedTuple):
    """The result of a conversion."""

    relations: list[Relation]
    tallies: Mapping[str, Tally]
    """By source key."""

    @property
    def kept(self) -> Counter[str]:
        """Records used, by type."""
        return sum((tally.kept for tally in self.tallies.values()), Counter())

    @property
    def left_out(self) -> Counter[str]:
        """Records left out, by reason."""
        return sum((tally.left_out for tally in self.tallies.values()), Counter())

    @property
    def unreadable(self) -> int:
        """Rows, and items of lists in rows, that could not be read."""
        return sum(tally.unreadable for tally in self.tallies.values())

    @property
    def observables(self) -> int:
        """The number of distinct observables on the other side."""
        return len({(relation.value_type, relation.value) for relation in self.relations})


def recency(relation: Relation) -> tuple[float, float, tuple[str, ...], bytes, str]:
    """Sort key: most recently seen first, undated last; then by record types and value, addresses in numeric order."""
    last, first = (-moment.timestamp() if moment else inf for moment in (relation.last_seen, relation.first_seen))
    family = FAMILIES.get(relation.value_type)
    number = inet_pton(family, relation.value) if family else b""
    return last, first, relation.record_types, number, relation.value


class State(StrEnum):
    """The status of one check of `main.py check`."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
    UNKNOWN = "unknown"
    """Not tried, or without a result."""


class Finding(NamedTuple):
    """One line of the `main.py check` report."""

    subject: str
    state: State
    text: str
