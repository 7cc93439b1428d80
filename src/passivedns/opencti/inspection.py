"""Whether OpenCTI and its broker would take the connector: it only asks, nothing is registered or changed."""

import logging
from collections.abc import Iterator
from typing import Any

import pika
import pycti
from pika.exceptions import ProbableAccessDeniedError, ProbableAuthenticationError
from pycti import OpenCTIApiClient, get_config_variable
from pycti.connector.opencti_connector_helper import create_mq_ssl_context

from passivedns.errors import PlatformError
from passivedns.model import Finding, State
from passivedns.opencti.registration import api_client, explained, version_of
from passivedns.stix.objects import TLP_CLEAR

Config = dict[str, dict[str, Any]]

PATIENCE = 10
"""Seconds for each question."""

_ME = "query { me { name capabilities { name } effective_confidence_level { max_confidence } } }"
# Of an administrator all, of others those of their groups and the less strict ones: as the platform computes them.
_MARKINGS = "query { me { name allowed_marking { standard_id definition } } }"
# One broker serves all connectors, and OpenCTI always lists some of its own.
_BROKER = "query { connectorsForWorker { config { connection { host port vhost use_ssl user pass } } } }"

# What a connector calls is guarded by the first, what the import of its bundles calls by the second.
_NEEDED = ("CONNECTORAPI", "KNOWLEDGE_KNUPDATE")
# The import of a marking definition is guarded by a right of its own, whether it changes anything or not.
_MARKING_RIGHT = "SETTINGS_SETMARKINGS"


def platform_findings(config: Config) -> Iterator[Finding]:
    """OpenCTI, the rights and markings of the token's user, and the way of the messages; `config` is pycti's."""
    url = config["opencti"]["url"]
    try:
        client = _client(config)
        version = version_of(client)
    except (PlatformError, ValueError, OSError, LookupError, TypeError) as error:
        reason = error if isinstance(error, PlatformError) else explained(error, url)
        yield Finding("OpenCTI", State.BAD, f"{url}: {reason}")
        yield Finding("broker", State.UNKNOWN, "not tried without OpenCTI")
        return
    yield _version(url, version)
    yield _rights(_asked(client, _ME, "me"))
    yield _markings(_asked(client, _MARKINGS, "me"))
    yield from _callback(config)
    yield _broker(config, client)


def _client(config: Config) -> OpenCTIApiClient:
    client = api_client(config, "CRITICAL")
    # An argument only of later versions; 300 otherwise.
    client.session_requests_timeout = PATIENCE
    return client


def _asked(client: OpenCTIApiClient, query: str, field: str) -> Any:
    """The answer, or None where this OpenCTI does not know the question or does not let the user ask it."""
    try:
        return client.query(query)["data"][field]
    except (ValueError, OSError, LookupError, TypeError):
        return None


def _version(url: str, version: str) -> Finding:
    if version == pycti.__version__:
        return Finding("OpenCTI", State.GOOD, f"{url} answers; it is {version}, and so is pycti")
    return Finding(
        "OpenCTI",
        State.WARNING,
        f"{url} answers; it is {version} and pycti is {pycti.__version__}, which may be refused at registration "
        f"(pip install pycti=={version}, or the build argument PYCTI_VERSION={version})",
    )


def _rights(me: Any) -> Finding:
    if not isinstance(me, dict):
        return Finding("token", State.UNKNOWN, "it is accepted; this OpenCTI does not tell the rights of its user")
    lacking = [needed for needed in _NEEDED if not _may(me, needed)]
    if lacking:
        text = f"the user {me.get('name')} lacks {' and '.join(lacking)}; give it the role Connector"
        return Finding("token", State.BAD, text)
    if not me.get("effective_confidence_level"):
        text = f"the user {me.get('name')} has no confidence level, and OpenCTI creates nothing for such users"
        return Finding("token", State.BAD, text)
    if not _may(me, _MARKING_RIGHT):
        text = (
            f"the user {me.get('name')} lacks {_MARKING_RIGHT}: OpenCTI imports what the connector finds, but each "
            "work gets an error FORBIDDEN_ACCESS for every marking; give it the role Connector"
        )
        return Finding("token", State.WARNING, text)
    return Finding("token", State.GOOD, f"it is accepted; the user {me.get('name')} may register and create knowledge")


def _may(me: dict[str, Any], needed: str) -> bool:
    """A capability holds those whose names it begins with, and BYPASS all."""
    held = [str(capability.get("name")) for capability in me.get("capabilities") or []]
    return any(name == "BYPASS" or name.startswith(needed) for name in held)


def _markings(me: Any) -> Finding:
    if not isinstance(me, dict):
        return Finding("markings", State.UNKNOWN, "this OpenCTI does not tell which of them its user sees")
    seen = {str(marking.get("standard_id")): str(marking.get("definition")) for marking in me["allowed_marking"] or []}
    if TLP_CLEAR not in seen:
        text = (
            f"the user {me.get('name')} does not see TLP:CLEAR, which the connector gives to the observables that it "
            "creates: OpenCTI refuses them all (MISSING_REFERENCE_ERROR); allow TLP:CLEAR or a stricter TLP to a group "
            "of that user"
        )
        return Finding("markings", State.BAD, text)
    names = ", ".join(seen.values())
    text = f"the user {me.get('name')} sees {names}; what carries another marking it cannot enrich"
    return Finding("markings", State.GOOD, text)


def _callback(config: Config) -> Iterator[Finding]:
    """Where OpenCTI's worker reaches a connector that listens over HTTP; pycti joins the address and the path."""
    connector = config["connector"]
    if str(connector.get("listen_protocol")).upper() != "API":
        return
    uri = str(connector.get("listen_protocol_api_uri", "http://127.0.0.1:7070"))
    path = str(connector.get("listen_protocol_api_path", "/api/callback"))
    if uri.endswith(("/", path)):
        text = (
            f"OpenCTI would post messages to {uri}{path}, where nothing answers; end "
            "CONNECTOR_LISTEN_PROTOCOL_API_URI before the path, without a slash"
        )
        yield Finding("callback", State.BAD, text)
    else:
        yield Finding("callback", State.GOOD, f"OpenCTI will post messages to {uri}{path}")


def _broker(config: Config, client: OpenCTIApiClient) -> Finding:
    protocols = [config["connector"].get(name, "amqp") for name in ("listen_protocol", "queue_protocol")]
    if all(str(protocol).lower() == "api" for protocol in protocols):
        return Finding("broker", State.GOOD, "none is needed: messages come and go over HTTP")
    connectors = _asked(client, _BROKER, "connectorsForWorker") or []
    told: dict[str, Any] = next((item["config"]["connection"] for item in connectors if item.get("config")), {})
    try:
        # As pycti has it: what the operator sets wins over what OpenCTI tells.
        connection = {
            key: get_config_variable(f"MQ_{key.upper()}", ["mq", key], config, key == "port", told.get(key))
            for key in ("host", "port", "vhost", "use_ssl", "user", "pass")
        }
        missing = ", ".join(f"MQ_{key.upper()}" for key, value in connection.items() if value is None)
        if missing:
            text = f"known only after registration: OpenCTI does not tell it this user, and no {missing} is set"
            return Finding("broker", State.UNKNOWN, text)
        return _connected(config, connection)
    except (ValueError, OSError) as error:
        return Finding("broker", State.BAD, f"its settings (MQ_…) cannot be used: {error}")


def _connected(config: Config, connection: dict[str, Any]) -> Finding:
    """Log in as the connector would, and out again."""
    # It tells by itself what is told below.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    host = connection["host"]
    place = f"{host}:{connection['port']}, virtual host {connection['vhost']}"
    parameters = pika.ConnectionParameters(
        host=host,
        port=connection["port"],
        virtual_host=connection["vhost"],
        credentials=pika.PlainCredentials(connection["user"], connection["pass"]),
        ssl_options=pika.SSLOptions(create_mq_ssl_context(config), host) if connection["use_ssl"] else None,
        socket_timeout=PATIENCE,
        stack_timeout=PATIENCE,
        blocked_connection_timeout=PATIENCE,
    )
    try:
        pika.BlockingConnection(parameters).close()
    except ProbableAuthenticationError:
        return Finding("broker", State.BAD, f"{place}: refuses the user {connection['user']}")
    except ProbableAccessDeniedError:
        return Finding("broker", State.BAD, f"{place}: has no such virtual host for the user {connection['user']}")
    except Exception as error:  # those of pika have no class in common
        return Finding("broker", State.BAD, f"{place}: no connection can be made ({type(error).__name__})")
    return Finding("broker", State.GOOD, f"{place}: takes the connection")
