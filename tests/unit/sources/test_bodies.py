"""Bodies with one JSON document, or one per line."""

import pytest

from passivedns.errors import BadAnswer
from passivedns.sources import bodies
from passivedns.sources.bodies import MOST_VALUES, json_of, lines_of
from passivedns.sources.http import MAX_BODY
from tests.unit.sources.transports import EXAMPLE

DEEP = b"[" * 100_000


@pytest.mark.parametrize("body", [b"", b" \r\n\t"])
def test_an_empty_body_is_no_value(body: bytes) -> None:
    assert json_of(EXAMPLE, body) is None
    assert lines_of(EXAMPLE, body) == ([], 0)


def test_a_body_may_begin_with_a_byte_order_mark() -> None:
    assert json_of(EXAMPLE, b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


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


def test_lines_may_be_empty_and_have_any_line_ending() -> None:
    assert lines_of(EXAMPLE, b'\n{"a": 1}\r\n\r\n  \n[2] \n3') == ([{"a": 1}, [2], 3], 0)


@pytest.mark.parametrize("line", [b'{"a": ', b"<p>", b"\xff", b"{} {}", b"NaNa", DEEP, b"9" * 5000, b"\x00", b"],["])
def test_an_unreadable_line_is_counted_and_does_not_affect_others(line: bytes) -> None:
    assert lines_of(EXAMPLE, b'{"a": 1}\n' + line + b'\n{"b": 2}\n') == ([{"a": 1}, {"b": 2}], 1)


def test_a_web_page_is_rejected() -> None:
    with pytest.raises(BadAnswer, match="is a web page; check EXAMPLE_API_BASE_URL"):
        lines_of(EXAMPLE, b" \n<!DOCTYPE html>")


@pytest.mark.slow
@pytest.mark.parametrize("part", [b"{},", b"[", b"1\n", b"\n", b'{"a":[]},\n'], ids=repr)
def test_a_body_with_too_many_values_is_dropped_before_it_is_parsed(
    part: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = b"[" + part * (MAX_BODY // len(part) - 1)
    # Parsing would raise an AttributeError.
    monkeypatch.delattr(bodies, "orjson")
    monkeypatch.delattr(bodies, "json")
    for read in (json_of, lines_of):
        with pytest.raises(BadAnswer, match=f"contains more than {MOST_VALUES:,} values and was dropped"):
            read(EXAMPLE, body)
