"""Fixtures for all tests."""

import logging
import os
import signal
import tempfile
from collections.abc import Iterator

import pytest

# A shell lets background jobs ignore SIGINT, and the commands that the tests interrupt would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _temporary_files() -> Iterator[None]:
    """Daemons that are killed leave files behind, and pycti leaves certificates."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        os.environ["TMPDIR"] = directory
        yield


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """pycti sets levels and handlers for the whole process; later tests would find an empty log."""
    loggers = [logging.getLogger(name) for name in (None, "urllib3", "pika")]
    before = [(logger, logger.level, logger.handlers[:]) for logger in loggers]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers
