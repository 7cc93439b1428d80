"""Stands in for AlienVault OTX: the passive DNS of an indicator.

The answers follow recordings of 2022 and 2026, and both 429 bodies are verbatim. The statuses 400, 403 and 404 are
from the vendor's client; their texts are invented. The answer of `hostname` for a registrable domain is unknown: here
it is empty, the strictest assumption.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse

from sandbox.sources.history import Fact, version
from sandbox.sources.service import BROKEN, Service, StandIn, detail, new_app

API_KEY = "3c" * 32

_ANONYMOUS = "Anonymous access to this endpoint is limited. Please authenticate."
_THROTTLED = "Over throttling limit (100/hour)"
_SUFFIXES_OF_TWO_LABELS = frozenset({"co.uk", "com.au"})
_NO_TLDS = frozenset({"corp", "home", "internal", "invalid", "lan", "local", "localhost", "test"})
_VERSIONS = {"IPv4": 4, "IPv6": 6}
_TYPES = ("A", "AAAA", "CNAME", "MX", "NS")


class Otx(Service):
    """The state of the stand-in."""

    faults = BROKEN | {
        "400": lambda: detail(400, "Invalid domain"),
        "403": lambda: detail(403, "Invalid API key"),
        "404": lambda: detail(404, "Not found."),
        "429-anonymous": lambda: detail(429, _ANONYMOUS),
        "429-throttled": lambda: detail(429, _THROTTLED),
        "503": lambda: detail(503, "Service unavailable"),
        "no-list": lambda: JSONResponse({"count": 0}),
        "empty-body": lambda: Response(b"", media_type="application/json"),
    }
    api_key = API_KEY
    most_rows: int | None = None
    """Maximum rows to send; all are counted."""
    types_mixed_up = False
    """Whether IPv6 addresses have type A."""
    counts = True
    """Whether the answer has a count, unlike the web site's."""
    not_existing: Mapping[str, datetime] = MappingProxyType({})
    """Names that did not exist, with the date (UTC)."""

    async def admit(self, request: Request) -> None:
        key = request.headers.get("x-otx-api-key")
        if key is None:
            raise HTTPException(429, _ANONYMOUS)
        if key != self.api_key:
            raise HTTPException(403, "Invalid API key")
        if not self.spend():
            raise HTTPException(429, _THROTTLED)


def otx_app(service: Otx) -> FastAPI:
    """The API over `service`, at `/api/v1`."""
    app = new_app(service)

    @app.get("/api/v1/indicators/{slug}/{value:path}/passive_dns")
    async def passive_dns(slug: str, value: str) -> Response:
        return _passive_dns(service, slug, value)

    return app


def _passive_dns(service: Otx, slug: str, value: str) -> Response:
    _check(slug, value)
    if value in service.recorded:
        return Response(service.recorded[value], media_type="application/json")
    rows = sorted(_rows(service, slug, value), key=lambda row: str(row["last"]), reverse=True)
    count = {"count": len(rows)} if service.counts else {}
    return JSONResponse({"passive_dns": rows[: service.most_rows], **count}, headers={"Cache-Control": "max-age=600"})


def _check(slug: str, value: str) -> None:
    if slug in _VERSIONS:
        if version(value) != _VERSIONS[slug]:
            raise HTTPException(400, f"Invalid {slug}")
    elif slug not in ("domain", "hostname"):
        raise HTTPException(404, "Not found.")
    elif version(value) or "." not in value or value.rpartition(".")[2] in _NO_TLDS:
        raise HTTPException(400, "Invalid domain")


def _registrable(name: str) -> str:
    labels = name.split(".")
    return ".".join(labels[-3 if ".".join(labels[-2:]) in _SUFFIXES_OF_TWO_LABELS else -2 :])


def _rows(service: Otx, slug: str, value: str) -> list[dict[str, Any]]:
    facts = [fact for fact in service.facts if fact.type in _TYPES]
    facts += [Fact(name, "A", "NXDOMAIN", seen, seen) for name, seen in service.not_existing.items()]
    return [_row(service, fact) for fact in facts if _belongs(fact, slug, value)]


def _belongs(fact: Fact, slug: str, value: str) -> bool:
    """Whether a fact is in an answer; that for a registrable domain includes its subdomains."""
    if slug in _VERSIONS:
        return fact.data == value
    if (slug == "domain") != (value == _registrable(value)):
        return False
    return fact.name == value or (slug == "domain" and fact.name.endswith(f".{value}"))


def _row(service: Otx, fact: Fact) -> dict[str, Any]:
    kind = "domain" if fact.name == _registrable(fact.name) else "hostname"
    return {
        "address": fact.data.rpartition(" ")[2].removesuffix("."),
        "first": _naive(fact.first),
        "last": _naive(fact.last),
        "hostname": fact.name,
        "record_type": "A" if service.types_mixed_up and fact.type == "AAAA" else fact.type,
        "indicator_link": f"/indicator/{kind}/{fact.name}",
        "flag_url": "assets/images/flags/de.png",
        "flag_title": "Germany",
        "asset_type": kind,
        "asn": "ASNone ",
    }


def _naive(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="seconds")


STAND_IN = StandIn(Otx, otx_app, {"api_key": API_KEY, "api_base_url": "{url}/api/v1"})
