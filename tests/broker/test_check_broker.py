"""The findings of `main.py check` about a real RabbitMQ."""

import ssl
import uuid
from typing import Any

import pika
import pycti
import pytest
import trustme

from passivedns.model import Finding, State
from passivedns.opencti.inspection import platform_findings
from sandbox.api import opencti_app
from sandbox.opencti import OpenCTI
from sandbox.server import serving
from tests.helpers.raw_server import plain_server, raw_server, says


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
        ({"pass": "wrong"}, "it rejects the user guest; check MQ_USER and MQ_PASS, or what OpenCTI reports"),
        ({"vhost": "nowhere"}, "no such virtual host for the user guest; check MQ_VHOST"),
        ({"use_ssl": True}, "no TLS connection can be made; check MQ_USE_SSL and MQ_PORT"),
        ({"host": "mq.invalid"}, "its host name does not resolve; check the network and MQ_HOST and MQ_PORT"),
        ({"port": 9}, "the connection is refused; check that it runs there, and MQ_HOST and MQ_PORT"),
    ],
)
def test_what_the_broker_rejects_is_reported_without_the_password(
    broker: str, changed: dict[str, Any], words: str
) -> None:
    finding = found(broker, **changed)
    assert finding.state is State.BAD
    assert words in finding.text
    assert "wrong" not in finding.text


def test_a_server_that_is_not_rabbitmq_is_called_so(broker: str) -> None:
    with plain_server(says(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
        finding = found(broker, host="127.0.0.1", port=port)
    assert finding.text.endswith("it is not RabbitMQ, or expects TLS; check MQ_HOST, MQ_PORT and MQ_USE_SSL")


def test_an_untrusted_certificate_names_the_bundle_of_the_broker(broker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MQ_USE_SSL_REJECT_UNAUTHORIZED", "true")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with raw_server(says(b""), context) as server:
        finding = found(broker, host="127.0.0.1", port=server.port, use_ssl=True)
    assert finding.text.endswith(
        "the TLS certificate is from an issuer that is not trusted; set MQ_USE_SSL_CA to a CA bundle that contains its "
        "issuer"
    )
