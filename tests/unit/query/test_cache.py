"""The cache in memory, in a file and in a real Redis."""

import json
import logging
import re
import resource
import sqlite3
import tracemalloc
import uuid
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from isodate import Duration, parse_duration
from redis import Redis

from passivedns import circuit_breaker
from passivedns.errors import ConnectorError
from passivedns.model import Answer, Record
from passivedns.query.cache import MAX_TEXT, Cache
from tests.helpers.redis_server import RedisServer, private_redis, running_redis

NOW = datetime.now(UTC)
DAY = timedelta(hours=24)
MONTH_AGO = NOW - timedelta(days=30)
SEEN = datetime(2026, 11, 20, 4, 12, 9, tzinfo=UTC)
RECORDS = [
    Record("example.org", "A", "192.0.2.10", SEEN - timedelta(days=9), SEEN, ("pingly", "riskiq"), "riskiq"),
    Record("example.org", "NS", "ns1.example.net", None, None, (), "riskiq"),
]
ANSWER = Answer(RECORDS, unreadable=3, left_out={"the name did not exist": 2})


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
    """A unique key, since the Redis may be shared."""
    return f"example.org {uuid.uuid4()}"


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed cache is tried again immediately, with a timeout of a tenth of a second."""
    monkeypatch.setattr(circuit_breaker, "RESET_AFTER", 0)
    monkeypatch.setattr(circuit_breaker, "TIMEOUT", 0.1)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@contextmanager
def written(redis_url: str) -> Iterator[dict[bytes, bytes]]:
    """The values that the block writes to the Redis, which may contain others."""
    found: dict[bytes, bytes] = {}
    with closing(Redis.from_url(redis_url)) as redis:
        before = set(redis.scan_iter("passive-dns:*"))
        yield found
        found |= {name: redis.get(name) or b"" for name in redis.scan_iter("passive-dns:*")}
    for name in before:
        found.pop(name, None)


# Contents


def test_an_answer_is_returned_unchanged_with_its_time(place: str, key: str) -> None:
    cache = Cache(place, DAY)
    cache.put(key, ANSWER, MONTH_AGO, NOW)
    assert cache.get(key, "riskiq", MONTH_AGO, NOW + timedelta(hours=3)) == (ANSWER, NOW)


def test_an_unknown_question_has_no_answer(place: str, key: str) -> None:
    assert Cache(place, DAY).get(key, "riskiq", MONTH_AGO, NOW) is None


def test_each_key_has_its_own_answer(place: str, key: str) -> None:
    cache = Cache(place, DAY)
    cache.put(key, ANSWER, MONTH_AGO, NOW)
    assert cache.get(f"{key}'", "riskiq", MONTH_AGO, NOW) is None


def test_an_answer_replaces_an_older_one(place: str, key: str) -> None:
    cache = Cache(place, DAY)
    cache.put(key, ANSWER, MONTH_AGO, NOW - timedelta(hours=23))
    cache.put(key, Answer([]), MONTH_AGO, NOW)
    assert cache.get(key, "riskiq", MONTH_AGO, NOW) == (Answer([]), NOW)


def test_an_answer_of_ten_thousand_records_is_cached(place: str, key: str) -> None:
    many = [RECORDS[0]._replace(data=f"192.0.{number >> 8}.{number & 255}") for number in range(10_000)]
    cache = Cache(place, DAY)
    cache.put(key, Answer(many), MONTH_AGO, NOW)
    assert cache.get(key, "riskiq", MONTH_AGO, NOW) == (Answer(many), NOW)


def test_an_answer_since_an_earlier_date_serves_a_later_one(place: str, key: str) -> None:
    cache = Cache(place, DAY)
    cache.put(key, ANSWER, MONTH_AGO, NOW)
    assert cache.get(key, "riskiq", MONTH_AGO + DAY, NOW)
    assert cache.get(key, "riskiq", MONTH_AGO - DAY, NOW) is None


def test_only_records_two_dates_and_counts_of_an_answer_are_stored(redis_url: str, key: str) -> None:
    with written(redis_url) as found:
        Cache(redis_url, DAY).put(key, ANSWER, MONTH_AGO, NOW)
    (entry,) = found.values()
    seen = SEEN.timestamp()
    assert json.loads(zlib.decompress(entry)) == {
        "since": MONTH_AGO.timestamp(),
        "unreadable": 3,
        "left_out": {"the name did not exist": 2},
        "given": NOW.timestamp(),
        "records": [
            ["example.org", "A", "192.0.2.10", seen - 9 * 86_400, seen, ["pingly", "riskiq"]],
            ["example.org", "NS", "ns1.example.net", None, None, []],
        ],
    }


def test_the_keys_do_not_reveal_what_was_looked_up(redis_url: str, key: str) -> None:
    with written(redis_url) as found:
        Cache(redis_url, DAY).put(key, ANSWER, MONTH_AGO, NOW)
    (name,) = found
    assert re.fullmatch(b"passive-dns:[0-9a-f]{32}", name)


# Lifetime


@pytest.mark.parametrize(
    ("ttl", "age", "is_kept"),
    [
        ("PT24H", timedelta(hours=23, minutes=59), True),
        ("PT24H", timedelta(hours=24), False),
        ("P1M", timedelta(days=27), True),
        ("P1M", timedelta(days=31), False),
    ],
)
def test_an_answer_is_kept_for_its_lifetime(place: str, key: str, ttl: str, age: timedelta, is_kept: bool) -> None:
    cache = Cache(place, parse_duration(ttl))
    cache.put(key, ANSWER, MONTH_AGO, NOW)
    assert bool(cache.get(key, "riskiq", MONTH_AGO, NOW + age)) is is_kept


def test_a_shorter_lifetime_applies_to_stored_answers(shared_place: str, key: str) -> None:
    Cache(shared_place, Duration(years=1)).put(key, ANSWER, MONTH_AGO, NOW - DAY)
    assert Cache(shared_place, DAY).get(key, "riskiq", MONTH_AGO, NOW) is None


def test_an_answer_from_a_connector_with_a_faster_clock_is_used(place: str, key: str) -> None:
    cache = Cache(place, DAY)
    cache.put(key, ANSWER, MONTH_AGO, NOW + timedelta(minutes=1))
    assert cache.get(key, "riskiq", MONTH_AGO, NOW)


@pytest.mark.parametrize("place_without_redis", ["memory", "file"])
def test_expired_answers_are_removed(place_without_redis: str, file: str) -> None:
    cache = Cache(file if place_without_redis == "file" else "memory", DAY)
    cache.put("old", ANSWER, MONTH_AGO, NOW - 2 * DAY)
    cache.put("new", ANSWER, MONTH_AGO, NOW)
    assert cache.stock() == (1, NOW)


@pytest.mark.parametrize(("ttl", "seconds"), [(timedelta(hours=1), 3601), (timedelta(milliseconds=100), 1)])
def test_redis_removes_expired_answers(redis_url: str, key: str, ttl: timedelta, seconds: int) -> None:
    with written(redis_url) as found:
        Cache(redis_url, ttl).put(key, ANSWER, MONTH_AGO, datetime.now(UTC))
    (name,) = found
    with closing(Redis.from_url(redis_url)) as redis:
        assert 0 < redis.pttl(name) <= 1000 * seconds


# Places


def test_connectors_share_a_file_or_redis(shared_place: str, key: str) -> None:
    Cache(shared_place, DAY).put(key, ANSWER, MONTH_AGO, NOW)
    assert Cache(shared_place, DAY).get(key, "riskiq", MONTH_AGO, NOW) == (ANSWER, NOW)


def test_connectors_do_not_share_memory(key: str) -> None:
    Cache("memory", DAY).put(key, ANSWER, MONTH_AGO, NOW)
    assert Cache("memory", DAY).get(key, "riskiq", MONTH_AGO, NOW) is None


def test_a_file_is_in_the_users_cache_folder_unless_its_path_is_absolute(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", "/home/analyst")
    assert Cache("answers.sqlite", DAY).place == f"{tmp_path}/opencti-passive-dns/answers.sqlite"
    assert Cache("/var/cache/answers.db", DAY).place == "/var/cache/answers.db"
    assert Cache("~/answers.db", DAY).place == "/home/analyst/answers.db"


def test_only_the_owner_can_read_the_file_and_its_new_folder(tmp_path: Path, key: str) -> None:
    Cache(str(tmp_path / "a" / "b.sqlite"), DAY).put(key, ANSWER, MONTH_AGO, NOW)
    assert (tmp_path / "a" / "b.sqlite").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700


def test_an_existing_file_becomes_readable_only_by_its_owner(file: str, key: str) -> None:
    Path(file).touch(mode=0o644)
    Cache(file, DAY).put(key, ANSWER, MONTH_AGO, NOW)
    assert Path(file).stat().st_mode & 0o777 == 0o600


def test_nothing_is_opened_before_it_is_needed(file: str) -> None:
    Cache(file, DAY)
    assert not Path(file).exists()


def test_the_place_is_shown_without_the_credentials_of_its_url() -> None:
    assert Cache("rediss://me:s@cret@redis.example:6380/1", DAY).place == "rediss://redis.example:6380/1"


def test_the_stock_has_the_number_of_answers_and_the_time_of_the_oldest(file: str) -> None:
    cache = Cache(file, DAY)
    assert cache.stock() == (0, None)
    cache.put("first", ANSWER, MONTH_AGO, NOW - timedelta(hours=1))
    cache.put("second", ANSWER, MONTH_AGO, NOW)
    assert cache.stock() == (2, NOW - timedelta(hours=1))


def test_the_stock_of_redis_has_the_number_of_answers(redis_url: str, key: str) -> None:
    cache = Cache(redis_url, DAY)
    before = cache.stock()[0]
    cache.put(key, ANSWER, MONTH_AGO, NOW)
    assert cache.stock() == (before + 1, None)


# Failures


def in_no_folder(path: str) -> None:
    Path(path).symlink_to("/proc/none/cache.sqlite")


@pytest.mark.usefixtures("hasty")
def test_an_unusable_file_is_logged_once_and_raises_nothing(
    file: str, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    in_no_folder(file)
    cache = Cache(file, DAY)
    for _ in range(3):
        assert cache.get(key, "riskiq", MONTH_AGO, NOW) is None
        cache.put(key, ANSWER, MONTH_AGO, NOW)
    (warning,) = warnings(caplog)
    assert warning.startswith(f"The cache {file} cannot be used (No such file or directory")
    assert warning.endswith("). Until it can, every look-up is a search.")


@contextmanager
def locked(path: str) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("is_open", [False, True])
def test_a_locked_file_is_given_up_after_a_while(
    file: str, key: str, is_open: bool, caplog: pytest.LogCaptureFixture
) -> None:
    cache = Cache(file, DAY)
    if is_open:
        cache.put(key, ANSWER, MONTH_AGO, NOW)
    with locked(file):
        assert cache.get(key, "riskiq", MONTH_AGO, NOW) is None
        cache.put(key, ANSWER, MONTH_AGO, NOW)
    assert warnings(caplog) == [
        f"The cache {file} cannot be used (database is locked). Until it can, every look-up is a search."
    ]
    cache.put(key, ANSWER, MONTH_AGO, NOW)
    assert cache.get(key, "riskiq", MONTH_AGO, NOW)


@contextmanager
def full_disk(path: str) -> Iterator[None]:
    """Keep the files of this process from growing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (Path(path).stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("hasty")
def test_a_full_disk_is_logged_once_and_can_still_be_read(
    file: str, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    cache = Cache(file, DAY)
    cache.put(key, ANSWER, MONTH_AGO, NOW)
    many = [RECORDS[0]._replace(data=str(uuid.uuid4())) for _ in range(3000)]
    with full_disk(file):
        for _ in range(3):
            cache.put("another", Answer(many), MONTH_AGO, NOW)
            assert cache.get(key, "riskiq", MONTH_AGO, NOW) == (ANSWER, NOW)
    assert len(warnings(caplog)) == 1


def test_an_unreachable_redis_is_logged_once(key: str, caplog: pytest.LogCaptureFixture) -> None:
    cache = Cache("redis://:secret@127.0.0.1:9/0", DAY)
    for _ in range(3):
        assert cache.get(key, "riskiq", MONTH_AGO, NOW) is None
        cache.put(key, ANSWER, MONTH_AGO, NOW)
    (warning,) = warnings(caplog)
    assert warning.startswith("The cache redis://127.0.0.1:9/0 cannot be used (Error 111 connecting to 127.0.0.1:9.")
    assert "secret" not in warning


@pytest.mark.usefixtures("hasty")
def test_each_outage_of_redis_is_logged_once_and_redis_is_used_in_between(
    server: RedisServer, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    cache = Cache(server.url, DAY)
    for outages in (1, 2):
        cache.put(key, ANSWER, MONTH_AGO, NOW)
        assert cache.get(key, "riskiq", MONTH_AGO, NOW)
        server.stop()
        for _ in range(3):
            assert cache.get(key, "riskiq", MONTH_AGO, NOW) is None
            cache.put(key, ANSWER, MONTH_AGO, NOW)
        assert len(warnings(caplog)) == outages
        server.start()


@pytest.mark.usefixtures("hasty")
def test_a_password_rejected_by_redis_is_not_logged(
    server: RedisServer, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.stop()
    server.start("--requirepass", "right")
    Cache(server.url.replace("://", "://:wrong-secret@"), DAY).put(key, ANSWER, MONTH_AGO, NOW)
    assert "cannot be used" in caplog.text
    assert "wrong-secret" not in caplog.text
    right = Cache(server.url.replace("://", "://:right@"), DAY)
    right.put(key, ANSWER, MONTH_AGO, NOW)
    assert right.get(key, "riskiq", MONTH_AGO, NOW)


@pytest.mark.usefixtures("hasty")
def test_a_full_redis_is_logged(server: RedisServer, key: str, caplog: pytest.LogCaptureFixture) -> None:
    server.stop()
    server.start("--maxmemory", "1", "--maxmemory-policy", "noeviction")
    Cache(server.url, DAY).put(key, ANSWER, MONTH_AGO, NOW)
    assert "used memory > 'maxmemory'" in warnings(caplog)[0]


def test_a_failed_cache_is_not_tried_again_for_a_while(file: str, key: str) -> None:
    in_no_folder(file)
    cache = Cache(file, DAY)
    assert cache.get(key, "riskiq", MONTH_AGO, NOW) is None
    Path(file).unlink()
    cache.put(key, ANSWER, MONTH_AGO, NOW)
    assert not Path(file).exists()


def test_the_stock_of_an_unusable_cache_raises_an_error_with_the_reason(file: str) -> None:
    in_no_folder(file)
    with pytest.raises(ConnectorError, match=r"cache\.sqlite cannot be used \(No such file or directory\)\.$"):
        Cache(file, DAY).stock()


ODD: list[Any] = ["x", None, True, [1], {"a": "b"}, 1e99]
GOOD: dict[str, Any] = {"since": 0, "given": NOW.timestamp(), "records": [], "unreadable": 0, "left_out": {}}
ROW = ["a", "A", "b", 1, 2, ["sensor"]]
WRONG: list[object] = [
    *([], 7, None, "text", {}, [GOOD]),
    *({key: value for key, value in GOOD.items() if key != missing} for missing in GOOD),
    *(GOOD | {key: wrong} for key in GOOD for wrong in ODD),
    GOOD | {"unreadable": -1},
    *(GOOD | {"records": [[*ROW[:place], wrong, *ROW[place + 1 :]]]} for place in range(6) for wrong in ODD[2:5]),
    *(GOOD | {"records": rows} for rows in ([ROW[:-1]], [[*ROW, 1]], ["abcdef"], [ROW, 7], [[*ROW[:5], "sensor"]])),
    GOOD | {"given": NOW.timestamp() + 1e6},
]


POISON = [
    *(b"", b"{", b"not compressed", zlib.compress(b"{")[:-3], zlib.compress(b"\xff"), zlib.compress(b"[" * 10**6)),
    *(zlib.compress(json.dumps(wrong).encode()) for wrong in WRONG),
]


@pytest.mark.parametrize("number", range(len(POISON)))
def test_foreign_values_under_the_same_key_count_as_absent(
    redis_url: str, key: str, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    cache = Cache(redis_url, DAY)
    with stored(cache, key, redis_url) as name, closing(Redis.from_url(redis_url)) as redis:
        redis.set(name, POISON[number], ex=60)
        assert cache.get(key, "riskiq", MONTH_AGO, NOW) is None
        cache.put(key, ANSWER, MONTH_AGO, NOW)
        assert cache.get(key, "riskiq", MONTH_AGO, NOW) == (ANSWER, NOW)
    assert warnings(caplog) == []


@contextmanager
def stored(cache: Cache, key: str, redis_url: str) -> Iterator[bytes]:
    """The name of an answer in Redis."""
    with written(redis_url) as found:
        cache.put(key, ANSWER, MONTH_AGO, NOW)
    (name,) = found
    yield name


def test_a_key_of_another_kind_in_redis_counts_as_absent(
    redis_url: str, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    cache = Cache(redis_url, DAY)
    with stored(cache, key, redis_url) as name, closing(Redis.from_url(redis_url)) as redis:
        redis.delete(name)
        redis.lpush(name, "list")
        assert cache.get(key, "riskiq", MONTH_AGO, NOW) is None
        redis.delete(name)
    assert warnings(caplog) == []


def test_a_value_that_expands_to_gigabytes_counts_as_absent_and_is_not_expanded(redis_url: str, key: str) -> None:
    bomb = zlib.compressobj(9)
    value = b"".join([*(bomb.compress(b" " * 2**20) for _ in range(512)), bomb.flush()])
    cache = Cache(redis_url, DAY)
    with stored(cache, key, redis_url) as name, closing(Redis.from_url(redis_url)) as redis:
        redis.set(name, value, ex=60)
        tracemalloc.start()
        assert cache.get(key, "riskiq", MONTH_AGO, NOW) is None
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 4 * MAX_TEXT


def test_an_answer_that_could_not_be_read_again_is_not_cached(
    place: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("passivedns.query.cache.MAX_TEXT", 1000)
    cache = Cache(place, DAY)
    cache.put(key, Answer(RECORDS * 100), MONTH_AGO, NOW)
    assert cache.get(key, "riskiq", MONTH_AGO, NOW) is None
