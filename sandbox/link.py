"""Registers the connector with the platform and routes messages to it."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from pika.exceptions import AMQPError

from sandbox import callback
from sandbox.broker import Broker, Push
from sandbox.graphql import Refused, version_of
from sandbox.works import Execution, Work

RETRY = 0.5
"""Seconds after which a message that a connector did not take over HTTP is sent again."""
_CONNECTOR_USER = "0b7f3c1e-6d0c-4c39-9c2f-2f4f7f3d1a55"
_NO_BROKER = {"host": "127.0.0.1", "port": 5672, "vhost": "/", "user": "guest", "pass": "guest"}


@dataclass(frozen=True)
class Connector:
    """A connector as it registered."""

    input: dict[str, Any]
    """The variable ``input`` of ``registerConnector``."""
    user_agent: str

    @property
    def id(self) -> str:
        return str(self.input["id"])

    @property
    def callback_uri(self) -> str | None:
        """Where it takes messages over HTTP; None when it listens on AMQP."""
        return self.input.get("listen_callback_uri")

    @property
    def checks_signature(self) -> bool:
        """Whether its pycti wants a signed token with a message (7.26 and later) in place of its own token."""
        return version_of(self.user_agent) >= (7,)


class Link:
    """The one connector of the platform, over HTTP or over a broker."""

    def __init__(self, token: str, broker: str | None, on_push: Callable[[Push], None]) -> None:
        self.registered: Connector | None = None
        self._token = token
        self._closing = threading.Event()
        self._signer = callback.Signer()
        self._broker = Broker(broker, on_push) if broker else None

    def register(self, given: dict[str, Any], user_agent: str, signed: bool) -> dict[str, Any]:
        """Register a connector and answer it; ``signed`` says that it asks for the platform's keys."""
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

    def listed(self) -> list[dict[str, Any]]:
        """The platform's own connectors, as it lists them for its workers; all are on the one broker."""
        connection = (self._broker.connection() if self._broker else _NO_BROKER) | {"use_ssl": False}
        return [{"id": "sync", "config": {"connection": connection}}]

    def unregister(self, connector_id: str) -> None:
        """Forget the connector, and its queues; raises `Refused` when it is another one."""
        self.connector(connector_id)
        self.registered = None
        if self._broker:
            self._broker.close()

    def connector(self, connector_id: str) -> Connector:
        """The registered connector, if it has that id; raises `Refused`."""
        if not self.registered or self.registered.id != connector_id:
            raise Refused("FUNCTIONAL_ERROR", f"No connector found with the specified ID ({connector_id})")
        return self.registered

    def reachable(self) -> Connector:
        """The registered connector; raises RuntimeError when there is none, or no way to it."""
        if not self.registered:
            raise RuntimeError("no connector is registered: wait_registered() first")
        if not self._broker and not self.registered.callback_uri:
            raise RuntimeError("the connector listens on AMQP and the platform has no broker")
        return self.registered

    def is_listening(self) -> bool:
        """Whether the connector takes messages: its callback port answers, or its queue has a consumer."""
        if not self.registered:
            return False
        if self._broker:
            return self._broker.has_consumer()
        return _answers(self.registered.callback_uri)

    def deliver(self, message: dict[str, Any], sent: Work | Execution) -> None:
        """Send a message from a thread of its own, over HTTP until the connector takes it.

        What goes wrong is noted in ``sent.undelivered``.
        """
        threading.Thread(target=self._send, args=(message, sent), daemon=True).start()

    def close(self) -> None:
        """Send nothing more, and delete the queues."""
        self._closing.set()
        if self._broker:
            self._broker.close()

    def _send(self, message: dict[str, Any], sent: Work | Execution) -> None:
        if self._broker:
            with _noted(sent, AMQPError):
                self._broker.publish(message)
            return
        # As the platform's worker, which waits 10 to 30 seconds in between.
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
