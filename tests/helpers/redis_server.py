"""A real Redis for the tests: the one in `REDIS_URL`, or a private one that they can stop and start."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from sandbox.daemon import free_port

HOW_TO_INSTALL = "Redis is not installed: apt-get install redis-server, or name a server in REDIS_URL"


class RedisServer:
    """A server without a disk."""

    def __init__(self) -> None:
        """Raises FileNotFoundError if Redis is not installed."""
        self._command = shutil.which("redis-server")
        if not self._command:
            raise FileNotFoundError(HOW_TO_INSTALL)
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        """Start it with these command line options, and wait until it accepts connections."""
        command = [str(self._command), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", *options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            time.sleep(0.005)
        raise RuntimeError("redis-server does not listen")

    def stop(self) -> None:
        """Stop it if it runs, and close its connections."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def private_redis() -> Iterator[RedisServer]:
    """A private server, not started yet; skips the test if Redis is not installed."""
    try:
        server = RedisServer()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def running_redis() -> Iterator[str]:
    """The URL of a running server; skips the test if there is none."""
    if named := os.environ.get("REDIS_URL"):
        yield named
        return
    with private_redis() as server:
        server.start()
        yield server.url
