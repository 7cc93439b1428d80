"""A thousand enrichments in a row leak no memory, threads or files."""

from collections import deque
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.works import Work
from tests.helpers.world import WAIT, World, new_world, record

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
]

ENRICHMENTS = 1_000
WARM = 100
IN_FLIGHT = 20
"""Messages in the queue at a time."""


@dataclass
class Footprint:
    """Memory, threads and files of a process, from /proc."""

    kilobytes: int
    threads: int
    files: int

    @classmethod
    def of(cls, pid: int) -> "Footprint":
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        return cls(
            int(status["VmRSS"].split()[0]), int(status["Threads"]), len(list(Path(f"/proc/{pid}/fd").iterdir()))
        )


def enrich(world: World, names: range) -> None:
    """Enrich that many domains, with a few always waiting in the queue."""
    waiting: deque[Work] = deque()
    for number in names:
        if len(waiting) == IN_FLIGHT:
            assert not waiting.popleft().wait(WAIT).in_error
        waiting.append(world.platform.enrich(world.entity("Domain-Name", f"load-{number}.example")))
    for work in waiting:
        assert not work.wait(WAIT).in_error


def test_memory_threads_and_files_do_not_grow(broker: str) -> None:
    with new_world(broker, CONNECTOR_LOG_LEVEL="error") as world:
        answer = [record("A", "ip", f"198.51.100.{number}") for number in range(2)]
        world.service.limit = 10 * ENRICHMENTS
        world.service.answers.update({f"load-{number}.example": answer for number in range(ENRICHMENTS)})
        enrich(world, range(WARM))
        before = Footprint.of(world.daemon.process.pid)
        enrich(world, range(WARM, ENRICHMENTS))
        after = Footprint.of(world.daemon.process.pid)
        assert after.kilobytes <= 1.1 * before.kilobytes
        # One more of each may be in use when measured.
        assert after.threads <= before.threads + 1
        assert after.files <= before.files + 2
