"""Delivers messages over a real RabbitMQ with OpenCTI's exchanges, queues and worker."""

import base64
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pika
from pika.exceptions import AMQPError

_LISTEN_EXCHANGE = "amqp.connector.exchange"
_PUSH_EXCHANGE = "amqp.worker.exchange"

Push = dict[str, Any]
"""A message of the push queue: a bundle in base64 (``content``), its work and its sequence."""


class Broker:
    """The queues of one connector: `publish` fills its listen queue, ``on_push`` receives what it pushes."""

    def __init__(self, url: str, on_push: Callable[[Push], None], arguments: Mapping[str, Any]) -> None:
        """``arguments`` are those of both queues; by ``rabbitmq:queue_type``, OpenCTI makes quorum queues."""
        self._arguments = dict(arguments)
        self._parameters = pika.URLParameters(url)
        self._on_push = on_push
        self._connector: str | None = None
        self._closing = threading.Event()
        self._worker: threading.Thread | None = None

    def declare(self, connector_id: str) -> None:
        """Create the connector's durable exchanges, queues and bindings, and start reading its pushes."""
        with pika.BlockingConnection(self._parameters) as connection:
            channel = connection.channel()
            for exchange, queue in ((_LISTEN_EXCHANGE, "listen"), (_PUSH_EXCHANGE, "push")):
                channel.exchange_declare(exchange, "direct", durable=True)
                channel.queue_declare(f"{queue}_{connector_id}", durable=True, arguments=self._arguments)
                channel.queue_bind(f"{queue}_{connector_id}", exchange, f"{queue}_routing_{connector_id}")
        self._connector = connector_id
        if not self._worker:
            self._closing.clear()
            self._worker = threading.Thread(target=self._work, daemon=True)
            self._worker.start()

    def lose_push_queue(self) -> None:
        """Delete the push queue."""
        with pika.BlockingConnection(self._parameters) as connection:
            connection.channel().queue_delete(f"push_{self._connector}")

    def connection(self) -> dict[str, Any]:
        """Return the connection details that ``registerConnector`` sends to a connector."""
        parameters, credentials = self._parameters, self._parameters.credentials
        login = {"user": credentials.username, "pass": credentials.password}
        return {"host": parameters.host, "port": parameters.port, "vhost": parameters.virtual_host} | login

    def publish(self, message: dict[str, Any]) -> None:
        """Publish a persistent message to the listen queue.

        Raises pika.exceptions.AMQPError if the broker does not accept it.
        """
        persistent = pika.BasicProperties(delivery_mode=2, content_type="application/json")
        with pika.BlockingConnection(self._parameters) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            key = f"listen_routing_{self._connector}"
            channel.basic_publish(_LISTEN_EXCHANGE, key, json.dumps(message), persistent, mandatory=True)

    def has_consumer(self) -> bool:
        """Return whether the connector consumes its listen queue; False if the broker does not answer."""
        try:
            with pika.BlockingConnection(self._parameters) as connection:
                declared = connection.channel().queue_declare(f"listen_{self._connector}", passive=True)
        except AMQPError:
            return False
        return bool(declared.method.consumer_count)

    def close(self) -> None:
        """Stop reading and delete the queues."""
        self._closing.set()
        if self._worker:
            self._worker.join(timeout=5)
            self._worker = None
            with pika.BlockingConnection(self._parameters) as connection:
                for queue in ("listen", "push"):
                    connection.channel().queue_delete(f"{queue}_{self._connector}")

    def _work(self) -> None:
        while not self._closing.is_set():
            try:
                self._consume()
            except AMQPError:
                # Some tests restart the broker; OpenCTI's worker reconnects as well.
                self._closing.wait(0.5)

    def _consume(self) -> None:
        with pika.BlockingConnection(self._parameters) as connection:
            channel = connection.channel()
            for method, _properties, body in channel.consume(f"push_{self._connector}", inactivity_timeout=0.05):
                if self._closing.is_set():
                    return
                if method:
                    self._on_push(json.loads(body))
                    channel.basic_ack(method.delivery_tag)


def pushed_objects(push: Push) -> list[dict[str, Any]]:
    """Return the objects of a pushed bundle, without the splitter's ``nb_deps``."""
    objects: list[dict[str, Any]] = json.loads(base64.b64decode(push["content"]))["objects"]
    return [{key: value for key, value in obj.items() if key != "nb_deps"} for obj in objects]
