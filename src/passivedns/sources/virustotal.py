"""Queries VirusTotal v3: `GET /domains/{name}/resolutions` and `GET /ip_addresses/{address}/resolutions`.

Sources: recorded answers of 2019 and 2022, and docs.virustotal.com (resolution object, errors, public and premium API).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple
from urllib.parse import quote

from pydantic import AfterValidator, Field

from passivedns.errors import BadAnswer, QuotaExceeded, RateLimited
from passivedns.model import Answer, Question, Record
from passivedns.settings.sections import A_BASE_URL, SourceSettings, allowed
from passivedns.settings.values import BaseUrl, Secret
from passivedns.sources import dates, rdata
from passivedns.sources.bodies import json_of, list_of
from passivedns.sources.failures import worded
from passivedns.sources.http import Http, Reply
from passivedns.sources.source import ADDRESSES, PASSING, Client, Source

log = logging.getLogger(__name__)

ROWS_A_PAGE = 40
"""Maximum page size of the API; each page costs one look-up."""
PUBLIC_PACE = "4/minute;500/day"
"""The limits of the public API."""

_RATE = r"[1-9][0-9]{0,8}/(second|minute|hour|day|month)"

# An empty variable is an unset one, so that no limit needs a word.
Pace = Annotated[
    str, Field(pattern=f"^(none|{_RATE}(;{_RATE})*)$"), AfterValidator(lambda pace: "" if pace == "none" else pace)
]


class VirusTotalSettings(SourceSettings):
    """VirusTotal."""

    api_key: Secret = Field(
        description="API key. The free public API must not be used in commercial products, services or business "
        "workflows; these need a premium key.",
        json_schema_extra=allowed("the API key of the VirusTotal account"),
    )
    api_base_url: BaseUrl = Field(
        default="https://www.virustotal.com/api/v3",
        description="Base URL of the API, including the version.",
        json_schema_extra=allowed(A_BASE_URL),
    )
    max_pages: int = Field(
        default=5,
        ge=1,
        le=100,
        description=f"Pages of {ROWS_A_PAGE} records to read per observable, newest first. Each costs one look-up.",
        json_schema_extra=allowed("a whole number from 1 to 100"),
    )
    pace: Pace = Field(
        default=PUBLIC_PACE,
        description="Rate limit. The default is that of the public API.",
        json_schema_extra=allowed(f"rates such as {PUBLIC_PACE}, or none for no limit"),
    )
    ignore_time_window: bool = Field(
        default=True,
        description="Import records of any age, since VirusTotal does not update the date of a resolution.",
        json_schema_extra=allowed("true or false"),
    )


class VirusTotalClient(Client):
    """Queries VirusTotal page by page."""

    def __init__(self, settings: VirusTotalSettings, http: Http) -> None:
        http.session.headers["x-apikey"] = settings.api_key.get_secret_value()
        self._max_pages = settings.max_pages
        self._http = http

    def look_up(self, question: Question) -> Answer:
        """Look up a name or an address; incomplete if there are more pages than allowed."""
        collection = "ip_addresses" if question.type in ADDRESSES else "domains"
        pages = list(self._pages(f"/{collection}/{quote(question.value, safe=':')}/resolutions"))
        return Answer(
            [record for page in pages for record in page.records],
            complete=not pages[-1].cursor,
            unreadable=sum(page.unreadable for page in pages),
        )

    def _pages(self, path: str) -> Iterator[Page]:
        """At least one page; pages already read are kept if no further one is allowed."""
        page = self._page(path)
        yield page
        for _ in range(self._max_pages - 1):
            if not page.cursor:
                return
            try:
                page = self._page(path, page.cursor)
            except (QuotaExceeded, RateLimited) as error:
                log.warning("The answer of %s stays incomplete. %s", VIRUSTOTAL.title, error)
                return
            yield page

    def _page(self, path: str, cursor: str = "") -> Page:
        place = {"cursor": cursor} if cursor else {}
        reply = self._http.search(path, {"limit": str(ROWS_A_PAGE), **place})
        if reply.status == 404:
            _check_not_found(reply)
            return Page([])
        return parse_page(json_of(VIRUSTOTAL, reply.body))


class Page(NamedTuple):
    """A part of an answer."""

    records: list[Record]
    unreadable: int = 0
    cursor: str = ""
    """Cursor of the next page; empty on the last one."""


def read_saved(body: bytes, asked: str) -> Answer:  # noqa: ARG001  # every row names both its ends
    """Read a saved page of resolutions."""
    records, unreadable, cursor = parse_page(json_of(VIRUSTOTAL, body))
    return Answer(records, complete=not cursor, unreadable=unreadable)


def parse_page(answer: Any) -> Page:
    """The readable rows of `data` in order.

    Raises:
        BadAnswer: the answer is not VirusTotal's.
    """
    rows = list_of(VIRUSTOTAL, answer, "data", "list of resolutions")
    latest = dates.latest()
    records = [record for row in rows if (record := _record(row, latest))]
    return Page(records, len(rows) - len(records), _cursor(answer.get("meta")))


def _record(row: Any, latest: float) -> Record | None:
    """The record of a row; None if an end is missing."""
    attributes = row.get("attributes") if isinstance(row, dict) else None
    if not isinstance(attributes, dict):
        return None
    name, address, resolver = attributes.get("host_name"), attributes.get("ip_address"), attributes.get("resolver")
    if not (isinstance(name, str) and isinstance(address, str) and name and address):
        return None
    sensors = (resolver,) if isinstance(resolver, str) and 0 < len(resolver) <= 64 and resolver.isprintable() else ()
    return Record(
        name,
        rdata.address_type(address),
        address,
        None,
        dates.unix(attributes.get("date"), latest),
        sensors,
        VIRUSTOTAL.key,
    )


def _cursor(meta: Any) -> str:
    """The cursor; answers of 2019 have no `meta` on the last page, later ones no cursor or an empty one."""
    cursor = meta.get("cursor") if isinstance(meta, dict) else None
    return cursor if isinstance(cursor, str) else ""


def _check_not_found(reply: Reply) -> None:
    """Raises BadAnswer unless a 404 is VirusTotal's own, which means that nothing is known."""
    try:
        answer = json_of(VIRUSTOTAL, reply.body)
    except BadAnswer:
        answer = None
    if not isinstance(answer, dict) or not isinstance(answer.get("error"), dict):
        raise worded(VIRUSTOTAL, BadAnswer, reply.status)


VIRUSTOTAL = Source(
    key="virustotal",
    title="VirusTotal",
    organization="VirusTotal",
    settings=VirusTotalSettings,
    client=VirusTotalClient,
    read=read_saved,
    account="free",
    record_types=frozenset({"A", "AAAA"}),
    pace=lambda settings: settings.pace,
    credentials=("api_key",),
    unknown=frozenset({404}),
    # Each attempt takes a turn of the pace, and a used-up quota stays used up for minutes or days.
    retried=PASSING - {429},
)
