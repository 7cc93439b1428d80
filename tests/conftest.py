"""Fixtures for all tests."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """pycti sets levels and handlers for the whole process; later tests would find an empty log."""
    loggers = [logging.getLogger(name) for name in (None, "urllib3", "pika")]
    before = [(logger, logger.level, logger.handlers[:]) for logger in loggers]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers
