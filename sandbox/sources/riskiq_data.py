"""Provides the answers of the PassiveTotal stand-in: an invented data set, or recorded answers.

The data set contains names and addresses reserved for documentation (RFC 2606, RFC 5737, RFC 3849)
in the form of real answers, with dates relative to a given day.
"""

import hashlib
import json
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from sandbox.sources.history import Fact

Answers = dict[str, list[Any]]
"""Records by the name or address that was asked for, in lower case."""

DOMAIN = "example.org"
ADDRESS = "192.0.2.10"
DIRTY = "dirty.example.org"

# Record type, resolve type, resolve, first and last seen in days ago, sources. Answers have no order.
_Row = tuple[str, str, str, int, int, list[str]]

_DOMAIN_ROWS: list[_Row] = [
    ("MX", "domain", "mx1.example.net", 700, 1, ["pingly", "riskiq"]),
    ("SOA", "email", "hostmaster@example.org", 700, 1, ["pingly", "riskiq"]),
    ("A", "ip", "192.0.2.10", 400, 1, ["emerging_threats", "kaspersky", "pingly", "riskiq", "virustotal"]),
    ("A", "ip", "203.0.113.80", 9, 9, ["riskiq"]),
    ("NS", "domain", "ns2.example.net", 700, 1, ["pingly", "riskiq"]),
    ("TXT (SPF1)", "domain", "_spf.example.net", 320, 1, ["pingly", "riskiq"]),
    ("AAAA", "ip", "2001:db8::10", 200, 1, ["riskiq"]),
    # One server as two sources write it, with and without the trailing dot.
    ("SOA", "domain", "ns1.example.net.", 700, 2, ["riskiq"]),
    ("SOA", "domain", "ns1.example.net", 650, 1, ["pingly"]),
    ("A", "ip", "198.51.100.7", 28, 3, ["kaspersky", "pingly", "riskiq"]),
    ("A", "ip", "203.0.113.99", 900, 200, ["riskiq", "virustotal"]),
    ("CNAME", "domain", "www.example.org", 60, 5, ["pingly"]),
    ("TXT (SPF1)", "domain", "198.51.100.0/24", 12, 1, ["pingly"]),
    ("NS", "domain", "ns1.example.net", 700, 1, ["pingly", "riskiq"]),
    ("MX", "domain", "mx2.example.net", 700, 1, ["pingly", "riskiq"]),
    ("A", "ip", "192.0.2.11", 45, 2, ["pingly", "riskiq"]),
    ("AAAA", "ip", "2001:db8:0:1::10", 45, 2, ["pingly"]),
]

# The answer about an address has the names that pointed to it, as records of type A.
_ADDRESS_ROWS: list[_Row] = [
    ("A", "domain", "mail.example.com", 90, 2, ["riskiq"]),
    ("A", "domain", "example.org", 400, 1, ["pingly", "riskiq", "virustotal"]),
    ("A", "domain", "shared.example.net", 14, 14, ["virustotal"]),
    ("A", "domain", "old.tenant.example", 800, 150, ["riskiq"]),
    ("A", "domain", "www.example.org", 60, 1, ["pingly", "riskiq"]),
]

_DIRTY_ROWS: list[_Row] = [
    ("A", "ip", "192.0.2.20", 20, 1, ["riskiq"]),
    ("A", "ip", "192.0.2.21", 1, 20, ["riskiq"]),  # last seen before it was first seen
    ("A", "ip", "198.51.100.0/24", 20, 1, ["riskiq"]),
    ("AAAA", "ip", "192.0.2.22", 20, 1, ["riskiq"]),
    ("NS", "domain", "*.example.net", 20, 1, ["riskiq"]),
    ("MX", "domain", ".", 20, 1, ["riskiq"]),
    ("MX", "domain", "", 20, 1, ["riskiq"]),
    ("MX", "domain", "  ", 20, 1, ["riskiq"]),
    ("MX", "domain", "localhost", 20, 1, ["riskiq"]),
    ("CNAME", "domain", "http://www.example.net/path", 20, 1, ["riskiq"]),
    ("CNAME", "domain", DIRTY, 20, 1, ["riskiq"]),
    ("NS", "domain", "NS1.EXAMPLE.NET", 20, 1, ["riskiq"]),
    ("NS", "domain", "ns1.example.net.", 30, 1, ["pingly"]),
    ("SOA", "email", "hostmaster.example.org", 20, 1, ["riskiq"]),
    ("TXT (SPF1)", "domain", "198.51.100.0/24", 20, 1, ["pingly"]),
    ("PTR", "domain", "ptr.example.net", 20, 1, ["riskiq"]),
    ("TXT", "text", "v=spf1 -all", 20, 1, ["riskiq"]),
]


def own_records(today: date) -> Answers:
    """The data set as of `today` (UTC): a rich domain, an address, and a domain of dirty records.

    In the 30 days before `today`, all dated records were seen except one of the domain and one of the address.
    """
    noon = datetime.combine(today, time(4, 12, 9))

    def record(value: str, row: _Row) -> dict[str, Any]:
        kind, end, resolve, first, last, sources = row
        return _record(value, kind, end, resolve, noon - timedelta(days=first), noon - timedelta(days=last), sources)

    return {
        DOMAIN: [record(DOMAIN, row) for row in _DOMAIN_ROWS],
        ADDRESS: [record(ADDRESS, row) for row in _ADDRESS_ROWS],
        DIRTY: [record(DIRTY, row) for row in _DIRTY_ROWS] + _malformed(noon),
    }


def answers_of(facts: Iterable[Fact]) -> Answers:
    """PassiveTotal's answers about every name and address of a history, from one source."""
    answers: Answers = {}
    for fact in facts:
        ends = [(fact.name, *end) for end in _resolved(fact)]
        ends += [(fact.data, "domain", fact.name)] * (fact.type in ("A", "AAAA"))
        for value, resolve_type, resolve in ends:
            first, last = (moment.replace(tzinfo=None) for moment in (fact.first, fact.last))
            record = _record(value, fact.type, resolve_type, resolve, first, last, ["riskiq"])
            answers.setdefault(value, []).append(record)
    return answers


def _resolved(fact: Fact) -> list[tuple[str, str]]:
    """The resolve types and values of a fact; SOA has two."""
    if fact.type in ("A", "AAAA"):
        return [("ip", fact.data)]
    if fact.type == "SOA":
        host, mailbox, *_ = fact.data.split()
        return [("domain", host.removesuffix(".")), ("email", mailbox.removesuffix(".").replace(".", "@", 1))]
    return [("domain", fact.data.rpartition(" ")[2].removesuffix("."))]


def _record(
    value: str, record_type: str, resolve_type: str, resolve: str, first: datetime, last: datetime, sources: list[str]
) -> dict[str, Any]:
    return {
        "firstSeen": str(first),
        "lastSeen": str(last),
        "value": value,
        "collected": str(last + timedelta(seconds=1)),
        "source": sources,
        "recordHash": hashlib.sha256(f"{value} {record_type} {resolve}".encode()).hexdigest(),
        "resolve": resolve,
        "resolveType": resolve_type,
        "recordType": record_type,
    }


def _malformed(noon: datetime) -> list[Any]:
    """Records with invalid dates or missing fields, and records that are not objects."""

    def address(resolve: str) -> dict[str, Any]:
        return _record(DIRTY, "A", "ip", resolve, noon - timedelta(days=20), noon - timedelta(days=1), ["riskiq"])

    return [
        address("192.0.2.23") | {"firstSeen": None, "lastSeen": None},
        address("192.0.2.24") | {"firstSeen": "None", "lastSeen": "None"},
        address("192.0.2.25") | {"firstSeen": "1970-01-01 00:00:00"},
        address("192.0.2.26") | {"resolve": None},
        {"recordType": "A", "resolve": "192.0.2.27"},
        {"resolve": "192.0.2.28", "resolveType": "ip"},
        {},
        "192.0.2.29",
        None,
    ]


def recorded_records(folder: Path) -> Answers:
    """The records in a folder of recorded `/v2/dns/passive` answers; `example.org.json` is about example.org.

    Raises ValueError if a file is not such an answer, or if the folder contains none.
    """
    answers = {path.stem.lower(): _recorded(path) for path in sorted(folder.glob("*.json"))}
    if not answers:
        raise ValueError(f"{folder} holds no recorded answer (*.json)")
    return answers


def _recorded(path: Path) -> list[Any]:
    try:
        answer = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(answer, dict) or not isinstance(answer.get("results"), list):
        raise ValueError(f"{path} is not a recorded answer: it has no list of results")
    return list(answer["results"])
