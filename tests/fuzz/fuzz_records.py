"""Fuzzes the sources: any response must yield typed records or one of the connector's errors."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from passivedns.errors import SourceError
from passivedns.model import Question, Quota, Record
from passivedns.sources import SOURCES
from passivedns.sources.riskiq import parse_quota, read_saved
from tests.fuzz.canned import client_of
from tests.fuzz.rows import entry, joined, json_or_text, rows_of

LONGEST_SENTENCE = 500
"""Maximum characters of an error message, however long the answer."""

ANSWERS = [
    b'200 {"results": [{"recordType": "MX", "resolveType": "domain", "resolve": "alt1.example.com", "firstSeen": '
    b'"2014-11-16 18:02:30", "lastSeen": "2019-10-05 21:51:41", "source": ["pingly", "riskiq"]}]}',
    b'200 {"results": [null, 7, "text", [], {"resolve": "\\ud800", "source": "riskiq", "lastSeen": "None"}]}',
    b'200 {"user": {"licenseCounts": {"searchApi": 1e999}, "licenseLimits": {"searchApi": NaN}, "next_reset": '
    b'"2026-12-01 00:00:00", "counts": {"search_api": 100}, "limits": {"search_api": 1000}}, "organization": '
    b'{"licenseCounts": {"enterprise": {"searchApi": 0}}, "licenseLimits": {"enterprise": {"searchApi": 1234}}}}',
    b'200 {"error": {"http_code": 403, "message": "quota", "developer_message": "x"}}',
    b'429 {"message": "too many requests", "error": "quota exceeded"}',
    b"404 <html>",
    b"204 ",
    b'200 {"data": [{"attributes": {"host_name": "a.example", "ip_address": "192.0.2.1", "date": 1e999}}, 7]}',
    b'200 {"passive_dns": [{"hostname": "a.example", "address": "192.0.2.1", "record_type": "A"}], "count": 1e999}',
    b'200 {"rrname": "a.example", "rrtype": 1, "rdata": ["192.0.2.1", null], "time_first": 1e999}\n{"rrname": [',
]
"""Each is a status, a space and a body."""

ROWS = [
    joined(
        ("A", "ip", "192.0.2.1", "2026-11-01 10:00:00.5", "2026-11-20T10:00:00+02:00", '["riskiq", "pingly"]'),
        ("AAAA", "ip", "2001:db8::1", "2026-11-01", "20261101T10Z", "riskiq"),
        ("null", "7", "[]", "1970-01-01 00:00:00", "9999-12-31 23:59:59-12:00", "[null, 7]"),
        ("NS", "domain", "", "2026-W48-2", "None"),
    ),
    joined(("100", "2000", "10", "1000", "2026-12-01 00:00:00")),
    joined(("NaN", "Infinity", "-1", "9223372036854775808", "null")),
]
"""Fields of records, and of a quota: searches and limit of a licence, the older pair, the next reset."""

SEEDS = [*ANSWERS, *ROWS]

QUESTION = Question("example.org", "Domain-Name", datetime(2026, 1, 1, tzinfo=UTC))


def check(data: bytes) -> None:
    """Test the input as an answer and as rows. Raises AssertionError, or any error that should not occur."""
    status, _, body = data.partition(b" ")
    check_answer(int(status) if len(status) == 3 and status.isdigit() else 200, body)
    rows = rows_of(data)
    check_records([entry(row) for row in rows])
    check_quota(parse_quota({"user": account(*rows[0])}))


def account(*fields: str) -> dict[str, Any]:
    values: list[Any] = [*map(json_or_text, fields), *[None] * 5]
    used, limit, older_used, older_limit, reset = values[:5]
    licences = {"licenseCounts": {"searchApi": used}, "licenseLimits": {"searchApi": limit}}
    older = {"counts": {"search_api": older_used}, "limits": {"search_api": older_limit}}
    return {**licences, **older, "next_reset": reset}


def check_answer(status: int, body: bytes) -> None:
    client = client_of(status, body)
    answers = [outcome(client.look_up, QUESTION)]
    answers += [outcome(source.read, body, QUESTION.value) for source in SOURCES.values()]
    for record in [record for answer in answers if answer for record in answer.records]:
        check_record(record)
    check_quota(outcome(client.quota) or Quota())


def outcome(read: Callable[..., Any], *arguments: Any) -> Any:
    """Return the function's result, or None if it raises one of the connector's errors, with a readable text."""
    error = ""
    try:
        return read(*arguments)
    except SourceError as raised:
        error = str(raised)
    assert is_sentence(error), error
    return None


def is_sentence(text: str) -> bool:
    """Return whether a text is one line of limited length."""
    return text.isprintable() and len(text) <= LONGEST_SENTENCE


def check_records(results: list[Any]) -> None:
    answer = read_saved(json.dumps({"results": results}).encode(), QUESTION.value)
    assert len(answer.records) + answer.unreadable == len(results)
    for record in answer.records:
        check_record(record)


def check_record(record: Record) -> None:
    seen = [moment for moment in (record.first_seen, record.last_seen) if moment]
    assert all(moment.utcoffset() == timedelta(0) and not moment.microsecond for moment in seen), record
    assert seen == sorted(seen), record
    assert all(sensor.isprintable() for sensor in record.sensors), record


def check_quota(quota: Quota) -> None:
    for allowance in quota.allowances:
        assert 0 <= allowance.used < 2**63, allowance
        assert 0 <= allowance.limit < 2**63, allowance
        assert is_sentence(allowance.reset), allowance
