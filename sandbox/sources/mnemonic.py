"""Stands in for the COF endpoint of mnemonic PassiveDNS v3.

Sources: mnemonic's integration guide and OpenAPI schema, a recorded 503 response (2020), and third-party measurements
of 2026. The response to an unknown key is not recorded; the 401 here is that of the endpoint `/seen` without a key.
"""

import csv
from collections.abc import Sequence
from io import StringIO
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from sandbox.sources.cof import cof_row, lines
from sandbox.sources.history import Fact, about
from sandbox.sources.service import BROKEN, Service, StandIn, new_app

API_KEY = "5a" * 16
PUBLIC_LIMIT = 1000
LIMIT_WITH_KEY = 10_000

_TYPES = frozenset(["a", "aaaa", "cname", "dname", "mx", "naptr", "ns", "ptr", "rp", "soa", "srv", "txt"])
_LIMIT_WORDS = f"Maximum result limit for public usage is {PUBLIC_LIMIT}"


def _error(status: int, *messages: dict[str, Any], **details: Any) -> Response:
    envelope = {"responseCode": status, "limit": 0, "offset": 0, "count": 0, "metaData": details}
    return JSONResponse({**envelope, "messages": messages, "data": None, "size": 0}, status)


def _said(text: str | None, template: str | None) -> dict[str, Any]:
    return {"message": text, "messageTemplate": template, "type": "ACTION_ERROR", "field": None, "parameter": None}


def _resources_used_up() -> Response:
    said = _said("Resource limit exceeded", "resource.limit.exceeded")
    return _error(402, said, millisUntilResourcesAvailable=60_000)


def _timeout() -> Response:
    words = "Request timed out, service may be overloaded or unavailable"
    return _error(503, _said(None, None), _said(words, "service.timeout"))


class Mnemonic(Service):
    """The state of the service."""

    faults = BROKEN | {
        "402": _resources_used_up,
        "402-fragment": lambda: JSONResponse(
            {
                "messages": [{"message": "Resource limit exceeded"}],
                "metaData": {"millisUntilResourcesAvailable": 60_000},
            },
            402,
        ),
        "412": lambda: _error(412, _said(_LIMIT_WORDS, None)),
        "503": _timeout,
    }
    undated = False
    """Whether rows lack dates, as on a day in August 2026."""
    mixes_types = False
    """Whether IPv6 addresses have type `a`, as from the JSON endpoint in 2026."""


def mnemonic_app(service: Mnemonic) -> FastAPI:
    """The service at `/pdns/v3/cof`."""
    app = new_app(service, lambda status, text: _error(status, _said(text, None)))

    @app.get("/pdns/v3/cof/{value:path}")
    async def cof(request: Request, value: str) -> Response:
        return _refusal(service, request) or _answer(service, request, value)

    return app


def _refusal(service: Mnemonic, request: Request) -> Response | None:
    key, limit = request.headers.get("argus-api-key"), _limit(request)
    if unknown := {kind.lower() for kind in request.query_params.getlist("rrType")} - _TYPES:
        return _error(400, _said(f"Invalid rrType {min(unknown)}", None))
    if key not in (None, API_KEY):
        return _error(401, _said("Authentication failed", None))
    if limit > (LIMIT_WITH_KEY if key else PUBLIC_LIMIT):
        return _error(412, _said(_LIMIT_WORDS, None))
    return None if key or service.spend() else _resources_used_up()


def _limit(request: Request) -> int:
    """25 rows by default; 0 means all."""
    return int(request.query_params.get("limit", "25"))


def _answer(service: Mnemonic, request: Request, value: str) -> Response:
    """Rows of the wanted types with the value on either side, last seen first."""
    wanted = [kind.upper() for kind in request.query_params.getlist("rrType")]
    facts = [fact for fact in about(service.facts, value) if not wanted or fact.type in wanted]
    found = sorted(facts, key=lambda fact: fact.last, reverse=True)[: _limit(request) or PUBLIC_LIMIT]
    rows = [_row(service, fact) for fact in found]
    if request.headers.get("accept", "").startswith("text/csv"):
        return Response(_csv(rows), media_type="text/csv")
    return Response(service.recorded.get(value, lines(rows)), media_type="application/json")


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    text = StringIO()
    writer = csv.DictWriter(text, ["rrtype", "rrname", "rdata", "count", "time_first", "time_last"])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _row(service: Mnemonic, fact: Fact) -> dict[str, Any]:
    kind = "a" if service.mixes_types and fact.type == "AAAA" else fact.type.lower()
    return cof_row(fact) | {"rrtype": kind} | ({"time_first": 0, "time_last": 0} if service.undated else {})


STAND_IN = StandIn(Mnemonic, mnemonic_app, {"api_base_url": "{url}/pdns/v3"})
