"""Answers and questions."""

import pytest

from passivedns.model import Answer, Question, Record, merge_answers
from tests.helpers.clients import LONG_AGO

RECORD = Record("example.org", "A", "192.0.2.1", None, None, (), "example")


def test_an_answer_in_parts_is_complete_and_certain_if_all_parts_are() -> None:
    parts = [Answer([RECORD], unreadable=1), Answer([RECORD], complete=False, certain=False, unreadable=2)]
    assert merge_answers(parts) == Answer([RECORD, RECORD], complete=False, certain=False, unreadable=3)
    assert merge_answers(parts[:1]) == parts[0]


@pytest.mark.parametrize(("value", "segment"), [("2001:db8::1", "2001:db8::1"), ("a/b?c#d%", "a%2Fb%3Fc%23d%25")])
def test_a_value_is_one_segment_of_a_path(value: str, segment: str) -> None:
    assert Question(value, "Domain-Name", LONG_AGO).segment == segment
