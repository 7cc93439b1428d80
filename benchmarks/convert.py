"""`make bench`: from the parsed JSON of an answer to the serialised bundle, against python-stix2 and a floor.

The floor is what no converter can save: reading the answer (`json.loads`) and writing the bundle (`json.dumps`).
"""

import gc
import json
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import stix2
from passivedns.records import parse_records
from pycti import Identity, OpenCTIConnectorHelper, StixCoreRelationship
from rich.console import Console
from rich.table import Table

from passivedns import stix
from passivedns.converter import AUTHOR, Entity, convert

SIZES = (100, 1_000, 10_000)
TIMES_FASTER, TIMES_FLOOR, GROWTH = 15, 5, 1.3
"""What is promised of 1,000 records and more, and of the cost of a record among 10,000 against 1,000."""

DOMAIN = "example.org"
NOW = datetime.now(UTC)
ENTITY = Entity(stix.observable_id("Domain-Name", DOMAIN), "Domain-Name", DOMAIN, [stix.TLP_CLEAR])
# The mix of the recorded answer of 62 records: A 38, MX 7, NS 7, SOA 5, TXT 3, CNAME 2.
MIX = ["A"] * 38 + ["MX"] * 7 + ["NS"] * 7 + ["SOA"] * 5 + ["TXT (SPF1)"] * 3 + ["CNAME"] * 2


def main() -> int:
    """Print the table; 1 where a promise is broken."""
    table = Table("records", "records/s", "µs a record", "faster than python-stix2", "times the floor")
    measured = {size: measure(size) for size in SIZES}
    for size, (ours, usual, floor) in measured.items():
        table.add_row(
            f"{size:,}", f"{size / ours:,.0f}", f"{ours / size * 1e6:.1f}", f"{usual / ours:.1f}", f"{ours / floor:.2f}"
        )
    Console().print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores", table)
    return 0 if kept(measured) else 1


def measure(size: int) -> tuple[float, float, float]:
    """Seconds for one answer of that size: this connector, python-stix2, and the floor."""
    text = json.dumps(answer(size))
    parsed = json.loads(text)
    bundle = convert(ENTITY, parse_records(parsed), NOW).objects
    ours = best(lambda: json.dumps(convert(ENTITY, parse_records(parsed), NOW).objects))
    usual = best(lambda: with_python_stix2(parsed), runs=1 if size > 1_000 else 3)
    floor = best(lambda: (json.loads(text), json.dumps(bundle)))
    return ours, usual, floor


def best(work: Callable[[], Any], runs: int = 15) -> float:
    """The fastest of some runs, in seconds: the one that the machine disturbed least."""
    seconds = []
    for _ in range(runs):
        gc.collect()
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    return min(seconds)


def kept(measured: dict[int, tuple[float, float, float]]) -> bool:
    large = {size: times for size, times in measured.items() if size >= 1_000}
    growth = (measured[10_000][0] / 10_000) / (measured[1_000][0] / 1_000)
    promises = {
        f"at least {TIMES_FASTER} times faster than python-stix2": all(
            u / o >= TIMES_FASTER for o, u, _ in large.values()
        ),
        f"at most {TIMES_FLOOR} times the floor": all(o / f <= TIMES_FLOOR for o, _, f in large.values()),
        f"a record among 10,000 costs at most {GROWTH} times one among 1,000: {growth:.2f}": growth <= GROWTH,
    }
    for promise, is_kept in promises.items():
        print("kept  " if is_kept else "BROKEN", promise)
    return all(promises.values())


def answer(size: int) -> dict[str, Any]:
    """An answer in PassiveTotal's shape."""
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
        kind, resolve = "ip", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
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
    """The same objects as connectors usually make them: a class for each, no validation, no merge."""
    author = stix2.Identity(id=Identity.generate_id(AUTHOR, "organization"), name=AUTHOR, identity_class="organization")
    objects: list[Any] = [author, stix2.TLP_WHITE]
    for found in parsed["results"]:
        if not found["recordType"].startswith("TXT"):
            objects += pair(found, author.id)
    return str(OpenCTIConnectorHelper.stix2_create_bundle(objects))


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
