"""pycti reads the environment before the configuration that it is given, and forgives less."""

import os

import pytest
from pycti.connector.opencti_connector_helper import get_config_variable

from passivedns.settings.loading import helper_config
from passivedns.settings.model import Settings
from tests.unit.settings_loader import REQUIRED, Load, complaint


def as_pycti_reads(settings: Settings, section: str, key: str) -> object:
    return get_config_variable(f"{section}_{key}".upper(), [section, key], helper_config(settings))


@pytest.mark.parametrize(
    ("section", "key", "written", "read"),
    [
        ("opencti", "url", "http://opencti:8080/", "http://opencti:8080"),
        ("opencti", "token", " secret ", "secret"),
        ("connector", "id", REQUIRED["CONNECTOR_ID"], REQUIRED["CONNECTOR_ID"]),
        ("connector", "type", "INTERNAL_ENRICHMENT", "INTERNAL_ENRICHMENT"),
        ("connector", "name", " Passive DNS ", "Passive DNS"),
        ("connector", "scope", "ipv4-addr , hostname,", "IPv4-Addr,Hostname"),
        ("connector", "log_level", "WARNING", "warning"),
        ("connector", "auto", "TRUE", True),
        ("connector", "auto", "off", False),
    ],
)
class TestPyctiReadsWhatWasValidated:
    def test_from_the_file(self, load: Load, section: str, key: str, written: str, read: object) -> None:
        config = f"{section}: {{{key}: '{written}'}}"

        assert as_pycti_reads(load(config, **{f"{section}_{key}".upper(): None}), section, key) == read

    def test_from_the_environment(self, load: Load, section: str, key: str, written: str, read: object) -> None:
        assert as_pycti_reads(load(**{f"{section}_{key}".upper(): written}), section, key) == read


@pytest.mark.parametrize("nothing", ["", "ChangeMe"])
def test_pycti_does_not_take_a_variable_that_is_empty_for_the_value(load: Load, nothing: str) -> None:
    settings = load("connector: {name: Root}", CONNECTOR_NAME=nothing)

    assert as_pycti_reads(settings, "connector", "name") == "Root"


def test_pycti_reads_the_defaults_of_this_connector(load: Load) -> None:
    settings = load()

    assert as_pycti_reads(settings, "connector", "scope") == "IPv4-Addr,Domain-Name"
    assert as_pycti_reads(settings, "connector", "type") == "INTERNAL_ENRICHMENT"


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("opencti", "ssl_verify", True),
        ("connector", "listen_protocol", "API"),
        ("connector", "listen_protocol_api_port", 7071),
        ("connector", "queue_protocol", "api"),
        ("mq", "host", "rabbitmq.example"),
        ("s3", "endpoint", "minio.example"),
    ],
)
def test_other_options_of_pycti_reach_it_from_the_file(load: Load, section: str, key: str, value: object) -> None:
    assert as_pycti_reads(load(f"{section}: {{{key}: {value}}}"), section, key) == value


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("opencti", "custom_headers", "X-Tenant:one"),
        ("connector", "listen_protocol", "API"),
        ("connector", "queue_protocol", "api"),
        ("mq", "pass", "00123"),
        ("s3", "bucket_region", "eu"),
    ],
)
def test_other_options_of_pycti_reach_it_from_the_environment(
    load: Load, section: str, key: str, value: object
) -> None:
    settings = load(f"{section}: {{{key}: from-the-file}}", **{f"{section}_{key}".upper(): value})

    assert as_pycti_reads(settings, section, key) == value
    assert helper_config(settings)[section][key] == value


def test_a_blank_port_of_the_broker_does_not_end_in_an_error_of_pycti(load: Load) -> None:
    config = helper_config(load("mq: {port: 5673}", MQ_PORT=""))

    assert get_config_variable("MQ_PORT", ["mq", "port"], config, isNumber=True) == 5673


def test_variables_that_are_not_set_are_not_added_to_the_environment(load: Load) -> None:
    environ = {"PATH": "/bin", "EMPTY": "", "CONNECTOR_SCOPE": "hostname"}

    helper_config(load(CONNECTOR_SCOPE="hostname"), environ)

    assert environ == {"PATH": "/bin", "EMPTY": "", "CONNECTOR_SCOPE": "Hostname"}


def test_the_credentials_of_the_sources_are_not_handed_to_pycti(load: Load) -> None:
    config = helper_config(load(PDNS_SOURCES="riskiq,otx", OTX_API_KEY="key-of-otx"))

    assert set(config) == {"opencti", "connector", "mq", "s3"}
    assert os.environ["RISKIQ_API_KEY"] not in str(config)
    assert "key-of-otx" not in str(config)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("CONNECTOR_METRICS_PORT", "ninety", "a port from 1 to 65535"),
        ("CONNECTOR_METRICS_PORT", "0", "a port from 1 to 65535"),
        ("CONNECTOR_EXPOSE_METRICS", "maybe", "true or false"),
        ("CONNECTOR_LISTEN_PROTOCOL", "HTTP", "AMQP or API"),
        ("CONNECTOR_LISTEN_PROTOCOL", "true", "AMQP or API"),
        ("CONNECTOR_LISTEN_PROTOCOL_API_PORT", "70700", "a port from 1 to 65535"),
        ("CONNECTOR_QUEUE_PROTOCOL", "http", "amqp or api"),
        ("MQ_PORT", "many", "a port from 1 to 65535"),
        ("MQ_USE_SSL", "perhaps", "true or false"),
    ],
)
def test_an_option_on_which_pycti_would_fail_is_listed_like_a_setting(
    load: Load, name: str, value: str, allowed: str
) -> None:
    section, _, key = name.lower().partition("_")

    assert complaint(load, **{name: value}).endswith(
        f"{name} (config.yml: {section}.{key}) is {value!r}. Accepted values: {allowed}."
    )


@pytest.mark.parametrize(
    ("name", "written", "read"),
    [
        ("CONNECTOR_METRICS_PORT", " 9095 ", "9095"),
        ("CONNECTOR_EXPOSE_METRICS", "FALSE", "false"),
        ("CONNECTOR_EXPOSE_METRICS", "on", "true"),
        ("CONNECTOR_LISTEN_PROTOCOL", "api", "API"),
        ("CONNECTOR_QUEUE_PROTOCOL", "AMQP", "amqp"),
        ("MQ_USE_SSL", "off", "false"),
    ],
)
def test_an_option_of_pycti_that_is_spelt_in_another_way_reaches_it_in_its_own(
    load: Load, name: str, written: str, read: object
) -> None:
    environ = {name: written}

    helper_config(load(**environ), environ)

    assert environ == {name: read}


@pytest.mark.parametrize("name", ["CONNECTOR_METRICS_PORT", "CONNECTOR_LISTEN_PROTOCOL", "MQ_PORT"])
def test_an_option_of_pycti_that_nobody_sets_is_left_to_pycti(load: Load, name: str) -> None:
    section, _, key = name.lower().partition("_")

    assert key not in helper_config(load())[section]
