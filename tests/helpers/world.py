"""Runs the connector as a process between OpenCTI and its sources, for tests that observe both sides."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pycti

from sandbox.api import opencti_app
from sandbox.daemon import Daemon, amqp_settings, settings
from sandbox.entities import Entity
from sandbox.opencti import OpenCTI
from sandbox.server import serving
from sandbox.sources.history import history
from sandbox.sources.riskiq import PassiveTotal, passivetotal_app
from sandbox.sources.riskiq_data import own_records
from sandbox.sources.service import Service
from sandbox.sources.table import STAND_INS
from sandbox.works import Execution, Work
from tests.helpers.preloaded import daemon, patient_daemon

WAIT = 60
"""Seconds that an enrichment may take before a test gives up."""

HAS_HTTP_PROTOCOLS = tuple(map(int, pycti.__version__.split(".")[:2])) >= (6, 5)

QUEUES: dict[str, dict[str, Any]] = {"classic": {}, "quorum": {"x-queue-type": "quorum", "x-delivery-limit": 2}}
"""The arguments of OpenCTI's queues."""

QUICK = {"PDNS_REQUEST_TIMEOUT": "2", "PDNS_MAX_RETRIES": "1", "PDNS_RETRY_BACKOFF": "0"}
"""For tests that wait for a failure."""


@dataclass
class World:
    """Both ends of the connector, and the connector."""

    platform: OpenCTI
    service: PassiveTotal
    others: dict[str, Service]
    """The stand-ins of further sources, by source key."""
    daemon: Daemon
    environment: dict[str, str]
    """The variables of the daemon, for a second one."""

    def entity(self, entity_type: str, value: str, **more: Any) -> Entity:
        return self.platform.add_observable(entity_type, value, **more)

    def enrich(self, entity_type: str, value: str, **more: Any) -> Work:
        """Press the button on an observable and wait until its work is closed."""
        return self.platform.enrich(self.entity(entity_type, value, **more)).wait(WAIT)

    def play(self, entity: Entity, objects: list[dict[str, Any]] | None = None) -> Execution:
        """Send an entity through a playbook and wait until the connector's step is answered."""
        return self.platform.play(entity, objects).wait(WAIT)

    def wait_for_searches(self, count: int = 1) -> None:
        """Wait until that many searches have arrived, up to the time limit of the test."""
        while len(self.service.searches) < count:
            time.sleep(0.02)

    def wait_for_log(self, words: str) -> None:
        """Wait until the daemon has written something; the test's own time limit ends it."""
        while words not in self.daemon.log:
            time.sleep(0.05)

    def stop(self) -> None:
        """Tell the daemon to stop, and wait until it has; it ends with 0."""
        self.daemon.process.terminate()
        assert self.daemon.process.wait(WAIT) == 0

    def relationships(self, entity: Entity) -> list[dict[str, Any]]:
        """The stored relationships from or to an entity."""
        ends = ("source_ref", "target_ref")
        return [item for item in self.platform.relationships() if entity.standard_id in [item[end] for end in ends]]


@contextmanager
def new_world(
    broker: str | None = None,
    others: Sequence[str] = (),
    queue_type: str = "classic",
    pauses: str = "short",
    **environment: str,
) -> Iterator[World]:
    """A world over pycti's HTTP protocols, or over the broker of that URL; its queues are deleted at the end.

    A `quorum` queue drops a message after two returns. With `real` pauses, the daemon waits as operators see it.

    After PassiveTotal the `others` are asked, by the keys of their sources: stand-ins that tell the common history.
    """
    platform, service = OpenCTI(pycti.__version__, broker, QUEUES[queue_type]), PassiveTotal(own_records(today()))
    further = {key: STAND_INS[key].make(history(today())) for key in others}
    with ExitStack() as stack:
        passivetotal_url = stack.enter_context(serving(passivetotal_app(service)))
        opencti_url = stack.enter_context(serving(opencti_app(platform)))
        variables = (amqp_settings if broker else settings)(opencti_url, platform.token, passivetotal_url)
        stack.callback(platform.close)
        for key, stand_in in further.items():
            url = stack.enter_context(serving(STAND_INS[key].app(stand_in)))
            variables |= STAND_INS[key].variables(key, url)
        variables |= {"PDNS_SOURCES": ",".join(["riskiq", *others])} | environment
        running = stack.enter_context((daemon if pauses == "short" else patient_daemon)(variables))
        platform.wait_registered(WAIT)
        yield World(platform, service, further, running, variables)


def today() -> date:
    return datetime.now(UTC).date()


def record(record_type: str, kind: str, resolve: str, **changes: Any) -> dict[str, Any]:
    """A record in PassiveTotal's form, seen within the last ten days."""
    seen = datetime.now(UTC).replace(tzinfo=None, microsecond=0) - timedelta(days=1)
    return {
        "recordType": record_type,
        "resolveType": kind,
        "resolve": resolve,
        "firstSeen": str(seen - timedelta(days=9)),
        "lastSeen": str(seen),
        "source": ["riskiq"],
    } | changes
