"""Fixtures for the tests of all sources."""

import pytest

from tests.helpers import clients
from tests.helpers.broken_answers import ENDLESS, SHORT


@pytest.fixture(autouse=True)
def _short_timeout_for_endless_faults(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the timeout of tests whose parameter `fault` never ends."""
    if "fault" in request.fixturenames and request.getfixturevalue("fault") in ENDLESS:
        monkeypatch.setattr(clients, "TIMEOUT", SHORT)
