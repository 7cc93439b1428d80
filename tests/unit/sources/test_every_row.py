"""Every row that a source sends becomes records, is left out for a reason, or is counted as unreadable.

So is every item of a list in a row. An SOA row that names a host and a mailbox becomes two records.
"""

import json
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from passivedns.errors import SourceError
from passivedns.model import Answer
from passivedns.sources import SOURCES
from passivedns.transport import http
from tests.unit.raw_server import RawServer, raw_server
from tests.unit.sources.clients import client, question
from tests.unit.sources.samples import SAMPLES

ASKED = "192.0.2.10"
KEYS = list(SOURCES)
SOA = "ns1.example.net. hostmaster.example.org. 1 2 3 4 5"
UNCLASSIFIED = "#microsoft.graph.security.unclassifiedArtifact"
NUMBER = "9" * 5000
BROKEN = [b'{"rrname": "caf\xe9"}', b'{"a": "x"y"}', b'{"a": %s}' % NUMBER.encode(), b'{"a": "\x01"}', b"{'a': 1}"]
"""Rows that no source can read."""
NO_ROWS: list[Any] = [7, None, "text", [1], True]


class Row(NamedTuple):
    """A row as it is sent."""

    text: bytes
    units: int
    """How many records, left out and unreadable items become of it."""


def row(value: Any, units: int = 1) -> Row:
    return Row(json.dumps(value).encode(), units)


def _cof(kind: Any, data: Any, units: int = 1, **fields: Any) -> Row:
    return row(
        {"rrname": "www.example.org", "rrtype": kind, "rdata": data, "time_last": 1_795_168_800, **fields}, units
    )


COF = [
    _cof("A", ASKED),
    _cof("A", [ASKED, None, " ", 7, {"a": 1}, ASKED], 6),
    _cof("MX", "10 mx.example.org"),
    _cof("SOA", SOA, 2),
    _cof("SOA", [SOA, "( x )", "ns1.example.net. 7"], 4),
    _cof("SOA", "no soa"),
    _cof("TXT", '"v=spf1"'),
    _cof(7.5, [ASKED, ASKED], 2),
    _cof("A", []),
    _cof("A", None),
    _cof("A", ASKED, rrname=" "),
    _cof("TXT", "x" * 70_000),
    row({}),
]


def _otx(**fields: Any) -> Row:
    return row({"hostname": "www.example.org", "address": ASKED, "record_type": "A", **fields})


def _defender(kind: str, artifact: Any, units: int = 1, **fields: Any) -> Row:
    return row({"recordType": kind, "parentHost": {"id": ASKED}, "artifact": artifact, **fields}, units)


def _virustotal(**fields: Any) -> Row:
    return row({"attributes": {"host_name": "www.example.org", "ip_address": ASKED, "date": 1_795_168_800, **fields}})


ROWS: dict[str, list[Row]] = {
    **dict.fromkeys(("circl", "cof", "mnemonic", "robtex", "dnsdb"), COF),
    "riskiq": [
        row({"recordType": "A", "resolveType": "domain", "resolve": "www.example.org", "value": ASKED}),
        row({"recordType": 7, "resolve": None}),
        row({}),
    ],
    "otx": [_otx(), _otx(address="NXDOMAIN"), _otx(record_type="SOA"), _otx(address=None), _otx(hostname=[]), row({})],
    "virustotal": [_virustotal(), _virustotal(host_name=""), _virustotal(ip_address=7), _virustotal(date="x"), row({})],
    "defender": [
        _defender("A", {"id": "www.example.org"}),
        _defender(
            "A", {"@odata.type": "#microsoft.graph.security.unclassifiedArtifact", "id": "x", "value": "a.example"}
        ),
        _defender("A", {"@odata.type": "#microsoft.graph.security.unclassifiedArtifact", "id": "x"}),
        _defender("A", None),
        _defender("A", {"id": "www.example.org"}, parentHost=None),
        row({}),
    ],
}


def _list_under(key: str, **fields: Any) -> Callable[[Sequence[bytes]], bytes]:
    start = json.dumps(fields)[:-1] + (", " if fields else "")
    return lambda texts: start.encode() + b'"%b": [%b]}' % (key.encode(), b", ".join(texts))


def _lines(texts: Sequence[bytes]) -> bytes:
    return b"".join(text + b"\n" for text in texts)


def _framed(texts: Sequence[bytes]) -> bytes:
    return _lines([b'{"cond":"begin"}', *(b'{"obj":%b}' % text for text in texts), b'{"cond":"succeeded"}'])


BODY: dict[str, Callable[[Sequence[bytes]], bytes]] = {
    **dict.fromkeys(("circl", "cof", "mnemonic", "robtex"), _lines),
    "dnsdb": _framed,
    "riskiq": _list_under("results", queryValue=ASKED),
    "otx": _list_under("passive_dns"),
    "virustotal": _list_under("data"),
    "defender": _list_under("value"),
}
"""The usual body of each source."""

PAGED: dict[str, tuple[str, Callable[[Sequence[bytes]], bytes]]] = {
    "circl": ("x-dribble-cursor: 7346046680497455128", _lines),
    "cof": ("X-Next-Cursor: 200", _lines),
    "virustotal": ("X-Other: 1", _list_under("data", meta={"cursor": "abc"})),
    "defender": ("X-Other: 1", _list_under("value", **{"@odata.nextLink": "URL/next"})),
}
"""A header and a body that say that there is another page."""


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
    for body in (_list_under(form)(texts), _list_under(form, total=13, next_cursor=None)(texts)):
        assert read(key, body) == pages.ask(key, (OTHER, body)) == read(key, BODY[key](texts))


@pytest.mark.parametrize("key", ["circl", "cof", "robtex", "mnemonic"])
def test_an_empty_array_means_nothing_known(key: str, pages: Pages) -> None:
    for body in (b"[]", b"[]\n", b'{"data": []}', b'{"data": [], "total": 0, "next_cursor": null}'):
        assert read(key, body) == pages.ask(key, (OTHER, body)) == Answer([])


@pytest.mark.parametrize("key", KEYS)
def test_rows_without_their_document_are_read(key: str) -> None:
    texts = [each.text for each in ROWS[key] if each.text != b"{}"]
    for body in (_lines(texts), b"[" + b",".join(texts) + b"]"):
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
            assert not answer.complete or (key in ("circl", "cof", "mnemonic", "robtex") and is_between)
