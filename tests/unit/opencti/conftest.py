"""pycti's own helper, registered with a sandbox that has no broker."""

from collections.abc import Iterator

import pycti
import pytest
from pycti import OpenCTIConnectorHelper

from sandbox.opencti import OpenCTI
from tests.registered import registered


@pytest.fixture
def platform() -> OpenCTI:
    return OpenCTI(pycti.__version__)


@pytest.fixture
def helper(platform: OpenCTI) -> Iterator[OpenCTIConnectorHelper]:
    with registered(platform) as helper:
        yield helper
        platform.recover()
