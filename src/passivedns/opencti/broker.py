"""Connects to RabbitMQ, and says why if that fails; pycti would log the name of an exception."""

import os
from types import SimpleNamespace
from typing import Any

import pika
from pika.exceptions import (
    AMQPConnectionError,
    IncompatibleProtocolError,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)
from pycti.connector import opencti_connector_helper

from passivedns.transport.causes import Peer, cause


class BrokerUnavailable(AMQPConnectionError):  # type: ignore[misc]  # pika is untyped
    """RabbitMQ cannot be used; its text says why."""

    def __repr__(self) -> str:
        return str(self)


def connect(parameters: Any) -> pika.BlockingConnection:
    """Log in to RabbitMQ.

    Raises:
        BrokerUnavailable: it is away, or refuses.
    """
    try:
        return pika.BlockingConnection(parameters)
    except Exception as error:  # pika's have no common class
        place = f"{parameters.host}:{parameters.port}, virtual host {parameters.virtual_host}"
        raise BrokerUnavailable(f"RabbitMQ at {place} cannot be used: {_why(error, parameters)}") from error


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


def explain_connections() -> None:
    """Let pycti connect as above, so that its log and errors say why."""
    opencti_connector_helper.pika = SimpleNamespace(**vars(pika) | {"BlockingConnection": connect})
