"""pycti's own helper, registered with a sandbox that has no broker."""

import pycti
import pytest

from sandbox.opencti import OpenCTI


@pytest.fixture
def platform() -> OpenCTI:
    return OpenCTI(pycti.__version__)
