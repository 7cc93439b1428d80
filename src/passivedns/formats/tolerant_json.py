"""Reads the rows of a JSON body one by one, whatever stands between them, and goes on after a broken one.

The forms: one value per line, values with any or no white space between them (RFC 8259 section 2, as `jq` prints
them), text sequences (RFC 7464), arrays, and documents with their rows under a known key; in UTF-8, UTF-16 or UTF-32,
with or without a byte order mark.
"""

import json
import re
from codecs import BOM_UTF8
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from io import BytesIO
from itertools import islice, takewhile
from typing import Any

import orjson

MAX_ROWS = 150_000
"""Rows that are read; the largest recorded answer has 6,912."""
MAX_ROW = 16 * 2**20
"""Bytes of one row, or of a document that is parsed at once; a row of 990,000 addresses has 14 MB."""
MAX_VALUES = 1_000_000
"""JSON values in one row, or in a document that is parsed at once: some 150 MB of memory."""
MAX_EFFORT = 128 * 2**20
"""Bytes that are read in vain for the ends of broken rows: some five seconds."""

BROKEN = object()
"""Stands for a row that cannot be read."""

_BETWEEN_VALUES = re.compile(rb"(?:[\s,\x1e\[\]]|\xef\xbb\xbf)*+")
_BETWEEN_ROWS = re.compile(rb"[\s,\x1e]*+")
_NESTED = re.compile(rb"\[\s*+\[")
_UP_TO_BRACKET = re.compile(rb'(?:[^"{}\[\]]++|"(?:[^"\\\n]++|\\.)*+")*+[{}\[\]]', re.DOTALL)
_SCALAR = re.compile(rb'"(?:[^"\\\n]++|\\.)*+"|.[^",\[\]{}\n]*+', re.DOTALL)
_JUNK = re.compile(rb".[^\n{]*+", re.DOTALL)
_BEFORE_NEXT_ROW = re.compile(
    rb"[}\n][\s,\x1e]{0,24}+(?=[{\]])"
    # After a comma in an object, there would be a key.
    rb'|\}\s{0,24}+,\s{0,24}+(?=[^"\s]|"(?:[^"\\\n]|\\.){0,64}+"\s*+[,\]])'
)
_MAX_KEY = _MAX_TAIL = 64


class JsonRows:
    """The rows of a body, to be iterated once. The attributes are final after that."""

    number = 0
    """Rows so far, including broken ones."""
    documents = 0
    """Documents with rows under a known key."""
    cut = False
    """Whether there may be more rows: the body ends within a value, or exceeds a maximum."""

    def __init__(self, body: bytes, keys: Sequence[str] = ()) -> None:
        """`keys` are those under which documents list their rows."""
        self._body = _utf8(body)
        self._keys = keys
        self._effort = MAX_EFFORT
        self.fields: dict[str, Any] = {}
        """What the last document says beside its rows, such as their total."""

    def __iter__(self) -> Iterator[Any]:
        """Each row, or `BROKEN`. A value that is not a known document is a row."""
        row = None
        for row in self._rows():
            if self.number == MAX_ROWS:
                self.cut = True
                return
            self.number += 1
            yield row
        self.cut |= row is BROKEN and not self._body[-_MAX_TAIL:].rstrip().endswith((b"}", b"]"))

    def _rows(self) -> Iterator[Any]:
        end = len(self._body)
        if _after(_BETWEEN_ROWS, self._body, 0) == end:
            return
        if (whole := self._parse(0, end)) is not BROKEN:
            yield from self._rows_in(whole)
        else:
            yield from self._stream()

    def _stream(self) -> Iterator[Any]:
        """The rows of a body that is not one value, or not a valid or a small one."""
        position = yield from self._plain_lines()
        body, line_end, depth = self._body, -1, 0
        for _ in range(MAX_ROWS + 1):
            position = _after(_BETWEEN_ROWS, body, position)
            # Only the first value of a line, since each attempt checks the encoding of the whole line.
            if line_end < position < len(body):
                line_end = _line_end(body, position)
                if (value := self._parse(position, line_end)) is not BROKEN:
                    yield from self._rows_in(value)
                    position = line_end
                    continue
            start = _after(_BETWEEN_VALUES, body, position)
            depth += body.count(b"[", position, start) - body.count(b"]", position, start)
            if _NESTED.search(body, position, start):
                yield BROKEN
            position = start
            if start == len(body):
                break
            position = yield from self._value(start)
        self.cut |= depth != 0 or position < len(body)

    def _plain_lines(self) -> Generator[Any, None, int]:
        """The rows of the first lines, as long as each is one valid and small value; returns where to go on."""
        position = 0
        with suppress(orjson.JSONDecodeError):
            for line in takewhile(lambda line: len(line) <= MAX_VALUES, islice(BytesIO(self._body), MAX_ROWS)):
                yield from self._rows_in(orjson.loads(line))
                position += len(line)
        return position

    def _rows_in(self, value: Any) -> Iterable[Any]:
        """The rows in a parsed value: the items of an array, those under a known key, or the value itself."""
        if isinstance(value, list):
            return (row for item in value for row in (self._rows_in(item) if isinstance(item, dict) else [item]))
        for key in self._keys if isinstance(value, dict) else ():
            if isinstance(value.get(key), list):
                rows: list[Any] = value.pop(key)
                self.documents += 1
                self.fields = value
                return rows
        return [value]

    def _value(self, start: int) -> Generator[Any, None, int]:
        """The rows in the value at `start`; returns where to go on."""
        body = self._body
        if body[start : start + 1] != b"{":
            yield BROKEN
            return _after(_JUNK, body, start)
        opened, is_list = self._extent(start)
        if not is_list:
            return (yield from self._row(start, opened))
        self.documents += 1
        self._set_fields(body[start:opened] + b"]}" if opened - start <= MAX_ROW else b"{}")
        closed = yield from self._list_rows(opened)
        end, _ = self._extent(closed, depth=1)
        if not end:
            self.cut = True
            return len(body)
        if opened - start + end - closed <= MAX_ROW:
            self._set_fields(body[start:opened] + b"]" + body[closed:end])
        return end

    def _set_fields(self, document: bytes) -> None:
        """Take the fields of a document whose rows were removed; a broken one may have said that there are more."""
        fields = _json(document)
        self.cut |= fields is BROKEN
        self.fields = fields if isinstance(fields, dict) else {}

    def _list_rows(self, position: int) -> Generator[Any, None, int]:
        """The rows up to the closing bracket of their list; returns where to go on."""
        body = self._body
        while (position := _after(_BETWEEN_ROWS, body, position)) < len(body):
            match body[position : position + 1]:
                case b"]":
                    return position + 1
                case b"{" | b"[":
                    position = yield from self._row(position, self._extent(position, within=True)[0])
                case _:
                    yield BROKEN
                    position = _after(_SCALAR, body, position)
        return position

    def _row(self, start: int, end: int) -> Generator[Any, None, int]:
        """The row from `start` to `end` (0: its end was not found); returns where to go on."""
        value = self._parse(start, end) if end else BROKEN
        yield value
        if value is not BROKEN or (end and self._is_closed(start, end)):
            return end
        if self._effort <= 0 or not (following := self._next_row(start)):
            self.cut = True
            return len(self._body)
        return following

    def _next_row(self, start: int) -> int:
        """Where the row after a broken one begins, or the end of its line if that is all of it; 0 if there is none."""
        body = self._body
        found = _BEFORE_NEXT_ROW.search(body, start + 1)
        following = found.end() if found else len(body)
        line_end = body.find(b"\n", start, following)
        # Only up to the next row, so that the time stays linear.
        self._effort -= 0 if found else following - start
        if line_end >= 0 and body[max(start, line_end - 8) : line_end].rstrip().endswith(b"}"):
            return line_end
        return following if found else 0

    def _is_closed(self, start: int, end: int) -> bool:
        """Whether a broken row ends where its brackets say: only its texts or numbers are at fault."""
        self._effort -= end - start
        if not self._fits(start, end):
            self.cut = True
            return True
        text = self._body[start:end].decode(errors="replace")
        try:
            json.loads(text, strict=False, parse_int=str)
        except (ValueError, RecursionError):
            return False
        return True

    def _extent(self, start: int, depth: int = 0, within: bool = False) -> tuple[int, bool]:
        """The end of the value at `start`, or the start of the rows in it and True; 0 if it has no end.

        `depth` brackets are open at `start`; a value `within` a document is not searched for rows.
        """
        body, position = self._body, start
        for _ in range(MAX_VALUES):
            if not (found := _UP_TO_BRACKET.match(body, position)):
                break
            position, bracket = found.end(), body[found.end() - 1]
            if bracket in b"}]":
                depth -= 1
            elif depth == 1 and bracket == ord("[") and not within and self._ends_in_key(start, position - 1):
                return position, True
            else:
                depth += 1
            if depth <= 0:
                return position, False
        self._effort -= position - start
        return 0, False

    def _ends_in_key(self, start: int, end: int) -> bool:
        before = self._body[max(start, end - _MAX_KEY) : end].rstrip()
        return before.endswith(b":") and before[:-1].rstrip().endswith(tuple(f'"{key}"'.encode() for key in self._keys))

    def _parse(self, start: int, end: int) -> Any:
        """The JSON value in a part of the body; `BROKEN` if there is none, or if it is too large."""
        return _json(memoryview(self._body)[start:end]) if self._fits(start, end) else BROKEN

    def _fits(self, start: int, end: int) -> bool:
        return _is_small(self._body, start, end)


def json_value(body: bytes) -> Any:
    """The JSON value of a body; `BROKEN` if it is not one, or if it is too large to be parsed at once."""
    text = _utf8(body)
    return _json(text) if _is_small(text, 0, len(text)) else BROKEN


def _utf8(body: bytes) -> bytes:
    """A body in UTF-8 without a byte order mark."""
    encoding = json.detect_encoding(body)
    return (body if encoding.startswith("utf-8") else body.decode(encoding, "replace").encode()).removeprefix(BOM_UTF8)


def _is_small(body: bytes, start: int, end: int) -> bool:
    """Whether a part of a body can be parsed at once."""
    if end - start <= MAX_VALUES:
        return end - start <= MAX_ROW
    return end - start <= MAX_ROW and sum(body.count(mark, start, end) for mark in (b",", b"{", b"[")) <= MAX_VALUES


def _json(text: bytes | memoryview) -> Any:
    """The JSON value in a text; orjson takes a third of the time, `json` also reads lone surrogates and NaN."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(bytes(text).decode())
    except (ValueError, RecursionError):
        return BROKEN


def _after(pattern: re.Pattern[bytes], body: bytes, position: int) -> int:
    """The end of the match at a position."""
    found = pattern.match(body, position)
    return found.end() if found else position


def _line_end(body: bytes, start: int) -> int:
    end = body.find(b"\n", start)
    return end if end >= 0 else len(body)
