"""Each status and each form of error body comes to the right exception."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passivedns.answers import read_answer
from passivedns.errors import (
    BadAnswer,
    CredentialsRefused,
    NoAnswer,
    NotEntitled,
    PassiveTotalError,
    QuotaExceeded,
    RateLimited,
    RequestRefused,
)

HTML = b"<html><head><title>504 Gateway Time-out</title></head></html>"


def body(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_an_answer_is_its_json() -> None:
    assert read_answer(200, body({"results": []})) == {"results": []}


@pytest.mark.parametrize(
    ("status", "content"),
    [(204, b""), (200, b""), (200, b" \n"), (404, b""), (404, body({"message": "You have requested this URI"}))],
)
def test_a_404_of_the_api_and_an_empty_success_mean_that_nothing_is_known(status: int, content: bytes) -> None:
    assert read_answer(status, content) is None


@pytest.mark.parametrize(
    ("status", "content", "error"),
    [
        (401, body({"message": "invalid credentials"}), CredentialsRefused),
        (401, HTML, CredentialsRefused),
        (402, body({"message": "your quota does not include this product"}), NotEntitled),
        (403, body({"message": "forbidden"}), NotEntitled),
        (403, b"", NotEntitled),
        (403, body({"error": {"http_code": 403, "message": "daily query limit reached"}}), QuotaExceeded),
        (200, body({"error": {"http_code": 403, "developer_message": "Quota has been exceeded"}}), QuotaExceeded),
        (200, body({"error": {"http_code": 401, "message": "no"}}), CredentialsRefused),
        (200, body({"message": "quota_exceeded for user"}), QuotaExceeded),
        (429, body({"error": "Too Many", "message": "quota exceeded for operation search_api"}), QuotaExceeded),
        (500, body({"error": "quota has been exceeded"}), QuotaExceeded),
        (429, b"", RateLimited),
        (429, body({"message": "slow down"}), RateLimited),
        (400, body({"message": "bad query"}), RequestRefused),
        (405, HTML, RequestRefused),
        (500, body({"message": "internal"}), NoAnswer),
        (502, HTML, NoAnswer),
        (503, b"", NoAnswer),
        (504, HTML, NoAnswer),
        (200, HTML, BadAnswer),
        (404, HTML, BadAnswer),
        (301, b"", BadAnswer),
        (200, b'{"results": [', BadAnswer),
        (200, b"\xff\xfe\xfd", BadAnswer),
        (200, b"null", BadAnswer),
        (200, b"[" * 100_000, BadAnswer),
        (200, b"1" * 10_000, BadAnswer),
        (200, body({"message": "something else"}), BadAnswer),
    ],
)
def test_each_status_and_body_has_its_error(status: int, content: bytes, error: type[PassiveTotalError]) -> None:
    with pytest.raises(error) as raised:
        read_answer(status, content)
    assert type(raised.value) is error


def test_the_words_of_the_server_stand_in_the_error_on_one_short_line() -> None:
    with pytest.raises(RequestRefused) as raised:
        read_answer(400, body({"message": "bad\nquery " + "x" * 1000}))
    assert "It says: bad query xxx" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 300


def test_an_answer_with_results_is_no_error_whatever_stands_beside_them() -> None:
    assert read_answer(200, body({"results": [], "message": "quota nearly exceeded"}))["results"] == []


@given(st.integers(100, 599), st.binary(max_size=40) | st.recursive(st.none() | st.text(), st.lists).map(body))
def test_any_status_and_body_is_an_answer_or_an_error_of_passivetotal(status: int, content: bytes) -> None:
    with contextlib.suppress(PassiveTotalError):
        read_answer(status, content)
