"""Queries CIRCL Passive DNS 2.0: `GET /query/<name or address>`, page by page.

Sources: CIRCL's page on the service, its client PyPDNS 2.3.2, and a recorded answer of version 1.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from pydantic import Field

from passivedns.errors import QuotaExceeded, RateLimited
from passivedns.model import Answer, Question
from passivedns.settings.sections import A_BASE_URL, allowed
from passivedns.settings.values import BaseUrl
from passivedns.sources.cof import AccountSettings, Rows, accept_lines, answer_of, complaint, log_in, path_of, rows_of
from passivedns.sources.failures import worded
from passivedns.sources.http import LARGEST_BODY, Http, Reply
from passivedns.sources.source import PASSING, Client, Source

PAGE = 200
"""Records per page; PyPDNS's 50 would need four times as many requests."""
MOST_PAGES = 25
"""Maximum pages; the order is undefined, so later pages matter as much as the first."""

_CURSOR = "x-dribble-cursor"
_ERRORS = "x-dribble-errors"


class CirclSettings(AccountSettings):
    """CIRCL Passive DNS."""

    api_base_url: BaseUrl = Field(
        default="https://www.circl.lu/pdns",
        description="Base URL of the API, without /query.",
        json_schema_extra=allowed(A_BASE_URL),
    )
    _ways_in = "CIRCL_USERNAME and CIRCL_PASSWORD, or CIRCL_TOKEN"


class CirclClient(Client):
    """Queries CIRCL Passive DNS."""

    def __init__(self, settings: CirclSettings, http: Http) -> None:
        log_in(settings, http.session)
        accept_lines(http.session)
        # Without it CIRCL resolves the name there and then, and whoever owns the name may notice.
        http.session.headers["dribble-disable-active-query"] = "1"
        self._http = http

    def look_up(self, question: Question) -> Answer:
        """Look up a name or an address, in up to `MOST_PAGES` requests."""
        pages = list(self._pages(f"/query{path_of(question.value)}"))
        # Only all rows together tell which way round they are.
        rows = _joined([rows_of(CIRCL, page.body) for page in pages])
        whole = _CURSOR not in pages[-1].headers and not any(map(_is_truncated, pages))
        answer = _answer(rows)
        return answer._replace(complete=answer.complete and whole)

    def _pages(self, path: str) -> Iterator[Reply]:
        """The pages up to the limits; the last one has a cursor if there are more."""
        cursor: dict[str, str] = {}
        size = 0
        for _ in range(MOST_PAGES):
            page = self._http.search(path, None, dribble_paginate_count=str(PAGE), **cursor)
            if page.body[:64].lower().startswith(b"rate limit exceeded"):
                raise worded(CIRCL, RateLimited, page.status)
            yield page
            size += len(page.body)
            following = {"dribble_paginate_cursor": page.headers.get(_CURSOR, "")}
            if not _is_cursor(following["dribble_paginate_cursor"]) or following == cursor or size > LARGEST_BODY:
                return
            cursor = following


def _is_cursor(text: str) -> bool:
    """Whether a cursor is a number; it stays text, since it exceeds the precision of floats."""
    return text.isascii() and text.isdecimal()


def _is_truncated(page: Reply) -> bool:
    """Whether CIRCL reports a truncated answer, in a list of errors or a single error object."""
    try:
        return bool(json.loads(page.headers.get(_ERRORS) or "[]"))
    except (ValueError, RecursionError):
        return True


def _joined(pages: list[Rows]) -> Rows:
    return Rows(
        [entry for page in pages for entry in page.entries],
        sum(page.unreadable for page in pages),
        any(page.cut for page in pages),
    )


def _answer(rows: Rows) -> Answer:
    # Since version 2 the data are in rrname; rows of names only, such as NS, do not show it.
    return answer_of(CIRCL, rows, swapped=True)


def read_saved(body: bytes, _asked: str) -> Answer:
    """Read a saved page."""
    return _answer(rows_of(CIRCL, body))


CIRCL = Source(
    key="circl",
    title="CIRCL",
    organization="CIRCL",
    settings=CirclSettings,
    client=CirclClient,
    read=read_saved,
    account="free",
    tlp="TLP:AMBER",
    credentials=("username", "password", "token"),
    # PyPDNS: "Quota exhausted". Asking again at once would not help.
    statuses={429: QuotaExceeded},
    retried=PASSING - {429},
    complaint=complaint,
)
