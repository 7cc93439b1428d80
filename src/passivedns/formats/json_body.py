"""Reads response bodies: documents, and the rows of an answer in any form of JSON."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeGuard

from passivedns.formats.tolerant_json import BROKEN, JsonRows, json_value
from passivedns.model import Answer, Record
from passivedns.transport.reply import Reply
from passivedns.transport.service import Service

MAX_TEXT = 65_535
"""Characters of a name, record data or another text; longer ones are not from the DNS."""

Row = Sequence[Record] | str | None
"""The records of a row, or why it is left out; None if it is unreadable."""


def json_of(service: Service, body: bytes) -> Any:
    """The JSON of a small body, such as a quota; None if the body is empty.

    Raises:
        BadAnswer: the body is not JSON, or is too large.
    """
    if not body.strip():
        return None
    value = json_value(body)
    if value is BROKEN:
        raise service.unexpected("is not valid JSON or was cut off")
    return value


def rows_of(service: Service, body: bytes, *keys: str) -> JsonRows:
    """The rows of a body, in any usual form; `keys` are those under which documents list them.

    Raises:
        BadAnswer: the body is a web page.
    """
    if re.match(rb"\s*+<", body):
        raise service.unexpected("is a web page")
    return JsonRows(body, keys)


def read_rows(service: Service, rows: JsonRows, read: Callable[[dict[str, Any]], Row], what: str) -> Answer:
    """The records of all rows of a source that sends documents; `what` names their list in the error.

    `read` returns the records of a row, or the reason why it is left out, or None if it is unreadable.

    Raises:
        BadAnswer: there is neither such a document nor a readable row.
    """
    records: list[Record] = []
    left_out: Counter[str] = Counter()
    unreadable = broken = 0
    for row in rows:
        found = read(row) if isinstance(row, dict) else None
        if found is None:
            unreadable += 1
            broken += row is BROKEN
        elif isinstance(found, str):
            left_out[found] += 1
        else:
            records += found
    if not (records or left_out or (rows.documents and not rows.cut)):
        is_json = rows.number > broken or not (rows.number or rows.cut)
        raise service.unexpected(f"contains no {what}" if is_json else "is not valid JSON or was cut off")
    return Answer(records, not rows.cut, unreadable=unreadable, left_out=left_out)


def whole(service: Service, answer: Answer, reply: Reply) -> Answer:
    """The answer in a reply, which is incomplete if the reply was cut.

    Raises:
        BadAnswer: it was cut before its first record.
    """
    if reply.cut and not answer.records:
        raise service.unexpected(f"has no record in its first {len(reply.body) >> 20} MiB")
    return answer._replace(complete=answer.complete and not reply.cut)


def at(value: Any, *keys: str) -> Any:
    """The value under nested keys of JSON objects; None if one of them is missing."""
    try:
        for key in keys:
            value = value[key]
    except (LookupError, TypeError):
        return None
    return value


def text(value: Any) -> str:
    """A text without blanks around it; empty if the value is not text, or is longer than `MAX_TEXT`."""
    return value.strip() if isinstance(value, str) and len(value) <= MAX_TEXT else ""


def is_count(value: Any) -> TypeGuard[float]:
    """Whether a value is a plausible number of searches, rows or seconds."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**63


def has_all(number: int, total: Any) -> bool:
    """Whether a number of rows is all that the source has, by the total that it states; true if it states none."""
    return not isinstance(total, int) or total <= number
