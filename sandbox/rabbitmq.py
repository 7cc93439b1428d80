"""Provides a real RabbitMQ for the tests: the running one, or a separate one that they can stop and restart."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from sandbox.daemon import free_port

URL = "amqp://guest:guest@127.0.0.1:{port}/%2F"
START_TIMEOUT = 60
"""Seconds within which a started broker must accept connections."""
STOP_TIMEOUT = 30
"""Seconds before a broker that does not stop is killed."""

# Debian's wrapper in the PATH requires the user rabbitmq; the wrapped program does not.
_BEHIND_THE_WRAPPER = "/usr/lib/rabbitmq/bin"
_NODE = "sandbox@localhost"


class RabbitMQ:
    """A broker with its own node name, ports and folder, independent of others on the machine."""

    def __init__(self, folder: Path, epmd_port: int) -> None:
        """Keep the queues in ``folder`` while the broker is stopped; ``epmd_port`` is the port of Erlang's port mapper.

        Raises FileNotFoundError if RabbitMQ is not installed.
        """
        self._command = _installed("rabbitmq-server")
        self._port = free_port()
        self._log = folder / "server.log"
        self._environment = os.environ | _settings(folder, self._port, epmd_port)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its URL (``amqp://...``), the same after every start."""
        return URL.format(port=self._port)

    def start(self, *, wait: bool = True) -> None:
        """Start it and, unless told otherwise, wait until it accepts connections.

        Raises RuntimeError, which quotes its log, if it does not.
        """
        self._process = _spawn([self._command], self._environment, self._log)
        try:
            if wait:
                _wait_for(self._port, self._process, self._log)
        except RuntimeError:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop it gracefully if it runs; every connection is closed."""
        if self._process:
            _end(self._process)
            self._process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Suspend it during the block; the machine still accepts connections for it.

        Raises RuntimeError if it does not run.
        """
        if not self._process:
            raise RuntimeError("the broker does not run")
        os.killpg(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self._process.pid, signal.SIGCONT)

    @contextmanager
    def short_of_memory(self) -> Iterator[None]:
        """Within the block, it blocks every connection that publishes."""
        self._control("set_vm_memory_high_watermark", "0.00001")
        try:
            yield
        finally:
            self._control("set_vm_memory_high_watermark", "0.6")

    def _control(self, *command: str) -> None:
        control = [_installed("rabbitmqctl"), "-n", _NODE, *command]
        subprocess.run(control, env=self._environment, stdout=subprocess.DEVNULL, check=True)  # our own


@contextmanager
def running_broker() -> Iterator[str]:
    """Yield the URL of the broker in ``RABBITMQ_URL`` once it accepts connections, or else of a new broker.

    Raises like `private_broker`, and TimeoutError if the broker in ``RABBITMQ_URL`` does not accept connections.
    """
    if url := os.environ.get("RABBITMQ_URL"):
        _wait_for_url(url)
        yield url
    else:
        with private_broker() as broker:
            yield broker.url


@contextmanager
def private_broker(*, wait: bool = True) -> Iterator[RabbitMQ]:
    """Run a new broker during the block, and then remove its data.

    Without `wait`, the block begins while the broker is still starting. Raises FileNotFoundError if RabbitMQ is
    not installed, RuntimeError if it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="rabbitmq-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with _epmd(folder / "epmd.log") as epmd_port:
            broker = RabbitMQ(folder, epmd_port)
            broker.start(wait=wait)
            try:
                yield broker
            finally:
                broker.stop()


@contextmanager
def _epmd(log: Path) -> Iterator[int]:
    """Run Erlang's port mapper on a separate port; one that Erlang starts itself would keep running."""
    port = free_port()
    process = _spawn([_installed("epmd"), "-port", str(port), "-address", "127.0.0.1"], os.environ, log)
    try:
        _wait_for(port, process, log)
        yield port
    finally:
        _end(process)


def _installed(command: str) -> str:
    path = shutil.which(command, path=os.pathsep.join([_BEHIND_THE_WRAPPER, os.environ.get("PATH", os.defpath)]))
    if not path:
        raise FileNotFoundError(f"{command} is not installed (on Debian: apt-get install rabbitmq-server)")
    return path


def _settings(folder: Path, port: int, epmd_port: int) -> dict[str, str]:
    """Return the variables of a node that shares nothing with other nodes on the machine."""
    return {
        "HOME": str(folder),  # of the Erlang cookie
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(epmd_port),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
        "RABBITMQ_CONFIG_FILE": str(folder / "none"),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "none"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_NODENAME": _NODE,
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        # One scheduler that does not spin: the tests need the processor.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none",
    }


def _spawn(command: list[str], environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start in a separate process group, so that Ctrl-C does not stop the broker under the tests."""
    with log.open("ab") as output:
        return subprocess.Popen(command, env=environment, stdout=output, stderr=output, start_new_session=True)


def _wait_for_url(url: str) -> None:
    parts, deadline = urlsplit(url), time.monotonic() + START_TIMEOUT
    while not _listens(parts.port or 5672, parts.hostname or "127.0.0.1"):
        if time.monotonic() > deadline:
            raise TimeoutError(f"no broker at {parts.hostname}:{parts.port or 5672} (RABBITMQ_URL)")
        time.sleep(0.05)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while not _listens(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args!r} does not listen:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.05)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _listens(port: int, host: str = "127.0.0.1") -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True
