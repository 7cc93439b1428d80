"""Runs `make bench-broker`: enrichments per second of several processes on one queue, and the time spent per step.

The connectors are separate processes with a real RabbitMQ; the sandbox's platform and PassiveTotal run in this process
and import nothing. One table counts the closed works of real daemons. The other uses `benchmarks.stopwatch`, the daemon
with timers around the connector, its requests, its conversion and pycti's sending; the platform times publishing and
closing.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass
from statistics import median
from typing import IO, cast

import pycti
from rich.console import Console
from rich.table import Table

from benchmarks.convert import DOMAIN, answer
from benchmarks.stage import Stage, stage, wait_until
from sandbox.daemon import daemon, inherited
from sandbox.rabbitmq import private_broker

LATENCY = 0.2
"""Seconds that PassiveTotal takes to answer a search."""
PROCESSES = (1, 2, 4)
EACH = 60
"""Enrichments for each process."""
TYPICAL = 20
"""Records in each answer while enrichments are counted."""
RUNS = {20: 21, 200: 11, 2_000: 5}
"""Enrichments by the number of records in the answer; the median counts."""
SHARE = 0.05
"""What is promised: everything that is ours, against pycti's sending."""


@dataclass
class Rate:
    """How fast so many processes were, in enrichments per second."""

    enrichments: float
    ends: float
    """Share of one core that platform and PassiveTotal took; near 1, they would be what is measured."""


@dataclass
class Split:
    """Where the time of one enrichment went, in seconds."""

    total: float
    """From publish to closed work."""
    waiting: float
    """The search of PassiveTotal, and once a minute its quota, which is answered at once."""
    converting: float
    """From the answer's bytes to the bundle's text."""
    besides: float
    """Whatever else the connector does: TLP, scope, lock, log, and the look whether the broker is there."""
    sending: float
    """`send_stix2_bundle`: splitting, announcing to the platform, connecting and publishing."""
    objects: float
    """Objects in the bundle."""

    @property
    def ours(self) -> float:
        return self.converting + self.besides

    @property
    def around(self) -> float:
        """Queue, pycti's reading of the entity and its closing of the work."""
        return self.total - self.waiting - self.ours - self.sending


def main() -> int:
    """Print both tables; 1 where the promise is broken."""
    console = Console(width=None if sys.stdout.isatty() else 130)
    console.print(f"Python {sys.version.split()[0]}, pycti {pycti.__version__}, {os.cpu_count()} cores")
    with private_broker() as broker:
        show_rates(console, {count: rate(broker.url, count) for count in PROCESSES})
        splits = measure_splits(broker.url)
    show_splits(console, splits)
    return 0 if kept(splits) else 1


def rate(broker: str, processes: int) -> Rate:
    """Count from the time when a quarter is done, so that publishing is over, until the first process runs out."""
    enrichments = EACH * processes
    with stage(broker, LATENCY) as ends, ExitStack() as connectors:
        for _ in range(processes):
            connectors.enter_context(daemon(ends.variables))
        ends.wait_for_consumers(processes)
        ends.service.answers[DOMAIN] = answer(TYPICAL)["results"]
        entity = ends.platform.add_observable("Domain-Name", DOMAIN)
        for _ in range(enrichments):
            ends.platform.enrich(entity)
        closed = ends.platform.closed
        wait_until(lambda: len(closed) >= enrichments // 4)
        first, begun, busy = len(closed), time.monotonic(), time.process_time()
        wait_until(lambda: len(closed) >= enrichments - processes)
        seconds = time.monotonic() - begun
        return Rate((len(closed) - first) / seconds, (time.process_time() - busy) / seconds)


def measure_splits(broker: str) -> dict[int, Split]:
    """The median enrichment by the number of records in the answer."""
    with stage(broker, LATENCY) as ends, timed_daemon(ends.variables) as told:
        ends.wait_for_consumers(1)
        # The first one pays for connections and imports.
        split(ends, told, TYPICAL)
        return {size: _median([split(ends, told, size) for _ in range(runs)]) for size, runs in RUNS.items()}


@contextmanager
def timed_daemon(variables: dict[str, str]) -> Iterator[IO[bytes]]:
    """The daemon with a stopwatch in it, and the stream on which it tells of each message."""
    command = [sys.executable, "-m", "benchmarks.stopwatch"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=inherited() | variables, stdout=subprocess.PIPE, stderr=log)  # noqa: S603  # our own
        try:
            yield cast(IO[bytes], process.stdout)
        finally:
            process.terminate()
            process.wait(30)


def split(ends: Stage, told: IO[bytes], size: int) -> Split:
    """One enrichment with an answer of so many records."""
    ends.service.answers[DOMAIN] = answer(size)["results"]
    entity = ends.platform.add_observable("Domain-Name", DOMAIN)
    published = time.monotonic()
    work = ends.platform.enrich(entity)
    wait_until(lambda: work.id in ends.platform.closed)
    spent = json.loads(told.readline())
    parts = ("reading", "parsing", "converting", "building", "bundling")
    converting = sum(spent[part] for part in parts)
    total = ends.platform.closed[work.id] - published
    return Split(total, spent["waiting"], converting, spent["besides"], spent["sending"], work.expectations)


def _median(splits: list[Split]) -> Split:
    return Split(*map(median, zip(*map(astuple, splits), strict=True)))


def show_rates(console: Console, rates: dict[int, Rate]) -> None:
    table = Table("processes", "enrichments/s", "times one process", "platform and PassiveTotal, of one core")
    for count, found in rates.items():
        table.add_row(
            f"{count}",
            f"{found.enrichments:.1f}",
            f"{found.enrichments / rates[1].enrichments:.2f}",
            f"{found.ends:.0%}",
        )
    console.print(
        "With RabbitMQ, the sandbox's platform (which imports nothing) and its PassiveTotal on the same machine.\n"
        f"PassiveTotal answers a search after {LATENCY * 1000:.0f} ms.\n\n"
        f"Processes on one queue, {TYPICAL} records in each answer:",
        table,
    )


def show_splits(console: Console, splits: dict[int, Split]) -> None:
    times = ("publish to closed", "PassiveTotal", "converting", "ours besides", "pycti sends", "pycti else, queue")
    table = Table("records", "objects", *times, "ours of sending")
    for size, found in splits.items():
        parts = (found.total, found.waiting, found.converting, found.besides, found.sending, found.around)
        shown = [f"{seconds * 1000:.1f}" for seconds in parts]
        table.add_row(f"{size:,}", f"{found.objects:,.0f}", *shown, f"{found.ours / found.sending:.1%}")
    console.print("\nOne enrichment in one process, in milliseconds:", table)


def kept(splits: dict[int, Split]) -> bool:
    small, large = splits[min(splits)], splits[max(splits)]
    each = (large.sending - small.sending) / (large.objects - small.objects)
    bundle = small.sending - each * small.objects
    print(f"pycti's sending costs {each * 1000:.2f} ms an object and {bundle * 1000:.0f} ms a bundle")
    for size, found in splits.items():
        is_kept = found.ours < SHARE * found.sending
        print("kept  " if is_kept else "BROKEN", f"what is ours takes less than {SHARE:.0%} of it for {size:,} records")
    return all(found.ours < SHARE * found.sending for found in splits.values())


if __name__ == "__main__":
    sys.exit(main())
