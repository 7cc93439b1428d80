"""Finds names and addresses in what people type or paste: defanged, in URLs and mailboxes, in quotes and in lists."""

import codecs
import re
from collections.abc import Iterator

from passivedns.stix.values import CIDR, is_address

_DEFANGED = re.compile(r" ?[\[({](\.|:|/|@|://|dot|at)[\])}] ?|\[(\.)|(\.)\]|\\(\.)", re.IGNORECASE)
_WORDS = {"dot": ".", "at": "@"}
# Copied from web pages and documents; UTF-8 files of Windows begin with the first.
_INVISIBLE = re.compile("[\ufeff\u200b\u2060\u00ad]")
_QUOTES = "\"'`<>(){}“”„\u2018\u2019«»,;"
_PUNCTUATION = f"{_QUOTES}[].:!?|"
_SEPARATOR = re.compile(r"[,;|]")
# Paths and queries may contain commas.
_BEFORE_URL = re.compile(r"[,;|](?=[a-z][a-z0-9+.-]{0,20}://)", re.IGNORECASE)
_IN_BRACKETS = re.compile(r"\[([0-9a-f:.]+)\]", re.IGNORECASE)
_PORT = re.compile(r":[0-9]*$")


def lines(data: bytes) -> list[str]:
    """The lines of a file or pipe that are not blank, in UTF-8 or, as PowerShell writes them, UTF-16."""
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    return [line for line in data.decode(encoding, errors="replace").splitlines() if line.strip()]


def hosts(text: str) -> list[str]:
    """The names and addresses in a text, as far as they can be told; the text itself if there are none.

    CIDR ranges and wildcards are kept, so that they can be refused.
    """
    return [host for piece in _pieces(text) if (host := _host(piece))] or [text]


def _pieces(text: str) -> Iterator[str]:
    fanged = _DEFANGED.sub(_fanged, _INVISIBLE.sub("", text)).replace("\\", "/")
    for piece in fanged.split():
        yield from (_BEFORE_URL if "://" in piece else _SEPARATOR).split(piece)


def _fanged(match: re.Match[str]) -> str:
    found: str = next(filter(None, match.groups()))
    return _WORDS.get(found.lower(), found)


def _host(piece: str) -> str:
    text = piece.strip(_QUOTES)
    if CIDR.fullmatch(network := text.strip("[]")):
        return network
    text = (text.partition("://")[2] or text).lstrip("/")
    text = re.split("[/?#]", text, maxsplit=1)[0].rpartition("@")[2]
    if bracketed := _IN_BRACKETS.match(text):
        return bracketed[1]
    text = text.strip(_PUNCTUATION)
    text = text if is_address(text) else _PORT.sub("", text)
    return text if any(map(str.isalnum, text)) else ""
