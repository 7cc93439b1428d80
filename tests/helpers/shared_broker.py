"""Provides one RabbitMQ for all processes of a test run."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from sandbox.rabbitmq import RabbitMQ, private_broker, running_broker


def start(config: pytest.Config) -> None:
    """Start the broker while tests are collected, unless RABBITMQ_URL names one; the workers of xdist inherit it."""
    is_worker = hasattr(config, "workerinput")
    if is_worker or config.option.collectonly or os.environ.get("RABBITMQ_URL"):
        return
    stack = ExitStack()
    config.add_cleanup(stack.close)
    with suppress(FileNotFoundError):
        os.environ["RABBITMQ_URL"] = stack.enter_context(private_broker(wait=False)).url


@contextmanager
def shared_broker() -> Iterator[str]:
    """Its URL; the test is skipped if RabbitMQ is not installed."""
    with _or_skip(), running_broker() as url:
        yield url


@contextmanager
def own_broker() -> Iterator[RabbitMQ]:
    """A broker that a test may stop; the test is skipped if RabbitMQ is not installed."""
    with _or_skip(), private_broker() as broker:
        yield broker


@contextmanager
def _or_skip() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        pytest.skip("RabbitMQ is not installed: apt-get install rabbitmq-server, or name a broker in RABBITMQ_URL")
