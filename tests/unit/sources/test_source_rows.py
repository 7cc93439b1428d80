"""Rows and fields of parsed answers, as all sources read them."""

import json
from typing import Any

import pytest

from passivedns.formats.json_body import Row, at, has_all, is_count, read_rows, rows_of, text
from passivedns.model import Answer, Question, Record, merge_answers
from tests.helpers.clients import LONG_AGO
from tests.helpers.transports import EXAMPLE

RECORD = Record("example.org", "A", "192.0.2.1", None, None, (), "example")


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


def test_an_answer_in_parts_is_complete_and_certain_if_all_parts_are() -> None:
    parts = [Answer([RECORD], unreadable=1), Answer([RECORD], complete=False, certain=False, unreadable=2)]
    assert merge_answers(parts) == Answer([RECORD, RECORD], complete=False, certain=False, unreadable=3)
    assert merge_answers(parts[:1]) == parts[0]


@pytest.mark.parametrize(("value", "segment"), [("2001:db8::1", "2001:db8::1"), ("a/b?c#d%", "a%2Fb%3Fc%23d%25")])
def test_a_value_is_one_segment_of_a_path(value: str, segment: str) -> None:
    assert Question(value, "Domain-Name", LONG_AGO).segment == segment
