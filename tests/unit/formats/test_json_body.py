"""Bodies with one JSON document, and the rows of an answer."""

import json
from typing import Any

import pytest

from passivedns.errors import BadAnswer
from passivedns.formats.json_body import MAX_TEXT, Row, at, has_all, is_count, json_of, read_rows, rows_of, text, whole
from passivedns.model import Answer, Record
from passivedns.transport.reply import Reply
from tests.helpers.transports import EXAMPLE

DEEP = b"[" * 100_000
RECORD = Record("example.org", "A", "192.0.2.1", None, None, (), "example")


@pytest.mark.parametrize("body", [b"", b" \r\n\t"])
def test_an_empty_body_is_no_value(body: bytes) -> None:
    assert json_of(EXAMPLE, body) is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_a_document_may_be_in_any_encoding_of_unicode(encoding: str) -> None:
    assert json_of(EXAMPLE, '{"a": "ü"}'.encode(encoding)) == {"a": "ü"}


@pytest.mark.parametrize(
    "body",
    [b"<html>", b'{"a": ', b"{} {}", b"\xff\xfe", b"\x00", b'{"\xff": 1}', DEEP, DEEP + b"]" * 100_000, b"9" * 5000],
    ids=lambda body: repr(body[:20]),
)
def test_an_error_says_that_a_body_is_not_json(body: bytes) -> None:
    with pytest.raises(BadAnswer) as raised:
        json_of(EXAMPLE, body)
    assert str(raised.value) == (
        "The response from Example DNS is not valid JSON or was cut off; check EXAMPLE_API_BASE_URL."
    )


def test_a_web_page_is_rejected() -> None:
    with pytest.raises(BadAnswer, match="is a web page; check EXAMPLE_API_BASE_URL"):
        rows_of(EXAMPLE, b" \n<!DOCTYPE html>")


def read(body: bytes) -> Answer:
    return read_rows(
        EXAMPLE, rows_of(EXAMPLE, body, "rows"), lambda row: [RECORD] if "a" in row else None, "list of rows"
    )


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"rows": 7}', b"7", b'{"rows": null}'])
def test_an_answer_without_a_list_of_rows_is_rejected(body: bytes) -> None:
    with pytest.raises(BadAnswer, match="contains no list of rows; check EXAMPLE_API_BASE_URL"):
        read(body)


@pytest.mark.parametrize("body", [b"x", b'{"rows": [', b'{"rows": [{"a": ', b"[", b"\xff"])
def test_an_answer_that_is_cut_off_before_its_first_row_is_rejected(body: bytes) -> None:
    with pytest.raises(BadAnswer, match="is not valid JSON or was cut off; check EXAMPLE_API_BASE_URL"):
        read(body)


def test_an_answer_that_is_cut_off_later_is_incomplete() -> None:
    assert read(b'{"rows": [{"a": 1}, {"a": ') == Answer([RECORD], complete=False, unreadable=1)


@pytest.mark.parametrize("value", [" x ", "x" * MAX_TEXT])
def test_text_has_a_maximum_length(value: Any) -> None:
    assert text(value) == value.strip()
    assert text(value + "x" * MAX_TEXT) == ""


def test_a_reply_that_was_cut_makes_an_answer_incomplete() -> None:
    reply = Reply(200, {}, bytes(2**21), cut=True)
    assert whole(EXAMPLE, Answer([RECORD]), reply) == Answer([RECORD], complete=False)
    with pytest.raises(BadAnswer, match="has no record in its first 2 MiB; check EXAMPLE_API_BASE_URL"):
        whole(EXAMPLE, Answer([]), reply)
    assert whole(EXAMPLE, Answer([]), reply._replace(cut=False)) == Answer([])


def test_rows_that_are_no_documents_are_read_as_well() -> None:
    assert read(json.dumps([{"a": 1}, {}]).encode()) == Answer([RECORD], unreadable=1)


@pytest.mark.parametrize(
    ("keys", "found"),
    [(("a", "b"), 7), (("a",), {"b": 7}), (("a", "b", "c"), None), (("x", "b"), None), ((), {"a": {"b": 7}})],
)
def test_a_value_is_found_under_nested_keys(keys: tuple[str, ...], found: object) -> None:
    assert at({"a": {"b": 7}}, *keys) == found


@pytest.mark.parametrize(("value", "expected"), [(" x ", "x"), ("", ""), (7, ""), (None, ""), (["x"], "")])
def test_what_is_not_text_is_an_empty_text(value: object, expected: str) -> None:
    assert text(value) == expected


@pytest.mark.parametrize("value", [None, "7", True, -1, float("nan"), float("inf"), 10**400, [7]])
def test_an_implausible_number_is_not_a_count(value: object) -> None:
    assert not is_count(value)
    assert is_count(0)


@pytest.mark.parametrize(("total", "expected"), [(None, True), ("9", True), (2, True), (1, True), (3, False)])
def test_fewer_rows_than_stated_are_not_all(total: object, expected: bool) -> None:
    assert has_all(2, total) is expected


def test_an_unreadable_row_does_not_affect_its_neighbours() -> None:
    def read(row: dict[str, Any]) -> Row:
        rows: dict[str, Row] = {"good": [RECORD], "other": "the name did not exist"}
        return rows.get(row["is"])

    rows: list[Any] = [{"is": "good"}, {"is": "other"}, {"is": "bad"}, "text", None, {"is": "good"}]
    found = read_rows(EXAMPLE, rows_of(EXAMPLE, json.dumps({"list": rows}).encode(), "list"), read, "list")
    assert found == Answer([RECORD, RECORD], unreadable=3, left_out={"the name did not exist": 1})
