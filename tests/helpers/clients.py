"""Clients of sources as the connector creates them, with a short timeout and without retries."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from passivedns.model import Question
from passivedns.sources import SOURCES
from passivedns.sources.source import Client
from passivedns.transport.http import Http
from passivedns.transport.retry import RetryPolicy

LONG_AGO = datetime(1990, 1, 1, tzinfo=UTC)
TIMEOUT: float = 2
"""Seconds per attempt."""


def client(key: str, url: str, retries: int = 0, **settings: Any) -> Client:
    """The client of a source at `url`, with these settings; retries do not wait, but tell `sleep` for how long."""
    sleep: Callable[[float], None] = settings.pop("sleep", lambda _: None)
    source = SOURCES[key]
    section = source.settings(**{source.address: url}, **settings)
    policy = RetryPolicy(timeout=TIMEOUT, max_retries=retries, sleep=sleep)
    return source.client(section, Http(source, getattr(section, source.address), policy))


def question(value: str, since: datetime = LONG_AGO) -> Question:
    """A question about a name or an address."""
    kind = "IPv6-Addr" if ":" in value else "IPv4-Addr" if value.replace(".", "").isdigit() else "Domain-Name"
    return Question(value, kind, since)
