"""Provides the image, a broker, and the sandbox around a container."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.api import opencti_app
from sandbox.daemon import amqp_settings
from sandbox.opencti import OpenCTI
from sandbox.rabbitmq import running_broker
from sandbox.server import serving
from sandbox.sources.riskiq import PassiveTotal, passivetotal_app
from sandbox.sources.riskiq_data import DOMAIN, own_records
from sandbox.works import Work
from tests.image.engine import IMAGE, WAIT, Container, build, container


@dataclass
class Sandbox:
    """OpenCTI and PassiveTotal, and the settings of a connector that uses them."""

    platform: OpenCTI
    service: PassiveTotal
    settings: dict[str, str]
    _served: ExitStack

    def enrich(self) -> Work:
        """Enrich a domain that PassiveTotal knows, once a connector listens."""
        self.platform.wait_registered(WAIT)
        return self.platform.enrich(self.platform.add_observable("Domain-Name", DOMAIN))

    def take_platform_away(self) -> None:
        self._served.close()


@contextmanager
def new_sandbox(broker: str, **platform_is: Any) -> Iterator[Sandbox]:
    """Yield a new sandbox, with further arguments of `OpenCTI`; its queues are deleted on exit."""
    platform, service = OpenCTI(broker=broker, **platform_is), PassiveTotal(own_records(datetime.now(UTC).date()))
    with serving(passivetotal_app(service)) as passivetotal_url, ExitStack() as served:
        opencti_url = served.enter_context(serving(opencti_app(platform)))
        try:
            yield Sandbox(platform, service, amqp_settings(opencti_url, platform.token, passivetotal_url), served)
        finally:
            platform.close()


@pytest.fixture(scope="session")
def image() -> str:
    return build(IMAGE)


@pytest.fixture(scope="session")
def broker() -> Iterator[str]:
    with running_broker() as url:
        yield url


@pytest.fixture
def sandbox(broker: str) -> Iterator[Sandbox]:
    with new_sandbox(broker) as made:
        yield made


@pytest.fixture
def connector(image: str, sandbox: Sandbox) -> Iterator[Container]:
    """The connector in a container, connected to the sandbox."""
    with container(image, sandbox.settings) as started:
        yield started
