"""Simulates faulty responses of PassiveTotal and of gateways in front of it.

The bodies follow those known from clients of the API and their tests: three forms of error (nested under ``error``,
only ``message``, both ``error`` and ``message``), and the web pages of gateways.
"""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from types import MappingProxyType

from fastapi import Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

_ANSWER = json.dumps({"results": [{"recordType": "A", "resolveType": "ip", "resolve": "192.0.2.10"}]}).encode()
_MEBIBYTE = b" " * 2**20


def _message(status: int, text: str) -> Response:
    return JSONResponse({"message": text}, status)


def _nested_error(status: int, text: str) -> Response:
    """The form used in 2016."""
    return JSONResponse(
        {"error": {"http_code": status, "message": text, "developer_message": text}}, status_code=status
    )


def _page(status: int, title: str) -> Response:
    return HTMLResponse(f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>", status)


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


def _rate_limited() -> Response:
    return JSONResponse({"message": "too many requests"}, 429, {"Retry-After": "1"})


def _quota_error() -> Response:
    text = "quota has been exceeded"
    return JSONResponse({"error": "quota exceeded for operation search_api", "message": text}, 429)


def _unknown_uri() -> Response:
    text = "You have requested this URI [/v2/dns/passive] but did you mean /v2/dns/passive/unique ?"
    return _message(404, f"The requested URL was not found on the server. {text}")


def _deeply_nested() -> Response:
    depth = 100_000
    return _json(b'{"results": ' + b"[" * depth + b"]" * depth + b"}")


async def _endless_drops() -> AsyncIterator[bytes]:
    # White space before JSON is valid JSON: only a timeout reveals the fault.
    while True:
        yield b" "
        await asyncio.sleep(0.05)


async def _past_64_mebibytes() -> AsyncIterator[bytes]:
    for _ in range(65):
        yield _MEBIBYTE
    yield _ANSWER


class _Stall(Response):
    """No response until the client disconnects."""

    async def __call__(self, _scope: Scope, receive: Receive, _send: Send) -> None:
        await _until_disconnected(receive)


class _CutConnection(Response):
    """Half of the body that Content-Length announces, then a closed connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_ANSWER))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": _ANSWER[: len(_ANSWER) // 2], "more_body": True})
        scope["state"]["connection"].close()
        await _until_disconnected(receive)


class _Reset(Response):
    """A connection reset (TCP RST) before any response."""

    async def __call__(self, scope: Scope, receive: Receive, _send: Send) -> None:
        connection = scope["state"]["connection"]
        # With a linger time of zero, closing sends a reset.
        no_time = struct.pack("ii", 1, 0)
        connection.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_time)
        connection.abort()
        await _until_disconnected(receive)


async def _until_disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


FAULTS: Mapping[str, Callable[[], Response]] = MappingProxyType(
    {
        "400": lambda: _message(400, "invalid query"),
        "401": lambda: _message(401, "invalid credentials"),
        "402": lambda: _message(402, "your account has no access to this endpoint"),
        "403": lambda: _message(403, "forbidden"),
        "403-quota": lambda: _nested_error(403, "You have exceeded your daily query limit (quota)."),
        "404-json": _unknown_uri,
        "404-html": lambda: _page(404, "Not Found"),
        "429": _rate_limited,
        "429-quota-message": lambda: _message(429, "quota_exceeded: no search is left"),
        "429-quota-error": _quota_error,
        "500": lambda: _message(500, "Internal Server Error"),
        "502": lambda: _page(502, "Bad Gateway"),
        "503": lambda: _page(503, "Service Temporarily Unavailable"),
        "504": lambda: _page(504, "Gateway Time-out"),
        "204": lambda: Response(status_code=204),
        "empty-body": lambda: _json(b""),
        "html": lambda: _page(200, "Sign in"),
        "cut-json": lambda: _json(_ANSWER[: len(_ANSWER) // 2]),
        "deeply-nested": _deeply_nested,
        "list": lambda: _json(b"[]"),
        "results-string": lambda: _json(b'{"results": "none", "user": "none"}'),
        "results-missing": lambda: _json(b'{"totalRecords": 0}'),
        "redirect": lambda: RedirectResponse("http://community.example/home", 302),
        "cut-connection": _CutConnection,
        "reset": _Reset,
        "stall": _Stall,
        "drip": lambda: StreamingResponse(_endless_drops(), media_type="application/json"),
        "huge": lambda: StreamingResponse(_past_64_mebibytes(), media_type="application/json"),
    }
)
"""Creates the response of each fault; names begin with the HTTP status if that is the fault."""
