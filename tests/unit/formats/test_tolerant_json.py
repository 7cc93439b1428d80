"""Rows in any usual form of JSON, and broken ones among them."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passivedns.formats import tolerant_json
from passivedns.formats.tolerant_json import BROKEN, JsonRows

ROWS = [{"a": 1, "list": [{"x": "}{"}, {"x": "],["}]}, {"a": 'ü \\ " {'}, {"a": {"b": [[], {}]}}]

FORMS: dict[str, Callable[[list[str]], str]] = {
    "lines": "\n".join,
    "lines with an end": lambda rows: "".join(f"{row}\n" for row in rows),
    "CRLF": "\r\n".join,
    "empty lines": "\n \n\n".join,
    "nothing between": "".join,
    "blanks between": " \t ".join,
    "text sequences": lambda rows: "".join(f"\x1e{row}\n" for row in rows),
    "an array": lambda rows: f"[{','.join(rows)}]",
    "an array on several lines": lambda rows: "[\n  " + ",\n  ".join(rows) + "\n]\n",
    "an array per line": lambda rows: "\n".join(f"[{row}]" for row in rows),
    "a document": lambda rows: f'{{"n": 3, "data": [{", ".join(rows)}], "more": {{"data": []}}}}',
    "a document on several lines": lambda rows: '{"n": {},\n "data" : [\n' + ",\n".join(rows) + '\n],\n"more": 1}\n',
    "documents": lambda rows: "".join(f'{{"data": [{row}]}}' for row in rows),
    "an array of documents": lambda rows: "[" + ",".join(f'{{"data": [{row}]}}' for row in rows) + "]",
}
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
BAD: dict[str, bytes] = {
    "Latin-1": b'{"a": "caf\xe9"}',
    "a line feed in a text": b'{"a": "x\ny"}',
    "a control character": b'{"a": "x\x01y"}',
    "a number of 5,000 digits": b'{"a": ' + b"9" * 5000 + b"}",
    "a quote too many": b'{"a": "x"y", "b": {"c": 1}}',
    "no value": b'{"a": }',
    "no quote": b'{"a: 1}',
    "a comma too many": b'{"a": 1,}',
    "another language": b"{'a': True}",
    "deep nesting": b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}",
}


def read(body: bytes) -> JsonRows:
    """The rows of a body, with BROKEN ones as None in `found`."""
    return JsonRows(body, ("data",))


def found(body: bytes) -> list[Any]:
    return [None if row is BROKEN else row for row in read(body)]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("form", FORMS)
def test_rows_may_have_any_usual_form(form: str, encoding: str, indent: int | None) -> None:
    body = FORMS[form]([json.dumps(row, indent=indent, ensure_ascii=False) for row in ROWS]).encode(encoding)
    rows = read(body)
    assert list(rows) == ROWS
    assert (rows.number, rows.cut) == (3, False)


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("form", FORMS)
def test_a_broken_row_costs_itself_alone(form: str, bad: str) -> None:
    mark = "BROKEN"
    body = FORMS[form]([json.dumps(ROWS[0]), mark, json.dumps(ROWS[1])]).encode().replace(b"BROKEN", BAD[bad])
    rows = read(body)
    assert [None if row is BROKEN else row for row in rows] == [ROWS[0], None, ROWS[1]]
    assert not rows.cut


@pytest.mark.parametrize("body", [b"", b"  \r\n", b"[]", b'{"data": []}', b"\xef\xbb\xbf"])
def test_a_body_may_have_no_rows(body: bytes) -> None:
    rows = read(body)
    assert list(rows) == []
    assert not rows.cut


@pytest.mark.parametrize("body", [b"[[]]", b"[" * 5000 + b"]" * 5000, b'[[1]]\n{"a": 1}'])
def test_an_array_in_an_array_is_a_broken_row(body: bytes) -> None:
    rows = read(body)
    assert [row for row in rows if not isinstance(row, dict)] != []


def test_the_fields_beside_the_rows_are_those_of_the_last_document() -> None:
    pages = b'{"data": [{"a": 1}], "next": 2}\n{"next": 3, "data": [{"a": "\xff"}, {"a": 2}], "total": 3}'
    rows = read(pages)
    assert len(list(rows)) == 3
    assert (rows.documents, rows.fields["next"], rows.fields["total"]) == (2, 3, 3)


@pytest.mark.parametrize("form", ["lines", "an array", "a document", "a document on several lines", "nothing between"])
def test_a_body_that_ends_early_has_its_whole_rows_and_says_so(form: str) -> None:
    all_rows = [{"a": 1, "b": ["x", "]}"]}, {"a": "ü"}, {"c": None}]
    body = FORMS[form]([json.dumps(row) for row in all_rows]).encode()
    for length in range(1, len(body.rstrip())):
        rows = read(body[:length])
        found = [row for row in rows if row is not BROKEN and row in all_rows]
        assert found == all_rows[: len(found)]
        assert rows.cut or form in ("lines", "nothing between")
        assert rows.number - len(found) <= 1


@pytest.mark.parametrize("form", ["lines", "an array", "a document", "a document on several lines", "nothing between"])
def test_a_maximum_of_rows_cuts_and_says_so(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body = FORMS[form]([json.dumps(row) for row in ROWS]).encode()
    for most, cut in ((3, False), (2, True)):
        monkeypatch.setattr(tolerant_json, "MAX_ROWS", most)
        rows = read(body)
        assert list(rows) == ROWS[:most]
        assert rows.cut is cut


@pytest.mark.parametrize("most", ["MAX_ROW", "MAX_VALUES"])
@pytest.mark.parametrize("form", ["lines", "an array", "a document", "a document on several lines", "nothing between"])
def test_a_row_above_a_maximum_costs_itself_alone_and_is_a_cut(
    form: str, most: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tolerant_json, "MAX_ROW", 1000)
    if most == "MAX_VALUES":
        monkeypatch.setattr(tolerant_json, "MAX_VALUES", 300)
    long = '{"a": [' + "0," * 480 + "0]}"
    assert len(long) < 1000
    long = long if most == "MAX_VALUES" else long.replace("0", "00000")
    rows = read(FORMS[form]([json.dumps(ROWS[0]), long, json.dumps(ROWS[1])]).encode())
    assert [None if row is BROKEN else row for row in rows] == [ROWS[0], None, ROWS[1]]
    assert rows.cut


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300) | st.text('{}[]",:\\\n a', max_size=300).map(str.encode))
def test_any_bytes_end_well(body: bytes) -> None:
    rows = read(body)
    assert len(list(rows)) == rows.number


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_objects_in_any_form_with_broken_ones_among_them_are_all_accounted_for(data: st.DataObject) -> None:
    objects = st.dictionaries(
        st.text(max_size=4), st.text(max_size=8) | st.integers(0, 2**63) | st.lists(st.text(max_size=3))
    )
    row = objects.filter(lambda row: "data" not in row).map(lambda row: json.dumps(row).encode())
    rows = data.draw(st.lists(row | st.sampled_from(list(BAD.values())), max_size=8))
    form = FORMS[data.draw(st.sampled_from(list(FORMS)))]
    body = form([f"ROW{number}ROW" for number in range(len(rows))]).encode()
    for number, text in enumerate(rows):
        body = body.replace(b"ROW%dROW" % number, text)
    expected = [None if text in BAD.values() else json.loads(text) for text in rows]
    assert found(body) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    "part", [b"{},", b"[", b"1\n", b"\n", b'{"a":[]},\n', b'{"a":"x"y"},', b'{"a":"b\n{"'], ids=repr
)
def test_a_body_of_64_mebibytes_takes_seconds(part: bytes) -> None:
    rows = read(b"[" + part * (2**26 // len(part)))
    for _ in rows:
        pass
    assert rows.cut
