"""Fixtures for all unit tests."""

from typing import Any

import pytest

from passivedns.guard import redis_at
from tests.unit.stand_ins import Served


@pytest.fixture
def service(served: Served[Any]) -> Any:
    """The stand-in that a module serves as `served`, reset before every test."""
    return served.renewed()


@pytest.fixture
def url(service: object, served: Served[Any]) -> str:
    """The URL at which a module serves its stand-in."""
    assert service is served.service
    return served.url


@pytest.fixture(autouse=True)
def _no_redis_is_left_alone() -> None:
    """A Redis that one test found silent is used again by the next."""
    redis_at.cache_clear()
