"""Runs connectors between OpenCTI, a broker and PassiveTotal, each of which can be stopped and restarted."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pika
import pycti

from sandbox.api import opencti_app
from sandbox.daemon import Daemon, amqp_settings, daemon, free_port
from sandbox.opencti import OpenCTI
from sandbox.rabbitmq import RabbitMQ
from sandbox.server import serving
from sandbox.sources.riskiq import PassiveTotal, passivetotal_app

IMPATIENT = {"PDNS_REQUEST_TIMEOUT": "1", "PDNS_MAX_RETRIES": "1", "PDNS_RETRY_BACKOFF": "0", "PDNS_CACHE_TTL": "PT1H"}
"""Settings for a PassiveTotal that fails often."""
START = 120
"""Seconds within which a connector must register and listen."""
STOP = 45
"""Seconds within which a stopped connector must end: more than its grace period."""


class Connector:
    """A connector whose process can be stopped, killed and started again."""

    def __init__(self, variables: dict[str, str]) -> None:
        self._variables = variables
        self._process = ExitStack()
        self.logs: list[str] = []
        """The logs of processes that ended."""
        self._running: Daemon
        self.start()

    def start(self) -> None:
        self._running = self._process.enter_context(daemon(self._variables))

    def stop(self) -> int:
        """Send SIGTERM once the process runs the connector, and return the exit code."""
        while not self._running.log:
            time.sleep(0.05)
        self._running.process.terminate()
        code = self._running.process.wait(STOP)
        self._bury()
        return code

    def kill(self) -> None:
        """Send SIGKILL."""
        self._running.process.kill()
        self._running.process.wait()
        self._bury()

    def close(self) -> None:
        self._process.close()

    def _bury(self) -> None:
        self.logs.append(self._running.log)
        self._process.close()


class Site:
    """A broker, OpenCTI, PassiveTotal and connectors."""

    def __init__(self, broker: RabbitMQ, passivetotal: PassiveTotal) -> None:
        self.broker = broker
        self.service = passivetotal
        self.platform = OpenCTI(pycti.__version__, broker.url)
        self.connectors: list[Connector] = []
        self.exits: list[int] = []
        """The exit code of each stopped connector; 0 is correct."""
        self._port = free_port()
        self._server = ExitStack()
        self.variables: dict[str, str]

    def restart_broker(self, pause: float) -> None:
        """Stop the broker, and restart it after ``pause`` seconds."""
        self.broker.stop()
        time.sleep(pause)
        self.broker.start()

    def restart_platform(self, pause: float) -> None:
        """Refuse connections to OpenCTI for ``pause`` seconds; its state stays."""
        self._server.close()
        time.sleep(pause)
        self.serve_platform()

    def serve_platform(self) -> str:
        """Serve OpenCTI, always at the same URL, and return that."""
        return self._server.enter_context(serving(opencti_app(self.platform), self._port))

    def start_connectors(self, count: int) -> None:
        """Start that many connectors and wait until one of them listens; raises TimeoutError."""
        self.connectors += [Connector(self.variables) for _ in range(count)]
        self.platform.wait_registered(START)

    def stop_connectors(self) -> None:
        """Send SIGTERM to all connectors, and note their exit codes."""
        self.exits += [connector.stop() for connector in self.connectors]

    @property
    def log(self) -> str:
        """The output of all connectors that ended."""
        return "\n".join(log for connector in self.connectors for log in connector.logs)

    def queued(self) -> int:
        """Number of messages in the listen queue."""
        with pika.BlockingConnection(pika.URLParameters(self.broker.url)) as connection:
            queue = f"listen_{self.variables['CONNECTOR_ID']}"
            return int(connection.channel().queue_declare(queue, passive=True).method.message_count)

    def close(self) -> None:
        """Stop everything, and delete the queues."""
        for connector in self.connectors:
            connector.close()
        self._server.close()
        self.platform.link.close()


@contextmanager
def running_site(broker: RabbitMQ, passivetotal: PassiveTotal, connectors: int) -> Iterator[Site]:
    """Run a site whose connectors share one queue and one folder."""
    site = Site(broker, passivetotal)
    with serving(passivetotal_app(passivetotal)) as passivetotal_url, tempfile.TemporaryDirectory() as folder:
        variables = amqp_settings(site.serve_platform(), site.platform.token, passivetotal_url)
        site.variables = variables | IMPATIENT | {"XDG_CACHE_HOME": folder}
        try:
            site.start_connectors(connectors)
            yield site
        finally:
            site.close()
