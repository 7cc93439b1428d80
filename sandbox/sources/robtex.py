"""Stands in for the free passive DNS of Robtex.

Sources: a recorded row, and the client in Cortex-Analyzers, which strips carriage returns. The empty answer and the
limits are not recorded.
"""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse

from sandbox.sources.cof import NOT_FOUND, cof_row, lines
from sandbox.sources.history import Fact
from sandbox.sources.service import Service, StandIn, new_app

MAX_REVERSE = 200
"""Rows of an answer about an address, as measured in 2026."""


class Robtex(Service):
    """The state of the service."""


def robtex_app(service: Robtex) -> FastAPI:
    """The service at `/pdns/forward` for names and `/pdns/reverse` for addresses."""
    app = new_app(service, lambda status, _text: HTMLResponse(NOT_FOUND, status))

    @app.get("/pdns/forward/{value:path}")
    async def forward(value: str) -> Response:
        return _answer(service, value, [fact for fact in service.facts if fact.name == value])

    @app.get("/pdns/reverse/{value:path}")
    async def reverse(value: str) -> Response:
        return _answer(service, value, [fact for fact in service.facts if fact.data == value][:MAX_REVERSE])

    return app


def _answer(service: Robtex, value: str, found: Sequence[Fact]) -> Response:
    return Response(service.recorded.get(value, lines(map(_row, found), "\r\n")), media_type="text/plain")


def _row(fact: Fact) -> dict[str, Any]:
    """A row with its data in `rrdata`; recorded MX data had no preference."""
    row = cof_row(fact)
    data = row.pop("rdata")
    return row | {"rrdata": data.partition(" ")[2] if fact.type == "MX" else data}


STAND_IN = StandIn(Robtex, robtex_app, {"api_base_url": "{url}/pdns"})
