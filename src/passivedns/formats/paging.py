"""Reads the pages of an answer, and recognizes in any usual form that a page is not the last one.

Sources: the FastAPI fork of D4 (DocArmoryTech/analyzer-d4-passivedns), CIRCL, RFC 8288 (links), and RFC 9110 section
14.4 (ranges).
"""

import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Protocol, TypeVar

from requests.utils import parse_header_links

from passivedns.errors import SourceError
from passivedns.formats.json_body import is_count
from passivedns.formats.tolerant_json import MAX_ROWS
from passivedns.model import Record
from passivedns.transport.reply import MAX_BODY, Reply
from passivedns.transport.service import Service

log = logging.getLogger(__name__)

MAX_SECONDS = 300
"""Seconds after which no further page of an answer is requested, so that a slow source does not delay the others."""

Ask = partial[Reply]
"""Requests one page."""
Sign = tuple[str, Any]
"""A header or a field: its name in lower-case letters without separators, and its value."""

_CURSORS = frozenset({"cursor", "nextcursor"})
_LINKS = frozenset({"next", "nextlink", "nextpage", "nexturl"})
_ERRORS, _DRIBBLE_CURSOR = "dribbleerrors", "dribblecursor"
_NEXT = _CURSORS | _LINKS | {"nexttoken", _ERRORS}
_FLAGS = frozenset({"hasmore", "hasnext", "incomplete", "limited", "more", "paginationrequired", "truncated"})
_TOTALS = frozenset({"count", "total", "totalcount", "totalhits", "totalitems", "totalrecords", "totalresults"})
_NOTHING = ("", "0", "[]", "{}", "false", "no", "none", "null")
_MAX_DEPTH = 3
"""Objects within each other whose fields may say that there is more."""


class Page(Protocol):
    """What was read from a reply."""

    @property
    def records(self) -> list[Record]:
        """Its records."""


P = TypeVar("P", bound=Page)


def all_pages(
    service: Service, ask: Ask, read: Callable[[Reply], tuple[P, Ask | None]], most: int
) -> tuple[list[P], bool]:
    """The pages of an answer, and whether the last one was reached.

    `read` returns a page, and how to request the next one. The pages end after `most`, after `MAX_ROWS` records,
    `MAX_BODY` bytes or `MAX_SECONDS`, and before one that fails or was requested before: those so far are paid for.

    Raises:
        SourceError: a page fails, and there is no record in those before.
    """
    pages: list[P] = []
    asked: list[object] = []
    bodies: set[int] = set()
    size = 0
    following: Ask | None = ask
    end = time.monotonic() + MAX_SECONDS
    while following and (following.args, following.keywords) not in asked and len(pages) < most:
        is_full = size >= MAX_BODY or sum(len(page.records) for page in pages) >= MAX_ROWS
        if is_full or (pages and time.monotonic() >= end):
            break
        asked.append((following.args, following.keywords))
        try:
            reply = following()
            page, following = read(reply)
        except SourceError as error:
            if not any(page.records for page in pages):
                raise
            log.warning("The answer from %s is incomplete. %s", service.title, error)
            break
        if hash(reply.body) in bodies and following and (following.args, following.keywords) in asked:
            break  # the server ignores the cursor
        bodies.add(hash(reply.body))
        pages.append(page)
        size += len(reply.body)
    return pages, not following


def is_last(headers: Mapping[str, str], fields: Mapping[str, Any], number: int) -> bool:
    """Whether nothing says that there is more than the `number` rows of all pages so far.

    `fields` are those beside the rows of the last page.
    """
    if link_of(headers, {}) or _range_ends(headers) > number:
        return False
    return not any(_says_more(name, value, number) for name, value in _signs(headers, fields))


def has_errors(headers: Mapping[str, str]) -> bool:
    """Whether CIRCL says that it cut the answer, in a list of errors or a single one."""
    return any(name == _ERRORS and _is_given(value) for name, value in _signs(headers, {}))


def link_of(headers: Mapping[str, str], fields: Mapping[str, Any]) -> str:
    """The URL of the next page, which may be relative; empty if there is none."""
    for link in parse_header_links(headers.get("Link", "")):
        if "next" in link.get("rel", "").lower().split():
            return str(link["url"])
    links = (value for name, value in _signs({}, fields) if name in _LINKS and isinstance(value, str))
    return next((link for link in links if link.startswith(("http://", "https://", "/", "?"))), "")


def cursor_of(headers: Mapping[str, str], fields: Mapping[str, Any]) -> str:
    """The cursor of the next page; empty if there is none."""
    cursors = (str(value) for name, value in _signs(headers, fields) if name in _CURSORS and _is_given(value))
    return next(cursors, "")


def _says_more(name: str, value: Any, number: int) -> bool:
    if name in _TOTALS:
        total = int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,18}", value) else value
        return is_count(total) and total > number
    # CIRCL's last page has no cursor, not even an empty one.
    return name == _DRIBBLE_CURSOR or (name in _NEXT | _FLAGS and _is_given(value))


def _is_given(value: Any) -> bool:
    """Whether a cursor, a link or a flag is more than an empty one."""
    return value.strip().lower() not in _NOTHING if isinstance(value, str) else bool(value)


def _signs(headers: Mapping[str, str], fields: Mapping[str, Any], depth: int = 1) -> Iterator[Sign]:
    """Headers, fields, and the fields of objects in these."""
    for name, value in headers.items():
        yield _plain(name.lower().removeprefix("x-")), value
    for name, value in fields.items():
        yield _plain(name), value
        if isinstance(value, dict) and depth < _MAX_DEPTH:
            yield from _signs({}, value, depth + 1)


def _plain(name: str) -> str:
    return re.sub("[^a-z]", "", name.lower().rpartition(".")[2]).removeprefix("is")


def _range_ends(headers: Mapping[str, str]) -> int:
    """The number of rows by the header Content-Range (`items 0-199/254`); 0 if it does not say."""
    found = re.search("/([0-9]{1,18})$", headers.get("Content-Range", ""))
    return int(found[1]) if found else 0
