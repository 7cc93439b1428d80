"""Stands in for PassiveTotal: the two endpoints of API v2 for passive DNS."""

import asyncio
import re
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse

from sandbox.faults import FAULTS
from sandbox.sources.history import version
from sandbox.sources.riskiq_data import Answers, answers_of
from sandbox.sources.service import Received, Service, StandIn, new_app

USERNAME = "analyst@example.org"
API_KEY = "5a" * 32

_QUOTA, _SEARCH = "/v2/account/quota", "/v2/dns/passive"
_BOUND = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?")


def _first_of_next_month() -> str:
    this_month = datetime.now(UTC).date().replace(day=1)
    return f"{(this_month + timedelta(days=32)).replace(day=1)} 00:00:00"


class PassiveTotal(Service):
    """The state of the stand-in; `reset` restores it."""

    faults = FAULTS

    def __init__(self, answers: Answers, **settings: Any) -> None:
        """`settings` are initial values of public attributes."""
        super().__init__()
        self.answers = answers
        self.username = USERNAME
        self.api_key = API_KEY
        self.used = 0
        """Searches of the user's licence so far; at `limit`, the response to a search is 429."""
        self.limit = 2000
        self.organization_used = 0
        self.organization_limit = 10_000
        self.next_reset = _first_of_next_month()
        self.quota_body: object = None
        """Replaces the quota unless None."""
        self.held: set[str] = set()
        """Values whose searches wait until they are removed from it."""
        self.ignores_window = False
        """Whether `start` and `end` have no effect."""
        self.strict_content_type = True
        """Whether requests with a Content-Type are rejected, as by the API."""
        vars(self).update(settings)

    @property
    def searches(self) -> list[Received]:
        """The requests that searched passive DNS."""
        return [request for request in self.requests if request.path.endswith(_SEARCH)]

    def fail(self, fault: str, times: int | None = None, on: str = "") -> None:
        """As `Service`; `on` may also be `search` or `quota`."""
        super().fail(fault, times, {"search": _SEARCH, "quota": _QUOTA}.get(on, on))

    async def admit(self, request: Request) -> None:
        credentials = b64encode(f"{self.username}:{self.api_key}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {credentials}":
            raise HTTPException(401, "invalid credentials")
        if self.strict_content_type and "content-type" in request.headers:
            raise HTTPException(400, "Content-Type without a body")

    async def wait(self, request: Request) -> None:
        """Only searches wait."""
        if request.url.path.endswith(_SEARCH):
            await super().wait(request)
            while request.query_params.get("query") in self.held:
                await asyncio.sleep(0.01)

    def reset(self) -> None:
        """Restore everything except the answers: settings, quota, faults and the recorded requests."""
        vars(self).update(vars(PassiveTotal(self.answers)))


def passivetotal_app(service: PassiveTotal) -> FastAPI:
    """The API over `service`, at `/v2` (api.passivetotal.org) and at `/pt/v2` (api.riskiq.net)."""
    app = new_app(service, lambda status, text: JSONResponse({"message": text}, status))

    @app.get(_QUOTA)
    @app.get("/pt" + _QUOTA)
    async def quota() -> Response:
        return JSONResponse(_quota(service) if service.quota_body is None else service.quota_body)

    @app.get(_SEARCH)
    @app.get("/pt" + _SEARCH)
    async def passive_dns(request: Request) -> Response:
        return JSONResponse(_search(service, request.query_params))

    return app


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
    """A time in the only two accepted forms: `YYYY-MM-DD` (midnight) and `YYYY-MM-DD HH:MM:SS`."""
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
    """`start` is compared with last seen, `end` with first seen; a record without dates is in every window."""
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
        "queryType": "ip" if version(query) else "domain",
    }


def _seen(records: list[Any], key: str) -> list[str]:
    return [record[key] for record in records if isinstance(record, dict) and _parsed(record.get(key))]


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
    """The fields of user and organization; the older counts differ from those of the licences, as in the fixture."""
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


STAND_IN = StandIn(
    lambda facts: PassiveTotal(answers_of(facts)),
    passivetotal_app,
    {"username": USERNAME, "api_key": API_KEY, "api_base_url": "{url}/pt"},
)
