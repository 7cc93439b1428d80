"""The errors that the faults of any service cause: their class and their text."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from passivedns.errors import BadAnswer, Blocked, NoAnswer, SourceError

ENDLESS = ("stall", "drip")
"""Faults that only a timeout ends."""
SHORT = 0.2
"""The timeout for these, in seconds."""
NO_ANSWER = f"did not answer within {SHORT} s."

Meanings = dict[str, tuple[type[SourceError], str]]


def meanings_of_broken(title: str, address: str) -> Meanings:
    """The error of each fault in `BROKEN` for a source that sends lines; `address` is the variable with its URL."""
    failing, unreachable = f"{title} server error (HTTP {{}}); try again later.", f"{title} cannot be reached: "
    return {
        "500": (NoAnswer, f"{failing.format(500)} Its response says: Internal Server Error"),
        "502": (Blocked, gateway_page(title, 502)),
        "504": (Blocked, gateway_page(title, 504)),
        "html": (BadAnswer, f"The response from {title} is a web page; check {address}."),
        "cut-json": (
            BadAnswer,
            f"The response from {title} contains nothing in the Common Output Format; check {address}.",
        ),
        "cut-connection": (NoAnswer, f"{unreachable}the response was cut off."),
        "reset": (NoAnswer, f"{unreachable}{closed(address)}"),
        "stall": (NoAnswer, f"{title} {NO_ANSWER}"),
        "drip": (NoAnswer, f"{title} {NO_ANSWER}"),
        "huge": (
            BadAnswer,
            f"The response from {title} contains nothing in the Common Output Format; check {address}.",
        ),
    }


def gateway_page(title: str, status: int) -> str:
    """The text about the web page of a gateway in front of a service."""
    return (
        f"{title} is down, or something between the connector and {title} blocked the request (HTTP {status}, a web "
        "page, server: uvicorn); try again later, then check the proxy and the firewall."
    )


def closed(address: str) -> str:
    """The cause if a server without TLS closes the connection; `address` is the variable with its URL."""
    return f"the response was cut off; check whether {address} should begin with https://."


def error_of(look_up: Callable[[], object]) -> tuple[type[SourceError], str]:
    """The class and the text of the error that a look-up raises."""
    with pytest.raises(SourceError) as caught:
        look_up()
    return type(caught.value), str(caught.value)


def each(meanings: Iterable[str]) -> list[Any]:
    """All faults as parameters; the one of 64 MiB is slow."""
    return [pytest.param(fault, marks=[pytest.mark.slow] * (fault == "huge")) for fault in meanings]
