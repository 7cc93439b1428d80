"""The published rate limit of a source."""

import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from passivedns.errors import RateLimited
from passivedns.query.rate_limit import RateLimit
from tests.helpers.redis_server import running_redis


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with running_redis() as url:
        yield url


def test_requests_within_the_rate_do_not_wait() -> None:
    limit = RateLimit("Robtex", "3/minute", max_wait=0)
    for _ in range(3):
        limit.wait()


def test_an_error_says_when_to_ask_again_if_the_wait_is_too_long() -> None:
    """In numbers that need no notation."""
    limit = RateLimit("mnemonic", "2/minute;1000/day", max_wait=5)
    limit.wait()
    limit.wait()
    with pytest.raises(RateLimited) as raised:
        limit.wait()
    assert str(raised.value) == "mnemonic allows 2 requests a minute and 1,000 a day; next try in 60 s."
    assert raised.value.retry_in == pytest.approx(60, abs=1)


def test_a_short_wait_is_logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + sum(pauses))
    monkeypatch.setattr(time, "sleep", pauses.append)
    caplog.set_level("INFO")
    limit = RateLimit("mnemonic", "1/minute", max_wait=90)
    limit.wait()
    limit.wait()
    assert 59 < sum(pauses) < 61
    assert "Waiting 60 s for the rate limit of mnemonic (1 request a minute)." in caplog.text


def test_processes_that_share_a_redis_share_the_rate(redis_url: str) -> None:
    title = f"mnemonic {uuid.uuid4()}"
    one, other = (RateLimit(title, "1/minute", max_wait=0, redis_url=redis_url) for _ in range(2))
    one.wait()
    with pytest.raises(RateLimited):
        other.wait()


def test_each_source_has_its_own_rate() -> None:
    for title in ("mnemonic", "VirusTotal"):
        RateLimit(title, "1/minute", max_wait=0).wait()


def test_simultaneous_requests_do_not_exceed_the_rate(redis_url: str) -> None:
    title = f"mnemonic {uuid.uuid4()}"
    together = threading.Barrier(20)

    def go(_: int) -> bool:
        limit = RateLimit(title, "5/minute", max_wait=0, redis_url=redis_url)
        together.wait()
        try:
            limit.wait()
        except RateLimited:
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(go, range(20))) == 5


def test_without_redis_each_process_keeps_to_the_rate_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    limit = RateLimit("mnemonic", "2/minute", max_wait=0, redis_url="redis://127.0.0.1:9/0")
    limit.wait()
    limit.wait()
    with pytest.raises(RateLimited):
        limit.wait()
    assert "The rate limit of mnemonic is not shared with other processes (" in caplog.text
