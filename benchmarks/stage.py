"""Provides the services of measured connectors: an OpenCTI that discards bundles, and a slow PassiveTotal."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pika
import pycti

from sandbox.api import opencti_app
from sandbox.connector_link import Link
from sandbox.daemon import amqp_settings
from sandbox.opencti import OpenCTI
from sandbox.server import serving
from sandbox.sources.riskiq import PassiveTotal, passivetotal_app


class Platform(OpenCTI):
    """Notes when each work was closed. Imports nothing, since that would dominate the measurement."""

    def __init__(self, broker: str) -> None:
        super().__init__(pycti.__version__, broker)
        self.link = Link(self.token, broker, lambda _push: None)
        self.closed: dict[str, float] = {}
        """When each work was closed (`time.monotonic`), by id."""

    def edit_work(self, mutation: str, variables: Mapping[str, Any]) -> None:
        super().edit_work(mutation, variables)
        if mutation == "toProcessed":
            self.closed[variables["id"]] = time.monotonic()


@dataclass
class Stage:
    """Both services, and the variables of a connector that uses them."""

    platform: Platform
    service: PassiveTotal
    variables: dict[str, str]
    broker: str

    def wait_for_consumers(self, count: int) -> None:
        """Wait until that many connectors consume the listen queue; raises TimeoutError."""
        self.platform.wait_registered(120)
        with pika.BlockingConnection(pika.URLParameters(self.broker)) as connection:
            channel, queue = connection.channel(), f"listen_{self.variables['CONNECTOR_ID']}"
            wait_until(lambda: channel.queue_declare(queue, passive=True).method.consumer_count == count)


@contextmanager
def stage(broker: str, latency: float) -> Iterator[Stage]:
    """Serve both over the broker of that URL; PassiveTotal takes `latency` seconds per search."""
    platform, service = Platform(broker), PassiveTotal({}, latency=latency, limit=10**6, ignores_window=True)
    with ExitStack() as stack:
        passivetotal_url = stack.enter_context(serving(passivetotal_app(service)))
        opencti_url = stack.enter_context(serving(opencti_app(platform)))
        stack.callback(platform.close)
        variables = amqp_settings(opencti_url, platform.token, passivetotal_url)
        # The served records have fixed dates.
        variables["RISKIQ_IMPORT_LAST_SEEN_TIME_WINDOW"] = "P30Y"
        yield Stage(platform, service, variables, broker)


def wait_until(condition: Callable[[], bool], timeout: float = 120) -> None:
    """Poll a hundred times a second for up to `timeout` seconds; raises TimeoutError."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout:g} s; do the connectors run?")
        time.sleep(0.01)
