"""Base of all stand-ins: records requests, and simulates faults."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from types import MappingProxyType

from fastapi import Request, Response

from sandbox.faults import FAULTS
from sandbox.sources.history import Fact

Faults = Mapping[str, Callable[[], Response]]
"""What makes the answer of each fault, by its name: the status first where the status is the fault."""

_BROKEN = ("500", "502", "504", "html", "cut-json", "cut-connection", "reset", "stall", "drip", "huge")
BROKEN: Faults = MappingProxyType({name: FAULTS[name] for name in _BROKEN})
"""What may go wrong with any service on the way."""


@dataclass(frozen=True)
class Received:
    """A request as it came in; the names of headers are in lower case."""

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]


class Service:
    """The state of a stand-in: what it knows, how it behaves, what it was asked."""

    faults: Faults = BROKEN

    def __init__(self, facts: Sequence[Fact] = (), recorded: Mapping[str, bytes] = MappingProxyType({})) -> None:
        """It tells `facts`; for the names and addresses in `recorded` it answers these bytes, as they are."""
        self.facts = list(facts)
        self.recorded = dict(recorded)
        self.latency = 0.0
        """Seconds before every answer."""
        self._requests: list[Received] = []
        self._failing: dict[str, Iterator[Callable[[], Response]]] = {}
        self._lock = threading.Lock()

    @property
    def requests(self) -> list[Received]:
        """The requests received so far, whatever they were answered."""
        with self._lock:
            return list(self._requests)

    def fail(self, fault: str, times: int | None = None, on: str = "") -> None:
        """Answer with a fault, the next `times` (None: until `recover`), where the path ends in `on`.

        A fault comes before all else, credentials included. Raises KeyError for an unknown one.
        """
        make = self.faults[fault]
        self._failing = (self._failing if on else {}) | {on: repeat(make) if times is None else repeat(make, times)}

    def recover(self) -> None:
        """End every fault."""
        self._failing = {}

    def receive(self, request: Request) -> Response | None:
        """Note a request; the faulty answer it gets, or None when it is to be served."""
        received = Received(request.method, request.url.path, dict(request.query_params), dict(request.headers))
        with self._lock:
            self._requests.append(received)
            failing = (answers for on, answers in self._failing.items() if received.path.endswith(on))
            make = next(next(failing, iter(())), None)
        return make() if make else None
