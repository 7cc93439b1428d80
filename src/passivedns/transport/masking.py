"""Masks the credentials of a request where its response repeats them, in whatever form."""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from html.entities import name2codepoint
from urllib.parse import parse_qsl

from requests import PreparedRequest

MASK = b"****"
MIN_SECRET = 6
"""Characters; masking a shorter secret would garble a text and give the secret away, so nothing of the text is left."""

_PUBLIC = frozenset({"accept", "accept-encoding", "connection", "content-length", "content-type", "host", "user-agent"})
_ABOUT_PAGES = "dribble-"
"""CIRCL's own headers, which are public."""
_ENTITIES = {code: name for name, code in name2codepoint.items()}


def mask(request: PreparedRequest, body: bytes) -> bytes:
    """The body of an error without the credentials of its request, which some servers repeat ("invalid key …").

    Empty if one of them is too short to be masked.
    """
    secrets = sorted({secret for secret in _secrets(request) if secret}, key=len, reverse=True)
    if secrets and len(secrets[-1]) < MIN_SECRET:
        return b""
    for secret in secrets:
        body = _spellings(secret).sub(MASK, body)
    return body


def _spellings(secret: str) -> re.Pattern[bytes]:
    """Matches a secret in any case: as text, in JSON, percent-encoded, in HTML, and as a part of Base64."""
    spelled = b"".join(b"(?:%s)" % b"|".join(_of_character(c)) for c in secret)
    return re.compile(b"|".join([spelled, *_in_base64(secret.encode())]), re.IGNORECASE)


def _of_character(c: str) -> Iterator[bytes]:
    """Each way to write a character, also encoded twice; all repetitions are bounded, so that no body takes long."""
    yield rb"\\{1,8}u%04x" % ord(c)  # JSON may escape each character (RFC 8259 section 7)
    yield b"".join(b"%%(?:25){0,4}%02x" % byte for byte in c.encode())
    yield rb"&(?:amp;){0,4}#(?:0{0,8}%d|x0{0,8}%x);" % (ord(c), ord(c))
    for name in (_ENTITIES.get(ord(c)), "apos" if c == "'" else None):
        if name:
            yield b"&(?:amp;){0,4}%b;" % name.encode()
    if c == " ":
        yield rb"\+"
    yield rb"\\{0,8}%b" % re.escape(c.encode())


def _in_base64(secret: bytes) -> Iterator[bytes]:
    """The characters that a secret alone determines, at each of its three positions in what is encoded."""
    for before in range(3):
        coded = b64encode(bytes(before) + secret)
        first = (8 * before + 5) // 6
        core = coded[first : 8 * (before + len(secret)) // 6]
        spelled = re.escape(core).replace(rb"\+", b"(?:[+-]|%2b)").replace(b"/", b"(?:[/_]|%2f)")
        yield rb"[\w+/-]{0,3}(?-i:%b)[\w+/-]{0,3}(?:=|%%3d){0,2}" % spelled


def _secrets(request: PreparedRequest) -> Iterator[str]:
    """Every header that is not public: whole, its token after the scheme, and the user name and password in `Basic`."""
    for name, value in request.headers.items():
        if name.lower() not in _PUBLIC and not name.lower().startswith(_ABOUT_PAGES):
            text = value.decode("latin-1") if isinstance(value, bytes) else value
            scheme, _, token = text.partition(" ")
            basic = b64decode(token).decode("latin-1").split(":", 1) if scheme == "Basic" else []
            yield from (text, token, *basic)
    if isinstance(request.body, str):
        yield from (value for key, value in parse_qsl(request.body) if "secret" in key)
