"""pycti's own helper, registered with a sandbox that has no broker."""

import sys
import uuid
from collections.abc import Iterator

import pycti
import pytest
from pycti import OpenCTIConnectorHelper

from sandbox.opencti import OpenCTI, opencti_app
from sandbox.server import serving


@pytest.fixture
def platform() -> OpenCTI:
    return OpenCTI(pycti.__version__)


@pytest.fixture
def helper(platform: OpenCTI, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenCTIConnectorHelper]:
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    with serving(opencti_app(platform)) as url:
        own = {"id": str(uuid.uuid4()), "type": "INTERNAL_ENRICHMENT", "name": "test", "scope": "Domain-Name"}
        config = {"opencti": {"url": url, "token": platform.token}, "connector": {**own, "log_level": "error"}}
        helper = OpenCTIConnectorHelper(config, playbook_compatible=True)
        yield helper
        helper.ping.stop()
        platform.recover()
