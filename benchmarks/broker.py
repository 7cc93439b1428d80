"""Runs `make bench-broker`: the duration of enrichments over a real broker, and the throughput of several processes.

The connectors are separate processes; OpenCTI and PassiveTotal are simulated by this process, which imports nothing.
One table compares sending in chunks with pycti's own way, as measured inside `benchmarks.stopwatch`, a daemon with
timers. The other counts enrichments of unmodified daemons.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass
from statistics import median
from typing import IO, cast

import pycti
from rich.console import Console
from rich.table import Table

from benchmarks.convert import DOMAIN, answer
from benchmarks.stage import Stage, stage, wait_until
from benchmarks.stopwatch import SPLIT
from passivedns.opencti.chunks import has_no_split
from sandbox.daemon import daemon, inherited
from sandbox.rabbitmq import private_broker

LATENCY = 0.2
"""Seconds that PassiveTotal takes for a search while throughput is measured."""
PROCESSES = (1, 2, 4)
EACH = 60
"""Enrichments per process."""
TYPICAL = 20
"""Records per answer while throughput is measured."""
RUNS = {20: 21, 200: 11, 2_000: 5, 10_000: 3}
"""Number of enrichments by records in the answer; the median counts."""
TIMES_FASTER = 3
"""Required gain over pycti's own way from 2,000 records on."""
BARE = """
import os
from pycti import OpenCTIConnectorHelper

own = {"id": os.environ["CONNECTOR_ID"], "type": "INTERNAL_ENRICHMENT", "name": "bare", "scope": "Domain-Name"}
opencti = {"url": os.environ["OPENCTI_URL"], "token": os.environ["OPENCTI_TOKEN"]}
helper = OpenCTIConnectorHelper({"opencti": opencti, "connector": {**own, "log_level": "error"}})
helper.listen(message_callback=lambda data: "done")
"""
"""A connector that does nothing of its own."""
CACHED = {"PDNS_CACHE": "memory", "PDNS_CACHE_TTL": "P1D"}
UNLIMITED = {"PDNS_MAX_RELATIONSHIPS": "0"}


@dataclass
class Split:
    """Duration of the parts of one enrichment, in seconds."""

    total: float
    """From publishing to the closed work; PassiveTotal answers immediately."""
    converting: float
    """From the bytes of the answer to the text of the bundle."""
    besides: float
    """The rest: TLP, scope, lock, log and requests."""
    sending: float
    """Announcing to the platform, and publishing; by pycti's default, also splitting and connecting."""
    objects: float
    """Number of announced objects."""
    peak: float
    """Peak memory of the process so far, in MiB."""


def main() -> int:
    """Print the tables; return 1 if the required gain is missed."""
    console = Console(width=None if sys.stdout.isatty() else 130)
    console.print(f"Python {sys.version.split()[0]}, pycti {pycti.__version__}, {os.cpu_count()} cores")
    with private_broker() as broker:
        show_starts(console, broker.url)
        show_rates(console, {count: rate(broker.url, count) for count in PROCESSES})
        console.print(f"From the cache, one process: {rate(broker.url, 1, **CACHED):.1f} enrichments/s\n")
        ours, default = splits(broker.url), splits(broker.url, SPLIT)
    show_splits(console, ours, default)
    return 0 if meets_gain(ours, default) else 1


def start(broker: str, command: Sequence[str]) -> tuple[float, float]:
    """Return the wall time and the CPU time, in seconds, from the start of a connector until it listens."""
    with stage(broker, 0) as ends:
        begun, before = time.monotonic(), os.times()
        variables = inherited() | ends.variables
        process = subprocess.Popen([sys.executable, *command], env=variables, stderr=subprocess.DEVNULL)  # noqa: S603  # our own
        ends.wait_for_consumers(1)
        wall = time.monotonic() - begun
        process.kill()
        process.wait()
        after = os.times()
        return wall, after.children_user + after.children_system - before.children_user - before.children_system


def rate(broker: str, processes: int, **variables: str) -> float:
    """Return enrichments per second, measured from a quarter of them until the first process runs out."""
    enrichments = EACH * processes
    with stage(broker, LATENCY) as ends, ExitStack() as connectors:
        for _ in range(processes):
            connectors.enter_context(daemon(ends.variables | variables))
        ends.wait_for_consumers(processes)
        ends.service.answers[DOMAIN] = answer(TYPICAL)["results"]
        entity = ends.platform.add_observable("Domain-Name", DOMAIN)
        for _ in range(enrichments):
            ends.platform.enrich(entity)
        closed = ends.platform.closed
        wait_until(lambda: len(closed) >= enrichments // 4)
        first, begun = len(closed), time.monotonic()
        wait_until(lambda: len(closed) >= enrichments - processes)
        return (len(closed) - first) / (time.monotonic() - begun)


def splits(broker: str, *options: str) -> dict[int, Split]:
    """Return the median enrichment by records in the answer, smallest first."""
    with stage(broker, 0) as ends, timed_daemon(ends.variables | UNLIMITED, *options) as measurements:
        ends.wait_for_consumers(1)
        # The first one also connects and imports modules.
        split(ends, measurements, TYPICAL)
        return {size: _median([split(ends, measurements, size) for _ in range(runs)]) for size, runs in RUNS.items()}


@contextmanager
def timed_daemon(variables: dict[str, str], *options: str) -> Iterator[IO[bytes]]:
    """Start the daemon with timers, and yield it with the stream of its measurements."""
    command = [sys.executable, "-m", "benchmarks.stopwatch", *options]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=inherited() | variables, stdout=subprocess.PIPE, stderr=log)  # noqa: S603  # our own
        try:
            yield cast(IO[bytes], process.stdout)
        finally:
            process.terminate()
            process.wait(30)


def split(ends: Stage, measurements: IO[bytes], size: int) -> Split:
    """Run one enrichment with an answer of this many records."""
    ends.service.answers[DOMAIN] = answer(size)["results"]
    entity = ends.platform.add_observable("Domain-Name", DOMAIN)
    published = time.monotonic()
    work = ends.platform.enrich(entity)
    wait_until(lambda: work.id in ends.platform.closed)
    spent = json.loads(measurements.readline())
    parts = ("reading", "parsing", "converting", "building", "bundling")
    converting = sum(spent[part] for part in parts)
    total = ends.platform.closed[work.id] - published
    return Split(total, converting, spent["besides"], spent["sending"], work.expectations, spent["peak"])


def _median(measured: list[Split]) -> Split:
    return Split(*map(median, zip(*map(astuple, measured), strict=True)))


def show_starts(console: Console, broker: str) -> None:
    table = Table("start to listening", "wall", "CPU")
    # In turns, so that both meet the same load.
    runs = [(start(broker, ["src/main.py"]), start(broker, ["-c", BARE])) for _ in range(5)]
    for name, found in zip(("this connector", "a bare pycti connector"), zip(*runs, strict=True), strict=True):
        table.add_row(name, *[f"{median(seconds):.2f} s" for seconds in zip(*found, strict=True)])
    console.print(table)


def show_rates(console: Console, rates: dict[int, float]) -> None:
    table = Table("processes", "enrichments/s", "times one process")
    for count, found in rates.items():
        table.add_row(f"{count}", f"{found:.1f}", f"{found / rates[1]:.2f}")
    console.print(
        "With RabbitMQ, the sandbox's platform (which imports nothing) and its PassiveTotal on the same machine.\n"
        f"PassiveTotal answers a search after {LATENCY * 1000:.0f} ms.\n\n"
        f"Processes on one queue, {TYPICAL} records in each answer:",
        table,
    )


def show_splits(console: Console, ours: dict[int, Split], default: dict[int, Split]) -> None:
    times = ("publish to closed", "converting", "sending", "the rest")
    table = Table("records", "sent", "objects", *times, "peak memory", "times faster")
    for size in ours:
        faster = default[size].total / ours[size].total
        table.add_row(*_row(f"{size:,}", "in chunks", ours[size]), f"{faster:.1f}")
        table.add_row(*_row("", "by pycti's default", default[size]), "")
    console.print("One enrichment in one process, in milliseconds:", table)


def _row(records: str, way: str, found: Split) -> list[str]:
    rest = found.total - found.converting - found.sending
    times = [f"{seconds * 1000:.0f}" for seconds in (found.total, found.converting, found.sending, rest)]
    return [records, way, f"{found.objects:,.0f}", *times, f"{found.peak:.0f} MiB"]


def meets_gain(ours: dict[int, Split], default: dict[int, Split]) -> bool:
    """Print and return whether the gain is reached."""
    if not has_no_split():
        return True
    faster = min(default[size].total / ours[size].total for size in ours if size >= 2_000)
    is_met = faster >= TIMES_FASTER
    print("met   " if is_met else "MISSED", f"{TIMES_FASTER} times faster than pycti's default from 2,000 records on")
    return is_met


if __name__ == "__main__":
    sys.exit(main())
