"""Stands in for Microsoft Graph: the two passive DNS lists of a threat intelligence host, and the sign-in.

Sources: Microsoft's documentation of Graph v1.0 and its samples, the vendor's notebooks for the token, and the general
form of Entra ID's errors. The page size, the response to an unknown host, and record types except A and CNAME are
undocumented; those here are guesses.
"""

import itertools
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, urlencode

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from sandbox.sources.history import Fact
from sandbox.sources.service import BROKEN, Service, StandIn, new_app

TENANT_ID = "00000000-0000-4000-8000-00000000000a"
CLIENT_ID = "00000000-0000-4000-8000-00000000000b"
CLIENT_SECRET = "stand-in~client.secret_of-nobody"

_ADDRESSES = ("A", "AAAA")
_NAMES = ("CNAME", "MX", "NS", "SOA")


def _graph_error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    inner = {"request-id": "00000000-0000-4000-8000-000000000000", "date": "2026-11-24T12:00:00"}
    return JSONResponse({"error": {"code": code, "message": message, "innerError": inner}}, status, headers)


def _entra_error(status: int, error: str, number: int, text: str) -> Response:
    description = f"AADSTS{number}: {text}\r\nTrace ID: 00000000-0000-4000-8000-000000000000\r\nTimestamp: 2026-11-24"
    return JSONResponse({"error": error, "error_description": description, "error_codes": [number]}, status)


FAULTS = BROKEN | {
    "400": lambda: _graph_error(400, "BadRequest", "Invalid host."),
    "401": lambda: _graph_error(401, "InvalidAuthenticationToken", "Access token has expired or is not yet valid."),
    "403": lambda: _graph_error(403, "Forbidden", "Missing role ThreatIntelligence.Read.All."),
    "404": lambda: _graph_error(404, "NotFound", "Host not found."),
    "404-html": lambda: HTMLResponse("<html><h1>Not Found</h1></html>", 404),
    "429": lambda: _graph_error(429, "TooManyRequests", "Please retry after", {"Retry-After": "1"}),
    "429-without-retry-after": lambda: _graph_error(429, "TooManyRequests", "Please retry again later."),
    "503": lambda: _graph_error(503, "ServiceUnavailable", "The service is temporarily unavailable."),
    "no-list": lambda: JSONResponse({"value": "none"}),
    "empty-body": lambda: Response(b"", media_type="application/json"),
    "next-page-elsewhere": lambda: JSONResponse({"value": [], "@odata.nextLink": "https://graph.example/v1.0/page"}),
    "next-page-nowhere": lambda: JSONResponse({"value": [], "@odata.nextLink": "http://["}),
    "next-page-number": lambda: JSONResponse({"value": [], "@odata.nextLink": 7}),
}
"""Responses of Graph, or of a gateway, in place of a list."""

LOGIN_FAULTS = BROKEN | {
    "invalid-client": lambda: _entra_error(401, "invalid_client", 7000215, "Invalid client secret provided."),
    "unauthorized-client": lambda: _entra_error(
        400, "unauthorized_client", 700016, f"Application with identifier '{CLIENT_ID}' was not found."
    ),
    "unknown-tenant": lambda: _entra_error(400, "invalid_request", 90002, "Tenant not found."),
    "403": lambda: _entra_error(403, "access_denied", 53003, "Access has been blocked."),
    "429": lambda: JSONResponse({"error": "temporarily_unavailable"}, 429, {"Retry-After": "1"}),
    "no-token": lambda: JSONResponse({"token_type": "Bearer", "expires_in": 3599}),
    "unprintable-token": lambda: JSONResponse({"access_token": "a\r\nX-Forged: 1", "expires_in": 3599}),
}
"""Responses of Entra ID, or of a gateway, in place of a token."""


class Login(Service):
    """The state of the embedded Entra ID."""

    faults = LOGIN_FAULTS


class Defender(Service):
    """The state of the embedded Graph."""

    faults = FAULTS
    page_size = 100
    token_life: object = 3599
    """The stated lifetime in seconds; tokens are valid until revoked."""
    unknown_is_404 = False
    """Whether an unknown host causes a 404 instead of an empty list."""
    entitled = True

    def __init__(self, facts: Sequence[Fact] = (), recorded: Mapping[str, bytes] = MappingProxyType({})) -> None:
        """`recorded` has the bodies by value and list, such as `contoso.com/passiveDns`."""
        super().__init__(facts, recorded)
        self.login = Login()
        self._numbers = itertools.count(1)
        self._tokens: set[str] = set()

    def receive(self, request: Request) -> Response | None:
        """As `Service`, but sign-ins belong to `login`."""
        is_login = request.url.path.endswith("/token")
        return self.login.receive(request) if is_login else super().receive(request)

    def issue(self) -> str:
        """A new token."""
        token = b64encode(b"token %d of the stand-in" % next(self._numbers)).decode()
        self._tokens.add(token)
        return token

    def revoke(self) -> None:
        """Revoke all tokens."""
        self._tokens.clear()

    def accepts(self, authorization: str | None) -> bool:
        """Whether the header has a valid token."""
        scheme, _, token = (authorization or "").partition(" ")
        return scheme == "Bearer" and token in self._tokens


def defender_app(service: Defender) -> FastAPI:
    """Graph at `/v1.0` and Entra ID at `/{tenant}/oauth2/v2.0/token`, on one host."""
    app = new_app(service)

    @app.post("/{tenant}/oauth2/v2.0/token")
    async def token(request: Request, tenant: str) -> Response:
        return _token(service, request, tenant, (await request.body()).decode())

    @app.get("/v1.0/security/threatIntelligence/hosts/{value}/{relation}")
    async def passive_dns(request: Request, value: str, relation: str) -> Response:
        return _refusal(service, request, relation) or _list(service, request, value, relation)

    return app


def _token(service: Defender, request: Request, tenant: str, body: str) -> Response:
    form = dict(parse_qsl(body))
    if request.headers.get("content-type") != "application/x-www-form-urlencoded" or "authorization" in request.headers:
        return _entra_error(400, "invalid_request", 900144, "The request body must be a form.")
    if tenant != TENANT_ID:
        return _entra_error(400, "invalid_request", 90002, f"Tenant '{tenant}' not found.")
    if form.get("grant_type") != "client_credentials":
        return _entra_error(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
    if form.get("scope") != f"{request.url.scheme}://{request.url.netloc}/.default":
        return _entra_error(400, "invalid_scope", 1002012, "The provided value for scope is not valid.")
    if form.get("client_id") != CLIENT_ID:
        return _entra_error(400, "unauthorized_client", 700016, "Application was not found in the directory.")
    if form.get("client_secret") != CLIENT_SECRET:
        return _entra_error(401, "invalid_client", 7000215, "Invalid client secret provided.")
    return JSONResponse(
        {"token_type": "Bearer", "expires_in": service.token_life, "access_token": service.issue()},
        headers={"Cache-Control": "no-store"},
    )


def _refusal(service: Defender, request: Request, relation: str) -> Response | None:
    if not service.accepts(request.headers.get("authorization")):
        return _graph_error(401, "InvalidAuthenticationToken", "Access token is empty or invalid.")
    if not service.entitled:
        return _graph_error(403, "Forbidden", "The tenant has no licence for threat intelligence.")
    if relation not in ("passiveDns", "passiveDnsReverse"):
        return _graph_error(400, "BadRequest", f"Resource not found for the segment '{relation}'.")
    if unknown := set(request.query_params) - {"$skiptoken"}:
        return _graph_error(400, "BadRequest", f"Unsupported query option: {', '.join(sorted(unknown))}.")
    return None


def _list(service: Defender, request: Request, value: str, relation: str) -> Response:
    if body := service.recorded.get(f"{value}/{relation}"):
        return Response(body, media_type="application/json")
    records = list(_records(service.facts, value, relation))
    if not records and service.unknown_is_404:
        return FAULTS["404"]()
    start = int(request.query_params.get("$skiptoken", "0"))
    end = start + service.page_size
    answer: dict[str, Any] = {"value": records[start:end]}
    if end < len(records):
        query = urlencode({"$skiptoken": end})
        answer["@odata.nextLink"] = str(request.url.replace(query=query))
    return JSONResponse(answer)


def _records(facts: Sequence[Fact], value: str, relation: str) -> Iterator[dict[str, Any]]:
    """The targets of a name, or the names that point to a name or an address."""
    for fact in facts:
        artifact = _artifact(fact)
        if relation == "passiveDns" and fact.name == value:
            yield _record(fact, value, artifact)
        elif relation == "passiveDnsReverse" and artifact["id"] == value:
            yield _record(fact, value, {"@odata.type": _type("hostname"), "id": fact.name})


def _artifact(fact: Fact) -> dict[str, str]:
    """The other side of a record, without preference, serial number or trailing dot."""
    if fact.type in _ADDRESSES:
        return {"@odata.type": _type("ipAddress"), "id": fact.data}
    if fact.type in _NAMES:
        name = fact.data.split()[1 if fact.type == "MX" else 0]
        return {"@odata.type": _type("hostname"), "id": name.removesuffix(".")}
    return {
        "@odata.type": _type("unclassifiedArtifact"),
        "id": sha256(fact.data.encode()).hexdigest(),
        "value": fact.data,
    }


def _type(name: str) -> str:
    return f"#microsoft.graph.security.{name}"


def _record(fact: Fact, asked: str, artifact: Mapping[str, str]) -> dict[str, Any]:
    return {
        "@odata.type": _type("passiveDnsRecord"),
        "id": b64encode(f"{fact.name}$${fact.data}".encode()).decode(),
        "firstSeenDateTime": _iso(fact.first),
        "lastSeenDateTime": _iso(fact.last),
        "collectedDateTime": f"{fact.last:%Y-%m-%dT%H:%M:%S}.735Z",
        "recordType": fact.type,
        "parentHost": {"id": asked},
        "artifact": dict(artifact),
    }


def _iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


STAND_IN = StandIn(
    Defender,
    defender_app,
    {
        "tenant_id": TENANT_ID,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "api_base_url": "{url}/v1.0",
        "login_base_url": "{url}",
    },
)
