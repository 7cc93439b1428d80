"""Runs the real daemon, `python3 src/main.py`, as a separate process against the sandbox."""

import os
import random
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from sandbox.sources.riskiq import API_KEY, USERNAME
from sandbox.sources.table import STAND_INS

ROOT = Path(__file__).resolve().parent.parent
OURS = (
    *("OPENCTI_", "CONNECTOR_", "PDNS_", "MQ_", "S3_"),
    *(f"{key.upper()}_" for key in STAND_INS),
)


class Process(Protocol):
    """The part of `subprocess.Popen` that the sandbox needs."""

    @property
    def pid(self) -> int: ...

    def send_signal(self, sig: int) -> None: ...

    def terminate(self) -> None: ...

    def kill(self) -> None: ...

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, negative for a signal; raises subprocess.TimeoutExpired."""


Start = Callable[[Mapping[str, str], IO[bytes]], Process]
"""Starts the daemon with an environment and a file for stdout and stderr."""


@dataclass
class Daemon:
    """The running process and its output."""

    process: Process
    _log: IO[bytes]

    @property
    def log(self) -> str:
        """Everything on stdout and stderr so far."""
        return Path(self._log.name).read_text(encoding="utf-8", errors="replace")


def started(environment: Mapping[str, str], log: IO[bytes]) -> Process:
    """The daemon, started from the command line."""
    command = [sys.executable, "-u", str(ROOT / "src" / "main.py")]
    return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


@contextmanager
def daemon(environment: Mapping[str, str], start: Start = started) -> Iterator[Daemon]:
    """Run the daemon with only these of its variables, whatever the machine sets; terminate it on exit."""
    with tempfile.NamedTemporaryFile(suffix=".log") as log:
        process = start(inherited() | {**environment}, log)
        try:
            yield Daemon(process, log)
        finally:
            process.terminate()
            # Longer than the default of PDNS_STOP_GRACE.
            process.wait(60)


def inherited() -> dict[str, str]:
    """Return the machine's variables without those of a connector, and with the cache off."""
    machine = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return machine | {"PDNS_CACHE_TTL": "PT0S", "XDG_CACHE_HOME": str(Path(tempfile.gettempdir(), "sandbox-cache"))}


def settings(opencti_url: str, token: str, passivetotal_url: str) -> dict[str, str]:
    """Return the variables of a daemon that queries PassiveTotal and uses pycti's HTTP protocols."""
    return http_settings(opencti_url, token) | _passivetotal(passivetotal_url)


def amqp_settings(opencti_url: str, token: str, passivetotal_url: str) -> dict[str, str]:
    """Return the variables of a daemon that queries PassiveTotal and uses the broker."""
    return _platform(opencti_url, token) | _passivetotal(passivetotal_url)


def http_settings(opencti_url: str, token: str) -> dict[str, str]:
    """Return the variables of a daemon that uses pycti's HTTP protocols, which need no broker."""
    port = free_port()
    return _platform(opencti_url, token) | {
        "CONNECTOR_LISTEN_PROTOCOL": "API",
        "CONNECTOR_LISTEN_PROTOCOL_API_PORT": str(port),
        "CONNECTOR_LISTEN_PROTOCOL_API_URI": f"http://127.0.0.1:{port}",
        "CONNECTOR_QUEUE_PROTOCOL": "api",
    }


def _platform(opencti_url: str, token: str) -> dict[str, str]:
    return {"OPENCTI_URL": opencti_url, "OPENCTI_TOKEN": token, "CONNECTOR_ID": str(uuid.uuid4())}


def _passivetotal(url: str) -> dict[str, str]:
    return {
        "RISKIQ_USERNAME": USERNAME,
        "RISKIQ_API_KEY": API_KEY,
        "RISKIQ_API_BASE_URL": f"{url}/pt",
        "RISKIQ_MAX_TLP": "TLP:AMBER",
    }


def free_port() -> int:
    """Return a free loopback port, which stays free: the system gives none below 32768 to anyone who does not ask."""
    while True:
        port = random.randrange(10_000, 32_768)  # noqa: S311  # not a secret
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
