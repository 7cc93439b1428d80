"""Calls for a message are retried during an outage; pycti's own fail at once."""

import itertools
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from pika.exceptions import AMQPConnectionError, ChannelClosedByBroker, ConnectionBlockedTimeout

from passivedns.delivery import retry
from passivedns.delivery.delivery import Delivery, Postponed
from passivedns.delivery.retry import Retrier, may_have_arrived
from passivedns.opencti.chunks import NoQueue
from passivedns.opencti.helper import Helper
from sandbox.opencti import Fault, OpenCTI
from tests.helpers.raw_server import raw_server, says
from tests.helpers.world import HAS_HTTP_PROTOCOLS

ABOUT = "query { about { version } }"


def asked(platform: OpenCTI) -> int:
    return sum(call.field == "about" for call in platform.calls)


def delivery(max_wait: float = float("inf")) -> Delivery:
    return Delivery("key", {"internal": {"work_id": "w1"}}, False, max_wait)


@pytest.fixture
def retrier(helper: Helper, platform: OpenCTI) -> Retrier:
    platform._calls.clear()
    return Retrier(delivery(), helper.api)


@pytest.mark.parametrize("fault", ["http500", "gone", "error", "database"])
def test_a_query_for_a_message_is_retried_until_the_outage_ends(
    platform: OpenCTI, retrier: Retrier, fault: Fault
) -> None:
    platform.fail("about", times=2, how=fault)
    assert retrier.query(ABOUT)["data"]["about"]["version"] == platform.version
    assert asked(platform) == 3


def test_a_rejection_is_not_retried(platform: OpenCTI, retrier: Retrier) -> None:
    platform.fail("about", how="refused")
    with pytest.raises(ValueError, match="Business validation"):
        retrier.query(ABOUT)
    assert asked(platform) == 1


@pytest.mark.parametrize("fault", ["http500", "gone"])
def test_a_query_of_pycti_itself_fails_at_once(platform: OpenCTI, retrier: Retrier, fault: Fault) -> None:
    platform.fail("about", how=fault)
    with pytest.raises(requests.RequestException):
        retrier.api.query(ABOUT)
    assert asked(platform) == 1


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up soon."""
    monkeypatch.setattr(retry, "MAX_TRIES", 3)
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(retry, "MAX_PAUSE", 0.02)


FAULTS: list[Fault] = ["database", "error", "http500", "gone", "unheard"]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_call_that_keeps_failing_while_opencti_answers_others_fails_after_a_few_tries(
    platform: OpenCTI, retrier: Retrier, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    platform.fail("about", how=fault)
    with pytest.raises((ValueError, requests.RequestException)) as raised:
        retrier.query(ABOUT)
    assert (asked(platform), retrier.delivery.failure) == (3, raised.value)
    assert "OpenCTI answers, but fails 3 times on w1: " in caplog.text


@pytest.mark.usefixtures("quick")
def test_a_call_that_takes_minutes_to_fail_is_tried_less_often(
    platform: OpenCTI, retrier: Retrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.fail("about", how="database")
    clock = itertools.count(0, 150)
    monkeypatch.setattr(retry, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with pytest.raises(ValueError, match="shards are not available"):
        retrier.query(ABOUT)
    assert asked(platform) == 1


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("fault", FAULTS)
def test_an_opencti_that_answers_nothing_is_waited_for_without_limit_and_without_repeating_the_call(
    platform: OpenCTI, retrier: Retrier, fault: Fault
) -> None:
    platform.fail("*", how=fault)
    platform.fail("about", times=1, how=fault)
    threading.Timer(0.5, platform.recover).start()
    assert retrier.query(ABOUT)
    assert asked(platform) == 2
    assert sum(call.field == "markingDefinitions" for call in platform.calls) > 3


@pytest.mark.usefixtures("quick")
def test_an_error_that_was_given_up_is_not_retried_by_an_outer_call(platform: OpenCTI, retrier: Retrier) -> None:
    platform.fail("about", how="database")
    with pytest.raises(ValueError, match="shards are not available"):
        retrier.call(lambda: retrier.query(ABOUT))
    assert asked(platform) == 3


@pytest.mark.usefixtures("quick")
def test_a_rejected_token_is_retried_without_limit(platform: OpenCTI, retrier: Retrier) -> None:
    right, platform.token = platform.token, "another"
    threading.Timer(0.5, lambda: setattr(platform, "token", right)).start()
    assert retrier.query(ABOUT)


def test_a_requeued_message_stops_retrying(platform: OpenCTI, retrier: Retrier) -> None:
    platform.fail("about", how="gone")
    threading.Timer(0.1, retrier.delivery.requeue).start()
    with pytest.raises(Postponed):
        retrier.query(ABOUT)


def test_a_message_over_http_is_retried_for_a_limited_time(platform: OpenCTI, retrier: Retrier) -> None:
    platform.fail("about", how="gone")
    impatient = Retrier(delivery(max_wait=0.3), retrier.api)
    with pytest.raises(Postponed):
        impatient.query(ABOUT)


def test_an_outage_is_logged_once_with_its_cause(
    platform: OpenCTI, retrier: Retrier, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "passivedns")
    platform.fail("about", times=2, how="http500")
    retrier.query(ABOUT)
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == [
        "OpenCTI or RabbitMQ is unavailable (OpenCTI is down, or something between the connector and OpenCTI blocked "
        "the request (HTTP 500, not from OpenCTI); try again later, then check the proxy and the firewall); w1 is "
        "waiting."
    ]


@contextmanager
def answering(helper: Helper, *answers: bytes) -> Iterator[list[bytes]]:
    """In the place of OpenCTI something that gives these answers, the last one for ever; those that are left."""
    left = list(answers)

    def speak(connection: Any) -> None:
        says(left.pop(0) if len(left) > 1 else left[0])(connection)

    with raw_server(speak, login=speak) as server:
        helper.api.api_url = f"{server.url}/graphql"
        yield left


def answer(status: str, body: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status.encode(), len(body), body)


VERSION = answer("200 OK", b'{"data":{"about":{"version":"1"}}}')


@pytest.mark.parametrize(
    "first",
    [
        answer("404 Not Found", b"404 page not found"),
        answer("429 Too Many Requests", b"slow down"),
        answer("502 Bad Gateway", b"<html>"),
        answer("503 Service Unavailable", b'{"errors":[{"message":"x","name":"FUNCTIONAL_ERROR"}]}'),
        answer("200 OK", b"<html>maintenance</html>"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"",
    ],
    ids=["proxy 404", "429", "502", "503", "page", "cut off", "nothing"],
)
def test_responses_of_a_proxy_before_an_unavailable_opencti_are_retried(helper: Helper, first: bytes) -> None:
    with answering(helper, first, VERSION):
        assert Retrier(delivery(), helper.api).query(ABOUT)["data"]["about"]["version"] == "1"


@pytest.mark.parametrize("status", ["400 Bad Request", "413 Payload Too Large"])
def test_other_statuses_are_not_retried(helper: Helper, status: str) -> None:
    with answering(helper, answer(status, b"too much"), VERSION), pytest.raises(ValueError, match="too much"):
        Retrier(delivery(), helper.api).query(ABOUT)


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
def test_a_page_that_refuses_access_is_something_in_between_and_thus_an_outage(helper: Helper, status: str) -> None:
    with answering(helper, answer(status, b"<html>Who are you?</html>"), VERSION):
        assert Retrier(delivery(), helper.api).query(ABOUT)["data"]["about"]["version"] == "1"


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
def test_a_refusal_by_opencti_itself_is_not_retried(helper: Helper, status: str) -> None:
    refusal = b'{"errors": [{"message": "no", "extensions": {"code": "FORBIDDEN_ACCESS"}}]}'
    with answering(helper, answer(status, refusal), VERSION), pytest.raises(ValueError, match="FORBIDDEN_ACCESS"):
        Retrier(delivery(), helper.api).query(ABOUT)


def away(held: Delivery) -> Retrier:
    """For calls that do not ask OpenCTI, which is up."""
    return Retrier(held, SimpleNamespace(query=lambda _: {}))


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "failure",
    [
        AMQPConnectionError(),
        ConnectionBlockedTimeout(),
        ConnectionRefusedError(),
        socket.gaierror("no such host"),
        NoQueue(),
        ChannelClosedByBroker(404, "no exchange 'amq.worker.exchange'"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_sending_to_a_broker_that_is_away_is_retried_without_limit(failure: Exception) -> None:
    left = [failure] * 9

    def send() -> str:
        if left:
            raise left.pop()
        return "sent"

    assert away(delivery()).call(send) == "sent"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("failure", "tries"),
    [(ChannelClosedByBroker(406, "message size 200000000 is larger than configured"), 1), (PermissionError(), 3)],
    ids=["a message that is too large", "a directory that cannot be written"],
)
def test_what_remains_is_not_retried_for_ever(failure: Exception, tries: int) -> None:
    calls = []

    def send() -> None:
        calls.append(1)
        raise failure

    with pytest.raises(type(failure)):
        away(delivery()).call(send)
    assert len(calls) == tries


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"], ids=["nothing", "cut off"])
def test_a_request_without_a_full_response_may_have_arrived(helper: Helper, sent: bytes) -> None:
    with answering(helper, sent), pytest.raises(requests.RequestException) as raised:
        helper.api.query(ABOUT)
    assert may_have_arrived(raised.value)


@pytest.mark.parametrize(
    ("status", "may"),
    [
        ("502 Bad Gateway", True),
        ("504 Gateway Time-out", True),
        ("503 Service Unavailable", False),
        ("500 Internal Server Error", False),
        ("429 Too Many Requests", False),
        ("413 Payload Too Large", False),
    ],
)
def test_only_a_gateway_that_got_no_response_may_have_passed_a_request_on(
    helper: Helper, status: str, may: bool
) -> None:
    with answering(helper, answer(status, b"<html>")), pytest.raises((requests.HTTPError, ValueError)) as raised:
        helper.api.query(ABOUT)
    assert may_have_arrived(raised.value) == may


@pytest.mark.skipif(not HAS_HTTP_PROTOCOLS, reason="this pycti waits for a response without a limit of its own")
def test_a_request_that_took_too_long_may_have_arrived_and_one_without_a_connection_did_not(
    platform: OpenCTI, helper: Helper
) -> None:
    platform.fail("about", how="stall")
    helper.api.session_requests_timeout = 0.2
    with pytest.raises(requests.ReadTimeout) as slow:
        helper.api.query(ABOUT)
    platform.recover()
    helper.api.api_url = "http://127.0.0.1:1/graphql"
    with pytest.raises(requests.ConnectionError) as refused:
        helper.api.query(ABOUT)
    helper.api.api_url = "http://nowhere.invalid/graphql"
    with pytest.raises(requests.ConnectionError) as unknown:
        helper.api.query(ABOUT)
    assert [may_have_arrived(error.value) for error in (slow, refused, unknown)] == [True, False, False]


def test_an_error_that_opencti_reports_did_not_take_effect(platform: OpenCTI, helper: Helper) -> None:
    platform.fail("about", how="database")
    with pytest.raises(ValueError, match="shards") as reported:
        helper.api.query(ABOUT)
    assert not may_have_arrived(reported.value)


def test_a_call_that_took_effect_before_an_outage_is_not_retried() -> None:
    calls = []

    def call() -> None:
        calls.append(1)
        raise requests.ConnectionError

    assert away(delivery()).call(call, unless=lambda _: True) is None
    assert len(calls) == 1
