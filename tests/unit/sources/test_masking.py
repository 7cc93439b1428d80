"""Credentials that a server repeats are taken out of its words."""

from typing import Any

import pytest
from requests import Request
from requests.auth import HTTPBasicAuth

from passivedns.sources.failures import masked


def repeated(text: bytes, **request: Any) -> bytes:
    """What is left of a text after such a request."""
    return masked(Request("POST", "https://api.example.org/", **request).prepare(), text)


def test_a_key_in_a_header_is_masked_as_often_as_it_stands() -> None:
    assert repeated(b"key 0123abcd, 0123abcd", headers={"X-API-Key": "0123abcd"}) == b"key ****, ****"


def test_a_token_is_masked_without_its_scheme_too() -> None:
    headers = {"Authorization": "Bearer 0123abcd"}
    assert repeated(b"<Bearer 0123abcd> <0123abcd>", headers=headers) == b"<****> <****>"


def test_a_user_name_and_a_password_are_masked_in_the_clear_and_encoded() -> None:
    words = b"analyst horse-battery YW5hbHlzdDpob3JzZS1iYXR0ZXJ5"
    assert repeated(words, auth=HTTPBasicAuth("analyst", "horse-battery")) == b"**** **** ****"


def test_a_secret_of_a_form_is_masked_and_its_other_fields_are_not() -> None:
    form = {"client_secret": "s3cret value", "scope": "default"}
    assert repeated(b"s3cret value of default", data=form) == b"**** of default"


def test_of_secrets_that_contain_each_other_the_longest_is_masked_whole() -> None:
    assert repeated(b"0123abcd-more", headers={"X-Key": "0123abcd", "X-Long": "0123abcd-more"}) == b"****"


@pytest.mark.parametrize(("key", "left"), [("12345", b"12345"), ("123456", b"****")])
def test_what_is_shorter_than_six_characters_would_riddle_the_text(key: str, left: bytes) -> None:
    assert repeated(key.encode(), headers={"X-Key": key}) == left


def test_a_header_that_everybody_knows_is_no_secret() -> None:
    assert repeated(b"no application/json", headers={"Accept": "application/json"}) == b"no application/json"
