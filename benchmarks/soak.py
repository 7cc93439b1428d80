"""Runs `make soak`: minutes of mixed traffic, while the connector and everything around it fail.

PassiveTotal fails, the broker restarts, OpenCTI is down for up to a minute, and three processes on one queue are
stopped and killed. Every message must close one work. A playbook must get one bundle, or the same one twice if a kill
or an outage came between its answer and the acknowledgement.
"""

import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.ledger import FAILURES, LOST, OUTCOMES, Request, is_done, outcome
from benchmarks.site import Site, running_site
from sandbox.rabbitmq import private_broker
from sandbox.sources.riskiq import PassiveTotal
from tests.helpers.world import record

SECONDS = 600
RATE = 1.2
"""Messages per second, on average."""
QUIET = 60
"""Seconds without progress before waiting ends; pycti reconnects after 10."""
CONNECTORS = 3
MAX_OUTAGE = 60
"""Maximum seconds of an outage of OpenCTI, or a fifth of the total if that is less."""

chance = random.Random()  # noqa: S311  # not used for secrets
console = Console(width=None if sys.stdout.isatty() else 150)


@dataclass(frozen=True)
class Kind:
    """A kind of message; each message has a different entity, derived from a number."""

    name: str
    frequency: int
    entity_type: str
    value: Callable[[int], str]
    records: tuple[dict[str, Any], ...] = ()
    """Return PassiveTotal's records of it."""
    marking: str = "TLP:GREEN"
    is_playbook: bool = False


ADDRESSES = tuple(record("A", "ip", f"192.0.2.{number}") for number in (1, 2))
NAMES = tuple(record("A", "domain", f"host-{number}.example.net") for number in (1, 2))
KINDS = (
    Kind("domain", 6, "Domain-Name", lambda number: f"known-{number}.example", ADDRESSES),
    Kind("address", 3, "IPv4-Addr", lambda number: f"198.18.{number >> 8 & 255}.{number & 255}", NAMES),
    Kind("unknown name", 2, "Domain-Name", lambda number: f"unknown-{number}.example"),
    Kind("out of scope", 1, "Url", lambda number: f"http://www-{number}.example/"),
    Kind("above the TLP", 1, "Domain-Name", lambda number: f"red-{number}.example", ADDRESSES, "TLP:RED"),
    Kind("playbook", 3, "Domain-Name", lambda number: f"played-{number}.example", ADDRESSES, is_playbook=True),
    Kind("playbook, out of scope", 1, "Url", lambda number: f"http://p-{number}.example/", is_playbook=True),
)


class Traffic:
    """The requests to the connector so far."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.requests: list[tuple[Kind, Request]] = []

    def send(self, kind: Kind) -> Request:
        """Publish a message of that kind."""
        value = kind.value(len(self.requests))
        self._site.service.answers[value] = list(kind.records)
        platform = self._site.platform
        entity = platform.add_observable(kind.entity_type, value, [kind.marking])
        request = platform.play(entity) if kind.is_playbook else platform.enrich(entity)
        self.requests.append((kind, request))
        return request

    def flow(self, ended: threading.Event) -> None:
        """Publish messages at random until the event is set."""
        while not ended.wait(chance.expovariate(RATE)):
            self.send(*chance.choices(KINDS, [kind.frequency for kind in KINDS]))

    def settle(self) -> None:
        """Wait until everything is done, or no progress is made."""
        left, since = -1, time.monotonic()
        while left and time.monotonic() - since < QUIET:
            time.sleep(0.5)
            now_left = sum(not is_done(request) and not request.undelivered for _, request in self.requests)
            left, since = now_left, (since if now_left == left else time.monotonic())


def main() -> int:
    """Print the outcomes; return 1 if a message was lost or answered wrongly."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    # Without records, and with an unlimited quota.
    service = PassiveTotal({}, limit=10**9)
    with private_broker() as broker, running_site(broker, service, CONNECTORS) as site:
        traffic = Traffic(site)
        faults = disturb(site, traffic, seconds)
        traffic.settle()
        site.stop_connectors()
        left = site.queued()
    print(f"{seconds:g} seconds:", ", ".join(f"{count} {name}" for name, count in sorted(faults.items())))
    print("Exit codes of stopped connectors:", *site.exits)
    print("Messages left in the queue:", left)
    if report(traffic) and not any(site.exits) and not left:
        return 0
    log = Path(tempfile.mkdtemp(prefix="soak-"), "connectors.log")
    log.write_text(site.log, encoding="utf-8")
    print("Log of the connectors:", log)
    return 1


def disturb(site: Site, traffic: Traffic, seconds: float) -> Counter[str]:
    """Run traffic and faults for this many seconds; return the number of each fault."""
    ended, faults = threading.Event(), Counter[str]()
    flow = threading.Thread(target=traffic.flow, args=[ended])
    flow.start()
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            fault = chance.choice(FAULTS)
            faults[fault(site, seconds)] += 1
            time.sleep(chance.uniform(1, 6))
    finally:
        ended.set()
        flow.join()
    site.service.recover()
    site.service.latency = 0
    return faults


def fail(site: Site, _: float) -> str:
    # The fault that sends 64 MiB would take the processor from everything else.
    site.service.fail(chance.choice([name for name in site.service.faults if name != "huge"]), chance.randint(1, 4))
    return "faults of PassiveTotal"


def slow_down(site: Site, _: float) -> str:
    site.service.latency = chance.choice((0, 0.2, 0.8))
    return "changes of its latency"


def restart_broker(site: Site, _: float) -> str:
    site.restart_broker(chance.uniform(0, 5))
    return "restarts of the broker"


def restart_platform(site: Site, seconds: float) -> str:
    site.restart_platform(chance.uniform(1, min(MAX_OUTAGE, seconds / 5)))
    return "outages of OpenCTI"


def restart_connector(site: Site, _: float) -> str:
    connector = chance.choice(site.connectors)
    site.exits.append(connector.stop())
    connector.start()
    return "stops of a connector"


def kill_connector(site: Site, _: float) -> str:
    connector = chance.choice(site.connectors)
    connector.kill()
    connector.start()
    return "kills of a connector"


FAULTS = (fail, fail, slow_down, restart_broker, restart_platform, restart_connector, kill_connector, kill_connector)


def report(traffic: Traffic) -> bool:
    """Return whether every message was answered correctly."""
    outcomes = [(kind, request, *outcome(request)) for kind, request in traffic.requests]
    table = Table("message", "sent", *OUTCOMES)
    for kind in KINDS:
        found = Counter(name for its_kind, _, name, _ in outcomes if its_kind is kind)
        table.add_row(kind.name, f"{found.total()}", *[f"{found[name] or ''}" for name in OUTCOMES])
    console.print(table)
    failures = [row for row in outcomes if row[2] in FAILURES]
    for kind, request, name, reason in failures:
        console.print(escape(f"{name}: {kind.name} {request.entity.value}, {request.id}; {reason}"), soft_wrap=True)
    print("Lost:", sum(name == LOST for _, _, name, _ in outcomes))
    return not failures


if __name__ == "__main__":
    sys.exit(main())
