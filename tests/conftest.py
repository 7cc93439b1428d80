"""Fixtures for all tests."""

import logging
import sys
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from sandbox.opencti import OpenCTI, opencti_app
from sandbox.server import serving

if TYPE_CHECKING:
    from pycti import OpenCTIConnectorHelper


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """pycti sets levels and handlers for the whole process; later tests would find an empty log."""
    loggers = [logging.getLogger(name) for name in (None, "urllib3", "pika")]
    before = [(logger, logger.level, logger.handlers[:]) for logger in loggers]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers


@pytest.fixture
def helper(platform: OpenCTI, monkeypatch: pytest.MonkeyPatch) -> "Iterator[OpenCTIConnectorHelper]":
    """pycti's helper, registered with the module's `platform`."""
    from pycti import OpenCTIConnectorHelper  # takes more than a second

    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    with serving(opencti_app(platform)) as url:
        own = {"id": str(uuid.uuid4()), "type": "INTERNAL_ENRICHMENT", "name": "test", "scope": "Domain-Name"}
        config = {"opencti": {"url": url, "token": platform.token}, "connector": {**own, "log_level": "error"}}
        helper = OpenCTIConnectorHelper(config, playbook_compatible=True)
        yield helper
        helper.ping.stop()
        platform.recover()
