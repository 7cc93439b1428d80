"""Stands in for DomainTools DNSDB, API version 2: look-ups, quota and ping.

Paths, parameters, the frame around the rows, the limits, the kinds of quota and the meaning of each status follow the
vendor's clients dnsdb2 (1.2.0) and dnsdbq with their tests; the rows follow recorded answers. Error texts are
invented except for `404-no-results`. Unknown parameters and other `Accept` headers are always rejected.
"""

import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import groupby, islice
from typing import Any, Literal

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from sandbox.sources.cof import cof_row
from sandbox.sources.history import Fact, unix
from sandbox.sources.service import BROKEN, Service, StandIn, new_app

API_KEY = "d5" * 32
MEDIA_TYPE = "application/x-ndjson"

_PARAMETERS = {"swclient", "version", "id", "limit", "offset", "humantime"}
_FENCES = ("time_first_before", "time_first_after", "time_last_before", "time_last_after")
_POINTING = ("CNAME", "MX", "NS", "PTR")
_ROW: dict[str, Any] = {
    "count": 3,
    "time_first": 1579169966,
    "time_last": 1579172375,
    "rrname": "example.org.",
    "rrtype": "A",
    "bailiwick": "example.org.",
    "rdata": ["192.0.2.10"],
}


def _text(status: int, words: str) -> Response:
    return PlainTextResponse(f"Error: {words}\nsecond line\n", status)


def _saf(*lines: object) -> Response:
    return Response(b"".join(json.dumps(line).encode() + b"\n" for line in lines), media_type=MEDIA_TYPE)


_BEGIN, _SUCCEEDED = {"cond": "begin"}, {"cond": "succeeded"}
_LIMITED = {"cond": "limited", "msg": "Result limit reached"}
_FAILED = {"cond": "failed", "msg": "Processing timeout; results may be incomplete"}


class Dnsdb(Service):
    """The state of the embedded service; everything public may be set while it is served."""

    faults = BROKEN | {
        "400": lambda: _text(400, "bad request"),
        "401": lambda: _text(401, "no API key"),
        "403-key": lambda: _text(403, "API key not valid"),
        "403-expired": lambda: _text(403, "block of queries expired"),
        "403-address": lambda: _text(403, "client address not authorized for this API key"),
        "404": lambda: _text(404, "page not found"),
        "404-no-results": lambda: _text(404, "no results found for query."),
        "416": lambda: _text(416, "offset not allowed"),
        "429": lambda: _text(429, "too many queries within the burst window"),
        "429-quota": lambda: _text(429, "query quota exceeded"),
        "503": lambda: _text(503, "too many concurrent connections"),
        "empty-body": lambda: Response(media_type=MEDIA_TYPE),
        "no-rows": lambda: _saf(_BEGIN, _SUCCEEDED),
        "cut-at-once": lambda: _saf(_BEGIN),
        "cut-after-a-row": lambda: _saf(_BEGIN, {"obj": _ROW}),
        "failed-at-once": lambda: _saf(_BEGIN, _FAILED),
        "failed-after-a-row": lambda: _saf(_BEGIN, {"obj": _ROW}, _FAILED),
        "failed-with-a-row": lambda: _saf(_BEGIN, {"obj": _ROW} | _FAILED),
        "limited-with-a-row": lambda: _saf(_BEGIN, {"obj": _ROW} | _LIMITED),
        "ongoing": lambda: _saf(_BEGIN, {"obj": _ROW, "cond": "ongoing"}, _SUCCEEDED),
        "unknown-condition": lambda: _saf(_BEGIN, {"obj": _ROW}, {"cond": "paused"}),
        "blank-lines": lambda: Response(
            b'\n{"cond":"begin"}\n\n%b\r\n\n{"cond":"succeeded"}\n\n' % json.dumps({"obj": _ROW}).encode(),
            media_type=MEDIA_TYPE,
        ),
    }

    api_key = API_KEY
    quota: Literal["daily", "block", "unlimited"] = "daily"
    used = 0
    """Look-ups so far; at `limit`, the response is 429 unless the quota is unlimited."""
    limit = 1000
    results_max = 1_000_000
    """Maximum rows of an answer, whatever the requested `limit`."""
    offset_max: int | None = None
    """None if no offset is allowed."""
    zone_files = False
    """Whether each NS row comes a second time, from zone files; fences do not apply to these."""
    rate_body: object = None
    """Replaces the quota unless None."""

    async def admit(self, request: Request) -> None:
        if request.headers.get("x-api-key") != self.api_key:
            raise HTTPException(403, "API key not valid")


def dnsdb_app(service: Dnsdb) -> FastAPI:
    """The API over `service`, at `/dnsdb/v2`."""
    app = new_app(service, lambda status, text: PlainTextResponse(f"Error: {text}\n", status))

    @app.get("/dnsdb/v2/ping")
    async def ping() -> Response:
        return JSONResponse({"ping": "ok"})

    @app.get("/dnsdb/v2/rate_limit")
    async def rate_limit() -> Response:
        return JSONResponse(_rate(service) if service.rate_body is None else service.rate_body)

    @app.get("/dnsdb/v2/lookup/rrset/name/{name}")
    @app.get("/dnsdb/v2/lookup/rrset/name/{name}/{rrtype}")
    async def rrset(request: Request, name: str, rrtype: str = "ANY") -> Response:
        owned = [fact for fact in service.facts if fact.name == name.lower().removesuffix(".")]
        return _look_up(service, request, name, _typed(_sets(service, owned), rrtype))

    @app.get("/dnsdb/v2/lookup/rdata/name/{name}")
    @app.get("/dnsdb/v2/lookup/rdata/name/{name}/{rrtype}")
    async def rdata_name(request: Request, name: str, rrtype: str = "ANY") -> Response:
        pointing = (fact for fact in service.facts if fact.type in _POINTING)
        found = (fact for fact in pointing if _target(fact) == name.lower().removesuffix("."))
        return _look_up(service, request, name, _typed(map(_data_row, found), rrtype))

    @app.get("/dnsdb/v2/lookup/rdata/ip/{address}")
    async def rdata_ip(request: Request, address: str) -> Response:
        found = (fact for fact in service.facts if fact.type in ("A", "AAAA") and fact.data == address)
        return _look_up(service, request, address, map(_data_row, found))

    return app


def _look_up(service: Dnsdb, request: Request, value: str, rows: Iterable[dict[str, Any]]) -> Response:
    if request.headers.get("accept") != MEDIA_TYPE:
        raise HTTPException(415, f"the media type is {MEDIA_TYPE}")
    asked = _numbers(request.query_params)
    if service.quota != "unlimited" and service.used >= service.limit:
        raise HTTPException(429, "query quota exceeded", _headers(service))
    service.used += 1
    if value in service.recorded:
        return Response(service.recorded[value], headers=_headers(service), media_type=MEDIA_TYPE)
    answer = _answer(service, asked, rows, request.query_params.get("humantime", "").lower() == "true")
    answer.headers.update(_headers(service))
    return answer


def _numbers(params: Mapping[str, str]) -> dict[str, int]:
    if unknown := params.keys() - _PARAMETERS - set(_FENCES):
        raise HTTPException(400, f"unknown parameter {min(unknown)}")
    if not re.fullmatch("[A-Za-z0-9]*", params.get("swclient", "")):
        raise HTTPException(400, "swclient is not alphanumeric")
    try:
        return {name: int(params[name]) for name in ("limit", "offset", *_FENCES) if name in params}
    except ValueError:
        raise HTTPException(400, "not a number") from None


def _answer(service: Dnsdb, asked: Mapping[str, int], rows: Iterable[dict[str, Any]], humantime: bool) -> Response:
    offset = asked.get("offset", 0)
    if offset > (service.offset_max or 0):
        raise HTTPException(416, "offset not allowed")
    limit = min(asked.get("limit", 10_000) or service.results_max, service.results_max)
    found = list(islice((row for row in rows if _inside(row, asked)), offset, None))
    sent = [{"obj": _for_people(row) if humantime else row} for row in found[:limit]]
    return _saf(_BEGIN, *sent, _LIMITED if len(found) > limit else _SUCCEEDED)


def _inside(row: Mapping[str, Any], asked: Mapping[str, int]) -> bool:
    """Whether a row is within the fences; negative ones count back from now."""
    if "time_first" not in row:
        return True
    now = int(time.time())
    for fence in asked.keys() & set(_FENCES):
        bound = asked[fence] if asked[fence] >= 0 else now + asked[fence]
        seen = row[fence.rpartition("_")[0]]
        if seen <= bound if fence.endswith("after") else seen >= bound:
            return False
    return True


def _for_people(row: dict[str, Any]) -> dict[str, Any]:
    times = {key: f"{datetime.fromtimestamp(row[key], UTC):%Y-%m-%dT%H:%M:%SZ}" for key in row if "time_" in key}
    return row | times


def _sets(service: Dnsdb, facts: Iterable[Fact]) -> Iterator[dict[str, Any]]:
    """One row for each owner, type and period."""
    for (name, kind, first, last), members in groupby(
        facts, lambda fact: (fact.name, fact.type, fact.first, fact.last)
    ):
        times = {"time_first": unix(first), "time_last": unix(last)}
        zone = ".".join(name.split(".")[-2:])
        row = {"rrname": f"{name}.", "rrtype": kind, "bailiwick": f"{zone}.", "rdata": [fact.data for fact in members]}
        yield {"count": 7} | times | row
        if service.zone_files and kind == "NS":
            zone_times = {f"zone_{key}": value for key, value in times.items()}
            yield {"count": 5} | zone_times | row | {"bailiwick": f"{name.rpartition('.')[2]}."}


def _data_row(fact: Fact) -> dict[str, Any]:
    return cof_row(fact) | {"rrname": f"{fact.name}.", "rdata": fact.data}


def _target(fact: Fact) -> str:
    return fact.data.split()[-1].removesuffix(".")


def _typed(rows: Iterable[dict[str, Any]], rrtype: str) -> Iterator[dict[str, Any]]:
    return (row for row in rows if rrtype.upper() in ("ANY", row["rrtype"]))


def _rate(service: Dnsdb) -> dict[str, Any]:
    """The quota, by the kind of API key."""
    midnight = (datetime.now(UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    offset_max = "n/a" if service.offset_max is None else service.offset_max
    common = {"results_max": service.results_max, "offset_max": offset_max}
    counted = {"limit": service.limit, "remaining": service.limit - service.used}
    kinds: dict[str, dict[str, Any]] = {
        "daily": {"reset": unix(midnight)} | counted,
        "block": {"reset": "n/a", "expires": unix(midnight + timedelta(days=90))} | counted,
        "unlimited": {"reset": "n/a", "limit": "unlimited", "remaining": "n/a"},
    }
    burst = {"burst_size": 10, "burst_window": 300}
    return {"rate": kinds[service.quota] | common | (burst if service.quota == "block" else {})}


def _headers(service: Dnsdb) -> dict[str, str]:
    rate = _rate(service)["rate"]
    names = [name for name in ("limit", "remaining", "reset", "expires") if name in rate]
    return {f"X-RateLimit-{name.title()}": str(rate[name]) for name in names}


STAND_IN = StandIn(Dnsdb, dnsdb_app, {"api_key": API_KEY, "api_base_url": "{url}"})
