"""An application is served on loopback while its block runs."""

import socket
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.client import HTTPConnection

import pytest
import requests
from fastapi import FastAPI

from sandbox.server import serving
from sandbox.sources.riskiq import PassiveTotal, passivetotal_app


@asynccontextmanager
async def fails_to_start(_app: FastAPI) -> AsyncIterator[None]:
    raise OSError("no disk")
    yield


def test_the_server_takes_the_port_it_is_given_and_gives_it_back() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    for _ in range(2):
        with serving(FastAPI(), port) as url:
            assert url == f"http://127.0.0.1:{port}"
            assert requests.get(f"{url}/docs", timeout=5).ok


def test_two_servers_take_a_free_port_each() -> None:
    with serving(FastAPI()) as one, serving(FastAPI()) as other:
        assert one != other


def test_a_server_stops_at_once_even_while_it_stalls() -> None:
    service = PassiveTotal({})
    service.fail("stall")
    before = set(threading.enumerate())
    with serving(passivetotal_app(service)) as url:
        HTTPConnection(url.removeprefix("http://")).request("GET", "/v2/account/quota")
        while not service.requests:
            time.sleep(0.005)
        (server,) = set(threading.enumerate()) - before

    assert not server.is_alive()


def test_a_stopped_server_refuses_connections() -> None:
    with serving(FastAPI()) as url:
        pass

    with pytest.raises(requests.ConnectionError, match="refused"):
        requests.get(url, timeout=5)


def test_a_taken_port_is_an_error() -> None:
    with serving(FastAPI()) as url:
        port = int(url.rpartition(":")[2])

        with pytest.raises(OSError, match="in use"), serving(FastAPI(), port):
            pass


# uvicorn ends its thread with SystemExit then.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_application_that_does_not_start_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="did not start"), serving(FastAPI(lifespan=fails_to_start)):
        pass
