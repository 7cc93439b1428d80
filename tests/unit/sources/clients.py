"""Clients of sources as the connector creates them, with a short timeout and without retries."""

from datetime import UTC, datetime
from typing import Any

from passivedns.model import Question
from passivedns.sources import SOURCES
from passivedns.sources.source import Client
from passivedns.transport.http import Http, RetryPolicy

LONG_AGO = datetime(1990, 1, 1, tzinfo=UTC)
TIMEOUT: float = 2
"""Seconds per attempt."""


def client(key: str, url: str, retries: int = 0, **settings: Any) -> Client:
    """The client of a source at `url`, with these settings."""
    source = SOURCES[key]
    section = source.settings(**{source.address: url}, **settings)
    return source.client(section, Http(source, getattr(section, source.address), RetryPolicy(TIMEOUT, retries, 0)))


def question(value: str, since: datetime = LONG_AGO) -> Question:
    """A question about a name or an address."""
    kind = "IPv6-Addr" if ":" in value else "IPv4-Addr" if value.replace(".", "").isdigit() else "Domain-Name"
    return Question(value, kind, since)
