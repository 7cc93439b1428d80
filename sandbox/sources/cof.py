"""Stands in for Common Output Format servers: D4's analyzer-d4-passivedns and DCSO's balboa.

Sources: bin/pdns-cof-server.py of D4 (snapshot 235914f) and the answer in its README; query/query_rest.go of balboa
(cb7de26). Neither has accounts; here, a proxy in front of them may.
"""

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse

from sandbox.sources.history import Fact, about, unix
from sandbox.sources.service import BROKEN, Service, new_app

NOT_FOUND = "<html><title>404: Not Found</title><body>404: Not Found</body></html>"
_D4_TYPES = frozenset({"A", "NS", "CNAME", "MX", "TXT", "AAAA", "SRV", "RRSIG"})
_D4_MOST = 200


class CofServer(Service):
    """The state of the server."""

    faults = BROKEN | {
        "401": lambda: PlainTextResponse("Unauthorized", 401),
        "403": lambda: PlainTextResponse("Forbidden", 403),
        "404-page": lambda: HTMLResponse(NOT_FOUND, 404),
        "backend-failure": lambda: Response(b""),
    }

    def __init__(
        self,
        software: Literal["d4", "balboa"] = "d4",
        facts: Iterable[Fact] = (),
        recorded: Mapping[str, bytes] = MappingProxyType({}),
    ) -> None:
        super().__init__(list(facts), recorded)
        self.software = software
        self.backends = 1
        """The databases of balboa, which all have the same rows."""
        self.authorization = ""
        """The Authorization header that the proxy requires; empty if there is no proxy."""

    def ask_for_account(self, username: str, password: str) -> None:
        """Require this account."""
        self.authorization = "Basic " + b64encode(f"{username}:{password}".encode()).decode()

    async def admit(self, request: Request) -> None:
        if self.authorization not in ("", request.headers.get("authorization")):
            raise HTTPException(401, "Unauthorized")


def cof_app(service: CofServer) -> FastAPI:
    """The server over `service`: D4 at `/query`, balboa at `/pdns/query`."""
    app = new_app(service, _d4_error if service.software == "d4" else _balboa_error)

    @app.get("/query/{value:path}" if service.software == "d4" else "/pdns/query/{value:path}")
    async def query(request: Request, value: str) -> Response:
        return _d4(service, value) if service.software == "d4" else _balboa(service, value, request)

    return app


def _d4_error(status: int, text: str) -> Response:
    return HTMLResponse(NOT_FOUND, 404) if status == 404 else PlainTextResponse(text, status)


def _balboa_error(status: int, text: str) -> Response:
    return PlainTextResponse("404 page not found\n" if status == 404 else text, status)


def lines(rows: Iterable[Mapping[str, Any]], end: str = "\n") -> bytes:
    """Rows as NDJSON."""
    return "".join(json.dumps(row) + end for row in rows).encode()


def _d4(service: CofServer, value: str) -> Response:
    """All records of the name, or of the names that ever pointed to the address."""
    names = {fact.name for fact in service.facts if fact.type in ("A", "AAAA") and fact.data == value} or {value}
    facts = [fact for fact in service.facts if fact.name in names and fact.type in _D4_TYPES]
    values = Counter((fact.name, fact.type) for fact in facts)
    rows = [
        cof_row(fact) | {"origin": "origin not configured"} for fact in facts if values[fact.name, fact.type] < _D4_MOST
    ]
    return HTMLResponse(service.recorded.get(value, lines(rows)))


def _balboa(service: CofServer, value: str, request: Request) -> Response:
    """Rows with the value as data, then as owner; a limit of more than one digit is ignored."""
    limit = request.query_params.get("limit", "")
    most = int(limit) if len(limit) == 1 else 1000
    found = sorted(about(service.facts, value), key=lambda fact: fact.name == value)
    rows = [cof_row(fact) | {"sensor_id": "sandbox"} for fact in found for _ in range(service.backends)][:most]
    body = service.recorded.get(value, lines(rows))
    return Response(body, 200 if body else 404)


def cof_row(fact: Fact) -> dict[str, Any]:
    """A fact in the Common Output Format."""
    return {
        "count": 1,
        "time_first": unix(fact.first),
        "time_last": unix(fact.last),
        "rrtype": fact.type,
        "rrname": fact.name,
        "rdata": fact.data.removesuffix("."),
    }
