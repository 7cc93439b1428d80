"""Runs `make bench-sources`: reads an answer of 1,000 rows of each source, and queries three sources in parallel."""

import gc
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from rich.console import Console
from rich.table import Table

from passivedns.assembly import enricher_of
from passivedns.model import Entity, Question
from passivedns.query.outcome import EVERYTHING
from passivedns.settings.loading import load_lookup_settings
from passivedns.sources import SOURCES
from passivedns.stix.objects import observable_id
from passivedns.transport.http import Http
from passivedns.transport.reply import Reply
from passivedns.transport.retry import RetryPolicy
from sandbox.server import serving
from sandbox.sources.history import ADDRESS, Fact
from sandbox.sources.table import STAND_INS

ROWS = 1000
ROUNDS = 40
MOST = 3.0
"""Maximum time for reading an answer, as a multiple of parsing its JSON."""
TOGETHER = 0.3
"""Seconds within which three sources that each take 0.2 must answer."""


class Recording(Http):
    """A transport that remembers the bodies that it read."""

    bodies: list[bytes]

    def request(self, path: str, *arguments: Any, **named: Any) -> Reply:
        reply = super().request(path, *arguments, **named)
        self.bodies.append(reply.body)
        return reply


def main() -> int:
    """Print both measurements; return 1 if one exceeds its limit."""
    table = Table("source", "rows", "ms", "times json.loads", title=f"Bytes to records, best of {ROUNDS}")
    good = min(map(partial(_row, table), STAND_INS))
    console = Console(width=80)
    console.print(table)
    seconds = _together()
    console.print(f"Three sources of 200 ms each answer together in {seconds * 1000:.0f} ms.")
    return 0 if good and seconds < TOGETHER else 1


def _row(table: Table, key: str) -> bool:
    bodies = _answer(key)
    records = sum(len(SOURCES[key].read(body, ADDRESS).records) for body in bodies)
    read = _best(lambda: [SOURCES[key].read(body, ADDRESS) for body in bodies])
    parse = _best(lambda: [_parsed(body) for body in bodies])
    table.add_row(key, f"{records:,}", f"{read * 1000:.2f}", f"{read / parse:.2f}")
    return read / parse <= MOST


def _parsed(body: bytes) -> list[Any]:
    """Parse the same bytes with `json`: one document, or one per line."""
    try:
        return [json.loads(body)]
    except ValueError:
        return [json.loads(line) for line in body.splitlines() if line]


def _best(work: Callable[[], object]) -> float:
    best = float("inf")
    gc.disable()
    for _ in range(ROUNDS):
        # The time of other processes does not count.
        began = time.thread_time()
        work()
        best = min(best, time.thread_time() - began)
    gc.enable()
    return best


def _answer(key: str) -> list[bytes]:
    """Return a stand-in's answer about an address with a thousand names."""
    now = datetime.now(UTC).replace(microsecond=0)
    stand_in, source = STAND_INS[key], SOURCES[key]
    service = stand_in.make([_fact(number, now) for number in range(ROWS)])
    if hasattr(service, "page_size"):
        service.page_size = ROWS
    with serving(stand_in.app(service)) as url:
        more = {"max_pages": "25", "pace": "none"} if key == "virustotal" else {}
        settings = source.settings(**{name: text.format(url=url) for name, text in stand_in.settings.items()} | more)
        http = Recording(source, str(getattr(settings, source.address)), RetryPolicy())
        http.bodies = []
        source.client(settings, http).look_up(Question(ADDRESS, "IPv4-Addr", EVERYTHING))
    return http.bodies


def _fact(number: int, now: datetime) -> Fact:
    """Return a name of the address, with unique dates."""
    first, last = (now - timedelta(days=days, seconds=number) for days in (90, 1))
    return Fact(f"host-{number}.example.org", "A", ADDRESS, first, last)


def _together() -> float:
    """Return the seconds of one look-up at three sources that each answer after 0.2 seconds."""
    keys = ("circl", "mnemonic", "robtex")
    with ExitStack() as stack:
        for key in keys:
            service = STAND_INS[key].make([])
            service.latency = 0.2
            os.environ |= STAND_INS[key].variables(key, stack.enter_context(serving(STAND_INS[key].app(service))))
        os.environ["PDNS_CACHE_TTL"] = "PT0S"
        enricher = enricher_of(load_lookup_settings(sources=keys))
        entity = Entity(observable_id("IPv4-Addr", ADDRESS), "IPv4-Addr", ADDRESS)
        enricher.enrich(entity, datetime.now(UTC))
        began = time.perf_counter()
        enricher.enrich(entity, datetime.now(UTC))
        return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
