"""Fixtures for all tests."""

import logging
import os
import re
import signal
import tempfile
from collections.abc import Iterator

import pytest

# A shell lets background jobs ignore SIGINT, and the commands that the tests interrupt would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Say last how many tests were left out because a program is missing, and which packages bring it."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    skipped = [str(report.longrepr) for report in reporter.stats.get("skipped", [])] if reporter else []
    missing = [
        found for reason in skipped for found in re.findall(r"is not installed: apt-get install ([\w -]+)", reason)
    ]
    if missing:
        packages = " ".join(sorted({package for found in missing for package in found.split()}))
        tests = "1 test was" if len(missing) == 1 else f"{len(missing)} tests were"
        print(f"{tests} left out; to run all, install what they need: apt-get install {packages}")


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
