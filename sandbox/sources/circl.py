"""Stands in for CIRCL Passive DNS 2.0.

Sources: CIRCL's page on the service (2026-04), PyPDNS 2.3.2, which logs in and reads pages as this module expects, and
its test of the field order. Error bodies are invented, since none are recorded.
"""

import asyncio
import json
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse

from sandbox.sources.cof import lines
from sandbox.sources.history import Fact, about, unix
from sandbox.sources.service import BROKEN, Faults, Received, Service

USERNAME = "analyst@example.org"
PASSWORD = "correct horse"
TOKEN = "0123456789abcdef"
MAXSET = 1000
"""Rows that it sends of one name without pages; a header tells of the others."""

_FIRST_CURSOR = 7_346_046_680_497_455_128


class Circl(Service):
    """The state of the service."""

    faults: Faults = MappingProxyType(
        {
            **BROKEN,
            "401": lambda: PlainTextResponse("Unauthorized", 401),
            "403": lambda: PlainTextResponse("Forbidden", 403),
            "429": lambda: PlainTextResponse("Quota exhausted", 429),
            "200-rate-limit": lambda: PlainTextResponse("Rate Limit Exceeded\n"),
            "503": lambda: PlainTextResponse("Service Unavailable", 503),
        }
    )
    swapped = True
    """Whether the data are in `rrname`; version 1 had them in `rdata`."""
    total: int | None = None
    """Rows that it says it has where that is more than it sends."""
    errors_in_list = False
    """Whether the header x-dribble-errors is a list; it was seen as an object, too."""
    endless = False
    """Whether every page, the last included, names the same next one."""

    @property
    def active_queries(self) -> list[Received]:
        """The requests for which it resolved the name at once, since they did not forbid it."""
        return [request for request in self.requests if request.headers.get("dribble-disable-active-query") != "1"]


def circl_app(service: Circl) -> FastAPI:
    """The service at `/pdns/query`."""
    app = FastAPI(openapi_url=None)

    @app.get("/pdns/query/{value:path}")
    async def query(request: Request, value: str) -> Response:
        fault = service.receive(request)
        await asyncio.sleep(service.latency)
        if fault:
            return fault
        if not _admitted(request):
            return PlainTextResponse("Unauthorized", 401)
        if value in service.recorded:
            return HTMLResponse(service.recorded[value])
        return _page(service, request, value)

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def elsewhere(request: Request) -> Response:
        return service.receive(request) or HTMLResponse("<html><title>404: Not Found</title></html>", 404)

    return app


def _admitted(request: Request) -> bool:
    basic = "Basic " + b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
    return request.headers.get("authorization") in (basic, TOKEN)


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
    """The order of the rows is undefined, but it must stay the same from page to page here."""
    return sha256(repr(fact).encode()).digest()


def _row(fact: Fact, swapped: bool) -> dict[str, Any]:
    name, data = fact.name, fact.data.removesuffix(".")
    return {
        "count": 1,
        "time_first": unix(fact.first),
        "rrtype": fact.type,
        "rrname": data if swapped else name,
        "rdata": name if swapped else data,
        "time_last": unix(fact.last),
    }
