"""Turns error responses and connection errors into texts that say what to do, and masks repeated credentials."""

from __future__ import annotations

import json
import re
import socket
import ssl
from base64 import b64decode
from collections.abc import Iterator, Mapping
from http.client import IncompleteRead
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from requests import PreparedRequest
from requests.exceptions import InvalidProxyURL, ProxyError
from urllib3.exceptions import (
    ConnectTimeoutError,
    NewConnectionError,
    ProtocolError,
    ProxySchemeUnknown,
    ReadTimeoutError,
)

from passivedns import errors
from passivedns.errors import SourceError
from passivedns.wording import joined, one_line

if TYPE_CHECKING:
    from passivedns.sources.http import Reply
    from passivedns.sources.source import Source

LONGEST_COMPLAINT = 200
"""Maximum characters quoted from a server."""
LONGEST_ERROR = 2**16
"""Bytes of an error body that are read."""

_USUAL: Mapping[int, type[SourceError]] = {
    401: errors.CredentialsRefused,
    402: errors.NotEntitled,
    403: errors.NotEntitled,
    404: errors.BadAnswer,
    429: errors.RateLimited,
}
_QUOTA_WORDS = re.compile(r"quota|query limit|limit (?:has been |was )?(?:reached|exceeded)", re.IGNORECASE)


def failure(source: Source, reply: Reply) -> SourceError | None:
    """The error for a reply; None for a success or a status that the client handles."""
    if 200 <= reply.status < 300 or reply.status in source.unknown:
        return None
    said = (source.complaint or usual_complaint)(reply)
    return worded(source, meaning(source, reply.status, said), reply.status, said)


def meaning(source: Source, status: int, said: str) -> type[SourceError]:
    """The error class for a status and its message."""
    kind = source.statuses.get(status) or _USUAL.get(status)
    if kind in (errors.NotEntitled, errors.RateLimited, None) and status != 402 and _QUOTA_WORDS.search(said):
        return errors.QuotaExceeded
    if kind:
        return kind
    return errors.NoAnswer if status >= 500 else errors.BadAnswer if status < 400 else errors.RequestRefused


def worded(source: Source, kind: type[SourceError], status: int, said: str = "") -> SourceError:
    """An error of that class with its text; `said` is the message of the source, which is shortened."""
    check, said = source.variable(source.address), one_line(said, LONGEST_COMPLAINT)
    sentence = _SENTENCES[kind].format(
        title=source.title,
        status=status,
        check=check,
        credentials=joined([*map(source.variable, source.credentials)] or [check]),
        entitlement=source.entitlement,
    )
    return kind(f"{sentence} Its response says: {said}" if said else sentence)


_SENTENCES: Mapping[type[SourceError], str] = {
    errors.CredentialsRefused: "{title} rejected the credentials (HTTP {status}); check {credentials}.",
    errors.NotEntitled: "The {title} account is not entitled to passive DNS (HTTP {status}); {entitlement}.",
    errors.QuotaExceeded: "The {title} quota is used up (HTTP {status}).",
    errors.RateLimited: "{title} rate limit exceeded (HTTP {status}); try again later.",
    errors.RequestRefused: "{title} rejected the request (HTTP {status}).",
    errors.NoAnswer: "{title} server error (HTTP {status}); try again later.",
    errors.BadAnswer: "The response (HTTP {status}) is not from the {title} API; check {check}.",
}


def usual_complaint(reply: Reply) -> str:
    """The message of an error body in a usual JSON form.

    Known forms: `{"error": {"message"}}`, `{"error": "…", "message": "…"}`, `{"message": "…"}` and
    `{"detail": "…"}`.
    """
    answer = parsed(reply.body)
    if not isinstance(answer, dict):
        return ""
    error = answer.get("error")
    nested = error.get("message") or error.get("developer_message") if isinstance(error, dict) else error
    words = (nested, answer.get("message"), answer.get("detail"))
    return "; ".join(text for text in words if isinstance(text, str) and text.strip())


def first_line(reply: Reply) -> str:
    """The message of a plain text error body; empty for HTML."""
    text = reply.body[:1000].decode(errors="replace").strip()
    return "" if text.startswith("<") else text.partition("\n")[0]


def parsed(body: bytes) -> Any:
    """The JSON of an error body; None if it is not JSON."""
    try:
        return json.loads(body[:LONGEST_ERROR])
    except (ValueError, RecursionError):
        return None


_CA_BUNDLE = "the CA bundle cannot be read; check REQUESTS_CA_BUNDLE"
_NO_PROXY = "the proxy does not connect"

_CAUSES: tuple[tuple[str | type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    ("CA certificate bundle", _CA_BUNDLE),
    ("[X509", _CA_BUNDLE),
    (ssl.SSLCertVerificationError, "its TLS certificate is not trusted; if its CA is private, set REQUESTS_CA_BUNDLE"),
    ("SOCKS", "SOCKS proxies are not supported; set HTTPS_PROXY to an HTTP proxy"),
    ((InvalidProxyURL, ProxySchemeUnknown), "the URL of the proxy is invalid; check HTTPS_PROXY"),
    (ProxyError, _NO_PROXY),
    ("Tunnel connection failed", _NO_PROXY),
    (ssl.SSLError, "no TLS connection can be made; check whether {address} should begin with http://"),
    (socket.gaierror, "its host name does not resolve; check the network and {address}"),
    (NewConnectionError, "no connection can be made"),
    ((ConnectTimeoutError, ReadTimeoutError, TimeoutError), "no answer within {timeout:g} s"),
    ((ProtocolError, IncompleteRead), "the response was cut off"),
)
"""Error classes or parts of messages with their meaning, the most specific first."""


def cause(error: Exception, address: str, timeout: float) -> str:
    """The cause of a connection error, which the libraries wrap several times and print with the request.

    `address` is the variable of the source's URL.
    """
    causes = list(_wrapped(error))
    for sign, sentence in _CAUSES:
        if any(sign in str(each) if isinstance(sign, str) else isinstance(each, sign) for each in causes):
            return sentence.format(address=address, timeout=timeout)
    return f"the connection failed ({type(causes[-1]).__name__})"


def _wrapped(error: BaseException | None) -> Iterator[BaseException]:
    """An error, its wrapped errors and its causes."""
    while error is not None:
        yield error
        wrapped = [getattr(error, "reason", None), *error.args, error.__cause__, error.__context__]
        error = next((each for each in wrapped if isinstance(each, BaseException)), None)


_MASK = b"****"
_SHORTEST_SECRET = 6
"""Characters; masking shorter ones would garble the message."""
_PUBLIC = frozenset({"accept", "accept-encoding", "connection", "content-length", "content-type", "host", "user-agent"})


def masked(request: PreparedRequest, body: bytes) -> bytes:
    """The body of an error without the credentials of its request, which some servers repeat ("invalid key …")."""
    for secret in sorted(_secrets(request), key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            body = _spellings(secret).sub(_MASK, body)
    return body


def _spellings(secret: str) -> re.Pattern[bytes]:
    """Matches a secret in any case as text or in JSON, which may escape each character (RFC 8259 section 7)."""
    spelled = (rb"(?:\\?%b|\\u%04x)" % (re.escape(c.encode()), ord(c)) for c in secret)
    return re.compile(b"".join(spelled), re.IGNORECASE)


def _secrets(request: PreparedRequest) -> Iterator[str]:
    """Every header that is not public: whole, its token after the scheme, and the user name and password in `Basic`."""
    for name, value in request.headers.items():
        if name.lower() not in _PUBLIC:
            text = value.decode("latin-1") if isinstance(value, bytes) else value
            scheme, _, token = text.partition(" ")
            basic = b64decode(token).decode("latin-1").split(":", 1) if scheme == "Basic" else []
            yield from (text, token, *basic)
    if isinstance(request.body, str):
        yield from (value for key, value in parse_qsl(request.body) if "secret" in key)
