"""An example source for tests of the transport."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from passivedns.query.cool_down import CoolDown
from passivedns.sources.riskiq import RISKIQ
from passivedns.sources.source import Source
from passivedns.transport.http import Http
from passivedns.transport.reply import Reply
from passivedns.transport.retry import RetryPolicy

EXAMPLE: Source = replace(RISKIQ, key="example", title="Example DNS", unknown=frozenset({404}))
LONGEST = 30
"""Multiple of the timeouts after which a test fails, for busy machines."""


def asking(
    url: str,
    retries: int = 0,
    *,
    timeout: float = 1,
    backoff: float = 0,
    sleep: Callable[[float], None] = lambda _: None,
    spend: Callable[[], None] = lambda: None,
    cool_down: CoolDown | None = None,
    **row: Any,
) -> Http:
    """A transport to `url`; `row` overrides fields of the source above."""
    memory = cool_down or CoolDown(EXAMPLE.title)
    policy = RetryPolicy(timeout=timeout, max_retries=retries, backoff=backoff, sleep=sleep)
    return Http(replace(EXAMPLE, **row), url, policy, spend, memory.obey, memory.is_ill)


def ask(url: str, timeout: float, retries: int = 1) -> Reply | Exception:
    """The reply or error of one search; raises AssertionError if it does not end."""
    asker = asking(url, retries, timeout=timeout)
    outcome: list[Reply | Exception] = []

    def run() -> None:
        try:
            outcome.append(asker.request("/"))
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    longest = LONGEST * timeout * (1 + retries)
    thread.join(longest)
    assert outcome, f"no end after {longest} seconds"
    return outcome[0]
