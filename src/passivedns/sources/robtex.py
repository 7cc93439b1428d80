"""Queries Robtex's free passive DNS: `GET /forward/<name>` and `GET /reverse/<address>`.

Sources: one recorded row, and the clients in Cortex-Analyzers, IntelOwl and SpiderFoot.
"""

from pydantic import Field

from passivedns.formats.cof import Page, answer_of, page_of, reply_of
from passivedns.model import Answer, Question
from passivedns.settings.values import BaseUrl
from passivedns.sources.cof import accept_lines, complaint
from passivedns.sources.source import ADDRESSES, Client, Source, SourceSettings
from passivedns.transport.http import Http

MAX_OF_ROBTEX = 200
"""Rows after which Robtex seems to stop."""


class RobtexSettings(SourceSettings):
    """Robtex."""

    api_base_url: BaseUrl = Field(
        default="https://freeapi.robtex.com/pdns", description="Base URL of the API, without /forward and /reverse."
    )


class RobtexClient(Client):
    def __init__(self, _settings: RobtexSettings, http: Http) -> None:
        accept_lines(http.session)
        self._http = http

    def look_up(self, question: Question) -> Answer:
        direction = "reverse" if question.type in ADDRESSES else "forward"
        return _answer(reply_of(ROBTEX, self._http.request(f"/{direction}/{question.segment}")))


def read_saved(body: bytes, _asked: str) -> Answer:
    return _answer(page_of(ROBTEX, body))


def _answer(page: Page) -> Answer:
    answer = answer_of(ROBTEX, page)
    return answer._replace(complete=answer.complete and page.number < MAX_OF_ROBTEX)


ROBTEX = Source(
    key="robtex",
    title="Robtex",
    organization="Robtex",
    settings=RobtexSettings,
    client=RobtexClient,
    read=read_saved,
    account="none",
    complaint=complaint,
)
