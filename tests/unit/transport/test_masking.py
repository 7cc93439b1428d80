"""Credentials that a server repeats are masked."""

import html
import json
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from requests import Request
from requests.auth import HTTPBasicAuth

from passivedns.transport.masking import mask


def repeated(text: bytes, **request: Any) -> bytes:
    """The masked text of the response to such a request."""
    return mask(Request("POST", "https://api.example.org/", **request).prepare(), text)


def test_every_occurrence_of_a_key_is_masked() -> None:
    assert repeated(b"key 0123abcd, 0123abcd", headers={"X-API-Key": "0123abcd"}) == b"key ****, ****"


def test_a_token_is_masked_with_and_without_its_scheme() -> None:
    headers = {"Authorization": "Bearer 0123abcd"}
    assert repeated(b"<Bearer 0123abcd> <0123abcd>", headers=headers) == b"<****> <****>"


def test_user_name_and_password_are_masked_in_plain_and_base64() -> None:
    words = b"analyst horse-battery YW5hbHlzdDpob3JzZS1iYXR0ZXJ5"
    assert repeated(words, auth=HTTPBasicAuth("analyst", "horse-battery")) == b"**** **** ****"


@pytest.mark.parametrize("quoted", [r"0a/+\"b\\c", r"0a\/+\"b\\c", r"0a\u002F\u002b\u0022b\u005cc", '0A/+"b\\C'])
def test_a_secret_is_masked_in_every_spelling_of_json(quoted: str) -> None:
    assert repeated(f'{{"message": "{quoted} is wrong"}}'.encode(), headers={"X-Key": '0a/+"b\\c'}) == (
        b'{"message": "**** is wrong"}'
    )


def test_only_the_secret_of_a_form_is_masked() -> None:
    form = {"client_secret": "s3cret value", "scope": "default"}
    assert repeated(b"s3cret value of default", data=form) == b"**** of default"


def test_the_longest_of_overlapping_secrets_is_masked() -> None:
    assert repeated(b"0123abcd-more", headers={"X-Key": "0123abcd", "X-Long": "0123abcd-more"}) == b"****"


@pytest.mark.parametrize(("key", "left"), [("12345", b""), ("123456", b"key ****")])
def test_nothing_is_left_of_a_text_if_a_secret_is_under_six_characters(key: str, left: bytes) -> None:
    assert repeated(f"key {key}".encode(), headers={"X-Key": key}) == left


KEY = "0a/+&<b'c\"=%"


@pytest.mark.parametrize(
    "quoted",
    [
        quote(KEY, safe=""),
        quote(KEY, safe="").lower(),
        quote(quote(KEY, safe=""), safe=""),
        "".join(f"%{ord(c):02X}" for c in KEY),
        html.escape(KEY),
        html.escape(html.escape(KEY)),
        "".join(f"&#{ord(c)};" for c in KEY),
        "".join(f"&#x{ord(c):X};" for c in KEY),
        json.dumps(json.dumps(KEY))[3:-3],
    ],
)
def test_a_secret_is_masked_in_every_encoding(quoted: str) -> None:
    assert repeated(f"<{quoted}> is wrong".encode(), headers={"X-Key": KEY}) == b"<****> is wrong"


@pytest.mark.parametrize("before", ["", "k", "ke", "key", "key="])
@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
def test_a_secret_is_masked_in_base64_of_any_text_around_it(encode: Callable[[bytes], bytes], before: str) -> None:
    quoted = encode(f"{before}{KEY}&".encode())
    for text in (quoted, quote(quoted, safe="").encode()):
        left = repeated(b"<" + text + b"> is wrong", headers={"X-Key": KEY})
        assert b"****" in left
        assert len(left) < 25


@pytest.mark.parametrize("part", [b"A", b"\\", b"%25", b"&amp;", b"0", b"&#0"])
def test_a_long_text_takes_no_long_time(part: bytes) -> None:
    text, begun = part * (2**16 // len(part)), time.thread_time()
    assert repeated(text, headers={"X-Key": "AAAAAAAAAAAAAAAA-", "X-Other": "%%%%%%%%&&&&&\\\\0000"}) == text
    assert time.thread_time() - begun < 2


def test_a_space_is_masked_as_a_plus_too() -> None:
    assert repeated(b"code=s3cret+value", data={"client_secret": "s3cret value"}) == b"code=****"


def test_public_headers_are_not_masked() -> None:
    assert repeated(b"no application/json", headers={"Accept": "application/json"}) == b"no application/json"
