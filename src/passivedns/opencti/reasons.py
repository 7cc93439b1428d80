"""Says in words why OpenCTI does not answer, or answers something else."""

import json
import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from passivedns.transport.causes import Peer, blocked_request, cause, foreign, proxy_of

_TIMEOUT = 300.0
"""Seconds, as in pycti."""
_NO_PART = ("/graphql", "/dashboard")
"""Ends of addresses that people copy from a browser or another client; pycti appends the first itself."""


def why(error: Exception, ssl_verify: object = "") -> str:
    """The cause of a failed call to OpenCTI: what OpenCTI says, what answered instead, or why nothing did.

    `ssl_verify` is the value of `OPENCTI_SSL_VERIFY`.
    """
    response = getattr(error, "response", None)
    if reported := graphql_error(error if response is None else ValueError(response.text)):
        return f"it says: {reported[1]}"
    url = str(getattr(response, "url", None) or getattr(getattr(error, "request", None), "url", None) or "")
    if response is not None:
        return _other(response.status_code, response.headers, response.content, url)
    if not isinstance(error, requests.RequestException):
        return "the response is not from OpenCTI; check OPENCTI_URL"
    stated = re.search(r"timeout=([\d.]+)", str(error))
    return cause(error, _opencti(url, ssl_verify), float(stated[1]) if stated else _TIMEOUT)


def _opencti(url: str, ssl_verify: object = "") -> Peer:
    if os.environ.get("HTTPS_CA_CERTIFICATES"):
        bundle = ("HTTPS_CA_CERTIFICATES", "")  # pycti then trusts these only
    else:
        bundle = ("OPENCTI_SSL_VERIFY", ssl_verify if isinstance(ssl_verify, str) else "")
    return Peer("OpenCTI", "OPENCTI_URL", url, bundle)


def _other(status: int, headers: Mapping[str, str], body: bytes, url: str) -> str:
    """The sentence about a response that is not from OpenCTI."""
    path = urlsplit(url).path.removesuffix("/graphql")
    if surplus := next((end for end in _NO_PART if path.endswith(end)), ""):
        return f"the response (HTTP {status}) is not from OpenCTI; remove {surplus} from the end of OPENCTI_URL"
    what = foreign(status, headers, body)
    if status >= 500 or (status >= 400 and (what or (url.startswith("http:") and proxy_of(url)))):
        sentence = blocked_request(_opencti(url), status, what or "not from OpenCTI")
        return re.sub("^(?:The|A|Something) ", lambda first: first[0].lower(), sentence)
    return f"the response (HTTP {status}) is not from OpenCTI; check OPENCTI_URL"


def raise_if_foreign(response: requests.Response, *_: Any, **__: Any) -> None:
    """Raise an HTTPError, which keeps the response, for what is not from OpenCTI; pycti would only pass on the text."""
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if not (isinstance(answer, dict) and answer.keys() & {"data", "errors"}):
        raise requests.HTTPError(f"HTTP {response.status_code}", response=response)


def graphql_error(error: Exception) -> tuple[str, str] | None:
    """Return the code and text of the first GraphQL error in an exception of pycti; None if there is none."""
    detail = error.args[0] if error.args else ""
    if isinstance(detail, dict):
        return str(detail.get("name")), str(detail.get("error_message"))
    try:
        # For statuses other than 200, as GraphQL over HTTP allows, pycti passes on the unparsed body.
        first = json.loads(detail)["errors"][0]
        return str(first.get("name") or first["extensions"]["code"]), str(first["message"])
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
