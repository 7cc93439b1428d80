"""Stands in for Common Output Format servers: D4's analyzer-d4-passivedns, its FastAPI fork, and DCSO's balboa.

Sources: bin/pdns-cof-server.py of D4 (snapshot 235914f) and the answer in its README; the route /query of the fork by
DocArmoryTech; query/query_rest.go of balboa (cb7de26) and its behaviour in 2026. None has accounts; here, a proxy in
front of them may.
"""

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv6Address
from types import MappingProxyType
from typing import Any, Literal

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse

from sandbox.faults import FAULTS
from sandbox.sources.history import Fact, unix
from sandbox.sources.service import BROKEN, Service, StandIn, new_app

NOT_FOUND = "<html><title>404: Not Found</title><body>404: Not Found</body></html>"
_D4_TYPES = frozenset({"A", "NS", "CNAME", "MX", "TXT", "AAAA", "SRV", "RRSIG"})
_D4_MOST = 200


class CofServer(Service):
    """The state of the server."""

    faults = BROKEN | {
        "401": lambda: PlainTextResponse("Unauthorized", 401),
        "403": lambda: PlainTextResponse("Forbidden", 403),
        "404-page": lambda: HTMLResponse(NOT_FOUND, 404),
        "backend-failure": FAULTS["reset"],
        "empty-body": lambda: Response(b""),
    }

    def __init__(
        self,
        software: Literal["d4", "d4-fork", "balboa"] = "d4",
        facts: Iterable[Fact] = (),
        recorded: Mapping[str, bytes] = MappingProxyType({}),
    ) -> None:
        super().__init__(list(facts), recorded)
        self.software = software
        self.backends = 1
        """The databases of balboa, which all have the same rows."""
        self.full_addresses = False
        """Whether IPv6 addresses are known in full only, as if balboa was fed by Suricata."""
        self.authorization = ""
        """The credentials that the proxy requires; empty if there is no proxy."""
        self.header = "authorization"
        """The header that the proxy reads them from."""

    def ask_for_account(self, username: str, password: str) -> None:
        """Require this account."""
        self.authorization = "Basic " + b64encode(f"{username}:{password}".encode()).decode()

    async def admit(self, request: Request) -> None:
        if self.authorization not in ("", request.headers.get(self.header)):
            raise HTTPException(401, "Unauthorized")


def cof_app(service: CofServer) -> FastAPI:
    """The server over `service`: D4 and its fork at `/query`, balboa at `/pdns/query`."""
    is_balboa = service.software == "balboa"
    app = new_app(service, _balboa_error if is_balboa else _d4_error)

    @app.get("/pdns/query/{value:path}" if is_balboa else "/query/{value:path}")
    async def query(request: Request, value: str) -> Response:
        if is_balboa:
            return _balboa(service, value, request)
        return _d4(service, value) if service.software == "d4" else _fork(service, value, request)

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


def _fork(service: CofServer, value: str, request: Request) -> Response:
    """The records of the name in pages, as lines or as a document; the first page says that there are more."""
    limit, cursor = int(request.query_params.get("limit", "200")), int(request.query_params.get("cursor", "0"))
    known = [cof_row(fact) | {"origin": None} for fact in service.facts if fact.name == value]
    rows, following = known[cursor : cursor + limit], cursor + limit if cursor + limit < len(known) else None
    headers = {"X-Total-Count": str(len(known))}
    if following:
        headers |= {"X-Next-Cursor": str(following)} | ({} if cursor else {"X-Pagination-Required": "true"})
    if request.query_params.get("format") != "json":
        return Response(lines(rows), headers=headers, media_type="application/x-ndjson")
    is_wrapped = request.query_params.get("metadata") == "true"
    document = {"data": rows, "total": len(known), "next_cursor": following}
    return JSONResponse(document if is_wrapped else rows, headers=headers)


def _balboa(service: CofServer, value: str, request: Request) -> Response:
    """Rows with the value as data, then as owner, each up to the limit per database.

    A limit of more than one digit is ignored.
    """
    limit = request.query_params.get("limit", "")
    most = int(limit) if len(limit) == 1 else 1000
    rows = [row | {"sensor_id": "sandbox"} for row in map(_balboa_row(service), service.facts)]
    pointing = [row for row in rows if row["rdata"] == value][:most] * service.backends
    owned = [row for row in rows if row["rrname"] == value][:most] * service.backends
    body = service.recorded.get(value, lines(pointing + owned))
    return Response(body, 200 if body else 404)


def _balboa_row(service: CofServer) -> Callable[[Fact], dict[str, Any]]:
    def row(fact: Fact) -> dict[str, Any]:
        in_full = service.full_addresses and fact.type == "AAAA"
        return cof_row(fact) | ({"rdata": IPv6Address(fact.data).exploded} if in_full else {})

    return row


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


STAND_IN = StandIn(lambda facts: CofServer("balboa", facts), cof_app, {"url": "{url}/pdns/query"})
