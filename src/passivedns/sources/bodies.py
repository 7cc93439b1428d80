"""Parses response bodies: a JSON document, or one per line (NDJSON)."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeGuard

import orjson

from passivedns.errors import BadAnswer
from passivedns.model import Answer, Record
from passivedns.sources.source import Source

MOST_VALUES = 1_000_000
"""Maximum JSON values in a body, some 100,000 records; a body of only brackets would take gigabytes."""


def unexpected(source: Source, fault: str) -> BadAnswer:
    """The error for a response that is not from the API of the source, such as `is a web page`."""
    return BadAnswer(f"The response from {source.title} {fault}; check {source.variable(source.address)}.")


def json_of(source: Source, body: bytes) -> Any:
    """The JSON of a body; None if the body is empty.

    Raises:
        BadAnswer: the body is not JSON, or has more than `MOST_VALUES` values.
    """
    if not body.strip():
        return None
    _check_size(source, body)
    try:
        return _parsed(body)
    except (ValueError, RecursionError):
        raise unexpected(source, "is not valid JSON or was cut off") from None


def list_of(source: Source, answer: Any, key: str, what: str) -> list[Any]:
    """The list that an answer has under a key; `what` names it in the error.

    Raises:
        BadAnswer: there is no such list.
    """
    found = answer.get(key) if isinstance(answer, dict) else None
    if not isinstance(found, list):
        raise unexpected(source, f"contains no {what}")
    return found


def at(value: Any, *keys: str) -> Any:
    """The value under nested keys of JSON objects; None if one of them is missing."""
    try:
        for key in keys:
            value = value[key]
    except (LookupError, TypeError):
        return None
    return value


def text(value: Any) -> str:
    """A text without blanks around it; empty if the value is not text."""
    return value.strip() if isinstance(value, str) else ""


def is_count(value: Any) -> TypeGuard[float]:
    """Whether a value is a plausible number of searches, rows or seconds."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**63


def has_all(rows: Sequence[Any], total: Any) -> bool:
    """Whether the rows are all that the source has, by the total that it states; true if it states none."""
    return not isinstance(total, int) or total <= len(rows)


def read_rows(rows: Sequence[Any], read: Callable[[dict[str, Any]], Sequence[Record] | None]) -> Answer:
    """The records of all rows; a row is unreadable if it is not an object or `read` returns None."""
    parts = [read(row) if isinstance(row, dict) else None for row in rows]
    return Answer([record for part in parts if part for record in part], unreadable=parts.count(None))


def lines_of(source: Source, body: bytes) -> tuple[list[Any], int]:
    """The JSON of each line of a body (NDJSON), and the number of unreadable lines.

    Raises:
        BadAnswer: the body is HTML, or has more than `MOST_VALUES` values.
    """
    if body.lstrip()[:1] == b"<":
        raise unexpected(source, "is a web page")
    _check_size(source, body)
    lines = [line for line in body.split(b"\n") if line and not line.isspace()]
    try:
        # One document parses in half the time of its lines.
        return _parsed(b"[" + b",".join(lines) + b"]"), 0
    except (ValueError, RecursionError):
        pass
    read = []
    for line in lines:
        with suppress(ValueError, RecursionError):
            read.append(_parsed(line))
    return read, len(lines) - len(read)


def _check_size(source: Source, body: bytes) -> None:
    if len(body) > MOST_VALUES and sum(map(body.count, (b",", b"{", b"[", b"\n"))) > MOST_VALUES:
        raise BadAnswer(f"The response from {source.title} contains more than {MOST_VALUES:,} values and was dropped.")


def _parsed(text: bytes) -> Any:
    """orjson takes a third of the time; `json` reads what it rejects, such as lone surrogates."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)
