"""The findings of `main.py check` about a real RabbitMQ."""

import uuid
from typing import Any

import pika
import pycti
import pytest

from passivedns.model import Finding, State
from passivedns.opencti.inspection import platform_findings
from sandbox.opencti import OpenCTI, opencti_app
from sandbox.server import serving


def found(broker: str, **changed: Any) -> Finding:
    """Return the finding about the configured broker."""
    parameters, platform = pika.URLParameters(broker), OpenCTI(pycti.__version__)
    login = {"user": parameters.credentials.username, "pass": parameters.credentials.password}
    place = {"host": parameters.host, "port": parameters.port, "vhost": parameters.virtual_host, "use_ssl": False}
    with serving(opencti_app(platform)) as url:
        config = {
            "opencti": {"url": url, "token": platform.token},
            "connector": {"id": str(uuid.uuid4()), "log_level": "info"},
            "mq": place | login | changed,
        }
        return next(finding for finding in platform_findings(config, []) if finding.subject == "broker")


def test_a_broker_that_accepts_the_login_is_good(broker: str) -> None:
    finding = found(broker)
    assert finding.state is State.GOOD
    assert finding.text.endswith("accepts the connection")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"pass": "wrong"}, "rejects the user "),
        ({"vhost": "nowhere"}, "virtual host nowhere: no such virtual host for the user "),
        ({"use_ssl": True}, "connection failed (SSLError)"),
    ],
)
def test_what_the_broker_rejects_is_reported_without_the_password(
    broker: str, changed: dict[str, Any], words: str
) -> None:
    finding = found(broker, **changed)
    assert finding.state is State.BAD
    assert words in finding.text
    assert "wrong" not in finding.text
