"""The connector with a stopwatch in it: after each message a line of JSON on stdout tells what took how long."""

import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from pycti import OpenCTIConnectorHelper

from riskiq import cli, client
from riskiq import connector as connector_module
from riskiq.connector import RiskIQConnector

PARTS: dict[str, tuple[Any, str]] = {
    "request": (client.RiskIQClient, "_get"),
    "read": (client, "read_answer"),
    "parse": (client, "parse_records"),
    "convert": (connector_module, "convert"),
    "bundle": (OpenCTIConnectorHelper, "stix2_create_bundle"),
    "send": (OpenCTIConnectorHelper, "send_stix2_bundle"),
}
"""What is timed beside the whole (``all``), and under which name; ``request`` includes ``read``."""

Spent = defaultdict[str, float]
"""Seconds by part, of the message under way."""


def main() -> int:
    """Run the daemon of `main.py`, timed."""
    spent: Spent = defaultdict(float)
    for name, (owner, attribute) in PARTS.items():
        original = vars(owner)[attribute]
        if isinstance(original, staticmethod):
            setattr(owner, attribute, staticmethod(_timed(original.__func__, name, spent)))
        else:
            setattr(owner, attribute, _timed(original, name, spent))
    setattr(RiskIQConnector, "process", _told(_timed(RiskIQConnector.process, "all", spent), spent))  # noqa: B010  # mypy
    return cli.main([])


def _timed(function: Callable[..., Any], name: str, spent: Spent) -> Callable[..., Any]:
    def run(*arguments: Any, **named: Any) -> Any:
        begun = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            spent[name] += time.perf_counter() - begun

    return run


def _told(process: Callable[..., str], spent: Spent) -> Callable[..., str]:
    def run(connector: RiskIQConnector, data: dict[str, Any]) -> str:
        spent.clear()
        text = process(connector, data)
        print(json.dumps(spent), flush=True)
        return text

    return run


if __name__ == "__main__":
    sys.exit(main())
