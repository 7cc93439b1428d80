"""Runs `make bench-hostile`: the peak memory of a process that reads the worst answers, from the request to relations.

`python -m benchmarks.hostile [SOURCE ...]` measures only these sources.
"""

import gzip
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from passivedns.converter import convert
from passivedns.errors import SourceError
from passivedns.model import Entity
from passivedns.settings.reading import PROJECT_ROOT
from passivedns.sources import SOURCES
from passivedns.transport.reply import MAX_BODY
from tests.helpers import clients
from tests.unit.sources.samples import SAMPLES

MOST = 400
"""MiB that a process may take at any time, with Python and its libraries."""
MOST_SECONDS = 60
"""Seconds that an answer may take, on a busy machine."""
ASKED = "192.0.2.10"
SIZE = MAX_BODY - 2**10

Wrap = Callable[[bytes], bytes]
"""Puts rows into the body of a source, given as texts separated by commas."""


def listed(key: str, rows: bytes) -> bytes:
    return b'{"%b":[%b]}' % (key.encode(), rows)


def framed(rows: bytes) -> bytes:
    lines = rows.replace(b'},{"rrname"', b'}}\n{"obj":{"rrname"')
    return b'{"cond":"begin"}\n{"obj":%b}\n{"cond":"succeeded"}' % lines


WRAPS: Mapping[str, Wrap] = {
    "riskiq": partial(listed, "results"),
    "otx": partial(listed, "passive_dns"),
    "virustotal": partial(listed, "data"),
    "defender": partial(listed, "value"),
    "dnsdb": framed,
}
"""By source; the others take rows in an array, on one line."""

ROWS: Mapping[str, bytes] = {
    "riskiq": b'{"recordType":"A","resolveType":"domain","resolve":"h%d.example.org","value":"192.0.2.10"}',
    "otx": b'{"hostname":"h%d.example.org","address":"192.0.2.10","record_type":"A"}',
    "virustotal": b'{"attributes":{"host_name":"h%d.example.org","ip_address":"192.0.2.10","date":1700000000}}',
    "defender": b'{"recordType":"A","parentHost":{"id":"192.0.2.10"},"artifact":{"id":"h%d.example.org"}}',
}
COF = b'{"rrname":"h%d.example.org","rrtype":"A","rdata":"192.0.2.10","time_first":1600000000,"time_last":1700000000}'


def distinct(row: bytes) -> bytes:
    """As many different rows as fit."""
    number = SIZE // (len(row) + 6)
    return b",".join([row % i for i in range(number)])


def one_row(row: bytes, old: bytes, new: bytes) -> bytes:
    return (row % 1).replace(old, new)


def addresses(number: int) -> bytes:
    return b",".join(b'"198.%d.%d.%d"' % (i >> 16, i >> 8 & 255, i & 255) for i in range(number))


def zones(number: int) -> bytes:
    return b",".join(b'"n%d.x.org m%d.x.org 1 2 3 4 5"' % (i, i) for i in range(number))


def answers(key: str) -> dict[str, Callable[[], bytes]]:
    """Makers of the hostile bodies for a source, by description."""
    row, wrap = ROWS.get(key, COF), WRAPS.get(key, partial(b"[%b]".__mod__))
    name = b"h1.example.org"
    bodies = {
        "different rows": lambda: wrap(distinct(row)),
        "empty rows": lambda: wrap(b",".join([b"{}"] * (SIZE // 3))),
        "one row of 60 MiB": lambda: wrap(one_row(row, name, b"a " * (30 * 2**20))),
        "one row of 16 MB beyond the basic plane": lambda: wrap(
            one_row(row, name, b"a" * 15_900_000 + "\U0001f600".encode())
        ),
        "escapes": lambda: wrap(one_row(row, name, b"\\n" * (SIZE // 2))),
        "16 MB of escapes": lambda: wrap(one_row(row, name, b"\\u00e9" * 2_600_000)),
        "deep nesting": lambda: wrap(b"[" * (SIZE // 2) + b"]" * (SIZE // 2)),
        "deep objects": lambda: wrap(b'{"a":' * (SIZE // 6) + b"1" + b"}" * (SIZE // 6)),
        "broken rows": lambda: wrap(b",".join([b'{"a":"x"y"}'] * (SIZE // 12))),
        "a million values": lambda: wrap(b'{"a":[%b]}' % b",".join([b'{"b":1}'] * 490_000)),
        "UTF-16": lambda: wrap(distinct(row)[: SIZE // 2 - 100]).decode().encode("utf-16"),
        "blanks": lambda: b" " * SIZE,
        "brackets": lambda: b"[" * SIZE,
        "quotes": lambda: b'{"' * (SIZE // 2),
        "no JSON": lambda: b"\xff" * SIZE,
    }
    if key not in ROWS:
        soa = one_row(row, b'"A"', b'"SOA"')
        bodies |= {
            "one row of 990,000 addresses": lambda: wrap(one_row(row, b'"192.0.2.10"', b"[%b]" % addresses(990_000))),
            "one SOA row of 60 MiB": lambda: wrap(soa.replace(b"192.0.2.10", b"ns. host. " * (6 * 2**20))),
            "one row of 400,000 SOA": lambda: wrap(soa.replace(b'"192.0.2.10"', b"[%b]" % zones(400_000))),
        }
    return bodies


def pages(key: str) -> str:
    """A header with which each page promises another one."""
    return {"circl": "x-dribble-cursor: {}", "cof": "X-Next-Cursor: {}"}.get(key, "X-Page: {}")


def serve(body: bytes, header: str, login: bytes) -> int:
    """Serve a body, compressed, to each request; return the port."""
    packed = gzip.compress(body, 1)
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        for number in range(10**6):
            connection, _ = listener.accept()
            with connection:
                is_login = connection.recv(2**16).startswith(b"POST")
                head = f"Content-Encoding: gzip\r\n{header.format(number + 1)}" if not is_login else "X-Login: 1"
                connection.sendall(f"HTTP/1.1 200 OK\r\nConnection: close\r\n{head}\r\n\r\n".encode())
                connection.sendall(login if is_login else packed)

    threading.Thread(target=run, daemon=True).start()
    return int(listener.getsockname()[1])


def measure(key: str, name: str) -> tuple[float, float, str]:
    """Peak memory in MiB, seconds, and what became of one answer in a process of its own."""
    port = serve(answers(key)[name](), pages(key), SAMPLES[key].login)
    run = [sys.executable, "-m", "benchmarks.hostile", "--look-up", key, str(port)]
    done = subprocess.run(  # noqa: S603  # of this module
        run,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        cwd=PROJECT_ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    memory, seconds, outcome = json.loads(done.stdout)
    return memory, seconds, outcome


def look_up(key: str, port: int) -> None:
    """Look up the address at a local server, convert the answer, and print the peak memory and processor time."""
    url = f"http://127.0.0.1:{port}"
    settings: dict[str, Any] = {**SAMPLES[key].settings, **dict.fromkeys(SAMPLES[key].addresses, url)}
    clients.TIMEOUT = MOST_SECONDS
    try:
        answer = clients.client(key, url, **settings).look_up(clients.question(ASKED))
        found = convert(Entity("", "IPv4-Addr", ASKED), answer.records, max_relationships=500)
        outcome = f"{len(answer.records):,} records, {answer.unreadable:,} unreadable, {len(found.relations)} relations"
    except SourceError as error:
        outcome = type(error).__name__
    # The maximum of getrusage includes the process that started this one.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    print(json.dumps([int(peak[1]) / 1024 if peak else 0, time.process_time(), outcome]))


def main() -> int:
    """Print the table; return 1 if an answer takes too much."""
    if sys.argv[1:2] == ["--look-up"]:
        look_up(sys.argv[2], int(sys.argv[3]))
        return 0
    table = Table("source", "answer", "MiB", "s", "outcome", title=f"Answers of {MAX_BODY >> 20} MiB")
    worst = 0.0
    for key in sys.argv[1:] or SOURCES:
        for name in answers(key):
            memory, seconds, outcome = measure(key, name)
            table.add_row(key, name, f"{memory:.0f}", f"{seconds:.1f}", outcome)
            worst = max(worst, memory / MOST, seconds / MOST_SECONDS)
    Console(width=120).print(table)
    return int(worst > 1)


if __name__ == "__main__":
    sys.exit(main())
