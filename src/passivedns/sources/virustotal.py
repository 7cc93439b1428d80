"""Queries VirusTotal v3: `GET /domains/{name}/resolutions` and `GET /ip_addresses/{address}/resolutions`.

Sources: recorded answers of 2019 and 2022, and docs.virustotal.com (resolution object, errors, public and premium API).
"""

import logging
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from passivedns.errors import BadAnswer, QuotaExceeded, RateLimited
from passivedns.model import Answer, Question, Record, joined
from passivedns.settings.values import BaseUrl, Flag, Secret, allowed
from passivedns.sources import dates, rdata
from passivedns.sources.bodies import at, json_of, list_of, read_rows, text
from passivedns.sources.failures import parsed, worded
from passivedns.sources.http import Http, page_numbers
from passivedns.sources.source import ADDRESSES, PASSING, Client, Source, SourceSettings

log = logging.getLogger(__name__)

ROWS_A_PAGE = 40
"""Maximum page size of the API; each page costs one look-up."""
PUBLIC_PACE = "4/minute;500/day"
"""The limits of the public API."""

_RATE = r"[1-9][0-9]{0,8}/(second|minute|hour|day|month)"

# An empty variable counts as unset, so "no limit" needs a word.
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
        default="https://www.virustotal.com/api/v3", description="Base URL of the API, including the version."
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
    ignore_time_window: Flag = Field(
        default=True,
        description="Import records of any age, since VirusTotal does not update the date of a resolution.",
    )


class VirusTotalClient(Client):
    def __init__(self, settings: VirusTotalSettings, http: Http) -> None:
        http.session.headers["x-apikey"] = settings.api_key.get_secret_value()
        self._max_pages = settings.max_pages
        self._http = http

    def look_up(self, question: Question) -> Answer:
        collection = "ip_addresses" if question.type in ADDRESSES else "domains"
        path = f"/{collection}/{question.segment}/resolutions"
        pages: list[Answer] = []
        cursor = ""
        for _ in page_numbers(self._max_pages):
            try:
                page, cursor = self._page(path, cursor)
            except (QuotaExceeded, RateLimited) as error:
                # The pages before have been paid for.
                if not pages:
                    raise
                log.warning("The answer from %s is incomplete. %s", VIRUSTOTAL.title, error)
                break
            pages.append(page)
            if not cursor:
                break
        return joined(pages)._replace(complete=not cursor)

    def _page(self, path: str, cursor: str) -> tuple[Answer, str]:
        place = {"cursor": cursor} if cursor else {}
        reply = self._http.search(path, {"limit": str(ROWS_A_PAGE), **place})
        if reply.status != 404:
            return parse_page(json_of(VIRUSTOTAL, reply.body))
        if not at(parsed(reply.body), "error", "code"):
            raise worded(VIRUSTOTAL, BadAnswer, 404)
        return Answer([]), ""


def read_saved(body: bytes, _asked: str) -> Answer:
    return parse_page(json_of(VIRUSTOTAL, body))[0]


def parse_page(answer: Any) -> tuple[Answer, str]:
    """The rows of `data` in order, and the cursor of the next page.

    The last page has an empty cursor, none or, in answers of 2019, no `meta`.

    Raises:
        BadAnswer: the answer is not VirusTotal's.
    """
    page = read_rows(list_of(VIRUSTOTAL, answer, "data", "list of resolutions"), _records)
    cursor = text(at(answer, "meta", "cursor"))
    return page._replace(complete=not cursor), cursor


def _records(row: dict[str, Any]) -> list[Record] | None:
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
    account="free",
    record_types=frozenset({"A", "AAAA"}),
    pace=lambda settings: settings.pace,
    credentials=("api_key",),
    unknown=frozenset({404}),
    # A retry would count against the rate limit, and a used-up quota stays so for minutes or days.
    retried=PASSING - {429},
)
