"""Runs `make bench`: converts answers to serialized bundles, compared to python-stix2 and to a minimum.

The minimum is only reading the answer (`json.loads`) and writing the bundle (`json.dumps`). A second table shows the
stages.
"""

import gc
import json
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import stix2
from pycti import Identity, OpenCTIConnectorHelper, StixCoreRelationship
from rich.console import Console
from rich.table import Table

from passivedns.converter import convert
from passivedns.model import Entity
from passivedns.opencti.chunks import chunks, in_json
from passivedns.sources.riskiq import RISKIQ
from passivedns.stix import objects
from passivedns.stix.builder import AUTHOR, Publisher, additions
from passivedns.stix.objects import StixObject

SIZES = (100, 1_000, 10_000)
TIMES_FASTER, TIMES_MINIMUM, GROWTH = 25, 5, 1.3
"""Limits from 1,000 records on, and for the cost of a record among 10,000 compared to 1,000."""

DOMAIN = "example.org"
NOW = datetime.now(UTC)
ENTITY = Entity(objects.observable_id("Domain-Name", DOMAIN), "Domain-Name", DOMAIN, [objects.TLP_CLEAR], "TLP:CLEAR")
PUBLISHER = Publisher({RISKIQ.key: RISKIQ.organization}, {RISKIQ.key: RISKIQ.tlp})
# The mix of types in the recorded answer of 62 records: A 38, MX 7, NS 7, SOA 5, TXT 3, CNAME 2.
MIX = ["A"] * 38 + ["MX"] * 7 + ["NS"] * 7 + ["SOA"] * 5 + ["TXT (SPF1)"] * 3 + ["CNAME"] * 2


class Times(NamedTuple):
    """Seconds per answer."""

    ours: float
    stages: list[float]
    """From bytes to records, to relations, to objects, to text."""
    usual: float
    """Time of python-stix2."""
    least: float


def main() -> int:
    """Print the tables; return 1 if a limit is exceeded."""
    table = Table("records", "records/s", "µs per record", "faster than python-stix2", "times the minimum")
    stages = Table("records", "to records", "to relations", "to objects", "to text", "records to text")
    measured = {size: measure(size) for size in SIZES}
    for size, (ours, parts, usual, least) in measured.items():
        table.add_row(
            f"{size:,}",
            f"{size / ours:,.0f}",
            f"{ours / size * 1e6:.1f}",
            f"{usual / ours:.1f}",
            f"{ours / least:.2f}",
        )
        stages.add_row(
            f"{size:,}", *(f"{part / size * 1e6:.1f} µs" for part in parts), f"{size / sum(parts[1:]):,.0f}/s"
        )
    Console().print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores", table, stages)
    return 0 if meets_limits(measured) else 1


def measure(size: int) -> Times:
    """Measure an answer of that size."""
    body = json.dumps(answer(size)).encode()
    parsed = json.loads(body)
    records = RISKIQ.read(body, DOMAIN).records
    relations = convert(ENTITY, records).relations
    added = additions(ENTITY, relations, PUBLISHER, NOW)
    stages = [
        best(lambda: RISKIQ.read(body, DOMAIN)),
        best(lambda: convert(ENTITY, records)),
        best(lambda: additions(ENTITY, relations, PUBLISHER, NOW)),
        best(lambda: in_text(added)),
    ]
    usual = best(lambda: with_python_stix2(parsed), runs=1 if size > 1_000 else 3)
    least = best(lambda: (json.loads(body), json.dumps(added)))
    return Times(best(lambda: bundled(body)), stages, usual, least)


def bundled(body: bytes) -> list[str]:
    enrichment = convert(ENTITY, RISKIQ.read(body, DOMAIN).records)
    return in_text(additions(ENTITY, enrichment.relations, PUBLISHER, NOW))


def in_text(added: list[StixObject]) -> list[str]:
    """Serialize objects as pycti publishes them."""
    return [in_json(chunk) for chunk in chunks(added)]


def best(work: Callable[[], Any], runs: int = 15) -> float:
    """Return the fastest of several runs, in seconds, which the machine disturbed least."""
    seconds = []
    for _ in range(runs):
        gc.collect()
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    return min(seconds)


def meets_limits(measured: dict[int, Times]) -> bool:
    large = {size: times for size, times in measured.items() if size >= 1_000}
    growth = (measured[10_000].ours / 10_000) / (measured[1_000].ours / 1_000)
    limits = {
        f"at least {TIMES_FASTER} times faster than python-stix2": all(
            times.usual / times.ours >= TIMES_FASTER for times in large.values()
        ),
        f"at most {TIMES_MINIMUM} times the minimum": all(
            times.ours / times.least <= TIMES_MINIMUM for times in large.values()
        ),
        f"a record among 10,000 costs at most {GROWTH} times one among 1,000: {growth:.2f}": growth <= GROWTH,
    }
    for limit, is_met in limits.items():
        print("met   " if is_met else "MISSED", limit)
    return all(limits.values())


def answer(size: int) -> dict[str, Any]:
    """Return an answer in PassiveTotal's form."""
    return {
        "pager": None,
        "queryValue": DOMAIN,
        "queryType": "domain",
        "firstSeen": "2014-04-15 19:12:09",
        "lastSeen": "2019-10-05 21:51:41",
        "totalRecords": size,
        "results": [record(number, MIX[number * 37 % len(MIX)]) for number in range(size)],
    }


def record(number: int, record_type: str) -> dict[str, Any]:
    kind, resolve = "domain", f"host-{number}.example.net"
    if record_type == "A":
        kind, resolve = "ip", f"198.{18 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
    elif record_type == "SOA" and number % 2:
        kind, resolve = "email", f"hostmaster@host-{number}.example.net"
    return {
        "firstSeen": f"2014-04-{number % 28 + 1:02} 19:12:09",
        "lastSeen": "2019-10-05 21:51:41",
        "value": DOMAIN,
        "collected": "2019-10-05 21:51:42",
        "source": ["kaspersky", "pingly", "riskiq"],
        "recordHash": f"{number:064x}",
        "resolve": resolve,
        "resolveType": kind,
        "recordType": record_type,
    }


CLASSES = {"ip": stix2.IPv4Address, "domain": stix2.DomainName, "email": stix2.EmailAddress}


def with_python_stix2(parsed: dict[str, Any]) -> str:
    """Build the same objects as most connectors do: with classes, without validation or merging."""
    author = stix2.Identity(id=Identity.generate_id(AUTHOR, "organization"), name=AUTHOR, identity_class="organization")
    made: list[Any] = [author, stix2.TLP_WHITE]
    for found in parsed["results"]:
        if not found["recordType"].startswith("TXT"):
            made += pair(found, author.id)
    return str(OpenCTIConnectorHelper.stix2_create_bundle(made))


def pair(found: dict[str, Any], author: str) -> list[Any]:
    observable = CLASSES[found["resolveType"]](
        value=found["resolve"],
        object_marking_refs=[stix2.TLP_WHITE],
        custom_properties={"x_opencti_created_by_ref": author},
    )
    relation = "related-to" if found["resolveType"] == "email" else "resolves-to"
    first, last = (datetime.fromisoformat(found[key]).replace(tzinfo=UTC) for key in ("firstSeen", "lastSeen"))
    return [
        observable,
        stix2.Relationship(
            id=StixCoreRelationship.generate_id(relation, ENTITY.id, observable.id),
            relationship_type=relation,
            source_ref=ENTITY.id,
            target_ref=observable.id,
            description=f"{found['recordType']} records ({', '.join(found['source'])})",
            start_time=first,
            stop_time=last,
            created_by_ref=author,
            object_marking_refs=[stix2.TLP_WHITE],
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
