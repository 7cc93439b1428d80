"""What all unit tests share."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _log_levels_as_they_were() -> Iterator[None]:
    """pycti sets those of the whole process, and the next test would find an empty log."""
    loggers = [logging.getLogger(name) for name in (None, "urllib3", "pika")]
    levels = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture
def service(served: tuple[Any, str]) -> Any:
    """The stand-in that a module serves as `served`."""
    return served[0]


@pytest.fixture
def url(served: tuple[Any, str]) -> str:
    """Where a module serves its stand-in."""
    return served[1]
