"""What all unit tests share."""

from typing import Any

import pytest

from tests.unit.stand_ins import Served


@pytest.fixture
def service(served: Served[Any]) -> Any:
    """The stand-in that a module serves as `served`, as new for every test."""
    return served.renewed()


@pytest.fixture
def url(service: object, served: Served[Any]) -> str:
    """Where a module serves its stand-in."""
    assert service is served.service
    return served.url
