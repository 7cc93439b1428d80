"""Bodies that a source never sends: malformed, truncated or malicious."""

import json
from collections.abc import Iterator
from typing import Any

from passivedns.formats.tolerant_json import MAX_VALUES

REMOVED = object()
ODD: list[Any] = [
    *(REMOVED, None, True, False, 0, -1, 7, 1.5, 1e308, 10**30, -(10**400), float("nan"), float("inf")),
    *("", " ", "x", "\0", "\ud800", "a\u202eb\r\n\x1b[31m", ".", "*", "9" * 400, "x" * 10_000, "<html>"),
    *([], {}, [[]], [None], [{}], [7, "x"], {"id": None}, {"a": {"b": []}}),
    *(
        "0000-00-00",
        "2026-13-45",
        "1969-12-31T23:59:59Z",
        "9999-12-31T23:59:59.999999-23:59",
        "0001-01-01T00:00:00+23:59",
    ),
    *(86_400, 253_402_300_800, -62_135_596_801, 2**63, "1e400", "-0", "NaN"),
]
"""Values to replace any part of a body."""

HTML = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body></body></html>"
HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "blanks": b" \r\n\t" * 1000,
    "html": HTML,
    "nul bytes": b"\0" * 10_000,
    "no utf-8": b"\xff\xfe\xfd" * 1000,
    "utf-16": '{"value": []}'.encode("utf-16"),
    "deep lists": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a huge number": b"9" * 100_000,
    "a huge fraction": b"1e" + b"9" * 100_000,
    "not a number": b"NaN",
    "a lone surrogate": b'{"error": {"message": "\\ud800"}, "message": "\\ud800"}',
    "control characters": b'{"error": {"message": "\\u0000\\u001b[31m\\r\\n"}, "message": "\\u202e", "detail": "\\n"}',
    "a long complaint": b'{"message": "' + b"x" * 100_000 + b'"}',
    "errors of every type": b'{"error": [7], "message": {"a": 1}, "detail": null}',
    "most lines": b"{}\n" * (MAX_VALUES // 3),
    "too many lines": b"{}\n" * (4 * 2**20),
    "too many objects": b"[" + b"{}," * (4 * 2**20) + b"{}]",
    "too many brackets": b"[" * (8 * 2**20),
    "empty lines": b"\n" * (16 * 2**20),
}
"""Malicious or malformed bodies, by description."""


def variants(body: bytes) -> Iterator[bytes]:
    """The body with each of its parts removed, or replaced by each of the odd values."""
    lines = _documents(body)
    for number, line in enumerate(lines):
        for path in _paths(line):
            for value in ODD:
                changed = [*lines[:number], *_replaced(line, path, value), *lines[number + 1 :]]
                yield b"\n".join(json.dumps(each).encode() for each in changed)


def with_long_list(body: bytes, share: int) -> bytes:
    """The body with its first list, or its lines, filled with empty objects: `1 / share` of the maximum."""
    first, *rest = _documents(body)
    many: list[Any] = [{}] * (MAX_VALUES // 3 // share)
    path = next((path for path in _paths(first) if isinstance(_at(first, path), list)), None)
    changed = [first, *many] if path is None or rest else _replaced(first, path, many)
    return b"\n".join(json.dumps(each, separators=(",", ":")).encode() for each in changed)


def _documents(body: bytes) -> list[Any]:
    try:
        return [json.loads(body)]
    except ValueError:
        return [json.loads(line) for line in body.splitlines() if line.strip()]


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from _paths(part, (*path, key))


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def _replaced(document: Any, path: tuple[Any, ...], value: Any) -> list[Any]:
    """The changed document in a list; empty if the whole document is removed."""
    if not path:
        return [] if value is REMOVED else [value]
    copy = json.loads(json.dumps(document))
    holder = _at(copy, path[:-1])
    if value is REMOVED:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return [copy]
