"""Interprets any bytes as a list of records."""

import json
from typing import Any

RECORD, FIELD = "\x1e", "\x1f"
"""ASCII's separators, so that a value can contain line breaks."""

KEYS = ("recordType", "resolveType", "resolve", "firstSeen", "lastSeen", "source", "value")


def rows_of(data: bytes) -> list[list[str]]:
    """Return the fields of each record; invalid UTF-8 becomes lone surrogates, which JSON can contain too."""
    return [row.split(FIELD) for row in data.decode(errors="surrogateescape").split(RECORD)]


def entry(row: list[str]) -> dict[str, Any]:
    """Return a record in PassiveTotal's form."""
    return dict(zip(KEYS, map(json_or_text, row), strict=False))


def json_or_text(field: str) -> Any:
    """Return a field as JSON if it is valid, or else as text."""
    try:
        return json.loads(field)
    except (ValueError, RecursionError):
        return field


def joined(*rows: tuple[str, ...]) -> bytes:
    """Return the input that is read as these rows."""
    return RECORD.join(FIELD.join(row) for row in rows).encode()
