"""When a source is left alone, for how long, and what it costs until then."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from fastapi import FastAPI, Request, Response

from passivedns.errors import (
    BadAnswer,
    Blocked,
    CredentialsRefused,
    NoAnswer,
    NotEntitled,
    QuotaExceeded,
    RateLimited,
    RequestRefused,
    SourceError,
    Unreachable,
)
from passivedns.model import RECORD_TYPES, Answer, Entity, Question, Quota
from passivedns.query import cool_down as module
from passivedns.query.all_sources import ConfiguredSource, query_all
from passivedns.query.cache import Cache
from passivedns.query.cool_down import REFUSED, RESPITE, CoolDown
from passivedns.query.outcome import Outcome
from passivedns.query.quota import QuotaMeter
from passivedns.query.rate_limit import RateLimit
from passivedns.sources.source import Client
from passivedns.transport.http import Http
from sandbox.sources.service import Service
from tests.helpers.stand_ins import stand_in
from tests.helpers.transports import EXAMPLE, asking

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Anything(Service):
    """Answers every request with `status` and `headers`, and with the status of a value in `ill`."""

    status = 200
    headers: dict[str, str] = {}  # noqa: RUF012  # replaced, never changed

    def __init__(self) -> None:
        super().__init__()
        self.ill: dict[str, int] = {}


def anything_app(service: Anything) -> FastAPI:
    app = FastAPI(openapi_url=None)

    @app.get("/{path:path}")
    async def answer(request: Request) -> Response:
        fault = service.receive(request)
        value = request.url.path.rpartition("/")[2]
        status = service.ill.get(value, service.status)
        return fault or Response(json.dumps({"message": "no"} if status >= 400 else {}), status, service.headers)

    return app


served = stand_in(Anything, anything_app)


class Remote(Client):
    """A source over HTTP."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def look_up(self, question: Question) -> Answer:
        self._http.request(f"/dns/{question.value}")
        return Answer([])


class WithQuota(Remote):
    """One that reads its quota first."""

    def quota(self) -> Quota:
        self._http.request("/quota", purpose="quota")
        return Quota()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets seconds pass for what is remembered."""
    passed = [1000.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: sum(passed)))
    return passed.append


def source(
    url: str, client: type[Remote] = Remote, *, rate_limit: RateLimit | None = None, retries: int = 0
) -> ConfiguredSource:
    meter = QuotaMeter(EXAMPLE, rate_limit=rate_limit)
    http = asking(url, retries, timeout=0.5, spend=meter.spend, cool_down=meter.cool_down, unknown=frozenset())
    return ConfiguredSource(EXAMPLE, client(http), meter, since=lambda now: now - timedelta(days=30))


def outcome(of: ConfiguredSource, value: str = "example.org") -> Outcome:
    (found,) = query_all([of], Entity("", "Domain-Name", value), NOW, RECORD_TYPES)
    return found


def failure(of: ConfiguredSource, value: str = "example.org") -> SourceError:
    error = outcome(of, value).failure
    assert isinstance(error, SourceError)
    return error


# A value or the source


@pytest.mark.parametrize("fault", ["stall", "drip", "cut-connection", "reset", "cut-json", "html", "huge"])
def test_a_value_for_which_a_source_hangs_or_breaks_off_does_not_keep_others_from_it(
    url: str, service: Anything, fault: str
) -> None:
    configured = source(url)
    service.fail(fault, on="/hangs.example")
    for _ in range(5):
        outcome(configured, "hangs.example")
        assert outcome(configured).failure is None


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_a_value_for_which_a_source_has_an_error_does_not_keep_others_from_it(
    url: str, service: Anything, status: int
) -> None:
    configured = source(url)
    service.ill["odd.example"] = status
    for _ in range(5):
        failure(configured, "odd.example")
    assert outcome(configured).failure is None


def test_a_source_that_cannot_be_reached_is_left_alone_for_a_minute(later: Callable[[float], None]) -> None:
    configured = source("http://127.0.0.1:9")
    first = failure(configured)
    why = (
        "Example DNS cannot be reached: the connection is refused; check that it runs there, and EXAMPLE_API_BASE_URL."
    )
    assert (type(first), str(first)) == (Unreachable, why)
    later(13)
    again = failure(configured, "other.example")
    assert type(again) is Unreachable
    assert str(again) == f"{why} Next try in 47 s."
    later(48)
    assert "Next try" not in str(failure(configured))


def test_a_source_that_comes_back_is_used_after_that_minute(
    url: str, service: Anything, later: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    configured = source(url)
    with monkeypatch.context() as broken:
        broken.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        broken.setenv("NO_PROXY", "")
        failure(configured)
    failure(configured)
    later(RESPITE + 1)
    assert outcome(configured).failure is None
    assert len(service.requests) == 1


def test_answers_from_the_cache_are_given_while_a_source_is_left_alone(url: str, service: Anything) -> None:
    configured = source(url)
    configured.cache = Cache("memory", timedelta(days=1))
    outcome(configured)
    service.status = 401
    failure(configured, "other.example")
    assert outcome(configured).failure is None


# Server errors


def test_a_source_that_fails_for_several_values_in_a_row_is_left_alone_and_named(
    url: str, service: Anything, later: Callable[[float], None]
) -> None:
    configured = source(url)
    service.status = 500
    for value in "abc":
        assert "server error (HTTP 500)" in str(failure(configured, f"{value}.example"))
    later(13)
    error = failure(configured, "d.example")
    assert type(error) is NoAnswer
    assert str(error) == "Example DNS answered HTTP 500 to the last 3 look-ups; next try in 47 s."
    assert len(service.requests) == 3


def test_a_firewall_that_blocks_several_values_in_a_row_is_named(url: str, service: Anything) -> None:
    configured = source(url)
    service.fail("502")
    for value in "abc":
        failure(configured, f"{value}.example")
    error = failure(configured)
    assert isinstance(error, Blocked)
    assert re.search(r"blocked the request \(HTTP 502, a web page.*; next try in \d+ s", str(error))
    assert len(service.requests) == 3


def test_the_statuses_of_the_last_look_ups_are_named(url: str, service: Anything) -> None:
    configured = source(url)
    service.ill = {"a.example": 503, "b.example": 500, "c.example": 503}
    for value in service.ill:
        failure(configured, value)
    assert str(failure(configured)).startswith(
        "Example DNS answered HTTP 500 and 503 to the last 3 look-ups; next try in "
    )


def test_an_answer_in_between_starts_the_count_anew(url: str, service: Anything) -> None:
    configured = source(url)
    service.ill = dict.fromkeys(["a.example", "b.example", "c.example"], 500)
    for value in ("a.example", "b.example", "good.example", "c.example", "a.example"):
        outcome(configured, value)
    assert outcome(configured).failure is None


def test_an_ill_source_is_tried_once_a_minute_without_retries(
    url: str, service: Anything, later: Callable[[float], None]
) -> None:
    configured = source(url, retries=4)
    service.status = 500
    for value in "abc":
        failure(configured, f"{value}.example")
    before = len(service.requests)
    assert before == 3 * 5
    for minute in range(5):
        later(RESPITE + 1)
        for _ in range(3):
            failure(configured, f"{minute}.example")
    assert len(service.requests) == before + 5


def test_a_source_that_recovers_is_retried_again(url: str, service: Anything, later: Callable[[float], None]) -> None:
    configured = source(url, retries=4)
    service.status = 500
    for value in "abc":
        failure(configured, f"{value}.example")
    later(RESPITE + 1)
    service.status = 200
    outcome(configured)
    service.fail("500", times=4)
    assert outcome(configured, "other.example").failure is None


# Refusals and limits


@pytest.mark.parametrize(
    ("status", "kind", "pause"),
    [
        (401, CredentialsRefused, REFUSED),
        (403, NotEntitled, REFUSED),
        (402, NotEntitled, REFUSED),
        (429, RateLimited, 60),
    ],
)
def test_a_refusal_is_repeated_from_memory(
    url: str, service: Anything, later: Callable[[float], None], status: int, kind: type[SourceError], pause: int
) -> None:
    configured = source(url)
    service.status = status
    first = failure(configured)
    for _ in range(200):
        again = failure(configured, "other.example")
    assert (type(first), type(again)) == (kind, kind)
    assert str(again).startswith(str(first)[:40])
    assert len(service.requests) == 1
    later(pause + 1)
    failure(configured)
    assert len(service.requests) == 2


def test_a_refusal_from_memory_says_when_the_next_try_is(
    url: str, service: Anything, later: Callable[[float], None]
) -> None:
    configured = source(url)
    service.status = 401
    failure(configured)
    later(1)
    assert str(failure(configured)) == (
        "Example DNS rejected the credentials (HTTP 401); check EXAMPLE_USERNAME and EXAMPLE_API_KEY. Next try in "
        "5 min. Its response says: no"
    )


@pytest.mark.parametrize("status", [429, 503, 500])
def test_no_request_is_sent_before_the_end_of_retry_after(
    url: str, service: Anything, later: Callable[[float], None], status: int
) -> None:
    configured = source(url, WithQuota, retries=4)
    outcome(configured)
    service.status, service.headers = status, {"Retry-After": "3600"}
    before = len(service.requests)
    assert f"(HTTP {status}); next try in 60 min. Its response says: no" in str(failure(configured))
    later(3590)
    assert "; next try in 10 s." in str(failure(configured, "other.example"))
    assert len(service.requests) == before + 1
    later(11)
    service.status, service.headers = 200, {}
    assert outcome(configured).failure is None


def test_a_short_retry_after_is_obeyed_exactly_however_many_values_fail(
    url: str, service: Anything, later: Callable[[float], None]
) -> None:
    configured = source(url)
    service.status, service.headers = 503, {"Retry-After": "1"}
    for number in range(3):
        assert "(HTTP 503); next try in 1 s." in str(failure(configured, f"{number}.example"))
        later(1)


def test_a_source_is_obeyed_for_a_day_at_most(url: str, service: Anything, later: Callable[[float], None]) -> None:
    configured = source(url)
    service.status, service.headers = 429, {"Retry-After": "9999999"}
    assert "next try in 24 h." in str(failure(configured))
    later(86_401)
    failure(configured)
    assert len(service.requests) == 2


def test_a_quota_call_that_fails_is_not_repeated_for_each_message(url: str, service: Anything) -> None:
    configured = source(url, WithQuota)
    service.fail("500", on="/quota")
    for number in range(5):
        assert outcome(configured, f"{number}.example").failure is None
    assert [request.path for request in service.requests].count("/quota") == 1


def test_a_quota_call_that_is_refused_ends_the_look_up_and_the_next_ones(url: str, service: Anything) -> None:
    configured = source(url, WithQuota)
    service.status = 401
    for number in range(5):
        assert isinstance(failure(configured, f"{number}.example"), CredentialsRefused)
    assert [request.path for request in service.requests] == ["/quota"]


def test_a_limit_that_the_connector_keeps_itself_leaves_no_trace(url: str) -> None:
    configured = source(url, rate_limit=RateLimit("Example DNS", "1/minute", max_wait=0))
    outcome(configured)
    assert "allows 1 request a minute" in str(failure(configured, "b.example"))
    assert not configured.meter.cool_down.is_ill()


def test_sources_are_left_alone_each_by_itself(url: str, service: Anything) -> None:
    one, other = source(url), source(url)
    service.status = 401
    failure(one)
    service.status = 200
    assert outcome(other).failure is None


# What is remembered of each failure


@pytest.mark.parametrize(
    ("kind", "status", "seconds"),
    [
        (Unreachable, 0, RESPITE),
        (CredentialsRefused, 401, REFUSED),
        (NotEntitled, 403, REFUSED),
        (RateLimited, 429, RESPITE),
        (QuotaExceeded, 429, RESPITE),
        (NoAnswer, 0, 0),
        (NoAnswer, 500, 0),
        (BadAnswer, 200, 0),
        (RequestRefused, 400, 0),
    ],
)
def test_each_failure_leaves_the_source_alone_for_its_time(
    later: Callable[[float], None], kind: type[SourceError], status: int, seconds: int
) -> None:
    memory, error = CoolDown("Example DNS"), kind("Example DNS failed.")
    error.status = status
    assert memory.note_failure("example.org", error).retry_in == (seconds or None)
    if seconds:
        later(seconds - 1)
        with pytest.raises(kind, match=r"^Example DNS failed\. Next try in 1 s\.$"):
            memory.check()
        later(1)
    memory.check()
