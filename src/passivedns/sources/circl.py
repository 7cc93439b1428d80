"""Queries CIRCL Passive DNS 2.0: `GET /query/<name or address>`, page by page.

Sources: CIRCL's page on the service, its client PyPDNS 2.3.2, and a recorded answer of version 1.
"""

from functools import partial

from pydantic import Field

from passivedns.errors import QuotaExceeded
from passivedns.formats.cof import Page, answer_of, page_of, reply_of
from passivedns.formats.paging import Ask, all_pages
from passivedns.model import Answer, Question
from passivedns.settings.values import BaseUrl
from passivedns.sources.cof import AccountSettings, accept_lines, complaint, log_in
from passivedns.sources.source import Client, Source
from passivedns.transport.http import Http
from passivedns.transport.reply import Reply
from passivedns.transport.service import TRANSIENT

PAGE = 200
"""Records per page; PyPDNS's 50 would need four times as many requests."""
MAX_PAGES = 25
"""Pages of an answer; the order is undefined, so later pages matter as much as the first."""

_CURSOR = "x-dribble-cursor"


class CirclSettings(AccountSettings):
    """CIRCL Passive DNS."""

    api_base_url: BaseUrl = Field(
        default="https://www.circl.lu/pdns", description="Base URL of the API, without /query."
    )
    _ways_in = "CIRCL_USERNAME and CIRCL_PASSWORD, or CIRCL_TOKEN"


class CirclClient(Client):
    def __init__(self, settings: CirclSettings, http: Http) -> None:
        log_in(settings, http.session)
        accept_lines(http.session)
        # Otherwise CIRCL would resolve the name, which its owner might notice.
        http.session.headers["dribble-disable-active-query"] = "1"
        self._http = http

    def look_up(self, question: Question) -> Answer:
        path = f"/query/{question.segment}"
        pages, ended = all_pages(CIRCL, self._request(path), partial(self._page, path), MAX_PAGES)
        answer = _answer(*pages)
        return answer._replace(complete=answer.complete and ended)

    def _page(self, path: str, reply: Reply) -> tuple[Page, Ask | None]:
        """A page, and how to request the next one."""
        # A cursor is a number that exceeds the precision of floats, so it stays text.
        cursor = reply.headers.get(_CURSOR, "")
        return reply_of(CIRCL, reply), self._request(path, cursor) if cursor.isdecimal() else None

    def _request(self, path: str, cursor: str = "") -> Ask:
        place = {"dribble-paginate-cursor": cursor} if cursor else {}
        return partial(self._http.request, path, headers={"dribble-paginate-count": str(PAGE)} | place)


def _answer(*pages: Page) -> Answer:
    # Only all rows together show the field order. If they do not, as with NS records, assume version 2's: swapped.
    return answer_of(CIRCL, *pages, swapped=True)


def read_saved(body: bytes, _asked: str) -> Answer:
    return _answer(page_of(CIRCL, body))


CIRCL = Source(
    key="circl",
    title="CIRCL",
    organization="CIRCL",
    settings=CirclSettings,
    client=CirclClient,
    read=read_saved,
    account="vetted",
    tlp="TLP:AMBER",
    credentials=("username", "password", "token"),
    # "Quota exhausted" (PyPDNS): a retry would not help.
    statuses={429: QuotaExceeded},
    retried=TRANSIENT - {429},
    complaint=complaint,
)
