"""An input as a list of records: whatever the bytes are, they are one."""

import json
from typing import Any

RECORD, FIELD = "\x1e", "\x1f"
"""ASCII's own separators, so that a value can hold line breaks."""

KEYS = ("recordType", "resolveType", "resolve", "firstSeen", "lastSeen", "source", "value")


def rows_of(data: bytes) -> list[list[str]]:
    """The fields of each record; what is not UTF-8 becomes lone surrogates, which JSON can hold too."""
    return [row.split(FIELD) for row in data.decode(errors="surrogateescape").split(RECORD)]


def entry(row: list[str]) -> dict[str, Any]:
    """A record in PassiveTotal's form."""
    return dict(zip(KEYS, map(json_or_text, row), strict=False))


def json_or_text(field: str) -> Any:
    """A field as the JSON that it is, else as text."""
    try:
        return json.loads(field)
    except (ValueError, RecursionError):
        return field


def joined(*rows: tuple[str, ...]) -> bytes:
    """The input that is read as these rows."""
    return RECORD.join(FIELD.join(row) for row in rows).encode()
