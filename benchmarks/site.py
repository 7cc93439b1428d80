"""Runs a connector with a platform, a broker and PassiveTotal, each of which can be stopped and restarted."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pika
import pycti

from sandbox.daemon import Daemon, amqp_settings, daemon
from sandbox.opencti import OpenCTI, opencti_app
from sandbox.rabbitmq import RabbitMQ
from sandbox.server import serving
from sandbox.sources.riskiq import PassiveTotal, passivetotal_app

IMPATIENT = {"PDNS_REQUEST_TIMEOUT": "1", "PDNS_MAX_RETRIES": "1", "PDNS_RETRY_BACKOFF": "0"}
"""For a PassiveTotal that fails often."""
START = 120
"""Seconds in which a connector must register and listen."""
STOP = 45
"""Seconds in which a connector must end that is told to: its grace, its last words, and some more."""


class Site:
    """The pieces, and what is known of their absences."""

    def __init__(self, broker: RabbitMQ, passivetotal: PassiveTotal) -> None:
        self.broker = broker
        self.service = passivetotal
        self.platform = OpenCTI(pycti.__version__, broker.url)
        self.platform_away: list[tuple[datetime, datetime]] = []
        """From when until when the platform was not served (UTC)."""
        self.logs: list[str] = []
        """Of each connector that ended."""
        self.exits: list[int] = []
        """The exit code of each connector that was told to stop; 0 is right."""
        self._port = 0
        self._server, self._process = ExitStack(), ExitStack()
        self.connector: Daemon
        self.variables: dict[str, str]

    def restart_broker(self, pause: float) -> None:
        """Stop it, and start it again after `pause` seconds."""
        self.broker.stop()
        time.sleep(pause)
        self.broker.start()

    def restart_platform(self, pause: float) -> None:
        """Refuse every connection to the platform for `pause` seconds; what it knows stays."""
        begun = datetime.now(UTC)
        self._server.close()
        time.sleep(pause)
        self.serve_platform()
        self.platform_away.append((begun, datetime.now(UTC)))

    def restart_connector(self) -> None:
        """SIGTERM, and a new process once the old one has ended."""
        self.stop_connector()
        self.start_connector()

    def serve_platform(self) -> str:
        """Serve it, at the same URL every time; returns that."""
        url = self._server.enter_context(serving(opencti_app(self.platform), self._port))
        self._port = urlsplit(url).port or 0
        return url

    def start_connector(self) -> None:
        """Start it and wait until it listens; raises TimeoutError, which quotes its log."""
        self.connector = self._process.enter_context(daemon(self.variables))
        try:
            self.platform.wait_registered(START)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; its log ends with\n{self.connector.log[-3000:]}") from error

    def stop_connector(self) -> None:
        """SIGTERM; its exit code is noted."""
        self.connector.process.terminate()
        self.exits.append(self.connector.process.wait(STOP))
        self._bury_connector()

    def kill_connector(self) -> None:
        """SIGKILL."""
        self.connector.process.kill()
        self.connector.process.wait()
        self._bury_connector()

    def take_queued(self) -> set[str]:
        """Empty the listen queue: the ids of the works and playbook runs whose messages nobody took."""
        queued = set()
        with pika.BlockingConnection(pika.URLParameters(self.broker.url)) as connection:
            channel, queue = connection.channel(), f"listen_{self.variables['CONNECTOR_ID']}"
            while (found := channel.basic_get(queue, auto_ack=True))[0]:
                internal = json.loads(found[2])["internal"]
                queued.add(internal["work_id"] or internal["playbook"]["execution_id"])
        return queued

    def close(self) -> None:
        """End what runs, and delete the queues."""
        self._process.close()
        self._server.close()
        self.platform.close()

    def _bury_connector(self) -> None:
        self.logs.append(self.connector.log)
        self._process.close()


@contextmanager
def running_site(broker: RabbitMQ, passivetotal: PassiveTotal) -> Iterator[Site]:
    """A site in full work."""
    site = Site(broker, passivetotal)
    with serving(passivetotal_app(passivetotal)) as passivetotal_url:
        variables = amqp_settings(site.serve_platform(), site.platform.token, passivetotal_url)
        site.variables = variables | IMPATIENT
        try:
            site.start_connector()
            yield site
        finally:
            site.close()
