"""Provides a real RabbitMQ between OpenCTI and the connector; each test has its own connector id and queues."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pika
import pytest

from sandbox.rabbitmq import RabbitMQ
from tests.helpers.shared_broker import own_broker, shared_broker, start


def pytest_configure(config: pytest.Config) -> None:
    start(config)


@pytest.fixture(scope="session")
def broker() -> Iterator[str]:
    """The URL of a broker that tests share."""
    with shared_broker() as url:
        yield url


@pytest.fixture(scope="module")
def restartable() -> Iterator[RabbitMQ]:
    """A broker that tests can stop and start."""
    with own_broker() as own:
        yield own


class Cable:
    """The connector's connection to the broker, which can be cut."""

    def __init__(self, url: str) -> None:
        parameters = pika.URLParameters(url)
        self._broker = parameters.host, parameters.port
        self._ends: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.is_broken = False
        """While it is, new connections are closed at once."""
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Close every connection; new ones are accepted unless it is broken."""
        ends, self._ends = self._ends, []
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self.is_broken:
                    near.close()
                    continue
                far = socket.create_connection(self._broker)
                self._ends += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=_forward, args=[source, sink], daemon=True).start()


def _forward(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(2**16):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def cable(broker: str) -> Iterator[Cable]:
    laid = Cable(broker)
    yield laid
    laid.close()
