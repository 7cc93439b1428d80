"""What a store costs at most: bytes, and seconds while its place is locked, silent or damaged."""

import logging
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from passivedns import circuit_breaker
from passivedns import store as store_module
from passivedns.delivery.delivery_log import DeliveryLog
from passivedns.query.rate_limit import RateLimit
from passivedns.store import Store
from tests.helpers.redis_server import RedisServer, private_redis

DAY = 86_400.0


def store(place: str) -> Store:
    return Store(place, "passive-dns-test:", "The store {place} cannot be used ({reason}).")


def write(to: Store, key: str, value: bytes, given: float | None = None) -> bool:
    return to.write(key, value, time.time() if given is None else given, DAY)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "store.sqlite")


@pytest.fixture(params=["memory", "file"])
def place(request: pytest.FixtureRequest, file: str) -> str:
    return file if request.param == "file" else "memory"


# Bytes


def test_the_values_together_take_no_more_than_the_maximum_and_the_newest_stay(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "MAX_BYTES", 2**20)
    full, now = store(place), time.time()
    for number in range(100):
        assert write(full, str(number), bytes(40_000), now + number)
    kept = [number for number in range(100) if full.read(str(number))]
    assert kept == list(range(100 - len(kept), 100))
    assert 0.6 * 2**20 < 40_000 * len(kept) <= 2**20


def test_a_file_does_not_outgrow_the_maximum(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "MAX_BYTES", 2**20)
    for number in range(100):
        write(store(file), str(number), bytes(60_000))
    assert Path(file).stat().st_size < 1.2 * 2**20


def test_a_value_above_its_share_displaces_no_other(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "MAX_BYTES", 2**20)
    small = store(place)
    write(small, "usual", b"value")
    assert not write(small, "huge", bytes(2**20 // store_module.MAX_SHARE + 1))
    assert (small.read("usual"), small.read("huge")) == (b"value", None)


def test_many_small_values_are_kept() -> None:
    """A bound by number would lose them."""
    many = store("memory")
    for number in range(12_000):
        write(many, str(number), b"a")
    assert many.stock()[0] == 12_000


# A damaged file


def spoil(path: str) -> None:
    Path(path).write_bytes(b"no database " * 1000)


def break_pages(path: str) -> None:
    """Overwrite all pages but the first, so that the file opens and its values cannot be read."""
    whole = Path(path).read_bytes()
    Path(path).write_bytes(whole[:4096] + b"\xee" * (len(whole) - 4096))


@pytest.mark.parametrize(("damage", "is_open"), [(spoil, False), (spoil, True), (break_pages, False)])
def test_a_damaged_file_is_set_aside_with_one_warning_and_replaced(
    file: str, damage: Callable[[str], None], is_open: bool, caplog: pytest.LogCaptureFixture
) -> None:
    mended = store(file)
    write(mended, "before", bytes(9000))
    if not is_open:
        mended = store(file)
    damage(file)
    assert mended.read("before") is None
    assert write(mended, "after", b"value")
    assert mended.read("after") == b"value"
    (warning,) = warnings(caplog)
    assert warning.startswith(f"The file {file} is damaged (")
    assert warning.endswith(f"); it is now {file}.damaged, and a new one replaces it.")
    assert Path(f"{file}.damaged").exists()


def test_a_file_that_another_process_replaced_is_not_set_aside_again(
    file: str, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = store(file), store(file)
    for each in (one, other):
        write(each, "key", b"value")
    spoil(file)
    write(one, "new", b"value")
    assert other.read("new") == b"value"
    assert len(warnings(caplog)) == 1


def test_the_answers_of_version_1_whose_keys_depend_on_passwords_are_deleted(file: str) -> None:
    with closing(sqlite3.connect(file)) as old:
        old.execute("CREATE TABLE lookups (key TEXT PRIMARY KEY, value BLOB, given REAL, expires REAL)")
        old.execute("INSERT INTO lookups VALUES ('0123456789abcdef', 'old', 0, 4e9)")
        old.commit()
    write(store(file), "key", b"value")
    assert b"0123456789abcdef" not in Path(file).read_bytes()


# Seconds


def seconds(work: Callable[[], object]) -> float:
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


def test_a_locked_file_costs_its_timeout_once_however_many_threads_wait(
    file: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(circuit_breaker, "TIMEOUT", 0.5)
    busy = store(file)
    with closing(sqlite3.connect(file, isolation_level=None)) as other, ThreadPoolExecutor(9) as pool:
        other.execute("BEGIN EXCLUSIVE")
        taken = seconds(lambda: list(pool.map(busy.read, "123456789")))
    assert taken < 3 * 0.5
    assert len(warnings(caplog)) == 1


@contextmanager
def silent() -> Iterator[str]:
    """The URL of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"redis://:secret@127.0.0.1:{listener.getsockname()[1]}/2"


def test_a_silent_redis_costs_its_timeout_once_for_all_that_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuit_breaker, "TIMEOUT", 0.5)

    def use_all(url: str) -> None:
        DeliveryLog(url).begin("message", is_new=False)
        limit = RateLimit("mnemonic", "9/minute", max_wait=0, redis_url=url)
        with ThreadPoolExecutor(9) as pool:
            list(pool.map(store(url).read, "123456789"))
            list(pool.map(lambda _: limit.wait(), "123456789"))

    with silent() as url:
        assert seconds(lambda: use_all(url)) < 3 * 0.5


def test_while_a_silent_redis_is_left_alone_each_user_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(circuit_breaker, "TIMEOUT", 0.1)
    with silent() as url:
        one, limit = store(url), RateLimit("mnemonic", "9/minute", max_wait=0, redis_url=url)
        for _ in range(3):
            one.read("key")
            limit.wait()
    assert len(warnings(caplog)) == 2
    assert "secret" not in caplog.text


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with private_redis() as server:
        server.start()
        yield server


def test_a_connection_that_redis_closed_is_replaced_without_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """Redis closes idle connections; the command that meets it is sent again."""
    answers = iter([b"", b"$5\r\nvalue\r\n"])

    def speak(connection: socket.socket) -> None:
        while command := connection.recv(2**16):
            answer = next(answers) if b"GET" in command else b"+OK\r\n" * command.count(b"*")
            if not answer:
                return
            connection.sendall(answer)

    def serve() -> None:
        with suppress(OSError):
            while True:
                with listener.accept()[0] as connection:
                    speak(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        assert store(f"redis://127.0.0.1:{listener.getsockname()[1]}/0?protocol=2").read("key") == b"value"
    assert warnings(caplog) == []


def test_a_restart_of_redis_is_not_noticed(redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    shared = store(redis.url)
    write(shared, "key", b"value")
    redis.stop()
    redis.start()
    assert write(shared, "key", b"new value")
    assert shared.read("key") == b"new value"
    assert warnings(caplog) == []
