"""The errors of DNSDB, and answers with faults."""

import logging
from datetime import UTC, datetime

import pytest

from passivedns.errors import (
    BadAnswer,
    Blocked,
    CredentialsRefused,
    NoAnswer,
    QuotaExceeded,
    RateLimited,
    RequestRefused,
    SourceError,
)
from passivedns.model import Answer
from sandbox.sources.dnsdb import API_KEY, Dnsdb, dnsdb_app
from sandbox.sources.history import ADDRESS, DOMAIN, history
from tests.helpers.broken_answers import NO_ANSWER, closed, each, gateway_page
from tests.helpers.clients import client, question
from tests.helpers.stand_ins import stand_in

HISTORY = history(datetime.now(UTC).date())

CHECK_KEY = "check DNSDB_API_KEY."
CHECK_ADDRESS = "check DNSDB_API_BASE_URL."
SAYS = "Its response says: Error:"

MEANING: dict[str, tuple[type[SourceError], str]] = {
    "400": (RequestRefused, f"DNSDB rejected the request (HTTP 400). {SAYS} bad request"),
    "401": (CredentialsRefused, f"DNSDB rejected the credentials (HTTP 401); {CHECK_KEY} {SAYS} no API key"),
    "403-key": (CredentialsRefused, f"DNSDB rejected the credentials (HTTP 403); {CHECK_KEY} {SAYS} API key not valid"),
    "403-expired": (
        CredentialsRefused,
        f"DNSDB rejected the credentials (HTTP 403); {CHECK_KEY} {SAYS} block of queries expired",
    ),
    "403-address": (
        CredentialsRefused,
        f"DNSDB rejected the credentials (HTTP 403); {CHECK_KEY} {SAYS} client address not authorized for this API key",
    ),
    "404": (
        BadAnswer,
        f"The response (HTTP 404) is not from the DNSDB API; {CHECK_ADDRESS} {SAYS} page not found",
    ),
    "416": (RequestRefused, f"DNSDB rejected the request (HTTP 416). {SAYS} offset not allowed"),
    "429": (
        RateLimited,
        f"DNSDB rate limit exceeded (HTTP 429); try again later. {SAYS} too many queries within the burst window",
    ),
    "429-quota": (QuotaExceeded, f"The DNSDB quota is used up (HTTP 429). {SAYS} query quota exceeded"),
    "503": (
        RateLimited,
        f"DNSDB rate limit exceeded (HTTP 503); try again later. {SAYS} too many concurrent connections",
    ),
    "500": (NoAnswer, "DNSDB server error (HTTP 500); try again later."),
    "502": (Blocked, gateway_page("DNSDB", 502)),
    "504": (Blocked, gateway_page("DNSDB", 504)),
    "html": (BadAnswer, f"The response from DNSDB is a web page; {CHECK_ADDRESS}"),
    "cut-json": (BadAnswer, f"The response from DNSDB was cut off before its first record; {CHECK_ADDRESS}"),
    "empty-body": (BadAnswer, f"The response from DNSDB was cut off before its first record; {CHECK_ADDRESS}"),
    "cut-at-once": (BadAnswer, f"The response from DNSDB was cut off before its first record; {CHECK_ADDRESS}"),
    "huge": (BadAnswer, "The response from DNSDB was cut off before its first record; check DNSDB_API_BASE_URL."),
    "unknown-condition": (BadAnswer, f"The response from DNSDB has an unknown condition (paused); {CHECK_ADDRESS}"),
    "failed-at-once": (
        NoAnswer,
        "DNSDB server error (HTTP 200); try again later. "
        "Its response says: Processing timeout; results may be incomplete",
    ),
    "cut-connection": (NoAnswer, "DNSDB cannot be reached: the response was cut off."),
    "reset": (NoAnswer, f"DNSDB cannot be reached: {closed('DNSDB_API_BASE_URL')}"),
    "stall": (NoAnswer, f"DNSDB {NO_ANSWER}"),
    "drip": (NoAnswer, f"DNSDB {NO_ANSWER}"),
}
"""The error of each fault of the stand-in."""
ANSWERS = {
    "no-rows": (0, True),
    "404-no-results": (0, True),
    "ongoing": (1, True),
    "blank-lines": (1, True),
    "cut-after-a-row": (1, False),
    "failed-after-a-row": (1, False),
    "failed-with-a-row": (1, False),
    "limited-with-a-row": (1, False),
}
"""Faults that are still answers: their number of records, and whether they are complete."""


served = stand_in(lambda: Dnsdb(HISTORY), dnsdb_app)


def look_up(url: str, value: str, retries: int = 0, **settings: object) -> Answer:
    return client("dnsdb", url, retries, **{"api_key": API_KEY} | settings).look_up(question(value))


def test_every_fault_has_an_expected_error() -> None:
    assert MEANING.keys() | ANSWERS.keys() == Dnsdb.faults.keys()


@pytest.mark.parametrize("fault", each(MEANING))
def test_each_fault_raises_its_error(url: str, service: Dnsdb, fault: str) -> None:
    service.fail(fault)
    with pytest.raises(SourceError) as raised:
        look_up(url, ADDRESS)
    kind, sentence = MEANING[fault]
    assert type(raised.value) is kind
    assert str(raised.value).startswith(sentence)
    assert API_KEY not in str(raised.value)


@pytest.mark.parametrize(("fault", "amount"), ANSWERS.items())
def test_a_faulty_answer_keeps_its_records(url: str, service: Dnsdb, fault: str, amount: tuple[int, bool]) -> None:
    service.fail(fault)
    answer = look_up(url, DOMAIN)
    assert (len(answer.records), answer.complete) == amount
    assert answer.unreadable == 0


@pytest.mark.parametrize("fault", ["400", "403-key", "416", "429", "429-quota", "503"])
def test_rejections_and_rate_limits_are_not_retried(url: str, service: Dnsdb, fault: str) -> None:
    service.fail(fault)
    with pytest.raises(SourceError):
        look_up(url, ADDRESS, retries=3)
    assert len(service.requests) == 1


def test_a_failing_server_is_retried(url: str, service: Dnsdb) -> None:
    service.fail("502", times=1)
    assert look_up(url, ADDRESS, retries=1).records
    assert len(service.requests) == 2


def test_the_records_of_the_first_query_survive_a_failure_of_the_second(
    url: str, service: Dnsdb, caplog: pytest.LogCaptureFixture
) -> None:
    service.limit = 1
    with caplog.at_level(logging.WARNING):
        answer = look_up(url, DOMAIN, reverse_names=True)
    assert {record.name for record in answer.records} == {f"{DOMAIN}."}
    assert not answer.complete
    assert "The second query for a name failed" in caplog.text
    assert "The DNSDB quota is used up (HTTP 429)" in caplog.text


def test_a_failure_of_the_second_query_is_an_error_if_the_first_found_nothing(url: str, service: Dnsdb) -> None:
    service.limit = 1
    with pytest.raises(QuotaExceeded):
        look_up(url, "unknown.example", reverse_names=True)


def test_a_wrong_key_is_rejected(url: str) -> None:
    with pytest.raises(CredentialsRefused, match=r"check DNSDB_API_KEY\."):
        look_up(url, ADDRESS, api_key="0" * 64)
