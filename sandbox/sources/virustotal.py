"""Stands in for VirusTotal v3: the resolutions of names and addresses.

The answers follow recordings of 2019 and 2022: newest rows first, pages of 10 to 40 rows, a raw cursor in `meta` and
an escaped one in `links.next`. The statuses and codes of errors are those of docs.virustotal.com; messages missing
there are invented.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse

from sandbox.sources.history import Fact, unix, version
from sandbox.sources.service import BROKEN, Service, StandIn, new_app

API_KEY = "7e" * 32

_PREFIX = "/api/v3"
_DEFAULT_LIMIT, _HIGHEST_LIMIT = 10, 40
_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)+")
_HARMLESS = {"harmless": 84, "malicious": 0, "suspicious": 0, "undetected": 10, "timeout": 0}


def _error(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status)


class VirusTotal(Service):
    """The state of the stand-in."""

    faults = BROKEN | {
        "400": lambda: _error(400, "BadRequestError", "Bad request"),
        "400-not-available-yet": lambda: _error(400, "NotAvailableYet", "The resource is not available yet"),
        "403": lambda: _error(403, "ForbiddenError", "You are not authorized to perform the requested operation"),
        "404": lambda: _error(404, "NotFoundError", "Resource not found"),
        "404-html": lambda: Response("<html><h1>Not Found</h1></html>", 404, media_type="text/html"),
        "429-minute": lambda: _error(429, "TooManyRequestsError", "Too many requests"),
        "429-quota": lambda: _error(429, "QuotaExceededError", "Quota exceeded"),
        "503": lambda: _error(503, "TransientError", "Transient server error, retry might work"),
        "504": lambda: _error(504, "DeadlineExceededError", "The operation took too long to complete"),
        "no-data": lambda: JSONResponse({"meta": {"count": 0}}),
        "empty-body": lambda: Response(b"", media_type="application/json"),
    }
    api_key = API_KEY
    as_of_2019 = False
    """Whether answers lack the count, the `meta` of the last page, and the statistics."""


def virustotal_app(service: VirusTotal) -> FastAPI:
    """The API over `service`, at `/api/v3`."""
    codes = {400: "InvalidArgumentError", 404: "NotFoundError", 429: "QuotaExceededError"}
    app = new_app(service, lambda status, text: _error(status, codes.get(status, "BadRequestError"), text))

    @app.get(_PREFIX + "/{collection}/{value:path}/resolutions")
    async def resolutions(collection: str, value: str, request: Request) -> Response:
        return _resolutions(service, collection, value, request)

    return app


def _resolutions(service: VirusTotal, collection: str, value: str, request: Request) -> Response:
    if "x-apikey" not in request.headers:
        return _error(401, "AuthenticationRequiredError", "X-Apikey header is missing")
    if request.headers["x-apikey"] != service.api_key:
        return _error(401, "WrongCredentialsError", "Wrong API key")
    _check(collection, value)
    limit, cursor = _limit(request.query_params.get("limit")), request.query_params.get("cursor", "")
    if not service.spend():
        raise HTTPException(429, "Quota exceeded")
    if value in service.recorded:
        return _recorded(service.recorded[value], cursor)
    side = "name" if collection == "domains" else "data"
    facts = [fact for fact in service.facts if fact.type in ("A", "AAAA") and getattr(fact, side) == value]
    return JSONResponse(_page(service, request.url.path, facts, limit, _start(cursor)))


def _check(collection: str, value: str) -> None:
    if collection == "domains" and (version(value) or not _NAME.fullmatch(value)):
        raise HTTPException(400, f"Invalid domain name {value!r}")
    if collection == "ip_addresses" and not version(value):
        raise HTTPException(400, f"Invalid IP address {value!r}")
    if collection not in ("domains", "ip_addresses"):
        raise HTTPException(404, "Resource not found")


def _limit(text: str | None) -> int:
    if text is None:
        return _DEFAULT_LIMIT
    if not text.isdigit() or not 1 <= int(text) <= _HIGHEST_LIMIT:
        raise HTTPException(400, f"limit must be a number from 1 to {_HIGHEST_LIMIT}")
    return int(text)


def _recorded(body: bytes, cursor: str) -> Response:
    """Only first pages were recorded; an empty last page follows."""
    return Response(b'{"data": []}' if cursor else body, media_type="application/json")


def _cursor(start: int) -> str:
    # Six digits result in padding, as in real cursors, which a link must escape.
    return urlsafe_b64encode(b"row %06d" % start).decode()


def _start(cursor: str) -> int:
    try:
        return int(urlsafe_b64decode(cursor).removeprefix(b"row ")) if cursor else 0
    except ValueError:
        raise HTTPException(400, "Invalid cursor") from None


def _page(service: VirusTotal, path: str, facts: Sequence[Fact], limit: int, start: int) -> dict[str, Any]:
    newest_first = sorted(facts, key=lambda fact: fact.first, reverse=True)
    rows = [_row(fact, service.as_of_2019) for fact in newest_first[start : start + limit]]
    address = f"https://www.virustotal.com{path}"
    links = {"self": f"{address}?{urlencode({'limit': limit})}"}
    meta: dict[str, Any] = {} if service.as_of_2019 else {"count": len(facts)}
    if start + limit < len(facts):
        meta["cursor"] = _cursor(start + limit)
        links["next"] = f"{address}?{urlencode({'cursor': meta['cursor'], 'limit': limit})}"
    return {"data": rows, "links": links, **({"meta": meta} if meta else {})}


def _row(fact: Fact, as_of_2019: bool) -> dict[str, Any]:
    """The date of the first resolution, since VirusTotal does not update it."""
    attributes = {"date": unix(fact.first), "host_name": fact.name, "ip_address": fact.data, "resolver": "VirusTotal"}
    if not as_of_2019:
        attributes |= {"host_name_last_analysis_stats": _HARMLESS, "ip_address_last_analysis_stats": _HARMLESS}
    identifier = fact.data + fact.name
    return {
        "attributes": attributes,
        "id": identifier,
        "links": {"self": f"https://www.virustotal.com{_PREFIX}/resolutions/{identifier}"},
        "type": "resolution",
    }


STAND_IN = StandIn(VirusTotal, virustotal_app, {"api_key": API_KEY, "api_base_url": "{url}/api/v3"})
