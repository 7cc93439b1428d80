"""Checks whether OpenCTI and its broker would accept the connector, without registering or changing anything."""

import logging
from collections.abc import Collection, Iterator
from typing import Any
from urllib.parse import urlsplit

import pycti
from pycti import OpenCTIApiClient, get_config_variable

from passivedns.errors import PlatformError
from passivedns.model import Finding, State
from passivedns.opencti.broker import BrokerUnavailable, connect, parameters
from passivedns.opencti.registration import Config, api_client, is_too_old, start_error, too_old, version_of
from passivedns.stix.markings import TLP_MARKINGS
from passivedns.text import and_list

TIMEOUT = 10
"""Seconds for each request."""

_ME = "query { me { name capabilities { name } effective_confidence_level { max_confidence } } }"
# All for an administrator; for others those of their groups and the less strict ones of the same type.
_MARKINGS = "query { me { name allowed_marking { standard_id definition } } }"
# All connectors share one broker, and OpenCTI always lists some built-in ones.
_BROKER = "query { connectorsForWorker { config { connection { host port vhost use_ssl user pass } } } }"

# For the connector's requests, and for the import of its bundles.
_NEEDED = ("CONNECTORAPI", "KNOWLEDGE_KNUPDATE")
# For the import of a marking definition, even of one that exists.
_MARKING_RIGHT = "SETTINGS_SETMARKINGS"
# For the question what became of a work, after a lost response or a restart.
_WORKS_RIGHT = "MODULES"

_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")

Result = tuple[State, str]


def platform_findings(config: Config, tlps: Collection[str]) -> Iterator[Finding]:
    """Check OpenCTI, the rights and markings of the token's user, the callback and the broker.

    `tlps` are the markings of the observables that the connector creates, such as `TLP:CLEAR`.
    """
    url = config["opencti"]["url"]
    try:
        client = api_client(config, "CRITICAL")
        # 300 by default; pycti 6.3 has no such argument.
        client.session_requests_timeout = TIMEOUT
        version = version_of(client)
    except (PlatformError, ValueError, OSError, LookupError, TypeError) as error:
        ssl_verify = config["opencti"].get("ssl_verify", "")
        reason = error if isinstance(error, PlatformError) else start_error(error, url, ssl_verify=ssl_verify)
        yield Finding("OpenCTI", State.BAD, str(reason) if url in str(reason) else f"{url}: {reason}")
        yield Finding("broker", State.UNKNOWN, "not tried without OpenCTI")
        return
    yield Finding("OpenCTI", *_version(url, version))
    yield Finding("token", *_rights(_query(client, _ME, "me")))
    yield Finding("markings", *_markings(_query(client, _MARKINGS, "me"), tlps))
    if str(config["connector"].get("listen_protocol")).upper() == "API":
        yield Finding("callback", *_callback(config))
    yield Finding("broker", *_broker(config, client))


def _query(client: OpenCTIApiClient, query: str, field: str) -> Any:
    """Return the answer, or None if this OpenCTI does not know the query or the user may not make it."""
    try:
        return client.query(query)["data"][field]
    except (ValueError, OSError, LookupError, TypeError):
        return None


def _version(url: str, version: str) -> Result:
    if is_too_old(version):
        return State.BAD, f"{url} answers; OpenCTI is {too_old(version)}"
    if version == pycti.__version__:
        return State.GOOD, f"{url} answers; OpenCTI and pycti are {version}"
    return State.WARNING, (
        f"{url} answers; OpenCTI is {version} but pycti is {pycti.__version__}, which OpenCTI may reject "
        f"(pip install pycti=={version}, or the build argument PYCTI_VERSION={version})"
    )


def _rights(me: Any) -> Result:
    if not isinstance(me, dict):
        return State.UNKNOWN, "accepted; this OpenCTI does not report the rights of its user"
    user = f"the user {me.get('name')}"
    if lacking := [needed for needed in _NEEDED if not _may(me, needed)]:
        return State.BAD, f"{user} lacks {' and '.join(lacking)}; give it the role Connector"
    if not me.get("effective_confidence_level"):
        return State.BAD, f"{user} has no confidence level, so OpenCTI creates nothing for it"
    if not _may(me, _MARKING_RIGHT):
        return State.WARNING, (
            f"{user} lacks {_MARKING_RIGHT}: OpenCTI imports what the connector finds, but each work gets an error "
            "FORBIDDEN_ACCESS for every marking; give it the role Connector"
        )
    if not _may(me, _WORKS_RIGHT):
        return State.WARNING, (
            f"{user} lacks {_WORKS_RIGHT}: OpenCTI does not tell the connector what became of a work, so after a lost "
            "response a work may complete before its objects arrive; give it the role Connector"
        )
    return State.GOOD, f"accepted; {user} may register and create knowledge"


def _may(me: dict[str, Any], needed: str) -> bool:
    """A capability includes those that its name begins with; BYPASS includes all."""
    held = [str(capability.get("name")) for capability in me.get("capabilities") or []]
    return any(name == "BYPASS" or name.startswith(needed) for name in held)


def _markings(me: Any, tlps: Collection[str]) -> Result:
    if not isinstance(me, dict):
        return State.UNKNOWN, "this OpenCTI does not report which of them its user may see"
    visible = {str(item.get("standard_id")): str(item.get("definition")) for item in me["allowed_marking"] or []}
    if hidden := [tlp for tlp in tlps if TLP_MARKINGS[tlp]["id"] not in visible]:
        return State.BAD, (
            f"the user {me.get('name')} does not see {and_list(hidden)}, a marking of the observables that the "
            "connector creates: OpenCTI rejects them (MISSING_REFERENCE_ERROR); allow it in a group of the user"
        )
    return State.GOOD, (
        f"the user {me.get('name')} sees {', '.join(visible.values())}; entities with other markings cannot be enriched"
    )


def _callback(config: Config) -> Result:
    """Check the URL to which OpenCTI's worker posts messages: pycti appends the path to the address."""
    uri = str(config["connector"].get("listen_protocol_api_uri", "http://127.0.0.1:7070"))
    path = str(config["connector"].get("listen_protocol_api_path", "/api/callback"))
    if uri.endswith(("/", path)):
        return State.BAD, (
            f"OpenCTI would post messages to {uri}{path}, where nothing listens; "
            "CONNECTOR_LISTEN_PROTOCOL_API_URI must not contain the path or end with a slash"
        )
    will = f"OpenCTI will post messages to {uri}{path}"
    return _port(config, uri, will) or _host(config, uri, will) or (State.GOOD, will)


def _port(config: Config, uri: str, will: str) -> Result | None:
    """What is wrong with scheme and port of the callback; behind a service or a proxy they may rightly differ."""
    port = int(config["connector"].get("listen_protocol_api_port") or 7070)
    tls = str(config["connector"].get("listen_protocol_api_ssl")).lower() in ("true", "yes", "1")
    parts = urlsplit(uri)
    called = parts.port or (443 if parts.scheme == "https" else 80)
    faults = []
    if called != port:
        faults.append(f"the connector listens on port {port} (CONNECTOR_LISTEN_PROTOCOL_API_PORT)")
    if (parts.scheme == "https") != tls:
        faults.append(f"it listens with{'' if tls else 'out'} TLS (CONNECTOR_LISTEN_PROTOCOL_API_SSL)")
    if not faults:
        return None
    if parts.hostname in _THIS_MACHINE:
        return State.BAD, f"{will}, but {' and '.join(faults)}; correct CONNECTOR_LISTEN_PROTOCOL_API_URI"
    return State.WARNING, (
        f"{will}, but {' and '.join(faults)}; unless something in between forwards the requests, correct "
        "CONNECTOR_LISTEN_PROTOCOL_API_URI"
    )


def _host(config: Config, uri: str, will: str) -> Result | None:
    """A callback to the machine of OpenCTI itself, if OpenCTI is elsewhere."""
    if urlsplit(uri).hostname in _THIS_MACHINE and urlsplit(config["opencti"]["url"]).hostname not in _THIS_MACHINE:
        return State.WARNING, (
            f"{will}, which is its own machine; set CONNECTOR_LISTEN_PROTOCOL_API_URI to the address of the connector"
        )
    return None


def _broker(config: Config, client: OpenCTIApiClient) -> Result:
    protocols = [config["connector"].get(name, "amqp") for name in ("listen_protocol", "queue_protocol")]
    if all(str(protocol).lower() == "api" for protocol in protocols):
        return State.GOOD, "not needed: messages are sent over HTTP"
    connectors = _query(client, _BROKER, "connectorsForWorker") or []
    reported: dict[str, Any] = next((item["config"]["connection"] for item in connectors if item.get("config")), {})
    try:
        # Settings override what OpenCTI reports, as in pycti.
        connection = {
            key: get_config_variable(f"MQ_{key.upper()}", ["mq", key], config, key == "port", reported.get(key))
            for key in ("host", "port", "vhost", "use_ssl", "user", "pass")
        }
        if missing := [f"MQ_{key.upper()}" for key, value in connection.items() if value is None]:
            return State.UNKNOWN, (
                "known only after registration: OpenCTI does not report it to this user, and these are not set: "
                f"{', '.join(missing)}"
            )
        return _connect(config, connection)
    except (ValueError, OSError) as error:
        return State.BAD, f"invalid settings (MQ_…): {error}"


def _connect(config: Config, connection: dict[str, Any]) -> Result:
    """Log in and out, as the connector would."""
    # pika would log what is reported below.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    place = f"{connection['host']}:{connection['port']}, virtual host {connection['vhost']}"
    limits = dict.fromkeys(("socket_timeout", "stack_timeout", "blocked_connection_timeout"), TIMEOUT)
    try:
        connect(parameters(config, connection, **limits)).close()
    except BrokerUnavailable as error:
        return State.BAD, str(error)
    return State.GOOD, f"{place}: accepts the connection"
