"""A real Redis for the tests: the one that `REDIS_URL` names, or one of their own that they can stop and start."""

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
    """A server that keeps nothing on disk."""

    def __init__(self) -> None:
        """Raises FileNotFoundError where Redis is not installed."""
        self._command = shutil.which("redis-server")
        if not self._command:
            raise FileNotFoundError(HOW_TO_INSTALL)
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        """Start it and wait until it takes connections; the options are those of its command line."""
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
        """Stop it, if it runs; every connection is closed."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def private_redis() -> Iterator[RedisServer]:
    """A server of the test's own, not started yet; the test is skipped where Redis is not installed."""
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
    """The URL of a server; the test is skipped where there is none."""
    if named := os.environ.get("REDIS_URL"):
        yield named
        return
    with private_redis() as server:
        server.start()
        yield server.url
