"""Stands in for CIRCL Passive DNS 2.0.

Sources: CIRCL's page on the service (2026-04), the client PyPDNS 2.3.2 with its paging, and its test of the field
order. Error bodies are invented, since none are recorded.
"""

import json
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse

from sandbox.sources.cof import NOT_FOUND, cof_row, lines
from sandbox.sources.history import Fact, about
from sandbox.sources.service import BROKEN, Received, Service, StandIn, new_app

USERNAME = "analyst@example.org"
PASSWORD = "correct horse"
TOKEN = "0123456789abcdef"
MAXSET = 1000
"""Maximum rows without paging; a header reports the rest."""

_FIRST_CURSOR = 7_346_046_680_497_455_128


class Circl(Service):
    """The state of the service."""

    faults = BROKEN | {
        "401": lambda: PlainTextResponse("Unauthorized", 401),
        "403": lambda: PlainTextResponse("Forbidden", 403),
        "429": lambda: PlainTextResponse("Quota exhausted", 429),
        "200-rate-limit": lambda: PlainTextResponse("Rate Limit Exceeded\n"),
        "503": lambda: PlainTextResponse("Service Unavailable", 503),
    }
    swapped = True
    """Whether the data are in `rrname`; version 1 had them in `rdata`."""
    total: int | None = None
    """The number of rows to report, if more than are sent."""
    errors_in_list = False
    """Whether the header x-dribble-errors contains a list; an object was seen, too."""
    endless = False
    """Whether every page has the same cursor."""

    @property
    def active_queries(self) -> list[Received]:
        """The requests that did not disable the active query."""
        return [request for request in self.requests if request.headers.get("dribble-disable-active-query") != "1"]

    async def admit(self, request: Request) -> None:
        basic = "Basic " + b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
        if request.headers.get("authorization") not in (basic, TOKEN):
            raise HTTPException(401, "Unauthorized")


def circl_app(service: Circl) -> FastAPI:
    """The service at `/pdns/query`."""
    app = new_app(service, _error)

    @app.get("/pdns/query/{value:path}")
    async def query(request: Request, value: str) -> Response:
        if value in service.recorded:
            return HTMLResponse(service.recorded[value])
        return _page(service, request, value)

    return app


def _error(status: int, text: str) -> Response:
    return HTMLResponse(NOT_FOUND, 404) if status == 404 else PlainTextResponse(text, status)


def _page(service: Circl, request: Request, value: str) -> Response:
    given = request.headers
    rrtype, count, cursor = (given.get(f"dribble-{name}") for name in ("filter-rrtype", *_PAGING))
    found = [fact for fact in about(service.facts, value) if rrtype in (None, fact.type)]
    rows = [_row(fact, service.swapped) for fact in sorted(found, key=_no_order)]
    if count is None:
        return _answer(service, rows[:MAXSET], len(rows))
    start = 0 if service.endless or cursor is None else int(cursor) - _FIRST_CURSOR
    end = start + int(count)
    following = str(_FIRST_CURSOR + end) if end < len(rows) or service.endless else None
    return _answer(service, rows[start:end], len(rows) - start, following)


_PAGING = ("paginate-count", "paginate-cursor")


def _answer(service: Circl, rows: Sequence[Any], known: int, following: str | None = None) -> Response:
    answer = HTMLResponse(lines(rows))
    if following is not None:
        answer.headers["x-dribble-cursor"] = following
    elif service.total or known > len(rows):
        error = {"error": "maxset", "value": MAXSET, "total_value": service.total or known}
        answer.headers["x-dribble-errors"] = json.dumps([error] if service.errors_in_list else error)
    return answer


def _no_order(fact: Fact) -> bytes:
    """An undefined order that stays the same from page to page."""
    return sha256(repr(fact).encode()).digest()


def _row(fact: Fact, swapped: bool) -> dict[str, Any]:
    row = cof_row(fact) | {"origin": "https://www.circl.lu/pdns/"}
    return row | {"rrname": row["rdata"], "rdata": row["rrname"]} if swapped else row


STAND_IN = StandIn(Circl, circl_app, {"username": USERNAME, "password": PASSWORD, "api_base_url": "{url}/pdns"})
