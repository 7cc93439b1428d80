"""What all unit tests share."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.stand_ins import Served


@pytest.fixture(autouse=True)
def _log_levels_as_they_were() -> Iterator[None]:
    """pycti sets those of the whole process, and the next test would find an empty log."""
    loggers = [logging.getLogger(name) for name in (None, "urllib3", "pika")]
    levels = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture
def service(served: Served[Any]) -> Any:
    """The stand-in that a module serves as `served`, as new for every test."""
    return served.renewed()


@pytest.fixture
def url(service: object, served: Served[Any]) -> str:
    """Where a module serves its stand-in."""
    assert service is served.service
    return served.url
