"""Provides the real daemon in the sandbox, over pycti's HTTP protocols or, if it lacks them, over a broker."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import pycti
import pytest

from tests.helpers.shared_broker import shared_broker, start
from tests.helpers.world import HAS_HTTP_PROTOCOLS, QUICK, World, new_world

needs_http_protocols = pytest.mark.skipif(
    not HAS_HTTP_PROTOCOLS, reason=f"pycti {pycti.__version__} lacks the HTTP protocols, which came with 6.5"
)
SCOPE = {"CONNECTOR_SCOPE": "IPv4-Addr, domain-name,IPv6-Addr,Hostname"}
DEBUG = {"CONNECTOR_LOG_LEVEL": "debug"}


def pytest_configure(config: pytest.Config) -> None:
    if not HAS_HTTP_PROTOCOLS:
        start(config)


@contextmanager
def any_world(others: Sequence[str] = (), **environment: str) -> Iterator[World]:
    """A world with short waits, over a protocol that this pycti supports."""
    with ExitStack() as stack:
        broker = None if HAS_HTTP_PROTOCOLS else stack.enter_context(shared_broker())
        yield stack.enter_context(new_world(broker, others, **QUICK | environment))


@pytest.fixture(scope="module")
def shared_world() -> Iterator[World]:
    with any_world(**SCOPE, **DEBUG) as world:
        yield world
        assert_no_secret_in_the_log(world)


@pytest.fixture
def fresh_world() -> Iterator[World]:
    """A world for one test, since the daemon remembers refusals and server errors of a source."""
    with any_world(**SCOPE, **DEBUG) as world:
        yield world
        assert_no_secret_in_the_log(world)


def assert_no_secret_in_the_log(world: World) -> None:
    """Check the log of a module at level debug, after all its tests."""
    log = world.daemon.log
    sent = {request.headers.get("authorization", "") for request in world.service.requests}
    keys = [world.service.api_key, *(getattr(other, "api_key", "") for other in world.others.values())]
    for secret in (*keys, world.platform.token, *(header.removeprefix("Basic ") for header in sent)):
        assert not secret or secret not in log


@pytest.fixture
def world(shared_world: World) -> Iterator[World]:
    """The world of the module, without faults and with a full quota."""
    shared_world.service.reset()
    yield shared_world
    shared_world.platform.recover()
