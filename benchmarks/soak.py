"""Runs `make soak`: minutes of mixed traffic, while PassiveTotal fails and broker, platform and connector restart.

Every message is accounted for. pycti acknowledges a message before processing it, so it is lost if the process is
killed, or if the platform is down when its outcome is reported: these losses are printed with the log. Any other
missing, duplicate or misdirected outcome is unexplained and fails.
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

from benchmarks.ledger import FATES, LOSSES, UNEXPLAINED, Asked, Evidence, fate, is_done
from benchmarks.site import Site, running_site
from sandbox.faults import FAULTS
from sandbox.rabbitmq import private_broker
from sandbox.sources.riskiq import PassiveTotal
from tests.world import record

SECONDS = 600
RATE = 1.2
"""Messages a second, on average."""
QUIET = 45
"""Seconds without progress after which nothing more is waited for; pycti connects again after 10."""
SLOW = 5
"""Seconds that PassiveTotal takes when the connector is killed."""
BEHIND = 5
"""Messages that wait in the queue when the connector is killed."""

chance = random.Random()  # noqa: S311  # no secret hangs on it
console = Console(width=None if sys.stdout.isatty() else 150)


@dataclass(frozen=True)
class Kind:
    """A kind of message; each has an entity of its own, made of a number."""

    name: str
    frequency: int
    entity_type: str
    value: Callable[[int], str]
    records: tuple[dict[str, Any], ...] = ()
    """What PassiveTotal knows of it."""
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
    """What was asked of the connector so far."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.asked: list[tuple[Kind, Asked]] = []

    def ask(self, kind: Kind) -> Asked:
        """Publish a message of that kind."""
        value = kind.value(len(self.asked))
        self._site.service.answers[value] = list(kind.records)
        platform = self._site.platform
        entity = platform.add_observable(kind.entity_type, value, [kind.marking])
        asked = platform.play(entity) if kind.is_playbook else platform.enrich(entity)
        self.asked.append((kind, asked))
        return asked

    def flow(self, ended: threading.Event) -> None:
        """Ask at random until the event is set."""
        while not ended.wait(chance.expovariate(RATE)):
            self.ask(*chance.choices(KINDS, [kind.frequency for kind in KINDS]))

    def settle(self) -> None:
        """Wait until everything is done, or nothing more happens."""
        left, since = -1, time.monotonic()
        while left and time.monotonic() - since < QUIET:
            time.sleep(0.5)
            now_left = sum(not is_done(asked) and not asked.undelivered for _, asked in self.asked)
            left, since = now_left, (since if now_left == left else time.monotonic())


def main() -> int:
    """Print what became of everything; 1 when anything is unexplained."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    # One that knows nothing yet, and never runs out of searches.
    service = PassiveTotal({}, limit=10**9)
    with private_broker() as broker, running_site(broker, service) as site:
        traffic = Traffic(site)
        troubles = disturb(site, traffic, seconds)
        traffic.settle()
        # A new process does not leave alone a PassiveTotal that could not be reached.
        site.restart_connector()
        killed = set()
        for kind in KINDS:
            if kind.name in ("domain", "playbook"):
                killed.add(kill(site, traffic, kind))
                traffic.settle()
        site.stop_connector()
        evidence = Evidence("\n".join(site.logs), site.platform_away, site.take_queued(), killed)
    print(f"{seconds:g} seconds:", ", ".join(f"{count} {name}" for name, count in sorted(troubles.items())))
    print("Exit codes of the connectors that were told to stop:", *site.exits)
    print(f"Killed in mid-enrichment, {BEHIND} messages behind in the queue each time: {len(killed)} times")
    if report(traffic, evidence) and not any(site.exits):
        return 0
    log = Path(tempfile.mkdtemp(prefix="soak-"), "connectors.log")
    log.write_text(evidence.log, encoding="utf-8")
    print("The log of the connectors:", log)
    return 1


def disturb(site: Site, traffic: Traffic, seconds: float) -> Counter[str]:
    """Let the traffic flow and trouble come for so long; how often which came."""
    ended, troubles = threading.Event(), Counter[str]()
    flow = threading.Thread(target=traffic.flow, args=[ended])
    flow.start()
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            trouble = chance.choice(TROUBLES)
            troubles[trouble(site)] += 1
            time.sleep(chance.uniform(1, 6))
    finally:
        ended.set()
        flow.join()
    site.service.recover()
    site.service.latency = 0
    return troubles


def fail(site: Site) -> str:
    # The fault that sends 64 MiB takes the processor from everything else.
    site.service.fail(chance.choice([name for name in FAULTS if name != "huge"]), chance.randint(1, 4))
    return "faults of PassiveTotal"


def slow_down(site: Site) -> str:
    site.service.latency = chance.choice((0, 0.2, 0.8))
    return "changes of its speed"


def restart_broker(site: Site) -> str:
    site.restart_broker(chance.uniform(0, 5))
    return "restarts of the broker"


def restart_platform(site: Site) -> str:
    site.restart_platform(chance.uniform(0, 8))
    return "restarts of the platform"


def restart_connector(site: Site) -> str:
    site.restart_connector()
    return "restarts of the connector"


TROUBLES = (fail, fail, fail, slow_down, restart_broker, restart_platform, restart_connector)


def kill(site: Site, traffic: Traffic, kind: Kind) -> str:
    """SIGKILL in the middle of an enrichment, with others behind it in the queue; the id of the one under way."""
    site.service.latency = SLOW
    under_way = traffic.ask(kind)
    while not any(search.params["query"] == under_way.entity.value for search in site.service.searches[-1:]):
        time.sleep(0.05)
    for _ in range(BEHIND):
        traffic.ask(kind)
    # They are published from threads; the request gives up later.
    time.sleep(0.5)
    site.kill_connector()
    site.service.latency = 0
    site.start_connector()
    return under_way.id


def report(traffic: Traffic, evidence: Evidence) -> bool:
    """Whether everything is explained."""
    fates = [(kind, asked, *fate(asked, evidence)) for kind, asked in traffic.asked]
    table = Table("message", "sent", *FATES)
    for kind in KINDS:
        found = Counter(name for its_kind, _, name, _ in fates if its_kind is kind)
        table.add_row(kind.name, f"{found.total()}", *[f"{found[name] or ''}" for name in FATES])
    console.print(table)
    for kind, asked, name, reason in fates:
        if name in LOSSES:
            console.print(escape(f"{name}: {kind.name} {asked.entity.value}; {reason}"), soft_wrap=True)
    return all(name != UNEXPLAINED for _, _, name, _ in fates)


if __name__ == "__main__":
    sys.exit(main())
