"""Fixtures for all unit tests."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from passivedns.circuit_breaker import redis_at
from tests.helpers.stand_ins import Served

if TYPE_CHECKING:
    from passivedns.delivery.listening import ListeningHelper
    from sandbox.opencti import OpenCTI


@pytest.fixture
def service(served: Served[Any]) -> Any:
    """The stand-in that a module serves as `served`, reset before every test."""
    return served.renewed()


@pytest.fixture
def url(service: object, served: Served[Any]) -> str:
    """The URL at which a module serves its stand-in."""
    assert service is served.service
    return served.url


@pytest.fixture
def platform() -> "OpenCTI":
    """A sandbox that has no broker."""
    import pycti  # takes a second, which most tests need not spend

    from sandbox.opencti import OpenCTI

    return OpenCTI(pycti.__version__)


@pytest.fixture
def helper(platform: "OpenCTI") -> Iterator["ListeningHelper"]:
    """Our helper, registered with the sandbox."""
    from tests.helpers.registered import registered

    with registered(platform) as helper:
        yield helper
        platform.recover()


@pytest.fixture(autouse=True)
def _no_redis_is_left_alone() -> None:
    """A Redis that one test found silent is used again by the next."""
    redis_at.cache_clear()
