"""Base of all stand-ins: records requests, simulates faults, and words errors."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from types import MappingProxyType
from typing import Any, NamedTuple

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.faults import FAULTS
from sandbox.sources.history import Fact

Faults = Mapping[str, Callable[[], Response]]
"""Creates the response of each fault, by name; the name begins with the status if that is the fault."""

_BROKEN = ("500", "502", "504", "html", "cut-json", "cut-connection", "reset", "stall", "drip", "huge")
BROKEN = {name: FAULTS[name] for name in _BROKEN}
"""Faults that any service can have."""


@dataclass(frozen=True)
class Received:
    """A received request; header names are in lower case."""

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]


class Service:
    """The state of a stand-in: its data, its behaviour and its requests. Public attributes can be set at any time."""

    faults: Faults = BROKEN
    left: int | None = None
    """Requests left in the quota; None if unlimited."""

    def __init__(self, facts: Sequence[Fact] = (), recorded: Mapping[str, bytes] = MappingProxyType({})) -> None:
        """The service knows `facts`; about the names and addresses in `recorded`, it sends these bytes unchanged."""
        self.facts = list(facts)
        self.recorded = dict(recorded)
        self.latency = 0.0
        """Seconds before every response."""
        self._requests: list[Received] = []
        self._failing: dict[str, Iterator[Callable[[], Response]]] = {}
        self._lock = threading.Lock()

    @property
    def requests(self) -> list[Received]:
        """All requests so far."""
        with self._lock:
            return list(self._requests)

    def fail(self, fault: str, times: int | None = None, on: str = "") -> None:
        """Respond with a fault to the next requests (`times`; None: until `recover`) whose path ends in `on`.

        Faults precede all checks. Raises KeyError if the fault is unknown.
        """
        make = self.faults[fault]
        self._failing = (self._failing if on else {}) | {on: repeat(make) if times is None else repeat(make, times)}

    def recover(self) -> None:
        """End all faults."""
        self._failing = {}

    def receive(self, request: Request) -> Response | None:
        """Record a request and return the fault that answers it; None if there is none."""
        received = Received(request.method, request.url.path, dict(request.query_params), dict(request.headers))
        with self._lock:
            self._requests.append(received)
            failing = (responses for on, responses in self._failing.items() if received.path.endswith(on))
            make = next(next(failing, iter(())), None)
        return make() if make else None

    def spend(self) -> bool:
        """Use one request of the quota; False if none is left."""
        if self.left is not None:
            self.left -= 1
        return self.left is None or self.left >= 0

    async def admit(self, request: Request) -> None:
        """Raise an HTTPException if a request lacks the credentials."""

    async def wait(self, request: Request) -> None:  # noqa: ARG002  # some wait for some requests only
        """Wait before the response to a request."""
        await asyncio.sleep(self.latency)


class StandIn(NamedTuple):
    """How to create and serve a service: each module here has one, `STAND_IN`."""

    make: Callable[[Sequence[Fact]], Service]
    """Creates a service with these facts."""
    app: Callable[[Any], FastAPI]
    """Creates its application."""
    settings: Mapping[str, str]
    """The settings that its client requires, by name; `{url}` is replaced by its URL."""

    def variables(self, key: str, url: str) -> dict[str, str]:
        """The environment variables of a connector whose source `key` is at `url`."""
        return {f"{key}_{name}".upper(): value.format(url=url) for name, value in self.settings.items()}


class _Receiver:
    """Records each request and responds with the fault, if any, in place of the application."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = None
        if scope["type"] == "http":
            request = Request(scope)
            fault = self._service.receive(request)
            await self._service.wait(request)
        await (fault or self._app)(scope, receive, send)


def detail(status: int, text: str) -> Response:
    """An error in the form `{"detail": …}`."""
    return JSONResponse({"detail": text}, status)


def new_app(service: Service, error: Callable[[int, str], Response] = detail) -> FastAPI:
    """An application without routes over `service`; `error` creates the responses to HTTPExceptions."""
    app = FastAPI(openapi_url=None, dependencies=[Depends(service.admit)])
    app.add_middleware(_Receiver, service=service)

    @app.exception_handler(HTTPException)
    async def respond(_request: Request, exception: HTTPException) -> Response:
        response = error(exception.status_code, str(exception.detail))
        response.headers.update(exception.headers or {})
        return response

    return app
