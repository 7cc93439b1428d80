"""Queries CIRCL Passive DNS 2.0: `GET /query/<name or address>`, page by page.

Sources: CIRCL's page on the service, its client PyPDNS 2.3.2, and a recorded answer of version 1.
"""

from collections.abc import Iterator

from pydantic import Field

from passivedns.errors import QuotaExceeded
from passivedns.model import Answer, Question
from passivedns.settings.values import BaseUrl
from passivedns.sources.cof import AccountSettings, accept_lines, answer_of, complaint, log_in, rows_of
from passivedns.sources.http import MAX_BODY, Http, Reply, page_numbers
from passivedns.sources.source import PASSING, Client, Source

PAGE = 200
"""Records per page; PyPDNS's 50 would need four times as many requests."""
MOST_PAGES = 25
"""Maximum pages; the order is undefined, so later pages matter as much as the first."""

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
        pages = list(self._pages(f"/query/{question.segment}"))
        answer = _answer(*(page.body for page in pages))
        # CIRCL reports a truncated answer in a list of errors, or in a single error object.
        is_cut = any(page.headers.get("x-dribble-errors", "") not in ("", "[]", "{}") for page in pages)
        return answer._replace(complete=answer.complete and not is_cut and _CURSOR not in pages[-1].headers)

    def _pages(self, path: str) -> Iterator[Reply]:
        """The pages up to the limits; the last one has a cursor if there are more."""
        size, cursor = 0, ""
        for _ in page_numbers(MOST_PAGES):
            place = {"dribble-paginate-cursor": cursor} if cursor else {}
            page = self._http.search(path, headers={"dribble-paginate-count": str(PAGE)} | place)
            yield page
            size += len(page.body)
            previous, cursor = cursor, page.headers.get(_CURSOR, "")
            # A cursor is a number that exceeds the precision of floats, so it stays text.
            if not cursor.isdecimal() or cursor == previous or size > MAX_BODY:
                return


def _answer(*pages: bytes) -> Answer:
    # Only all rows together show the field order. If they do not, as with NS records, assume version 2's: swapped.
    return answer_of(CIRCL, *(rows_of(CIRCL, page) for page in pages), swapped=True)


def read_saved(body: bytes, _asked: str) -> Answer:
    return _answer(body)


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
    # "Quota exhausted" (PyPDNS): a retry would not help.
    statuses={429: QuotaExceeded},
    retried=PASSING - {429},
    complaint=complaint,
)
