"""Connects to RabbitMQ, and says why if that fails; pycti would log the name of an exception."""

import os
from typing import Any

import pika
from pika.exceptions import (
    AMQPConnectionError,
    IncompatibleProtocolError,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)
from pycti.connector.opencti_connector_helper import create_mq_ssl_context

from passivedns.transport.causes import Peer, cause


class BrokerUnavailable(AMQPConnectionError):  # type: ignore[misc]  # pika is untyped
    """RabbitMQ cannot be used; its text says why."""

    def __init__(self, error: Exception, parameters: Any) -> None:
        """`error` is how the connection with these parameters failed."""
        place = f"{parameters.host}:{parameters.port}, virtual host {parameters.virtual_host}"
        super().__init__(f"RabbitMQ at {place} cannot be used: {_why(error, parameters)}")

    def __repr__(self) -> str:
        return str(self)


def parameters(config: dict[str, Any], connection: dict[str, Any], **limits: Any) -> pika.ConnectionParameters:
    """How to connect: `connection` is in OpenCTI's form, `limits` in pika's."""
    host = connection["host"]
    return pika.ConnectionParameters(
        host=host,
        port=connection["port"],
        virtual_host=connection["vhost"],
        credentials=pika.PlainCredentials(connection["user"], connection["pass"]),
        ssl_options=pika.SSLOptions(create_mq_ssl_context(config), host) if connection["use_ssl"] else None,
        **limits,
    )


def connect(parameters: Any) -> pika.BlockingConnection:
    """Log in to RabbitMQ.

    Raises:
        BrokerUnavailable: it is away, or refuses.
    """
    try:
        return pika.BlockingConnection(parameters)
    except Exception as error:  # pika's have no common class
        raise BrokerUnavailable(error, parameters) from error


def _why(error: Exception, parameters: Any) -> str:
    user = getattr(parameters.credentials, "username", "")
    if isinstance(error, ProbableAuthenticationError):
        return f"it rejects the user {user}; check MQ_USER and MQ_PASS, or what OpenCTI reports if they are not set"
    if isinstance(error, ProbableAccessDeniedError):
        return f"no such virtual host for the user {user}; check MQ_VHOST"
    if isinstance(error, IncompatibleProtocolError):
        return "it is not RabbitMQ, or expects TLS; check MQ_HOST, MQ_PORT and MQ_USE_SSL"
    bundle = ("MQ_USE_SSL_CA", os.environ.get("MQ_USE_SSL_CA", ""))
    peer = Peer("RabbitMQ", "MQ_HOST and MQ_PORT", "", bundle, "check MQ_USE_SSL and MQ_PORT")
    return cause(error, peer, parameters.socket_timeout or 0)
