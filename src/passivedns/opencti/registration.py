"""Registers the connector once OpenCTI is up, and explains why if OpenCTI rejects it."""

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pycti
import requests
from pycti import OpenCTIApiClient, get_config_variable

from passivedns.errors import PlatformError
from passivedns.opencti.reasons import graphql_error, raise_if_foreign, why

log = logging.getLogger(__name__)

MAX_PAUSE = 30
"""The longest pause between two attempts, in seconds."""

OLDEST = (6, 3, 5)
"""The oldest version of OpenCTI that is supported."""

# GraphQL's errors (graphql-js 16 and 17) about fields that are newer than the platform.
_OTHER_VERSION = re.compile(
    r"is not defined by type|cannot query field|unknown (?:argument|type|field)|of required type|does not exist in",
    re.IGNORECASE,
)
_NO_ACCESS = {"AUTH_REQUIRED", "FORBIDDEN_ACCESS", "OTP_REQUIRED"}
# The database, a lock, a file or something unnamed (RabbitMQ, Redis) fails for a moment. OpenCTI opens its port only
# after its start, so these do not mean that it is starting. Other codes are about the request: retrying is no use.
TRANSIENT = {"DATABASE_ERROR", "LOCK_ERROR", "FILESYSTEM_ERROR", "UNKNOWN_ERROR", "INTERNAL_SERVER_ERROR"}

Config = dict[str, dict[str, Any]]
"""pycti's configuration."""
H = TypeVar("H")
"""A helper of pycti."""


class _NotYet(Exception):
    """OpenCTI does not answer properly, but may do so later."""


def register(
    config: Config, start_timeout: float, stopping: threading.Event, create: Callable[[Config], H]
) -> H | None:
    """Register as soon as OpenCTI is up; None if the connector is stopped before.

    `start_timeout` is in seconds; `create` makes the helper, which registers.

    Raises:
        PlatformError: OpenCTI did not come up in time, or rejects the token, this version of pycti or the connector.
    """
    url, deadline = config["opencti"]["url"], time.monotonic() + start_timeout
    for pause in growing_pauses(1, MAX_PAUSE):
        try:
            return _attempt(config, create)
        except _NotYet as reason:
            left = deadline - time.monotonic()
            if left <= 0:
                raise PlatformError(
                    f"OpenCTI at {url} did not come up within {start_timeout:g} s (PDNS_START_TIMEOUT): {reason}"
                ) from reason
            log.warning("OpenCTI at %s is not up yet (%s); next attempt in %g s.", url, reason, pause)
            if stopping.wait(min(pause, left)):
                break
    return None


def growing_pauses(first: float, longest: float) -> Iterator[float]:
    """Yield pauses in seconds without end, each twice as long as the one before, up to `longest`."""
    pause = first
    while True:
        yield pause
        pause = min(2 * pause, longest)


def _attempt(config: Config, create: Callable[[Config], H]) -> H:
    """Query the version first, since pycti reports every error as an OpenCTI that is not up."""
    url, client = config["opencti"]["url"], api_client(config, config["connector"]["log_level"].upper())
    ssl_verify = config["opencti"].get("ssl_verify", "")
    try:
        version = version_of(client)
    except (ValueError, OSError, LookupError, TypeError) as error:
        raise start_error(error, url, ssl_verify=ssl_verify) from error
    if is_too_old(version):
        raise PlatformError(f"OpenCTI at {url} is {too_old(version)}.")
    try:
        return create(config)
    except (ValueError, OSError) as error:
        raise start_error(error, url, version, ssl_verify) from error


def is_too_old(version: str) -> bool:
    """Whether this version of OpenCTI is not supported; a version that is not a number is."""
    numbers = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    return numbers is not None and tuple(map(int, numbers.groups())) < OLDEST


def too_old(version: str) -> str:
    """What to do about a version that is not supported; no version of pycti helps."""
    return f"{version}, which is too old for this connector; update OpenCTI to {'.'.join(map(str, OLDEST))} or later"


def api_client(config: Config, log_level: str) -> OpenCTIApiClient:
    """Return pycti's client for queries before the registration.

    Raises:
        PlatformError: pycti cannot use its settings.
    """
    try:
        headers = get_config_variable("OPENCTI_CUSTOM_HEADERS", ["opencti", "custom_headers"], config)
        client = OpenCTIApiClient(
            config["opencti"]["url"],
            config["opencti"]["token"],
            log_level=log_level,
            ssl_verify=get_config_variable("OPENCTI_SSL_VERIFY", ["opencti", "ssl_verify"], config, default=False),
            json_logging=get_config_variable("OPENCTI_JSON_LOGGING", ["opencti", "json_logging"], config, default=True),
            perform_health_check=False,
            # An argument that pycti 6.3 does not have.
            **({"custom_headers": headers} if headers else {}),
        )
    except (ValueError, OSError) as error:
        raise _unusable(error) from error
    client.session.hooks["response"].append(raise_if_foreign)
    return client


def version_of(client: OpenCTIApiClient) -> str:
    """Return OpenCTI's version. Raises ValueError, OSError, LookupError or TypeError, for `start_error`."""
    return str(client.query("query { about { version } }")["data"]["about"]["version"])


def start_error(error: Exception, url: str, version: str = "", ssl_verify: object = "") -> Exception:
    """Return the error in a sentence: a PlatformError if it is final, `_NotYet` if it may pass.

    `version` is OpenCTI's, if known; `ssl_verify` is the setting.
    """
    if reported := graphql_error(error):
        return _graphql_error(*reported, url, version)
    # requests has its own class for network errors; any other OSError is about a port or a file.
    if isinstance(error, OSError) and not isinstance(error, requests.RequestException):
        return _unusable(error)
    return _NotYet(why(error, ssl_verify))


def _graphql_error(code: str, text: str, url: str, version: str) -> Exception:
    if code in _NO_ACCESS:
        return PlatformError(
            f"OpenCTI at {url} rejected the token; set OPENCTI_TOKEN to that of a user with the role Connector. "
            f"It says: {text}"
        )
    # Before the transient codes: Apollo reports what it cannot classify as INTERNAL_SERVER_ERROR.
    if version and _OTHER_VERSION.search(text):
        return PlatformError(
            f"OpenCTI {version} at {url} rejected pycti {pycti.__version__}; install the pycti of the platform's "
            f"version (pip install pycti=={version}, or the build argument PYCTI_VERSION={version}). It says: {text}"
        )
    if code in TRANSIENT:
        return _NotYet(f"it says: {text}")
    return PlatformError(f"OpenCTI at {url} rejected the connector ({code}). It says: {text}")


def _unusable(error: Exception) -> PlatformError:
    text = str(error)
    bundles = [name for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if (os.environ.get(name) or "\0") in text]
    suspects = {"HTTPS_CA_CERTIFICATES": "HTTPS_CA_CERTIFICATES", "Address already in use": "CONNECTOR_METRICS_PORT"}
    suspects |= {"CA certificate bundle": next(iter(bundles), "OPENCTI_SSL_VERIFY")}
    unknown = "CONNECTOR_METRICS_PORT, OPENCTI_SSL_VERIFY and HTTPS_CA_CERTIFICATES"
    suspect = next((name for sign, name in suspects.items() if sign in text), unknown)
    return PlatformError(f"pycti cannot start: {text}; check {suspect}.")
