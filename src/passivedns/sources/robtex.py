"""Queries Robtex's free passive DNS: `GET /forward/<name>` and `GET /reverse/<address>`.

Sources: one recorded row, and the clients in Cortex-Analyzers, IntelOwl and SpiderFoot.
"""

from pydantic import Field

from passivedns.model import Answer, Question
from passivedns.settings.values import BaseUrl
from passivedns.sources.cof import accept_lines, answer_of, complaint, rows_of
from passivedns.sources.http import Http
from passivedns.sources.source import ADDRESSES, Client, Source, SourceSettings


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
        reply = self._http.search(f"/{direction}/{question.segment}")
        return read_saved(reply.body, question.value)


def read_saved(body: bytes, _asked: str) -> Answer:
    return answer_of(ROBTEX, rows_of(ROBTEX, body))


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
