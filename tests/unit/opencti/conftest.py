"""pycti's own helper, registered with a sandbox that has no broker."""

import inspect
import sys
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pycti
import pytest
from pycti import OpenCTIConnectorHelper
from pycti.connector.opencti_connector_helper import ListenQueue

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


def idle_listener(helper: OpenCTIConnectorHelper, callback: Callable[[dict[str, Any]], str], kind: Any) -> Any:
    """A listener of pycti or of ours that is not started; the test hands it the messages."""
    given = {"helper": helper, "callback": callback, "applicant_id": None, "config": {}}
    given |= {"connector_config": helper.connector_config, "opencti_token": "", "listen_protocol": "AMQP"}
    given |= dict.fromkeys(("listen_protocol_api_ssl", "listen_protocol_api_path", "listen_protocol_api_port"), None)
    known = inspect.signature(ListenQueue.__init__).parameters
    return kind(**{name: value for name, value in given.items() if name in known})
