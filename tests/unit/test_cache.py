"""The cache in memory, in a file and in a real Redis: what it keeps, for how long, and what it does when it fails."""

import json
import logging
import re
import resource
import sqlite3
import uuid
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from isodate import Duration, parse_duration
from redis import Redis

from passivedns import store as store_module
from passivedns.cache import Cache, Kept
from passivedns.errors import ConnectorError
from passivedns.model import Record
from tests.unit.redis_server import RedisServer, private_redis, running_redis

NOW = datetime.now(UTC)
DAY = timedelta(hours=24)
MONTH_AGO = NOW - timedelta(days=30)
SEEN = datetime(2026, 11, 20, 4, 12, 9, tzinfo=UTC)
RECORDS = [
    Record("example.org", "A", "192.0.2.10", SEEN - timedelta(days=9), SEEN, ("pingly", "riskiq"), "riskiq"),
    Record("example.org", "NS", "ns1.example.net", None, None, (), "riskiq"),
]


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
    monkeypatch.setattr(store_module, "RESPITE", 0)
    monkeypatch.setattr(store_module, "PATIENCE", 0.1)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@contextmanager
def written(redis_url: str) -> Iterator[dict[bytes, bytes]]:
    """What the block writes into the Redis, which may hold other answers."""
    found: dict[bytes, bytes] = {}
    with closing(Redis.from_url(redis_url)) as redis:
        before = set(redis.scan_iter("passive-dns:*"))
        yield found
        found |= {name: redis.get(name) or b"" for name in redis.scan_iter("passive-dns:*")}
    for name in before:
        found.pop(name, None)


# What is kept


def test_an_answer_comes_back_as_it_was_given_with_the_moment(place: str, key: str) -> None:
    cache = Cache(place, DAY)
    cache.put(key, RECORDS, MONTH_AGO, NOW)
    assert cache.get(key, "riskiq", MONTH_AGO, NOW + timedelta(hours=3)) == Kept(RECORDS, NOW)


def test_what_was_not_kept_is_not_there(place: str, key: str) -> None:
    assert Cache(place, DAY).get(key, "riskiq", MONTH_AGO, NOW) is None


def test_each_key_has_its_own_answer(place: str, key: str) -> None:
    cache = Cache(place, DAY)
    cache.put(key, RECORDS, MONTH_AGO, NOW)
    assert cache.get(f"{key}'", "riskiq", MONTH_AGO, NOW) is None


def test_an_answer_takes_the_place_of_an_older_one(place: str, key: str) -> None:
    cache = Cache(place, DAY)
    cache.put(key, RECORDS, MONTH_AGO, NOW - timedelta(hours=23))
    cache.put(key, [], MONTH_AGO, NOW)
    assert cache.get(key, "riskiq", MONTH_AGO, NOW) == Kept([], NOW)


def test_an_answer_of_ten_thousand_records_is_kept(place: str, key: str) -> None:
    many = [RECORDS[0]._replace(data=f"192.0.{number >> 8}.{number & 255}") for number in range(10_000)]
    cache = Cache(place, DAY)
    cache.put(key, many, MONTH_AGO, NOW)
    assert cache.get(key, "riskiq", MONTH_AGO, NOW) == Kept(many, NOW)


def test_what_was_asked_from_an_earlier_date_serves_a_later_one(place: str, key: str) -> None:
    cache = Cache(place, DAY)
    cache.put(key, RECORDS, MONTH_AGO, NOW)
    assert cache.get(key, "riskiq", MONTH_AGO + DAY, NOW)
    assert cache.get(key, "riskiq", MONTH_AGO - DAY, NOW) is None


def test_nothing_is_kept_of_an_answer_but_its_records_and_two_dates(redis_url: str, key: str) -> None:
    with written(redis_url) as found:
        Cache(redis_url, DAY).put(key, RECORDS, MONTH_AGO, NOW)
    (entry,) = found.values()
    seen = SEEN.timestamp()
    assert json.loads(zlib.decompress(entry)) == {
        "since": MONTH_AGO.timestamp(),
        "given": NOW.timestamp(),
        "records": [
            ["example.org", "A", "192.0.2.10", seen - 9 * 86_400, seen, ["pingly", "riskiq"]],
            ["example.org", "NS", "ns1.example.net", None, None, []],
        ],
    }


def test_who_lists_the_keys_does_not_learn_what_was_looked_up(redis_url: str, key: str) -> None:
    with written(redis_url) as found:
        Cache(redis_url, DAY).put(key, RECORDS, MONTH_AGO, NOW)
    (name,) = found
    assert re.fullmatch(b"passive-dns:[0-9a-f]{32}", name)


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
    cache.put(key, RECORDS, MONTH_AGO, NOW)
    assert bool(cache.get(key, "riskiq", MONTH_AGO, NOW + age)) is is_kept


def test_a_shorter_time_holds_for_what_is_there_already(shared_place: str, key: str) -> None:
    Cache(shared_place, Duration(years=1)).put(key, RECORDS, MONTH_AGO, NOW - DAY)
    assert Cache(shared_place, DAY).get(key, "riskiq", MONTH_AGO, NOW) is None


def test_a_clock_that_is_behind_the_one_of_another_connector_does_no_harm(place: str, key: str) -> None:
    cache = Cache(place, DAY)
    cache.put(key, RECORDS, MONTH_AGO, NOW + timedelta(minutes=1))
    assert cache.get(key, "riskiq", MONTH_AGO, NOW)


@pytest.mark.parametrize("place_without_redis", ["memory", "file"])
def test_what_has_expired_is_removed(place_without_redis: str, file: str) -> None:
    cache = Cache(file if place_without_redis == "file" else "memory", DAY)
    cache.put("old", RECORDS, MONTH_AGO, NOW - 2 * DAY)
    cache.put("new", RECORDS, MONTH_AGO, NOW)
    assert cache.stock() == (1, NOW)


@pytest.mark.parametrize(("ttl", "seconds"), [(timedelta(hours=1), 3601), (timedelta(milliseconds=100), 1)])
def test_redis_removes_what_has_expired(redis_url: str, key: str, ttl: timedelta, seconds: int) -> None:
    with written(redis_url) as found:
        Cache(redis_url, ttl).put(key, RECORDS, MONTH_AGO, datetime.now(UTC))
    (name,) = found
    with closing(Redis.from_url(redis_url)) as redis:
        assert 0 < redis.pttl(name) <= 1000 * seconds


def test_the_oldest_give_way_to_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "MOST_VALUES", 3)
    cache = Cache("memory", DAY)
    for hour in range(5):
        cache.put(str(hour), RECORDS, MONTH_AGO, NOW + timedelta(hours=hour))
    assert [hour for hour in range(5) if cache.get(str(hour), "riskiq", MONTH_AGO, NOW + timedelta(hours=5))] == [
        2,
        3,
        4,
    ]


# Where


def test_what_one_connector_keeps_another_finds(shared_place: str, key: str) -> None:
    Cache(shared_place, DAY).put(key, RECORDS, MONTH_AGO, NOW)
    assert Cache(shared_place, DAY).get(key, "riskiq", MONTH_AGO, NOW) == Kept(RECORDS, NOW)


def test_what_is_kept_in_memory_is_the_connectors_own(key: str) -> None:
    Cache("memory", DAY).put(key, RECORDS, MONTH_AGO, NOW)
    assert Cache("memory", DAY).get(key, "riskiq", MONTH_AGO, NOW) is None


def test_a_file_lies_in_the_users_cache_folder_unless_its_path_is_absolute(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", "/home/analyst")
    assert Cache("answers.sqlite", DAY).place == f"{tmp_path}/opencti-passive-dns/answers.sqlite"
    assert Cache("/var/cache/answers.db", DAY).place == "/var/cache/answers.db"
    assert Cache("~/answers.db", DAY).place == "/home/analyst/answers.db"


def test_only_their_owner_can_read_a_file_and_the_folder_that_is_made_for_it(tmp_path: Path, key: str) -> None:
    Cache(str(tmp_path / "a" / "b.sqlite"), DAY).put(key, RECORDS, MONTH_AGO, NOW)
    assert (tmp_path / "a" / "b.sqlite").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700


def test_a_file_that_others_could_read_is_closed_to_them(file: str, key: str) -> None:
    Path(file).touch(mode=0o644)
    Cache(file, DAY).put(key, RECORDS, MONTH_AGO, NOW)
    assert Path(file).stat().st_mode & 0o777 == 0o600


def test_nothing_is_opened_before_it_is_needed(file: str) -> None:
    Cache(file, DAY)
    assert not Path(file).exists()


def test_the_place_is_told_without_the_credentials_of_its_url() -> None:
    assert Cache("rediss://me:s@cret@redis.example:6380/1", DAY).place == "rediss://redis.example:6380/1"


def test_the_stock_tells_how_many_answers_there_are_and_how_old_the_oldest_is(file: str) -> None:
    cache = Cache(file, DAY)
    assert cache.stock() == (0, None)
    cache.put("first", RECORDS, MONTH_AGO, NOW - timedelta(hours=1))
    cache.put("second", RECORDS, MONTH_AGO, NOW)
    assert cache.stock() == (2, NOW - timedelta(hours=1))


def test_the_stock_of_a_redis_tells_how_many_answers_there_are(redis_url: str, key: str) -> None:
    cache = Cache(redis_url, DAY)
    before = cache.stock().values
    cache.put(key, RECORDS, MONTH_AGO, NOW)
    assert cache.stock() == (before + 1, None)


# When it fails


def spoilt(path: str) -> None:
    Path(path).write_bytes(b"no database " * 1000)


def in_no_folder(path: str) -> None:
    Path(path).symlink_to("/proc/none/cache.sqlite")


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("fault", "reason"), [(spoilt, "file is not a database"), (in_no_folder, "No such file or directory")]
)
def test_a_file_that_cannot_be_used_is_told_once_and_does_no_harm(
    file: str, key: str, fault: object, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert callable(fault)
    fault(file)
    cache = Cache(file, DAY)
    for _ in range(3):
        assert cache.get(key, "riskiq", MONTH_AGO, NOW) is None
        cache.put(key, RECORDS, MONTH_AGO, NOW)
    (warning,) = warnings(caplog)
    assert warning.startswith(f"The cache {file} cannot be used ({reason}")
    assert warning.endswith("). Until it can, every look-up is a search.")


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
        cache.put(key, RECORDS, MONTH_AGO, NOW)
    with locked(file):
        assert cache.get(key, "riskiq", MONTH_AGO, NOW) is None
        cache.put(key, RECORDS, MONTH_AGO, NOW)
    assert warnings(caplog) == [
        f"The cache {file} cannot be used (database is locked). Until it can, every look-up is a search."
    ]
    cache.put(key, RECORDS, MONTH_AGO, NOW)
    assert cache.get(key, "riskiq", MONTH_AGO, NOW)


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
    cache.put(key, RECORDS, MONTH_AGO, NOW)
    many = [RECORDS[0]._replace(data=str(uuid.uuid4())) for _ in range(3000)]
    with full_disk(file):
        for _ in range(3):
            cache.put("another", many, MONTH_AGO, NOW)
            assert cache.get(key, "riskiq", MONTH_AGO, NOW) == Kept(RECORDS, NOW)
    assert len(warnings(caplog)) == 1


def test_a_redis_that_is_away_is_told_once(key: str, caplog: pytest.LogCaptureFixture) -> None:
    cache = Cache("redis://:secret@127.0.0.1:9/0", DAY)
    for _ in range(3):
        assert cache.get(key, "riskiq", MONTH_AGO, NOW) is None
        cache.put(key, RECORDS, MONTH_AGO, NOW)
    (warning,) = warnings(caplog)
    assert warning.startswith("The cache redis://127.0.0.1:9/0 cannot be used (Error 111 connecting to 127.0.0.1:9.")
    assert "secret" not in warning


@pytest.mark.usefixtures("hasty")
def test_each_outage_of_a_redis_is_told_once_and_in_between_it_is_used(
    server: RedisServer, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    cache = Cache(server.url, DAY)
    for outages in (1, 2):
        cache.put(key, RECORDS, MONTH_AGO, NOW)
        assert cache.get(key, "riskiq", MONTH_AGO, NOW)
        server.stop()
        for _ in range(3):
            assert cache.get(key, "riskiq", MONTH_AGO, NOW) is None
            cache.put(key, RECORDS, MONTH_AGO, NOW)
        assert len(warnings(caplog)) == outages
        server.start()


@pytest.mark.usefixtures("hasty")
def test_a_redis_that_refuses_the_password_is_told_without_it(
    server: RedisServer, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.stop()
    server.start("--requirepass", "right")
    Cache(server.url.replace("://", "://:wrong-secret@"), DAY).put(key, RECORDS, MONTH_AGO, NOW)
    assert "cannot be used" in caplog.text
    assert "wrong-secret" not in caplog.text
    right = Cache(server.url.replace("://", "://:right@"), DAY)
    right.put(key, RECORDS, MONTH_AGO, NOW)
    assert right.get(key, "riskiq", MONTH_AGO, NOW)


@pytest.mark.usefixtures("hasty")
def test_a_redis_that_is_full_is_told(server: RedisServer, key: str, caplog: pytest.LogCaptureFixture) -> None:
    server.stop()
    server.start("--maxmemory", "1", "--maxmemory-policy", "noeviction")
    Cache(server.url, DAY).put(key, RECORDS, MONTH_AGO, NOW)
    assert "used memory > 'maxmemory'" in warnings(caplog)[0]


def test_a_cache_that_failed_is_left_alone_for_a_while(file: str, key: str) -> None:
    spoilt(file)
    cache = Cache(file, DAY)
    assert cache.get(key, "riskiq", MONTH_AGO, NOW) is None
    Path(file).unlink()
    cache.put(key, RECORDS, MONTH_AGO, NOW)
    assert not Path(file).exists()


def test_the_stock_of_a_cache_that_cannot_be_used_is_an_error_that_says_why(file: str) -> None:
    spoilt(file)
    with pytest.raises(ConnectorError, match=r"cache\.sqlite cannot be used \(file is not a database\)\.$"):
        Cache(file, DAY).stock()


@pytest.mark.parametrize(
    "value",
    [
        *(b"", b"{", b"not compressed"),
        *map(zlib.compress, (b"[]", b"7", b"{}", b"{", b"\xff", b'{"since": "x"}', b'{"since": 0, "given": 1e99}')),
        zlib.compress(b'{"since": 0, "given": 4000000000, "records": [["too", "short"]]}'),
        zlib.compress(b'{"since": 0, "given": 4000000000, "records": [["a", "A", "b", "x", null, []]]}'),
    ],
)
def test_what_others_wrote_under_the_same_key_is_no_answer(redis_url: str, key: str, value: bytes) -> None:
    cache = Cache(redis_url, DAY)
    with written(redis_url) as found:
        cache.put(key, RECORDS, MONTH_AGO, NOW)
    (name,) = found
    with closing(Redis.from_url(redis_url)) as redis:
        redis.set(name, value, ex=60)
    assert cache.get(key, "riskiq", MONTH_AGO, NOW) is None
