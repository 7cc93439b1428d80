"""Our helper, registered with the sandbox, in the process of the test."""

import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from passivedns.delivery.delivery_log import DeliveryLog
from passivedns.delivery.listening import ListeningHelper
from sandbox.api import opencti_app
from sandbox.opencti import OpenCTI
from sandbox.server import serving


@contextmanager
def registered(platform: OpenCTI, **own: str) -> Iterator[ListeningHelper]:
    """The helper of a connector for names; it stops pinging at the end of the block."""
    connector = {"id": str(uuid.uuid4()), "type": "INTERNAL_ENRICHMENT", "name": "test", "scope": "Domain-Name"}
    # pycti replaces the hook.
    with mock.patch.object(sys, "excepthook", sys.__excepthook__), serving(opencti_app(platform)) as url:
        config = {
            "opencti": {"url": url, "token": platform.token},
            "connector": {**connector, "log_level": "error", **own},
        }
        helper = ListeningHelper(config, DeliveryLog("memory"))
        yield helper
        helper.ping.stop()
