"""Stands in for PassiveTotal: the two endpoints of API v2 for passive DNS."""

import asyncio
import ipaddress
import re
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from sandbox.faults import FAULTS
from sandbox.sources.riskiq_data import Answers
from sandbox.sources.service import Received, Service

USERNAME = "analyst@example.org"
API_KEY = "5a" * 32

_QUOTA, _SEARCH = "/v2/account/quota", "/v2/dns/passive"
_BOUND = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?")


def _first_of_next_month() -> str:
    this_month = datetime.now(UTC).date().replace(day=1)
    return f"{(this_month + timedelta(days=32)).replace(day=1)} 00:00:00"


class PassiveTotal(Service):
    """The state of the stand-in: what it knows, how it behaves, what it was asked.

    Everything public may be set while it is served; `reset` puts it back.
    """

    faults = FAULTS

    def __init__(self, answers: Answers, **settings: Any) -> None:
        """`settings` are public attributes to begin with."""
        super().__init__()
        self.answers = answers
        self.username = USERNAME
        self.api_key = API_KEY
        self.used = 0
        """Searches counted against the user's licence; at `limit` a search is answered with 429."""
        self.limit = 2000
        self.organization_used = 0
        self.organization_limit = 10_000
        self.next_reset = _first_of_next_month()
        self.quota_body: object = None
        """In place of the quota that the numbers above make, unless None."""
        self.held: set[str] = set()
        """Values whose searches are answered only after they are taken out of it."""
        self.ignores_window = False
        """Answer all records, whatever `start` and `end` say."""
        self.strict_content_type = True
        """Refuse a request with a Content-Type, as the API did, though GET has no body to describe."""
        vars(self).update(settings)

    @property
    def searches(self) -> list[Received]:
        """Those of the requests that searched passive DNS."""
        return [request for request in self.requests if request.path.endswith(_SEARCH)]

    def fail(self, fault: str, times: int | None = None, on: str = "") -> None:
        """As `Service`; `on` may also be `search` or `quota`."""
        super().fail(fault, times, {"search": _SEARCH, "quota": _QUOTA}.get(on, on))

    def reset(self) -> None:
        """Be as new, but for the answers: settings, quota, faults and the record of requests."""
        vars(self).update(vars(PassiveTotal(self.answers)))


def passivetotal_app(service: PassiveTotal) -> FastAPI:
    """The API over `service`, at `/v2` (api.passivetotal.org) and at `/pt/v2` (api.riskiq.net)."""
    router = APIRouter()

    @router.get(_QUOTA)
    async def quota(request: Request) -> Response:
        if fault := service.receive(request):
            return fault
        _admit(service, request)
        return JSONResponse(_quota(service) if service.quota_body is None else service.quota_body)

    @router.get(_SEARCH)
    async def passive_dns(request: Request) -> Response:
        fault = service.receive(request)
        await asyncio.sleep(service.latency)
        while request.query_params.get("query") in service.held:
            await asyncio.sleep(0.01)
        if fault:
            return fault
        _admit(service, request)
        return JSONResponse(_search(service, request.query_params))

    app = FastAPI(openapi_url=None)
    app.include_router(router)
    app.include_router(router, prefix="/pt")

    @app.exception_handler(StarletteHTTPException)
    async def refusal(_request: Request, error: StarletteHTTPException) -> Response:
        return JSONResponse({"message": error.detail}, error.status_code, error.headers)

    return app


def _admit(service: PassiveTotal, request: Request) -> None:
    credentials = b64encode(f"{service.username}:{service.api_key}".encode()).decode()
    if request.headers.get("authorization") != f"Basic {credentials}":
        raise HTTPException(401, "invalid credentials")
    if service.strict_content_type and "content-type" in request.headers:
        raise HTTPException(400, "Content-Type without a body")


def _search(service: PassiveTotal, params: Mapping[str, str]) -> dict[str, Any]:
    query = params.get("query")
    if not query:
        raise HTTPException(400, "query: missing required parameter")
    start, end = _bound(params, "start"), _bound(params, "end")
    if service.used >= service.limit:
        raise HTTPException(429, f"quota_exceeded: {service.used} of {service.limit} searches used")
    service.used += 1
    records = service.answers.get(query.lower(), [])
    if not service.ignores_window:
        records = [record for record in records if _overlaps(record, start, end)]
    return _envelope(query, records)


def _bound(params: Mapping[str, str], name: str) -> datetime | None:
    """The API takes `YYYY-MM-DD` and `YYYY-MM-DD HH:MM:SS` only; a date is its midnight."""
    text = params.get(name)
    if text is None:
        return None
    if not _BOUND.fullmatch(text) or (bound := _parsed(text)) is None:
        raise HTTPException(400, f"{name}: not YYYY-MM-DD or YYYY-MM-DD HH:MM:SS")
    return bound


def _parsed(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None


def _overlaps(record: object, start: datetime | None, end: datetime | None) -> bool:
    """`start` bounds what was last seen, `end` what was first seen; without dates a record is in any window."""
    if not isinstance(record, dict):
        return True
    first, last = _parsed(record.get("firstSeen")), _parsed(record.get("lastSeen"))
    return not (start and last and last < start) and not (end and first and first > end)


def _envelope(query: str, records: list[Any]) -> dict[str, Any]:
    return {
        "queryValue": query,
        "firstSeen": min(_seen(records, "firstSeen"), default=None),
        "lastSeen": max(_seen(records, "lastSeen"), default=None),
        "results": records,
        "totalRecords": len(records),
        "pager": None,
        "queryType": "ip" if _is_address(query) else "domain",
    }


def _seen(records: list[Any], key: str) -> list[str]:
    return [record[key] for record in records if isinstance(record, dict) and _parsed(record.get(key))]


def _is_address(query: str) -> bool:
    try:
        ipaddress.ip_address(query)
    except ValueError:
        return False
    return True


def _quota(service: PassiveTotal) -> dict[str, Any]:
    """Licences are flat for the user and nested by licence for the organization."""
    user = _account(100, 1000, "weekly") | {
        "owner": service.username,
        "username": service.username,
        "quotaInterval": "monthly",
        "licenseCounts": {"searchApi": service.used, "searchWeb": 123},
        "licenseLimits": {"searchApi": service.limit, "searchWeb": 200},
        "next_reset": service.next_reset,
    }
    organization = _account(0, 100, "daily") | {
        "owner": "Example Organization",
        "organization": "Example Organization",
        "guid": "00000000-0000-4000-8000-000000000000",
        "profile": {"analysis": "free", "workflow": "free"},
        "quotaInterval": "daily",
        "useMonthlyQuotaInactive": True,
        "licenseCounts": {"enterprise": {"searchApi": service.organization_used, "searchWeb": 1}},
        "licenseLimits": {"enterprise": {"searchApi": service.organization_limit, "searchWeb": 5678}},
        "next_reset": service.next_reset,
    }
    return {"user": user, "organization": organization}


def _account(searches: int, limit: int, monitor_frequency: str) -> dict[str, Any]:
    """What user and organization share; the counts of before the licences differ from theirs, as they really did."""
    monitors = {"keyword_monitors": 0, "basic_monitors": 0, "projects_private": 0, "projects_public": 0}
    limits = {"monitor_results": 10, "create_crawls": 0, "crawl_submissions": 0}
    return {
        "organization": None,
        "guid": None,
        "profile": {"analysis": None, "workflow": None},
        "freebies": {"search_web": 0, "search_api": 0},
        "counts": monitors | {"search_api": searches, "search_web": 0},
        "limits": monitors | limits | {"monitor_frequency": monitor_frequency, "search_api": limit, "search_web": 100},
        "useMonthlyQuotaInactive": False,
        "last_reset": f"{datetime.now(UTC).date().replace(day=1)} 00:00:00",
        "username": None,
        "event_code": None,
        "event_code_expiration": None,
    }
