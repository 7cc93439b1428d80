"""Starts daemons from a process in which their libraries are loaded already.

Importing pycti takes most of a second of processor time, which each of a hundred daemons would need. What the command
line does on its own is tested in `tests/integration/test_start.py`.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from multiprocessing.context import ForkServerProcess
from typing import IO

import sandbox.daemon

MAIN = str(sandbox.daemon.ROOT / "src" / "main.py")

multiprocessing.get_context("forkserver").set_forkserver_preload(["passivedns.daemon", __name__])


class Forked(ForkServerProcess):
    """A process with the methods of `subprocess.Popen` that the tests call."""

    @property
    def pid(self) -> int:
        return super().pid or 0

    def send_signal(self, sig: int) -> None:
        os.kill(self.pid, sig)

    def wait(self, timeout: float | None = None) -> int:
        self.join(timeout)
        if self.exitcode is None:
            raise subprocess.TimeoutExpired(MAIN, timeout or 0)
        return self.exitcode


def _run(environment: Mapping[str, str], log: str, is_quick: bool) -> None:
    """Run `python3 -u src/main.py` with that environment."""
    if is_quick:
        _shorten_pauses()
    output = os.open(log, os.O_WRONLY | os.O_APPEND)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(output, stream.fileno())
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # both are text files here
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [MAIN]
    runpy.run_path(MAIN, run_name="__main__")


def _shorten_pauses() -> None:
    """Let seconds and minutes of an outage pass in a fraction."""
    from passivedns.delivery import amqp_listener, retry

    amqp_listener.FIRST_PAUSE = retry.FIRST_PAUSE = 0.02
    amqp_listener.MAX_PAUSE = retry.MAX_PAUSE = amqp_listener.MAX_GIVE_BACK_PAUSE = 0.2


def _start(environment: Mapping[str, str], log: IO[bytes], is_quick: bool = True) -> Forked:
    process = Forked(target=_run, args=(environment, log.name, is_quick), daemon=True)
    process.start()
    return process


daemon = partial(sandbox.daemon.daemon, start=_start)
"""`sandbox.daemon.daemon`, which listens in a fraction of the time, and whose pauses are short."""
patient_daemon = partial(sandbox.daemon.daemon, start=partial(_start, is_quick=False))
"""The same with the pauses that operators see."""
