"""Serves one stand-in for all tests of a module, and resets it before each."""

from collections.abc import Callable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

import pytest
from fastapi import FastAPI

from sandbox.server import serving

S = TypeVar("S")


class Served(NamedTuple, Generic[S]):
    """A stand-in, its URL, and the function that makes a new one."""

    service: S
    url: str
    make: Callable[[], S]

    def renewed(self) -> S:
        """The stand-in, without the state of earlier tests."""
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


def renewed(served: str) -> Any:
    """A fixture: the stand-in of the fixture with this name, without the state of earlier tests, and its URL."""

    @pytest.fixture
    def with_url(request: pytest.FixtureRequest) -> tuple[Any, str]:
        found = request.getfixturevalue(served)
        return found.renewed(), found.url

    return with_url
