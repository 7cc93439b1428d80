"""Options that pycti reads itself: it prefers the environment to its configuration, and is less tolerant."""

import os

import pytest
import yaml
from pycti.connector.opencti_connector_helper import get_config_variable

from passivedns.settings.loading import helper_config
from passivedns.settings.model import Settings
from tests.helpers.settings_loader import REQUIRED, Load, complaint

WRITTEN = {
    "OPENCTI_URL": "http://opencti:8080/",
    "OPENCTI_TOKEN": " secret ",
    "CONNECTOR_ID": REQUIRED["CONNECTOR_ID"],
    "CONNECTOR_TYPE": "INTERNAL_ENRICHMENT",
    "CONNECTOR_NAME": " Passive DNS ",
    "CONNECTOR_SCOPE": "ipv4-addr , hostname,",
    "CONNECTOR_LOG_LEVEL": "WARNING",
    "CONNECTOR_AUTO": "TRUE",
}
"""Settings in an unusual spelling."""
READ = {
    "OPENCTI_URL": "http://opencti:8080",
    "OPENCTI_TOKEN": "secret",
    "CONNECTOR_ID": REQUIRED["CONNECTOR_ID"],
    "CONNECTOR_TYPE": "INTERNAL_ENRICHMENT",
    "CONNECTOR_NAME": "Passive DNS",
    "CONNECTOR_SCOPE": "IPv4-Addr,Hostname",
    "CONNECTOR_LOG_LEVEL": "warning",
    "CONNECTOR_AUTO": True,
}
"""The same settings as pycti must read them."""


def read_by_pycti(settings: Settings, name: str) -> object:
    return get_config_variable(name, name.lower().split("_", 1), helper_config(settings))


def config(**variables: str) -> str:
    """Variables as config.yml."""
    sections: dict[str, dict[str, str]] = {}
    for name, value in variables.items():
        section, key = name.lower().split("_", 1)
        sections.setdefault(section, {})[key] = value
    return yaml.safe_dump(sections)


def test_pycti_reads_the_validated_values_from_files(load: Load) -> None:
    settings = load(config(**WRITTEN), **dict.fromkeys(WRITTEN))

    assert {name: read_by_pycti(settings, name) for name in READ} == READ


def test_pycti_reads_the_validated_values_from_the_environment(load: Load) -> None:
    settings = load(**WRITTEN)

    assert {name: read_by_pycti(settings, name) for name in READ} == READ


@pytest.mark.parametrize("nothing", ["", "ChangeMe"])
def test_pycti_ignores_an_empty_variable(load: Load, nothing: str) -> None:
    settings = load("connector: {name: Root}\nmq: {port: 5673}", CONNECTOR_NAME=nothing, MQ_PORT=nothing)

    assert read_by_pycti(settings, "CONNECTOR_NAME") == "Root"
    assert read_by_pycti(settings, "MQ_PORT") == 5673


def test_pycti_reads_the_defaults_of_this_connector(load: Load) -> None:
    settings = load()

    assert read_by_pycti(settings, "CONNECTOR_SCOPE") == "IPv4-Addr,Domain-Name"
    assert read_by_pycti(settings, "CONNECTOR_TYPE") == "INTERNAL_ENRICHMENT"
    assert read_by_pycti(settings, "CONNECTOR_AUTO") is False


def test_pycti_reads_its_other_options_from_files(load: Load) -> None:
    settings = load(
        "opencti: {ssl_verify: true}\n"
        "connector: {listen_protocol: API, listen_protocol_api_port: 7071, queue_protocol: api}\n"
        "mq: {host: rabbitmq.example}\n"
        "s3: {endpoint: minio.example}\n"
    )

    expected = {
        "OPENCTI_SSL_VERIFY": True,
        "CONNECTOR_LISTEN_PROTOCOL": "API",
        "CONNECTOR_LISTEN_PROTOCOL_API_PORT": 7071,
        "CONNECTOR_QUEUE_PROTOCOL": "api",
        "MQ_HOST": "rabbitmq.example",
        "S3_ENDPOINT": "minio.example",
    }
    assert {name: read_by_pycti(settings, name) for name in expected} == expected


def test_pycti_reads_its_other_options_from_the_environment(load: Load) -> None:
    variables = {
        "OPENCTI_CUSTOM_HEADERS": "X-Tenant:one",
        "CONNECTOR_LISTEN_PROTOCOL": "API",
        "MQ_PASS": "00123",
        "S3_BUCKET_REGION": "eu",
    }
    settings = load(config(**dict.fromkeys(variables, "from-the-file")), **variables)

    assert {name: read_by_pycti(settings, name) for name in variables} == variables
    assert helper_config(settings)["mq"]["pass"] == "00123"


def test_only_validated_or_empty_variables_of_pycti_are_removed_from_the_environment(load: Load) -> None:
    others = {"PATH": "/bin", "EMPTY": "", "MQ_HOST": "rabbitmq.example", "RISKIQ_API_KEY": "key"}
    environ = others | {
        "CONNECTOR_SCOPE": "hostname",
        "connector_auto": "yes",
        "S3_ENDPOINT": "ChangeMe",
        "MQ_VHOST": "",
    }

    helper_config(load(CONNECTOR_SCOPE="hostname"), environ)

    assert environ == others


def test_credentials_of_sources_are_not_passed_to_pycti(load: Load) -> None:
    passed = helper_config(load(PDNS_SOURCES="riskiq,otx", OTX_API_KEY="key-of-otx"))

    assert set(passed) == {"opencti", "connector", "mq", "s3"}
    assert os.environ["RISKIQ_API_KEY"] not in str(passed)
    assert "key-of-otx" not in str(passed)


def test_invalid_options_of_pycti_are_reported_like_other_settings(load: Load) -> None:
    assert complaint(
        load,
        CONNECTOR_METRICS_PORT="ninety",
        CONNECTOR_EXPOSE_METRICS="maybe",
        CONNECTOR_LISTEN_PROTOCOL="HTTP",
        CONNECTOR_LISTEN_PROTOCOL_API_PORT="65536",
        CONNECTOR_QUEUE_PROTOCOL="http",
        MQ_PORT="0",
        MQ_USE_SSL="perhaps",
    ) == (
        "The connector cannot start: 7 settings need correcting.\n"
        "  CONNECTOR_EXPOSE_METRICS (config.yml: connector.expose_metrics) is 'maybe'. Accepted values: true or "
        "false.\n"
        "  CONNECTOR_LISTEN_PROTOCOL (config.yml: connector.listen_protocol) is 'HTTP'. Accepted values: AMQP or API.\n"
        "  CONNECTOR_LISTEN_PROTOCOL_API_PORT (config.yml: connector.listen_protocol_api_port) is '65536'. Accepted "
        "values: a port from 1 to 65535.\n"
        "  CONNECTOR_METRICS_PORT (config.yml: connector.metrics_port) is 'ninety'. Accepted values: a port from 1 to "
        "65535.\n"
        "  CONNECTOR_QUEUE_PROTOCOL (config.yml: connector.queue_protocol) is 'http'. Accepted values: amqp or api.\n"
        "  MQ_PORT (config.yml: mq.port) is '0'. Accepted values: a port from 1 to 65535.\n"
        "  MQ_USE_SSL (config.yml: mq.use_ssl) is 'perhaps'. Accepted values: true or false."
    )


def test_a_yaml_boolean_is_neither_a_protocol_nor_a_port(load: Load) -> None:
    text = complaint(load, "connector: {listen_protocol: true, metrics_port: yes}")

    assert "connector.listen_protocol) is True. Accepted values: AMQP or API." in text
    assert "connector.metrics_port) is True. Accepted values: a port from 1 to 65535." in text


def test_pycti_reads_its_options_in_its_own_spelling(load: Load) -> None:
    settings = load(
        CONNECTOR_METRICS_PORT=" 65535 ",
        CONNECTOR_EXPOSE_METRICS="on",
        CONNECTOR_LISTEN_PROTOCOL="api",
        CONNECTOR_LISTEN_PROTOCOL_API_PORT="1",
        CONNECTOR_QUEUE_PROTOCOL="AMQP",
        MQ_USE_SSL="off",
    )

    expected = {
        "CONNECTOR_METRICS_PORT": 65535,
        "CONNECTOR_EXPOSE_METRICS": True,
        "CONNECTOR_LISTEN_PROTOCOL": "API",
        "CONNECTOR_LISTEN_PROTOCOL_API_PORT": 1,
        "CONNECTOR_QUEUE_PROTOCOL": "amqp",
        "MQ_USE_SSL": False,
    }
    assert {name: read_by_pycti(settings, name) for name in expected} == expected
    # uvicorn reports an error in the log if the port is text.
    assert type(read_by_pycti(settings, "CONNECTOR_LISTEN_PROTOCOL_API_PORT")) is int


def test_options_that_are_not_set_are_left_to_pycti(load: Load) -> None:
    passed = helper_config(load())

    assert passed["connector"].keys() == {"id", "type", "name", "scope", "log_level", "auto"}
    assert passed["mq"] == passed["s3"] == {}
