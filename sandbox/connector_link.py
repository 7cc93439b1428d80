"""Registers the connector and delivers messages to it."""

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import requests
from pika.exceptions import AMQPError

from sandbox import callback
from sandbox.broker import Broker, Push
from sandbox.graphql import Refused, version_of
from sandbox.works import Execution, Work

RETRY = 0.5
"""Seconds before a message that a connector did not accept over HTTP is sent again."""
_CONNECTOR_USER = "0b7f3c1e-6d0c-4c39-9c2f-2f4f7f3d1a55"
_NO_BROKER = {"host": "127.0.0.1", "port": 5672, "vhost": "/", "user": "guest", "pass": "guest"}


@dataclass(frozen=True)
class Connector:
    """A registered connector."""

    input: dict[str, Any]
    """The variable ``input`` of ``registerConnector``."""
    user_agent: str

    @property
    def id(self) -> str:
        return str(self.input["id"])

    @property
    def callback_uri(self) -> str | None:
        """Where it receives messages over HTTP; None if it uses AMQP."""
        return self.input.get("listen_callback_uri")

    @property
    def checks_signature(self) -> bool:
        """Whether its pycti expects a signed token with a message (7.26 and later) instead of its own token."""
        return version_of(self.user_agent) >= (7,)


class Link:
    """The connection to the only connector, over HTTP or a broker."""

    def __init__(
        self,
        token: str,
        broker: str | None,
        on_push: Callable[[Push], None],
        arguments: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """``arguments`` are those of the broker's queues."""
        self.registered: Connector | None = None
        self._token = token
        self._closing = threading.Event()
        self._signer = callback.Signer()
        self._broker = Broker(broker, on_push, arguments) if broker else None

    def register(self, given: dict[str, Any], user_agent: str, signed: bool) -> dict[str, Any]:
        """Register a connector and return the response; ``signed`` if it asks for OpenCTI's keys."""
        connector = Connector(given, user_agent)
        if self._broker:
            self._broker.declare(connector.id)
        self.registered = connector
        connection = (self._broker.connection() if self._broker else _NO_BROKER) | {"use_ssl": False}
        routes = {
            "listen": f"listen_{connector.id}",
            "listen_routing": f"listen_routing_{connector.id}",
            "listen_exchange": "amqp.connector.exchange",
            "push": f"push_{connector.id}",
            "push_routing": f"push_routing_{connector.id}",
            "push_exchange": "amqp.worker.exchange",
        }
        keys = {"jwks": self._signer.jwks()} if signed else {}
        state = {"connector_state": None, "connector_user_id": _CONNECTOR_USER}
        return {"id": connector.id, "config": {"connection": connection, **routes}, **state, **keys}

    def assert_queues(self) -> None:
        """Create the queues of the connector again if they are missing, as OpenCTI does at each ping."""
        if self._broker and self.registered and not self._closing.is_set():
            self._broker.declare(self.registered.id)

    def lose_push_queue(self) -> None:
        """Delete the queue for the connector's bundles, as a reset of the broker does; a ping restores it."""
        if self._broker:
            self._broker.lose_push_queue()

    def listed(self) -> list[dict[str, Any]]:
        """OpenCTI's built-in connectors, as listed for workers; all use the same broker."""
        connection = (self._broker.connection() if self._broker else _NO_BROKER) | {"use_ssl": False}
        return [{"id": "sync", "config": {"connection": connection}}]

    def unregister(self, connector_id: str) -> None:
        """Delete the connector and its queues; raises `Refused` for an unknown id."""
        self.connector(connector_id)
        self.registered = None
        if self._broker:
            self._broker.close()

    def connector(self, connector_id: str) -> Connector:
        """Return the registered connector; raises `Refused` for an unknown id."""
        if not self.registered or self.registered.id != connector_id:
            raise Refused("FUNCTIONAL_ERROR", f"No connector found with the specified ID ({connector_id})")
        return self.registered

    def reachable(self) -> Connector:
        """Return the registered connector; raises RuntimeError if there is none, or no way to reach it."""
        if not self.registered:
            raise RuntimeError("no connector is registered: wait_registered() first")
        if not self._broker and not self.registered.callback_uri:
            raise RuntimeError("the connector listens on AMQP and the platform has no broker")
        return self.registered

    def is_listening(self) -> bool:
        """Return whether the connector receives messages: its port is open, or its queue has a consumer."""
        if not self.registered:
            return False
        if self._broker:
            return self._broker.has_consumer()
        return _answers(self.registered.callback_uri)

    def deliver(self, message: dict[str, Any], sent: Work | Execution) -> None:
        """Send a message from a separate thread; over HTTP, repeat it until the connector accepts it.

        Errors are noted in ``sent.undelivered``.
        """
        threading.Thread(target=self._send, args=(message, sent), daemon=True).start()

    def close(self) -> None:
        """Stop sending, and delete the queues."""
        self._closing.set()
        if self._broker:
            self._broker.close()

    def _send(self, message: dict[str, Any], sent: Work | Execution) -> None:
        if self._broker:
            with _noted(sent, AMQPError):
                self._broker.publish(message)
            return
        # Like OpenCTI's worker, which waits 10 to 30 seconds between attempts.
        while not self._closing.is_set():
            connector = self.reachable()
            bearer = self._signer.token() if connector.checks_signature else self._token
            with _noted(sent, requests.RequestException):
                callback.post(str(connector.callback_uri), message, bearer)
                return
            self._closing.wait(RETRY)


@contextmanager
def _noted(sent: Work | Execution, failure: type[Exception]) -> Iterator[None]:
    try:
        yield
        sent.undelivered = None
    except failure as error:
        sent.undelivered = f"{type(error).__name__}: {error}"


def _answers(uri: str | None) -> bool:
    address = urlsplit(uri or "")
    if not address.hostname:
        return False
    try:
        socket.create_connection((address.hostname, address.port or 80), timeout=1).close()
    except OSError:
        return False
    return True
