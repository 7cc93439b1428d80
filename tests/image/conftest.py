"""The image, a broker, and the sandbox on both sides of a container."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from sandbox.daemon import amqp_settings
from sandbox.opencti import OpenCTI, opencti_app
from sandbox.rabbitmq import running_broker
from sandbox.server import serving
from sandbox.sources.riskiq import PassiveTotal, passivetotal_app
from sandbox.sources.riskiq_data import DOMAIN, own_records
from sandbox.works import Work
from tests.image.engine import IMAGE, WAIT, Container, build, container


@dataclass
class Sandbox:
    """Both ends of a connector, and the settings with which it finds them."""

    platform: OpenCTI
    service: PassiveTotal
    settings: dict[str, str]
    _served: ExitStack

    def enrich(self) -> Work:
        """Press the button on a domain that PassiveTotal knows, once a connector listens."""
        self.platform.wait_registered(WAIT)
        return self.platform.enrich(self.platform.add_observable("Domain-Name", DOMAIN))

    def take_platform_away(self) -> None:
        self._served.close()


@contextmanager
def new_sandbox(broker: str, **platform_is: str) -> Iterator[Sandbox]:
    """A sandbox of its own; ``platform_is`` is more for `OpenCTI`. Its queues are deleted on the way out."""
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
    """The connector in a container between both ends of the sandbox."""
    with container(image, sandbox.settings) as started:
        yield started
