"""Provides one DNS history that all stand-ins serve, each in its format, so that tests can check merges exactly.

It is invented and contains names and addresses reserved for documentation (RFC 2606, RFC 5737, RFC 3849), with dates
relative to a given day.
"""

import ipaddress
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

DOMAIN = "example.org"
ADDRESS = "192.0.2.10"
ADDRESS_V6 = "2001:db8::10"


class Fact(NamedTuple):
    """One record, and when it was in the DNS."""

    name: str
    """The owner name in lower case, without the trailing dot."""
    type: str
    data: str
    """Presentation text, such as `10 mx1.example.net.` for MX."""
    first: datetime
    """UTC."""
    last: datetime
    """UTC."""

    def is_about(self, value: str) -> bool:
        """Whether a name or an address is the owner or all of the data."""
        return value in (self.name, self.data.removesuffix("."))


_SOA = "ns1.example.net. hostmaster.example.org. 2026112401 7200 3600 1209600 3600"
# Name, type, data, first and last seen in days ago.
_ROWS = [
    ("example.org", "A", "192.0.2.10", 400, 1),
    ("example.org", "A", "192.0.2.11", 45, 2),
    ("example.org", "A", "198.51.100.7", 28, 3),
    ("example.org", "A", "203.0.113.99", 900, 200),
    ("example.org", "AAAA", "2001:db8::10", 200, 1),
    ("example.org", "NS", "ns1.example.net.", 700, 1),
    ("example.org", "NS", "ns2.example.net.", 700, 1),
    ("example.org", "MX", "10 mx1.example.net.", 700, 1),
    ("example.org", "SOA", _SOA, 700, 1),
    ("example.org", "TXT", '"v=spf1 -all"', 320, 1),
    ("www.example.org", "CNAME", "example.org.", 60, 5),
    ("www.example.org", "A", "192.0.2.10", 60, 1),
    ("mail.example.com", "A", "192.0.2.10", 90, 2),
    ("shared.example.net", "A", "192.0.2.10", 14, 14),
    ("old.tenant.example", "A", "192.0.2.10", 800, 150),
    ("v6.example.com", "AAAA", "2001:db8::10", 30, 2),
]


def history(today: date, shift: int = 0) -> list[Fact]:
    """The history as of `today` (UTC), with all dates `shift` days earlier, for a source that saw it at other times."""
    noon = datetime.combine(today, time(4, 12, 9), UTC) - timedelta(days=shift)
    return [
        Fact(name, kind, data, noon - timedelta(days=first), noon - timedelta(days=last))
        for name, kind, data, first, last in _ROWS
    ]


def about(facts: Iterable[Fact], value: str) -> list[Fact]:
    """The facts whose owner or data is `value`."""
    return [fact for fact in facts if fact.is_about(value)]


def unix(moment: datetime) -> int:
    """A date in Unix seconds."""
    return int(moment.timestamp())


def version(value: str) -> int | None:
    """4 or 6 for an address, None for a name."""
    try:
        return ipaddress.ip_address(value).version
    except ValueError:
        return None
