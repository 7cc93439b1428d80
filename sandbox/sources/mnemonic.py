"""Stands in for the COF endpoint of mnemonic PassiveDNS v3.

Sources: mnemonic's integration guide, a real answer of 503 (2020), and third-party measurements in 2026. The
answer to an unknown key is not recorded; the 401 here is that of the endpoint `/seen` without one.
"""

import asyncio
import json
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from sandbox.sources.cof import lines
from sandbox.sources.history import Fact, about, unix
from sandbox.sources.service import BROKEN, Faults, Service

API_KEY = "5a" * 16
PUBLIC_LIMIT = 1000
LIMIT_WITH_KEY = 10_000

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

    faults: Faults = MappingProxyType(
        {
            **BROKEN,
            "402": _resources_used_up,
            "402-fragment": lambda: Response(
                json.dumps(
                    {
                        "messages": [{"message": "Resource limit exceeded"}],
                        "metaData": {"millisUntilResourcesAvailable": 60_000},
                    }
                ),
                402,
            ),
            "412": lambda: _error(412, _said(_LIMIT_WORDS, None)),
            "503": _timeout,
        }
    )
    resources: int | None = None
    """Look-ups without a key until it answers with 402; None for no end."""
    undated = False
    """Whether it has lost the dates, as on a day of August 2026."""
    mixes_types = False
    """Whether it calls IPv6 addresses `a`, as its JSON endpoint did in 2026."""


def mnemonic_app(service: Mnemonic) -> FastAPI:
    """The service at `/pdns/v3/cof`."""
    app = FastAPI(openapi_url=None)

    @app.get("/pdns/v3/cof/{value:path}")
    async def cof(request: Request, value: str) -> Response:
        fault = service.receive(request)
        await asyncio.sleep(service.latency)
        return fault or _refusal(service, request) or _answer(service, request, value)

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def elsewhere(request: Request) -> Response:
        return service.receive(request) or _error(404, _said("Not found", None))

    return app


def _refusal(service: Mnemonic, request: Request) -> Response | None:
    key, limit = request.headers.get("argus-api-key"), _limit(request)
    if key not in (None, API_KEY):
        return _error(401, _said("Authentication failed", None))
    if limit > (LIMIT_WITH_KEY if key else PUBLIC_LIMIT):
        return _error(412, _said(_LIMIT_WORDS, None))
    if key or service.resources is None:
        return None
    service.resources -= 1
    return _resources_used_up() if service.resources < 0 else None


def _limit(request: Request) -> int:
    """25 rows by default; 0 stands for all."""
    return int(request.query_params.get("limit", "25"))


def _answer(service: Mnemonic, request: Request, value: str) -> Response:
    """Rows of both sides, the last seen first."""
    found = sorted(about(service.facts, value), key=lambda fact: fact.last, reverse=True)
    body = service.recorded.get(value, lines(_row(service, fact) for fact in found[: _limit(request) or PUBLIC_LIMIT]))
    return Response(body, media_type="application/x-ndjson")


def _row(service: Mnemonic, fact: Fact) -> dict[str, Any]:
    rrtype = "a" if service.mixes_types and fact.type == "AAAA" else fact.type.lower()
    first, last = (0, 0) if service.undated else (unix(fact.first), unix(fact.last))
    row = {"count": 1, "rdata": fact.data.removesuffix("."), "rrname": fact.name, "rrtype": rrtype}
    return row | {"time_last": last, "time_first": first}
