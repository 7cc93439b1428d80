"""Samples for the tests that all sources share: a new source adds a row to SAMPLES.

Keys, passwords and tokens end in `-of-nobody`, by which the tests find them in a sentence.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

ASKED = "192.0.2.10"
SOA = "ns1.example.net. hostmaster.example.org. 1 2 3 4 5"
Body = Callable[[Sequence[bytes]], bytes]
"""Makes the body of an answer from the texts of its rows."""


class Row(NamedTuple):
    """A row as it is sent."""

    text: bytes
    units: int
    """How many records, left out and unreadable items become of it."""


def row(value: Any, units: int = 1) -> Row:
    return Row(json.dumps(value).encode(), units)


def _cof_row(kind: Any, data: Any, units: int = 1, **fields: Any) -> Row:
    return row(
        {"rrname": "www.example.org", "rrtype": kind, "rdata": data, "time_last": 1_795_168_800, **fields}, units
    )


COF_ROWS = [
    _cof_row("A", ASKED),
    _cof_row("A", [ASKED, None, " ", 7, {"a": 1}, ASKED], 6),
    _cof_row("MX", "10 mx.example.org"),
    _cof_row("SOA", SOA, 2),
    _cof_row("SOA", [SOA, "( x )", "ns1.example.net. 7"], 4),
    _cof_row("SOA", "no soa"),
    _cof_row("TXT", '"v=spf1"'),
    _cof_row(7.5, [ASKED, ASKED], 2),
    _cof_row("A", []),
    _cof_row("A", None),
    _cof_row("A", ASKED, rrname=" "),
    _cof_row("TXT", "x" * 70_000),
    row({}),
]


def list_under(key: str, **fields: Any) -> Body:
    start = json.dumps(fields)[:-1] + (", " if fields else "")
    return lambda texts: start.encode() + b'"%b": [%b]}' % (key.encode(), b", ".join(texts))


def lines(texts: Sequence[bytes]) -> bytes:
    return b"".join(text + b"\n" for text in texts)


def framed(texts: Sequence[bytes]) -> bytes:
    return lines([b'{"cond":"begin"}', *(b'{"obj":%b}' % text for text in texts), b'{"cond":"succeeded"}'])


class Good(NamedTuple):
    """An answer as the service sends it."""

    body: bytes
    records: int
    """The number of its records, over HTTP."""
    requests: int = 1
    """The number of searches that a look-up makes if each gets this body."""


class Sample(NamedTuple):
    """A source's row."""

    settings: Mapping[str, str]
    """Its required settings except URLs."""
    answers: Mapping[str, Good]
    """By queried name or address, one of each supported type."""
    addresses: tuple[str, ...] = ()
    """Its settings with URLs except `Source.address`."""
    login: bytes = b""
    """The response to its sign-in (a POST), if it has one."""
    rows: list[Row] = COF_ROWS
    """Rows about `ASKED`, the first of which is good; the others are good, broken or left out."""
    body: Body = lines
    next_page: tuple[str, Body] | None = None
    """A header and a body that say that there is another page, if it has pages."""


def _one(records: int, *documents: object) -> Good:
    """The answer to one request: a document, or several lines."""
    return Good(b"".join(json.dumps(document).encode() + b"\n" for document in documents), records)


_RISKIQ_SEEN = {"firstSeen": "2026-10-01 10:00:00", "lastSeen": "2026-11-20 10:00:00"}


def _riskiq(asked: str, *ends: tuple[str, str, str]) -> Good:
    records = [
        {"recordType": kind, "resolveType": end, "resolve": data, "value": asked, "source": ["riskiq"], **_RISKIQ_SEEN}
        for kind, end, data in ends
    ]
    whole = {"queryValue": asked, "results": records, "totalRecords": len(records), "pager": None, **_RISKIQ_SEEN}
    return _one(len(records), whole)


def _cof(name: str, kind: str, data: str, **fields: object) -> dict[str, object]:
    seen = {"count": 7, "time_first": 1_790_848_800, "time_last": 1_795_168_800}
    return {"rrname": name, "rrtype": kind, "rdata": data, **seen, **fields}


_COF_ADDRESS = _cof("example.org", "A", "192.0.2.10")
_COF_MAIL = _cof("example.org", "MX", "10 mx1.example.net")


def _dnsdb(*rows: Mapping[str, object]) -> Good:
    return _one(len(rows), {"cond": "begin"}, *({"obj": row} for row in rows), {"cond": "succeeded"})


def _virustotal(name: str, address: str) -> Good:
    attributes = {"date": 1_795_168_800, "host_name": name, "ip_address": address, "resolver": "VirusTotal"}
    return _one(1, {"meta": {"count": 1}, "data": [{"attributes": attributes, "type": "resolution", "id": "x"}]})


def _otx(name: str, address: str) -> Good:
    seen = {"first": "2026-10-01T10:00:00", "last": "2026-11-20T10:00:00"}
    return _one(1, {"passive_dns": [{"hostname": name, "address": address, "record_type": "A", **seen}], "count": 1})


def _defender(host: str, artifact: str, requests: int) -> Good:
    record = {
        "@odata.type": "#microsoft.graph.security.passiveDnsRecord",
        "id": "ZXhhbXBsZQ==",
        "firstSeenDateTime": "2026-10-01T10:00:00Z",
        "lastSeenDateTime": "2026-11-20T10:00:00Z",
        "collectedDateTime": "2026-11-20T10:59:34.735Z",
        "recordType": "A",
        "parentHost": {"id": host},
        "artifact": {"@odata.type": "#microsoft.graph.security.hostname", "id": artifact},
    }
    return _one(2 * requests, {"value": [record, record | {"recordType": "MX"}]})._replace(requests=requests)


def _otx_row(**fields: Any) -> Row:
    return row({"hostname": "www.example.org", "address": ASKED, "record_type": "A", **fields})


def _defender_row(kind: str, artifact: Any, units: int = 1, **fields: Any) -> Row:
    return row({"recordType": kind, "parentHost": {"id": ASKED}, "artifact": artifact, **fields}, units)


def _virustotal_row(**fields: Any) -> Row:
    return row({"attributes": {"host_name": "www.example.org", "ip_address": ASKED, "date": 1_795_168_800, **fields}})


SAMPLES: Mapping[str, Sample] = {
    "riskiq": Sample(
        settings={"username": "analyst@example.org", "api_key": "riskiq-key-of-nobody"},
        answers={
            "example.org": _riskiq(
                "example.org", ("A", "ip", "192.0.2.10"), ("SOA", "email", "hostmaster.example.org")
            ),
            "192.0.2.10": _riskiq("192.0.2.10", ("A", "domain", "example.org")),
        },
        rows=[
            row({"recordType": "A", "resolveType": "domain", "resolve": "www.example.org", "value": ASKED}),
            row({"recordType": 7, "resolve": None}),
            row({}),
        ],
        body=list_under("results", queryValue=ASKED),
    ),
    "circl": Sample(
        settings={"username": "analyst@example.org", "password": "circl-password-of-nobody"},
        answers={
            "example.org": _one(
                2, _cof("192.0.2.10", "A", "example.org"), _cof("10 mx1.example.net", "MX", "example.org")
            ),
            "192.0.2.10": _one(1, _cof("192.0.2.10", "A", "example.org")),
        },
        next_page=("x-dribble-cursor: 7346046680497455128", lines),
    ),
    "cof": Sample(
        settings={"token": "Bearer cof-token-of-nobody"},
        answers={"example.org": _one(2, _COF_ADDRESS, _COF_MAIL), "192.0.2.10": _one(1, _COF_ADDRESS)},
        next_page=("X-Next-Cursor: 200", lines),
    ),
    "mnemonic": Sample(
        settings={"api_key": "mnemonic-key-of-nobody"},
        answers={
            "example.org": _one(2, _COF_ADDRESS | {"rrtype": "a"}, _COF_MAIL | {"rrtype": "mx"}),
            "192.0.2.10": _one(1, _COF_ADDRESS | {"rrtype": "a"}),
        },
    ),
    "robtex": Sample(
        settings={},
        answers={
            "example.org": _one(1, _cof("example.org", "MX", "", rrdata="mx1.example.net") | {"rdata": None}),
            "192.0.2.10": _one(1, _cof("example.org", "A", "", rrdata="192.0.2.10") | {"rdata": None}),
        },
    ),
    "dnsdb": Sample(
        settings={"api_key": "dnsdb-key-of-nobody"},
        answers={
            "example.org": _dnsdb(
                _COF_ADDRESS | {"rdata": ["192.0.2.10"]}, _COF_MAIL | {"rdata": ["10 mx1.example.net."]}
            ),
            "192.0.2.10": _dnsdb(_COF_ADDRESS),
        },
        body=framed,
    ),
    "virustotal": Sample(
        settings={"api_key": "virustotal-key-of-nobody"},
        answers={
            "example.org": _virustotal("example.org", "192.0.2.10"),
            "192.0.2.10": _virustotal("example.org", "192.0.2.10"),
        },
        rows=[
            _virustotal_row(),
            _virustotal_row(host_name=""),
            _virustotal_row(ip_address=7),
            _virustotal_row(date="x"),
            row({}),
        ],
        body=list_under("data"),
        next_page=("X-Other: 1", list_under("data", meta={"cursor": "abc"})),
    ),
    "otx": Sample(
        settings={"api_key": "otx-key-of-nobody"},
        answers={"example.org": _otx("example.org", "192.0.2.10"), "192.0.2.10": _otx("example.org", "192.0.2.10")},
        rows=[
            _otx_row(),
            _otx_row(address="NXDOMAIN"),
            _otx_row(record_type="SOA"),
            _otx_row(address=None),
            _otx_row(hostname=[]),
            row({}),
        ],
        body=list_under("passive_dns"),
    ),
    "defender": Sample(
        settings={"tenant_id": "tenant.example", "client_id": "client", "client_secret": "client-secret-of-nobody"},
        answers={
            "example.org": _defender("example.org", "192.0.2.10", requests=2),
            "192.0.2.10": _defender("192.0.2.10", "example.org", requests=1),
        },
        addresses=("login_base_url",),
        login=b'{"token_type": "Bearer", "expires_in": 3599, "access_token": "token-of-nobody"}',
        rows=[
            _defender_row("A", {"id": "www.example.org"}),
            _defender_row(
                "A", {"@odata.type": "#microsoft.graph.security.unclassifiedArtifact", "id": "x", "value": "a.example"}
            ),
            _defender_row("A", {"@odata.type": "#microsoft.graph.security.unclassifiedArtifact", "id": "x"}),
            _defender_row("A", None),
            _defender_row("A", {"id": "www.example.org"}, parentHost=None),
            row({}),
        ],
        body=list_under("value"),
        next_page=("X-Other: 1", list_under("value", **{"@odata.nextLink": "URL/next"})),
    ),
}
"""By the key in `SOURCES`."""
