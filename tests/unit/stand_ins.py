"""One server for all tests of a module, with its stand-in as new for each of them."""

from collections.abc import Callable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

import pytest
from fastapi import FastAPI

from sandbox.server import serving

S = TypeVar("S")


class Served(NamedTuple, Generic[S]):
    """A stand-in, where it is served, and how to make it."""

    service: S
    url: str
    make: Callable[[], S]

    def renewed(self) -> S:
        """The stand-in, which knows nothing of earlier tests."""
        vars(self.service).clear()
        vars(self.service).update(vars(self.make()))
        return self.service


def stand_in(make: Callable[[], S], app: Callable[[S], FastAPI], path: str = "") -> Any:
    """A fixture for a module to name `served`: the stand-in that `make` makes, at `path` of its server.

    Its tests take `service` and `url`.
    """

    @pytest.fixture(scope="module")
    def served() -> Iterator[Served[S]]:
        service = make()
        with serving(app(service)) as url:
            yield Served(service, f"{url}{path}", make)

    return served
