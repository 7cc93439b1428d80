"""The cache in memory, in a file and in a real Redis: what it keeps, for how long, and what it does when it fails."""

import json
import logging
import re
import resource
import sqlite3
import uuid
import zlib
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from isodate import Duration, parse_duration
from redis import Redis
from redis_server import RedisServer, private_redis, running_redis

from riskiq import cache as cache_module
from riskiq.cache import Cache, CacheAway, Kept

# Redis' own deprecation, by which requests-cache stands; both are pinned.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex")

NOW = datetime.now(UTC)
DAY = timedelta(hours=24)
BODY = b'{"results": []}'


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with running_redis() as url:
        yield url


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with private_redis() as own:
        own.start()
        yield own


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "cache.sqlite")


@pytest.fixture(params=["memory", "file", "redis"])
def place(request: pytest.FixtureRequest) -> str:
    name = {"memory": None, "file": "file", "redis": "redis_url"}[request.param]
    return str(request.getfixturevalue(name)) if name else "memory"


@pytest.fixture(params=["file", "redis_url"])
def shared_place(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def key() -> str:
    """One that nobody has used: the Redis may be somebody else's."""
    return f"example.org {uuid.uuid4()}"


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that failed is tried again at once, and waits for a tenth of a second alone."""
    monkeypatch.setattr(cache_module, "RESPITE", 0)
    monkeypatch.setattr(cache_module, "PATIENCE", 0.1)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@contextmanager
def written(redis_url: str) -> Iterator[dict[bytes, bytes]]:
    """What the block writes into the Redis, which may hold other answers."""
    found: dict[bytes, bytes] = {}
    with closing(Redis.from_url(redis_url)) as redis:
        before = set(redis.scan_iter("riskiq-passivetotal:*"))
        yield found
        found |= {name: redis.get(name) or b"" for name in redis.scan_iter("riskiq-passivetotal:*")}
    for name in before:
        found.pop(name, None)


# What is kept


def test_an_answer_comes_back_as_it_was_given_with_the_moment(place: str, key: str) -> None:
    cache = Cache(place, DAY)
    cache.put(key, 404, BODY, NOW)
    assert cache.get(key, NOW + timedelta(hours=3)) == Kept(404, BODY, NOW)


def test_what_was_not_kept_is_not_there(place: str, key: str) -> None:
    assert Cache(place, DAY).get(key, NOW) is None


def test_each_key_has_its_own_answer(place: str, key: str) -> None:
    cache = Cache(place, DAY)
    cache.put(key, 200, BODY, NOW)
    assert cache.get(f"{key}'", NOW) is None


def test_an_answer_takes_the_place_of_an_older_one(place: str, key: str) -> None:
    cache = Cache(place, DAY)
    cache.put(key, 200, BODY, NOW - timedelta(hours=23))
    cache.put(key, 204, b"", NOW)
    assert cache.get(key, NOW) == Kept(204, b"", NOW)


@pytest.mark.parametrize("body", [b"", b"\x00\xff", b"x" * 5_000_000])
def test_any_body_is_kept(place: str, key: str, body: bytes) -> None:
    cache = Cache(place, DAY)
    cache.put(key, 200, body, NOW)
    assert cache.get(key, NOW) == Kept(200, body, NOW)


def test_nothing_is_kept_of_an_answer_but_its_body_its_status_and_dates(redis_url: str, key: str) -> None:
    with written(redis_url) as found:
        Cache(redis_url, DAY).put(key, 404, BODY, NOW)
    (entry,) = found.values()
    assert json.loads(entry) == {
        "_content": b64encode(zlib.compress(BODY)).decode(),
        "status_code": 404,
        "created_at": NOW.isoformat(),
        "expires": (NOW + DAY).isoformat(),
    }


def test_who_lists_the_keys_does_not_learn_what_was_looked_up(redis_url: str, key: str) -> None:
    with written(redis_url) as found:
        Cache(redis_url, DAY).put(key, 200, BODY, NOW)
    (name,) = found
    assert re.fullmatch(b"riskiq-passivetotal:[0-9a-f]{32}", name)


# For how long


@pytest.mark.parametrize(
    ("ttl", "age", "is_kept"),
    [
        ("PT24H", timedelta(hours=23, minutes=59), True),
        ("PT24H", timedelta(hours=24), False),
        ("P1M", timedelta(days=27), True),
        ("P1M", timedelta(days=31), False),
    ],
)
def test_an_answer_is_kept_for_its_time(place: str, key: str, ttl: str, age: timedelta, is_kept: bool) -> None:
    cache = Cache(place, parse_duration(ttl))
    cache.put(key, 200, BODY, NOW)
    assert bool(cache.get(key, NOW + age)) is is_kept


def test_a_shorter_time_holds_for_what_is_there_already(shared_place: str, key: str) -> None:
    Cache(shared_place, Duration(years=1)).put(key, 200, BODY, NOW - DAY)
    assert Cache(shared_place, DAY).get(key, NOW) is None


def test_a_clock_that_is_behind_the_one_of_another_connector_does_no_harm(place: str, key: str) -> None:
    cache = Cache(place, DAY)
    cache.put(key, 200, BODY, NOW + timedelta(minutes=1))
    assert cache.get(key, NOW)


@pytest.mark.parametrize("place_without_redis", ["memory", "file"])
def test_what_has_expired_is_removed(place_without_redis: str, file: str) -> None:
    cache = Cache(file if place_without_redis == "file" else "memory", DAY)
    cache.put("old", 200, BODY, NOW - 2 * DAY)
    cache.put("new", 200, BODY, NOW)
    assert cache.stock() == (1, NOW)


@pytest.mark.parametrize(("ttl", "seconds"), [(timedelta(hours=1), 3601), (timedelta(milliseconds=100), 1)])
def test_redis_removes_what_has_expired(redis_url: str, key: str, ttl: timedelta, seconds: int) -> None:
    with written(redis_url) as found:
        Cache(redis_url, ttl).put(key, 200, BODY, datetime.now(UTC))
    (name,) = found
    with closing(Redis.from_url(redis_url)) as redis:
        assert 0 < redis.pttl(name) <= 1000 * seconds


def test_the_oldest_give_way_to_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "MOST_ANSWERS", 3)
    cache = Cache("memory", DAY)
    for hour in range(5):
        cache.put(str(hour), 200, BODY, NOW + timedelta(hours=hour))
    assert [hour for hour in range(5) if cache.get(str(hour), NOW + timedelta(hours=5))] == [2, 3, 4]


# Where


def test_what_one_connector_keeps_another_finds(shared_place: str, key: str) -> None:
    Cache(shared_place, DAY).put(key, 200, BODY, NOW)
    assert Cache(shared_place, DAY).get(key, NOW) == Kept(200, BODY, NOW)


def test_what_is_kept_in_memory_is_the_connectors_own(key: str) -> None:
    Cache("memory", DAY).put(key, 200, BODY, NOW)
    assert Cache("memory", DAY).get(key, NOW) is None


def test_a_file_lies_in_the_users_cache_folder_unless_its_path_is_absolute(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", "/home/analyst")
    assert Cache("answers.sqlite", DAY).place == f"{tmp_path}/answers.sqlite"
    assert Cache("/var/cache/answers.db", DAY).place == "/var/cache/answers.db"
    assert Cache("~/answers.db", DAY).place == "/home/analyst/answers.db"


def test_the_folder_of_a_file_is_made(tmp_path: Path, key: str) -> None:
    Cache(str(tmp_path / "a" / "b.sqlite"), DAY).put(key, 200, BODY, NOW)
    assert (tmp_path / "a" / "b.sqlite").stat().st_size


def test_nothing_is_opened_before_it_is_needed(file: str) -> None:
    Cache(file, DAY)
    assert not Path(file).exists()


def test_the_place_is_told_without_the_credentials_of_its_url() -> None:
    assert Cache("rediss://me:s@cret@redis.example:6380/1", DAY).place == "rediss://redis.example:6380/1"


def test_the_stock_tells_how_many_answers_there_are_and_how_old_the_oldest_is(file: str) -> None:
    cache = Cache(file, DAY)
    assert cache.stock() == (0, None)
    cache.put("first", 200, BODY, NOW - timedelta(hours=1))
    cache.put("second", 200, BODY, NOW)
    assert cache.stock() == (2, NOW - timedelta(hours=1))


def test_the_stock_of_a_redis_tells_how_many_answers_there_are(redis_url: str, key: str) -> None:
    cache = Cache(redis_url, DAY)
    before = cache.stock().answers
    cache.put(key, 200, BODY, NOW)
    assert cache.stock() == (before + 1, None)


# When it fails


def spoilt(path: str) -> None:
    Path(path).write_bytes(b"no database " * 1000)


def in_no_folder(path: str) -> None:
    Path(path).symlink_to("/proc/none/cache.sqlite")


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(("fault", "reason"), [(spoilt, "file is not a database"), (in_no_folder, "unable to open")])
def test_a_file_that_cannot_be_used_is_told_once_and_does_no_harm(
    file: str, key: str, fault: object, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert callable(fault)
    fault(file)
    cache = Cache(file, DAY)
    for _ in range(3):
        assert cache.get(key, NOW) is None
        cache.put(key, 200, BODY, NOW)
    (warning,) = warnings(caplog)
    assert warning.startswith(f"The cache {file} cannot be used ({reason}")
    assert warning.endswith("). Every look-up is a search of PassiveTotal until it can.")


@contextmanager
def locked(path: str) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("is_open", [False, True])
def test_a_locked_file_is_waited_for_and_then_done_without(
    file: str, key: str, is_open: bool, caplog: pytest.LogCaptureFixture
) -> None:
    cache = Cache(file, DAY)
    if is_open:
        cache.put(key, 200, BODY, NOW)
    with locked(file):
        assert cache.get(key, NOW) is None
        cache.put(key, 200, BODY, NOW)
    assert warnings(caplog) == [
        f"The cache {file} cannot be used (database is locked). Every look-up is a search of PassiveTotal until it can."
    ]
    cache.put(key, 200, BODY, NOW)
    assert cache.get(key, NOW)


@contextmanager
def full_disk(path: str) -> Iterator[None]:
    """No file of this process can grow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (Path(path).stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("hasty")
def test_a_full_disk_is_told_once_while_what_is_there_can_still_be_read(
    file: str, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    cache = Cache(file, DAY)
    cache.put(key, 200, BODY, NOW)
    with full_disk(file):
        for _ in range(3):
            cache.put("another", 200, uuid.uuid4().bytes * 10_000 + bytes(range(256)) * 1000, NOW)
            assert cache.get(key, NOW) == Kept(200, BODY, NOW)
    assert len(warnings(caplog)) == 1


def test_a_redis_that_is_away_is_told_once(key: str, caplog: pytest.LogCaptureFixture) -> None:
    cache = Cache("redis://:secret@127.0.0.1:9/0", DAY)
    for _ in range(3):
        assert cache.get(key, NOW) is None
        cache.put(key, 200, BODY, NOW)
    (warning,) = warnings(caplog)
    assert warning.startswith("The cache redis://127.0.0.1:9/0 cannot be used (Error 111 connecting to 127.0.0.1:9.")
    assert "secret" not in warning


@pytest.mark.usefixtures("hasty")
def test_each_outage_of_a_redis_is_told_once_and_in_between_it_is_used(
    server: RedisServer, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    cache = Cache(server.url, DAY)
    for outages in (1, 2):
        cache.put(key, 200, BODY, NOW)
        assert cache.get(key, NOW)
        server.stop()
        for _ in range(3):
            assert cache.get(key, NOW) is None
            cache.put(key, 200, BODY, NOW)
        assert len(warnings(caplog)) == outages
        server.start()


@pytest.mark.usefixtures("hasty")
def test_a_redis_that_refuses_the_password_is_told_without_it(
    server: RedisServer, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.stop()
    server.start("--requirepass", "right")
    Cache(server.url.replace("://", "://:wrong-secret@"), DAY).put(key, 200, BODY, NOW)
    assert "cannot be used" in caplog.text
    assert "wrong-secret" not in caplog.text
    right = Cache(server.url.replace("://", "://:right@"), DAY)
    right.put(key, 200, BODY, NOW)
    assert right.get(key, NOW)


@pytest.mark.usefixtures("hasty")
def test_a_redis_that_is_full_is_told(server: RedisServer, key: str, caplog: pytest.LogCaptureFixture) -> None:
    server.stop()
    server.start("--maxmemory", "1", "--maxmemory-policy", "noeviction")
    Cache(server.url, DAY).put(key, 200, BODY, NOW)
    assert "used memory > 'maxmemory'" in warnings(caplog)[0]


def test_a_cache_that_failed_is_left_alone_for_a_while(file: str, key: str) -> None:
    spoilt(file)
    cache = Cache(file, DAY)
    assert cache.get(key, NOW) is None
    Path(file).unlink()
    cache.put(key, 200, BODY, NOW)
    assert not Path(file).exists()


def test_the_stock_of_a_cache_that_cannot_be_used_is_an_error_that_says_why(file: str) -> None:
    spoilt(file)
    with pytest.raises(CacheAway, match=r"cache\.sqlite cannot be used \(file is not a database\)\.$"):
        Cache(file, DAY).stock()


@pytest.mark.parametrize(
    "value",
    [
        *(b"", b"{", b"[]", b"7", b"{}", b"\x80\x04N."),
        b'{"_content": "eA==", "status_code": 200}',
        b'{"created_at": "2100-01-01T00:00:00"}',
        b'{"created_at": 7}',
        b'{"status_code": "none"}',
    ],
)
def test_what_others_wrote_under_the_same_key_is_no_answer(redis_url: str, key: str, value: bytes) -> None:
    cache = Cache(redis_url, DAY)
    with written(redis_url) as found:
        cache.put(key, 200, BODY, NOW)
    with closing(Redis.from_url(redis_url)) as redis:
        redis.set(*found, value, ex=60)
    assert cache.get(key, NOW) is None
