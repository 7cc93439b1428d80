"""Runs the connector with timers and prints their values after each message as a line of JSON."""

import json
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from passivedns import enrichment
from passivedns.commands import cli
from passivedns.connector import RiskIQConnector
from passivedns.opencti import chunks
from passivedns.opencti.message import Message
from passivedns.sources import riskiq
from passivedns.transport.http import Http

PARTS: dict[str, tuple[Any, str]] = {
    "waiting": (Http, "_attempt"),
    "reading": (riskiq, "read_saved"),
    "converting": (enrichment, "convert"),
    "building": (enrichment, "additions"),
    "bundling": (Message, "bundle"),
    "sending": (Message, "send"),
}
"""The timed functions, each without the others that it calls; the rest is `besides`.

A single source is queried in the thread of the message.
"""

Spent = defaultdict[str, float]
"""Seconds by part, for the current message."""


SPLIT = "--split"
"""The option that leaves splitting to pycti."""


def main() -> int:
    """Run the daemon of `main.py` with timers."""
    if SPLIT in sys.argv:
        vars(chunks)["can_send"] = lambda _helper: False
    spent: Spent = defaultdict(float)
    for part, (owner, name) in PARTS.items():
        original = vars(owner)[name]
        is_static = isinstance(original, staticmethod)
        timed = _timed(original.__func__ if is_static else original, part, spent)
        setattr(owner, name, staticmethod(timed) if is_static else timed)
    connector: Any = RiskIQConnector
    connector.process = _told(_timed(connector.process, "besides", spent), spent)
    return cli.main([])


def _timed(function: Callable[..., Any], part: str, spent: Spent) -> Callable[..., Any]:
    def run(*arguments: Any, **named: Any) -> Any:
        begun, others = time.perf_counter(), sum(spent.values())
        try:
            return function(*arguments, **named)
        finally:
            spent[part] += time.perf_counter() - begun - (sum(spent.values()) - others)

    return run


def _told(process: Callable[..., str], spent: Spent) -> Callable[..., str]:
    def run(connector: RiskIQConnector, data: dict[str, Any]) -> str:
        spent.clear()
        text = process(connector, data)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(spent | {"peak": peak}), flush=True)
        return text

    return run


if __name__ == "__main__":
    sys.exit(main())
