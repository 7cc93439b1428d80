"""Waiting for a source's published rate."""

import socket
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from passivedns.errors import RateLimited
from passivedns.pace import Pace
from tests.unit.redis_server import running_redis


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with running_redis() as url:
        yield url


def test_requests_within_the_rate_go_out_at_once() -> None:
    pace = Pace("Robtex", "3/minute", patience=0)
    for _ in range(3):
        pace.wait()


def test_a_turn_that_is_too_far_away_is_an_error_that_says_when_to_ask_again() -> None:
    pace = Pace("mnemonic", "2/minute;1000/day", patience=5)
    pace.wait()
    pace.wait()
    with pytest.raises(RateLimited, match=r"^mnemonic allows 2/minute;1000/day requests; ask again at 20\d\d-.* UTC\."):
        pace.wait()


def test_a_turn_that_comes_soon_is_waited_for_and_told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + sum(pauses))
    monkeypatch.setattr(time, "sleep", pauses.append)
    caplog.set_level("INFO")
    pace = Pace("mnemonic", "1/minute", patience=90)
    pace.wait()
    pace.wait()
    assert 59 < sum(pauses) < 61
    assert "for the rate of mnemonic (1/minute)." in caplog.text


def test_processes_that_share_a_redis_share_the_rate(redis_url: str) -> None:
    title = f"mnemonic {uuid.uuid4()}"
    one, other = (Pace(title, "1/minute", patience=0, redis_url=redis_url) for _ in range(2))
    one.wait()
    with pytest.raises(RateLimited):
        other.wait()


def test_each_source_has_a_rate_of_its_own() -> None:
    for title in ("mnemonic", "VirusTotal"):
        Pace(title, "1/minute", patience=0).wait()


def test_of_many_that_ask_at_once_no_more_than_the_rate_may_go(redis_url: str) -> None:
    title = f"mnemonic {uuid.uuid4()}"
    together = threading.Barrier(20)

    def go(_: int) -> bool:
        pace = Pace(title, "5/minute", patience=0, redis_url=redis_url)
        together.wait()
        try:
            pace.wait()
        except RateLimited:
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(go, range(20))) == 5


def test_without_its_redis_a_process_keeps_to_the_rate_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    pace = Pace("mnemonic", "2/minute", patience=0, redis_url="redis://127.0.0.1:9/0")
    pace.wait()
    pace.wait()
    with pytest.raises(RateLimited):
        pace.wait()
    assert "The rate of mnemonic is not shared with other processes (" in caplog.text


def test_a_redis_that_does_not_answer_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("passivedns.pace.PATIENCE", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        Pace("mnemonic", "1/minute", patience=0, redis_url=f"redis://127.0.0.1:{deaf.getsockname()[1]}").wait()
