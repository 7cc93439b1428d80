"""Every row that a source sends becomes records, is left out for a reason, or is counted as unreadable.

So is every item of a list in a row. An SOA row that names a host and a mailbox becomes two records.
"""

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from passivedns.errors import SourceError
from passivedns.model import Answer
from passivedns.sources import SOURCES
from passivedns.transport import http
from tests.helpers.clients import client, question
from tests.helpers.raw_server import RawServer, raw_server
from tests.unit.sources.samples import SAMPLES, Row, lines, list_under, row

ASKED = "192.0.2.10"
KEYS = list(SOURCES)
UNCLASSIFIED = "#microsoft.graph.security.unclassifiedArtifact"
NUMBER = "9" * 5000
BROKEN = [b'{"rrname": "caf\xe9"}', b'{"a": "x"y"}', b'{"a": %s}' % NUMBER.encode(), b'{"a": "\x01"}', b"{'a': 1}"]
"""Rows that no source can read."""
NO_ROWS: list[Any] = [7, None, "text", [1], True]


ROWS = {key: sample.rows for key, sample in SAMPLES.items()}
BODY = {key: sample.body for key, sample in SAMPLES.items()}
PAGED = {key: sample.next_page for key, sample in SAMPLES.items() if sample.next_page}


def any_rows(key: str) -> st.SearchStrategy[list[Row]]:
    broken = [Row(text, 1) for text in BROKEN] + [row(value) for value in NO_ROWS]
    return st.lists(st.sampled_from(ROWS[key]) | st.sampled_from(broken), max_size=12)


def accounted(answer: Answer) -> int:
    return len(answer.records) + answer.unreadable + sum(answer.left_out.values())


class Pages:
    """A service that sends these responses one after the other, the last one again and again."""

    def __init__(self) -> None:
        self.responses: list[bytes] = []
        self.login = b""
        self.server = RawServer(0)

    def speak(self, connection: socket.socket) -> None:
        connection.sendall(self.responses.pop(0) if len(self.responses) > 1 else self.responses[0])

    def sign_in(self, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + self.login)

    def ask(self, key: str, *responses: tuple[str, bytes]) -> Answer | SourceError:
        self.responses = [
            f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{header}\r\n\r\n".encode() + body
            for header, body in responses
        ]
        self.login = SAMPLES[key].login
        settings: dict[str, Any] = {
            **SAMPLES[key].settings,
            **dict.fromkeys(SAMPLES[key].addresses, self.server.url),
        }
        asker = client(key, self.server.url, **settings)
        try:
            return asker.look_up(question(ASKED))
        except SourceError as error:
            return error


@pytest.fixture(scope="module")
def pages() -> Iterator[Pages]:
    serving = Pages()
    with raw_server(serving.speak, login=serving.sign_in) as server:
        serving.server = server
        yield serving


def read(key: str, body: bytes) -> Answer | SourceError:
    try:
        return SOURCES[key].read(body, ASKED)
    except SourceError as error:
        return error


OTHER = "X-Other: 1"
some = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("key", KEYS)
def test_every_row_is_accounted_for(key: str, pages: Pages) -> None:
    good = ROWS[key][0]

    @some
    @given(any_rows(key), st.integers(0, 12))
    def holds(rows: list[Row], place: int) -> None:
        rows.insert(place, good)
        body = BODY[key]([each.text for each in rows])
        for answer in (read(key, body), pages.ask(key, (OTHER, body))):
            assert isinstance(answer, Answer)
            assert accounted(answer) == sum(each.units for each in rows)

    holds()


@pytest.mark.parametrize("key", PAGED)
def test_every_row_of_every_page_is_accounted_for(key: str, pages: Pages) -> None:
    header, with_more = PAGED[key]
    good = ROWS[key][0]

    @some
    @given(any_rows(key), any_rows(key))
    def holds(first: list[Row], second: list[Row]) -> None:
        both = [good, *first], [*second, good]
        bodies = [with_more([each.text for each in both[0]]), BODY[key]([each.text for each in both[1]])]
        bodies[0] = bodies[0].replace(b"URL", pages.server.url.encode())
        answer = pages.ask(key, (header, bodies[0]), (OTHER, bodies[1]))
        assert isinstance(answer, Answer)
        assert accounted(answer) == sum(each.units for rows in both for each in rows)
        assert answer.complete

    holds()


@pytest.mark.parametrize("key", PAGED)
def test_a_later_page_that_fails_leaves_an_incomplete_answer(key: str, pages: Pages) -> None:
    header, with_more = PAGED[key]
    body = with_more([ROWS[key][0].text]).replace(b"URL", pages.server.url.encode())
    for bad in (b"<html>", b'{"error": {"code": "X", "message": "no"}}', b"\0"):
        answer = pages.ask(key, (header, body), (OTHER, bad))
        assert isinstance(answer, Answer)
        assert len(answer.records) == 1
        assert not answer.complete or answer.unreadable


@pytest.mark.parametrize("key", KEYS)
def test_of_a_response_above_the_maximum_its_beginning_is_read_and_called_incomplete(
    key: str, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = BODY[key]([each.text for each in ROWS[key][:1] * 20])
    expected = pages.ask(key, (OTHER, body))
    monkeypatch.setattr(http, "MAX_BODY", len(body) // 2)
    answer = pages.ask(key, (OTHER, body))
    assert isinstance(answer, Answer)
    assert isinstance(expected, Answer)
    assert (expected.complete, answer.complete) == (True, False)
    assert 8 <= len(answer.records) <= 10
    assert answer.records == expected.records[: len(answer.records)]


def values(body: bytes) -> list[Any]:
    return [json.loads(line) for line in body.splitlines()]


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "a byte order mark": lambda body: b"\xef\xbb\xbf" + body,
    "UTF-16": lambda body: body.decode().encode("utf-16"),
    "CRLF": lambda body: body.replace(b"\n", b"\r\n"),
    "text sequences": lambda body: b"".join(b"\x1e%b\n" % line for line in body.splitlines()),
    "nothing between": lambda body: body.replace(b"\n", b""),
    "several lines": lambda body: "\n".join(json.dumps(value, indent=2) for value in values(body)).encode(),
    "an array": lambda body: b"[" + b",".join(body.splitlines()) + b"]",
    "an array on several lines": lambda body: json.dumps(values(body), indent=4).encode(),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("key", KEYS)
def test_every_source_reads_every_usual_form(key: str, form: str, pages: Pages) -> None:
    usual = BODY[key]([each.text for each in ROWS[key]])
    body = FORMS[form](usual)
    expected = read(key, usual)
    assert isinstance(expected, Answer)
    assert read(key, body) == expected
    assert pages.ask(key, (OTHER, body)) == pages.ask(key, (OTHER, usual))


@pytest.mark.parametrize("form", ["data", "dns"])
@pytest.mark.parametrize("key", ["circl", "cof", "robtex", "mnemonic"])
def test_cof_rows_may_be_in_a_document(key: str, form: str, pages: Pages) -> None:
    texts = [each.text for each in ROWS[key]]
    for body in (list_under(form)(texts), list_under(form, total=13, next_cursor=None)(texts)):
        assert read(key, body) == pages.ask(key, (OTHER, body)) == read(key, BODY[key](texts))


@pytest.mark.parametrize("key", ["circl", "cof", "robtex", "mnemonic"])
def test_an_empty_array_means_nothing_known(key: str, pages: Pages) -> None:
    for body in (b"[]", b"[]\n", b'{"data": []}', b'{"data": [], "total": 0, "next_cursor": null}'):
        assert read(key, body) == pages.ask(key, (OTHER, body)) == Answer([])


@pytest.mark.parametrize("key", KEYS)
def test_rows_without_their_document_are_read(key: str) -> None:
    texts = [each.text for each in ROWS[key] if each.text != b"{}"]
    for body in (lines(texts), b"[" + b",".join(texts) + b"]"):
        answer = read(key, body)
        assert isinstance(answer, Answer)
        assert len(answer.records) >= 1


@pytest.mark.parametrize("key", KEYS)
def test_a_truncated_answer_never_has_more_than_the_whole_and_says_so(key: str) -> None:
    rows = ROWS[key][:1] * 4
    body = BODY[key]([each.text for each in rows]).rstrip()
    for length in range(1, len(body)):
        answer = read(key, body[:length])
        if isinstance(answer, Answer):
            assert len(answer.records) <= 4
            is_between = body[:length].endswith(b"}") or body[:length].endswith(b"\n")
            assert not answer.complete or (BODY[key] is lines and is_between)
