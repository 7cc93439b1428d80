"""Stands in for Common Output Format servers: D4's analyzer-d4-passivedns and DCSO's balboa.

Sources: bin/pdns-cof-server.py of D4 (snapshot 235914f) and the answer that its README prints; query/query_rest.go of
balboa (cb7de26). Neither needs an account; the one here simulates a proxy in front of them.
"""

import asyncio
import json
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse

from sandbox.sources.history import Fact, about, unix
from sandbox.sources.service import BROKEN, Faults, Service

_D4_TYPES = frozenset({"A", "NS", "CNAME", "MX", "TXT", "AAAA", "SRV", "RRSIG"})
_D4_MOST = 200


def _not_found() -> Response:
    return HTMLResponse("<html><title>404: Not Found</title><body>404: Not Found</body></html>", 404)


class CofServer(Service):
    """The state of the server. `backends` are the databases of balboa, each of which tells the same."""

    faults: Faults = MappingProxyType(
        {
            **BROKEN,
            "401": lambda: PlainTextResponse("Unauthorized", 401),
            "403": lambda: PlainTextResponse("Forbidden", 403),
            "404-page": _not_found,
            "backend-failure": lambda: Response(b""),
        }
    )

    def __init__(
        self,
        software: Literal["d4", "balboa"] = "d4",
        facts: Iterable[Fact] = (),
        recorded: Mapping[str, bytes] = MappingProxyType({}),
    ) -> None:
        super().__init__(list(facts), recorded)
        self.software = software
        self.backends = 1
        self.authorization = ""
        """The header Authorization that a proxy wants; empty where none is there."""

    def ask_for_account(self, username: str, password: str) -> None:
        """Refuse whoever does not log in with this user name and password."""
        self.authorization = "Basic " + b64encode(f"{username}:{password}".encode()).decode()


def cof_app(service: CofServer) -> FastAPI:
    """The server over `service`: D4 at `/query`, balboa at `/pdns/query`."""
    app = FastAPI(openapi_url=None)
    path = "/query" if service.software == "d4" else "/pdns/query"

    @app.get(path + "/{value:path}")
    async def query(request: Request, value: str) -> Response:
        fault = service.receive(request)
        await asyncio.sleep(service.latency)
        if fault:
            return fault
        if service.authorization not in ("", request.headers.get("authorization")):
            return PlainTextResponse("Unauthorized", 401)
        return _d4(service, value) if service.software == "d4" else _balboa(service, value, request)

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def elsewhere(request: Request) -> Response:
        fault = service.receive(request)
        go = PlainTextResponse("404 page not found\n", 404)
        return fault or (_not_found() if service.software == "d4" else go)

    return app


def lines(rows: Iterable[Mapping[str, Any]], end: str = "\n") -> bytes:
    """Rows as NDJSON."""
    return "".join(json.dumps(row) + end for row in rows).encode()


def _d4(service: CofServer, value: str) -> Response:
    """All records of the names that ever pointed to an address, or of the name that is asked."""
    names = {fact.name for fact in service.facts if fact.type in ("A", "AAAA") and fact.data == value} or {value}
    facts = [fact for fact in service.facts if fact.name in names and fact.type in _D4_TYPES]
    values = Counter((fact.name, fact.type) for fact in facts)
    rows = [
        _row(fact) | {"origin": "origin not configured"} for fact in facts if values[fact.name, fact.type] < _D4_MOST
    ]
    return HTMLResponse(service.recorded.get(value, lines(rows)))


def _balboa(service: CofServer, value: str, request: Request) -> Response:
    """Rows that lead to what is asked, then rows of its own; the limit counts only where it has one digit."""
    limit = request.query_params.get("limit", "")
    most = int(limit) if len(limit) == 1 else 1000
    found = sorted(about(service.facts, value), key=lambda fact: fact.name == value)
    rows = [_row(fact) | {"sensor_id": "sandbox"} for fact in found for _ in range(service.backends)][:most]
    body = service.recorded.get(value, lines(rows))
    return Response(body, 200 if body else 404)


def _row(fact: Fact) -> dict[str, Any]:
    return {
        "count": 1,
        "time_first": unix(fact.first),
        "time_last": unix(fact.last),
        "rrtype": fact.type,
        "rrname": fact.name,
        "rdata": fact.data.removesuffix("."),
    }
