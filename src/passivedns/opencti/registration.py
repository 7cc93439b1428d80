"""The way into OpenCTI: wait until it is up, and say plainly why it does not take this connector."""

import json
import logging
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import pycti
import requests
from pycti import OpenCTIApiClient, OpenCTIConnectorHelper, get_config_variable

from passivedns.errors import PlatformError

log = logging.getLogger(__name__)

LONGEST_PAUSE = 30
"""Seconds between two tries, once the pauses have grown."""

# What OpenCTI's GraphQL (graphql-js 16 and 17) says to a pycti that knows fields which the platform does not know.
_OTHER_VERSION = re.compile(r"is not defined by type|cannot query field|unknown (?:argument|type|field)", re.IGNORECASE)
_NO_ACCESS = {"AUTH_REQUIRED", "FORBIDDEN_ACCESS", "OTP_REQUIRED"}
# OpenCTI opens its port once it is initialised, so while it starts no connection can be made. These codes come
# later, when its database, a lock, its files or something that it does not name (RabbitMQ, Redis) fails for a moment.
# Every other code judges what was asked, and the next try would be judged alike.
PASSING = {"DATABASE_ERROR", "LOCK_ERROR", "FILESYSTEM_ERROR", "UNKNOWN_ERROR", "INTERNAL_SERVER_ERROR"}


class _NotYet(Exception):
    """OpenCTI does not answer properly, and may do so later."""


def register(
    config: dict[str, dict[str, Any]], start_timeout: float, told_to_stop: threading.Event
) -> OpenCTIConnectorHelper | None:
    """Register as soon as OpenCTI is up; `config` is pycti's, `start_timeout` in seconds; None when told to stop.

    Raises:
        PlatformError: OpenCTI did not come up in time, or refuses the token, this version of pycti or the connector.
    """
    url, deadline = config["opencti"]["url"], time.monotonic() + start_timeout
    for pause in growing_pauses(1, LONGEST_PAUSE):
        try:
            return _attempt(config)
        except _NotYet as reason:
            left = deadline - time.monotonic()
            if left <= 0:
                raise PlatformError(
                    f"OpenCTI at {url} did not come up within {start_timeout:g} s (PDNS_START_TIMEOUT): {reason}"
                ) from reason
            log.warning("OpenCTI at %s is not up yet (%s); the next try is in %g s.", url, reason, pause)
            if told_to_stop.wait(min(pause, left)):
                break
    return None


def growing_pauses(first: float, longest: float) -> Iterator[float]:
    """Seconds between tries, twice as many each time, without end."""
    pause = first
    while True:
        yield pause
        pause = min(2 * pause, longest)


def _attempt(config: dict[str, dict[str, Any]]) -> OpenCTIConnectorHelper:
    """One try; the version is asked first, since pycti takes every failure for an OpenCTI that is not up."""
    url, client = config["opencti"]["url"], api_client(config, config["connector"]["log_level"].upper())
    try:
        version = version_of(client)
    except (ValueError, OSError, LookupError, TypeError) as error:
        raise explained(error, url) from error
    try:
        return OpenCTIConnectorHelper(config, playbook_compatible=True)
    except (ValueError, OSError) as error:
        raise explained(error, url, version) from error


def api_client(config: dict[str, dict[str, Any]], log_level: str) -> OpenCTIApiClient:
    """pycti's client for questions before the registration; `config` is pycti's.

    Raises PlatformError where pycti cannot use what it reads from the environment.
    """
    try:
        return _client(config, log_level)
    except (ValueError, OSError) as error:
        raise _unusable(error) from error


def _client(config: dict[str, dict[str, Any]], log_level: str) -> OpenCTIApiClient:
    headers = get_config_variable("OPENCTI_CUSTOM_HEADERS", ["opencti", "custom_headers"], config)
    return OpenCTIApiClient(
        config["opencti"]["url"],
        config["opencti"]["token"],
        log_level=log_level,
        ssl_verify=get_config_variable("OPENCTI_SSL_VERIFY", ["opencti", "ssl_verify"], config, default=False),
        json_logging=get_config_variable("OPENCTI_JSON_LOGGING", ["opencti", "json_logging"], config, default=True),
        perform_health_check=False,
        # pycti 6.3 does not know them.
        **({"custom_headers": headers} if headers else {}),
    )


def version_of(client: OpenCTIApiClient) -> str:
    """The version of OpenCTI; raises ValueError, OSError, LookupError or TypeError, which `explained` puts in words."""
    return str(client.query("query { about { version } }")["data"]["about"]["version"])


def explained(error: Exception, url: str, version: str = "") -> Exception:
    """The failure in a sentence: a PlatformError for a refusal, `_NotYet` for what may pass.

    `version` is OpenCTI's, where it is known.
    """
    if answered := graphql_error(error):
        return _judged(*answered, url, version)
    # requests has an error of its own for everything on the way; what remains is a port or a file.
    if isinstance(error, OSError) and not isinstance(error, requests.RequestException):
        return _unusable(error)
    unreachable = isinstance(error, requests.ConnectionError | requests.Timeout)
    return _NotYet("it cannot be reached" if unreachable else "its answer is not OpenCTI's")


def _judged(code: str, said: str, url: str, version: str) -> Exception:
    if code in _NO_ACCESS:
        return PlatformError(
            f"OpenCTI at {url} refuses the token; OPENCTI_TOKEN must be that of a user with the role Connector. "
            f"It says: {said}"
        )
    # Before the codes that may pass: Apollo calls what it cannot classify, such as new words, INTERNAL_SERVER_ERROR.
    if version and _OTHER_VERSION.search(said):
        return PlatformError(
            f"OpenCTI {version} at {url} refuses pycti {pycti.__version__}; install the pycti of the platform's "
            f"version (pip install pycti=={version}, or the build argument PYCTI_VERSION={version}). It says: {said}"
        )
    if code in PASSING:
        return _NotYet(f"it says: {said}")
    return PlatformError(f"OpenCTI at {url} refuses the connector ({code}). It says: {said}")


def _unusable(error: Exception) -> PlatformError:
    suspects = "CONNECTOR_METRICS_PORT, OPENCTI_SSL_VERIFY and HTTPS_CA_CERTIFICATES"
    return PlatformError(f"pycti cannot start: {error}; look at {suspects}.")


def graphql_error(error: Exception) -> tuple[str, str] | None:
    """The code and the words of the first error that GraphQL answered; None when it answered none."""
    detail = error.args[0] if error.args else ""
    if isinstance(detail, dict):
        return str(detail.get("name")), str(detail.get("error_message"))
    try:
        # With a status other than 200, as GraphQL over HTTP allows, pycti hands over the body unread.
        first = json.loads(detail)["errors"][0]
        return str(first.get("name") or first["extensions"]["code"]), str(first["message"])
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
