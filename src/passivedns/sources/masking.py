"""Masks credentials that servers repeat in their errors ("invalid key …")."""

from base64 import b64decode
from collections.abc import Iterator
from urllib.parse import parse_qsl

from requests import PreparedRequest

MASK = b"****"
_SHORTEST = 6
"""Minimum length of masked text; shorter matches would be too frequent."""
_PUBLIC = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "content-type", "cookie", "host", "user-agent"}
)


def masked(request: PreparedRequest, text: bytes) -> bytes:
    """The text of an error without the credentials of the request."""
    for secret in sorted(_secrets(request), key=len, reverse=True):
        if len(secret) >= _SHORTEST:
            text = text.replace(secret.encode(), MASK)
    return text


def _secrets(request: PreparedRequest) -> Iterator[str]:
    for name, value in request.headers.items():
        if name.lower() not in _PUBLIC:
            text = value.decode("latin-1") if isinstance(value, bytes) else value
            yield text
            yield from _parts(text)
    if isinstance(request.body, str):
        yield from (value for key, value in parse_qsl(request.body) if "secret" in key)


def _parts(value: str) -> list[str]:
    """The token after `Bearer`, or the user name and password after `Basic`."""
    scheme, _, token = value.partition(" ")
    if scheme == "Basic":
        return [token, *b64decode(token).decode("latin-1").split(":", 1)]
    return [token]
