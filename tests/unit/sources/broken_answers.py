"""What the faults of any service mean for a source that sends lines: the class of error, and its sentence."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from passivedns.errors import BadAnswer, NoAnswer, SourceError, Unreachable

Meanings = dict[str, tuple[type[SourceError], str]]


def meanings_of_broken(title: str, address: str) -> Meanings:
    """For each fault of `BROKEN`, with the title of a source and the variable that holds its address."""
    failing, unreachable = f"{title} is failing (HTTP {{}}); try again later.", f"{title} cannot be reached: "
    return {
        "500": (NoAnswer, f"{failing.format(500)} Its response says: Internal Server Error"),
        "502": (NoAnswer, failing.format(502)),
        "504": (NoAnswer, failing.format(504)),
        "html": (BadAnswer, f"The response from {title} is a web page; check {address}."),
        "cut-json": (
            BadAnswer,
            f"The response from {title} holds nothing in the Common Output Format; check {address}.",
        ),
        "cut-connection": (Unreachable, f"{unreachable}the response was cut off."),
        "reset": (Unreachable, f"{unreachable}the response was cut off."),
        "stall": (Unreachable, f"{unreachable}no answer within 2 s."),
        "drip": (Unreachable, f"{unreachable}no answer within 2 s."),
        "huge": (BadAnswer, f"The response from {title} is larger than 64 MiB and was dropped."),
    }


def error_of(look_up: Callable[[], object]) -> tuple[type[SourceError], str]:
    """The class and the sentence of the error in which a look-up ends."""
    with pytest.raises(SourceError) as caught:
        look_up()
    return type(caught.value), str(caught.value)


def each(meanings: Iterable[str]) -> list[Any]:
    """Every fault, to be a parameter; 64 MiB are slow."""
    return [pytest.param(fault, marks=[pytest.mark.slow] * (fault == "huge")) for fault in meanings]
