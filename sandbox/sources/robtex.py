"""Stands in for the free passive DNS of Robtex.

Sources: a recorded row, and the client in Cortex-Analyzers, which cuts the carriage returns off. Its empty answer and
its limits are not recorded.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse

from sandbox.sources.cof import lines
from sandbox.sources.history import Fact, unix
from sandbox.sources.service import Service


class Robtex(Service):
    """The state of the service."""


def robtex_app(service: Robtex) -> FastAPI:
    """The service at `/pdns/forward` for names and `/pdns/reverse` for addresses."""
    app = FastAPI(openapi_url=None)

    @app.get("/pdns/forward/{value:path}")
    async def forward(request: Request, value: str) -> Response:
        return await _served(service, request, value, [fact for fact in service.facts if fact.name == value])

    @app.get("/pdns/reverse/{value:path}")
    async def reverse(request: Request, value: str) -> Response:
        return await _served(service, request, value, [fact for fact in service.facts if fact.data == value])

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def elsewhere(request: Request) -> Response:
        return service.receive(request) or HTMLResponse("<html><title>404 Not Found</title></html>", 404)

    return app


async def _served(service: Robtex, request: Request, value: str, found: Sequence[Fact]) -> Response:
    fault = service.receive(request)
    await asyncio.sleep(service.latency)
    rows = lines(map(_row, found), "\r\n")
    return fault or Response(service.recorded.get(value, rows), media_type="text/plain")


def _row(fact: Fact) -> dict[str, Any]:
    """The host of an MX record came without its preference."""
    data = fact.data.partition(" ")[2] if fact.type == "MX" else fact.data
    return {
        "count": 1,
        "rrdata": data.removesuffix("."),
        "rrname": fact.name,
        "rrtype": fact.type,
        "time_last": unix(fact.last),
        "time_first": unix(fact.first),
    }
