"""Credentials that a server repeats are masked."""

from typing import Any

import pytest
from requests import Request
from requests.auth import HTTPBasicAuth

from passivedns.sources.failures import masked


def repeated(text: bytes, **request: Any) -> bytes:
    """The masked text of the response to such a request."""
    return masked(Request("POST", "https://api.example.org/", **request).prepare(), text)


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


@pytest.mark.parametrize(("key", "left"), [("12345", b"12345"), ("123456", b"****")])
def test_secrets_under_six_characters_are_not_masked(key: str, left: bytes) -> None:
    assert repeated(key.encode(), headers={"X-Key": key}) == left


def test_public_headers_are_not_masked() -> None:
    assert repeated(b"no application/json", headers={"Accept": "application/json"}) == b"no application/json"
