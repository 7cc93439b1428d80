"""pycti's own helper, registered with the sandbox, in the process of the test."""

import inspect
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from pycti import OpenCTIConnectorHelper
from pycti.connector.opencti_connector_helper import ListenQueue

from sandbox.api import opencti_app
from sandbox.opencti import OpenCTI
from sandbox.server import serving


@contextmanager
def registered(platform: OpenCTI) -> Iterator[OpenCTIConnectorHelper]:
    """The helper of a connector for names; it stops pinging at the end of the block."""
    own = {"id": str(uuid.uuid4()), "type": "INTERNAL_ENRICHMENT", "name": "test", "scope": "Domain-Name"}
    # pycti replaces the hook.
    with mock.patch.object(sys, "excepthook", sys.__excepthook__), serving(opencti_app(platform)) as url:
        config = {"opencti": {"url": url, "token": platform.token}, "connector": {**own, "log_level": "error"}}
        helper = OpenCTIConnectorHelper(config, playbook_compatible=True)
        yield helper
        helper.ping.stop()


def idle_listener(helper: OpenCTIConnectorHelper, callback: Callable[[dict[str, Any]], str], kind: Any) -> Any:
    """A listener of pycti or of ours that is not started; the test hands it the messages."""
    given = {"helper": helper, "callback": callback, "applicant_id": None, "config": {}}
    given |= {"connector_config": helper.connector_config, "opencti_token": "", "listen_protocol": "AMQP"}
    given |= dict.fromkeys(("listen_protocol_api_ssl", "listen_protocol_api_path", "listen_protocol_api_port"), None)
    known = inspect.signature(ListenQueue.__init__).parameters
    return kind(**{name: value for name, value in given.items() if name in known})
