"""Queries VirusTotal v3: `GET /domains/{name}/resolutions` and `GET /ip_addresses/{address}/resolutions`.

Sources: recorded answers of 2019 and 2022, and docs.virustotal.com (resolution object, errors, public and premium API).
"""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, Field

from passivedns.errors import BadAnswer
from passivedns.formats import dates, rdata
from passivedns.formats.json_body import Row, at, read_rows, rows_of, text, whole
from passivedns.formats.paging import Ask, all_pages, is_last
from passivedns.model import Answer, Question, Record, merge_answers
from passivedns.settings.values import BaseUrl, Flag, Pages, Secret, allowed
from passivedns.sources.source import ADDRESSES, Client, Source, SourceSettings
from passivedns.transport.complaints import error_json
from passivedns.transport.http import Http
from passivedns.transport.reply import Reply
from passivedns.transport.service import TRANSIENT

ROWS_A_PAGE = 40
"""Maximum page size of the API; each page costs one look-up."""
PUBLIC_RATE = "4/minute;500/day"
"""The limits of the public API."""

_RATE = r"[1-9][0-9]{0,8}/(second|minute|hour|day|month)"

# An empty variable counts as unset, so "no limit" needs a word.
Rate = Annotated[
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
        default="https://www.virustotal.com/api/v3", description="Base URL of the API, including the version."
    )
    max_pages: Pages = Field(
        default=5,
        description=f"Pages of {ROWS_A_PAGE} records to read per observable, newest first. Each costs one look-up.",
    )
    pace: Rate = Field(
        default=PUBLIC_RATE,
        description="Rate limit. The default is that of the public API.",
        json_schema_extra=allowed(f"rates such as {PUBLIC_RATE}, or none for no limit"),
    )
    ignore_time_window: Flag = Field(
        default=True,
        description="Import records of any age, since VirusTotal does not update the date of a resolution.",
    )


class _Page(NamedTuple):
    """A page of an answer."""

    answer: Answer
    number: int = 0
    """Rows, including unreadable ones."""
    fields: Mapping[str, Any] = {}
    """The fields beside the rows."""

    @property
    def records(self) -> list[Record]:
        """The records of the page."""
        return self.answer.records


class VirusTotalClient(Client):
    def __init__(self, settings: VirusTotalSettings, http: Http) -> None:
        http.session.headers["x-apikey"] = settings.api_key.get_secret_value()
        self._max_pages = settings.max_pages
        self._http = http

    def look_up(self, question: Question) -> Answer:
        collection = "ip_addresses" if question.type in ADDRESSES else "domains"
        path = f"/{collection}/{question.segment}/resolutions"
        pages, ended = all_pages(VIRUSTOTAL, self._request(path), partial(self._page, path), self._max_pages)
        answer = _answer(*pages)
        return answer._replace(complete=answer.complete and ended)

    def _page(self, path: str, reply: Reply) -> tuple[_Page, Ask | None]:
        """A page, and how to request the next one."""
        if reply.status == 404:
            if not at(error_json(reply.body), "error", "code"):
                raise VIRUSTOTAL.error(BadAnswer, 404)
            return _Page(Answer([])), None
        page = _read_page(reply.body)
        cursor = _cursor(page.fields)
        page = page._replace(answer=whole(VIRUSTOTAL, page.answer, reply))
        return page, self._request(path, cursor) if cursor else None

    def _request(self, path: str, cursor: str = "") -> Ask:
        place = {"cursor": cursor} if cursor else {}
        return partial(self._http.request, path, {"limit": str(ROWS_A_PAGE), **place})


def read_saved(body: bytes, _asked: str) -> Answer:
    return _answer(_read_page(body))


def _read_page(body: bytes) -> _Page:
    rows = rows_of(VIRUSTOTAL, body, "data")
    return _Page(read_rows(VIRUSTOTAL, rows, _records, "list of resolutions"), rows.number, rows.fields)


def _answer(*pages: _Page) -> Answer:
    """The answer in all pages; incomplete if the last one says that there are more."""
    answer = merge_answers([page.answer for page in pages])
    number = sum(page.number for page in pages)
    return answer._replace(complete=answer.complete and is_last({}, pages[-1].fields, number))


def _cursor(fields: Mapping[str, Any]) -> str:
    """The cursor of the next page; the last page has an empty one, none or, in answers of 2019, no `meta`."""
    link = urlsplit(text(at(fields, "links", "next")))
    return text(at(fields, "meta", "cursor")) or "".join(parse_qs(link.query).get("cursor", [])[:1])


def _records(row: dict[str, Any]) -> Row:
    """The record of a row; None if an end is missing."""
    attributes = row.get("attributes")
    name, address = text(at(attributes, "host_name")), text(at(attributes, "ip_address"))
    if not (name and address):
        return None
    kind, seen = rdata.address_type(address), dates.unix(at(attributes, "date"))
    return [Record(name, kind, address, None, seen, rdata.sensors([at(attributes, "resolver")]), VIRUSTOTAL.key)]


VIRUSTOTAL = Source(
    key="virustotal",
    title="VirusTotal",
    organization="VirusTotal",
    settings=VirusTotalSettings,
    client=VirusTotalClient,
    read=read_saved,
    account="restricted",
    record_types=frozenset({"A", "AAAA"}),
    rate=lambda settings: settings.pace,
    credentials=("api_key",),
    unknown=frozenset({404}),
    # A retry would count against the rate limit, and a used-up quota stays so for minutes or days.
    retried=TRANSIENT - {429},
)
