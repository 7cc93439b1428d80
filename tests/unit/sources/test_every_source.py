"""Any response, of a source or of another server, becomes well-formed records or a SourceError.

A source that is added to `SOURCES` is tested here once it has a row in samples.py.
"""

import contextlib
import gzip
import json
import socket
import time
import tracemalloc
from base64 import b64decode
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from passivedns.errors import BadAnswer, SourceError
from passivedns.model import Answer, Record
from passivedns.sources import SOURCES
from passivedns.sources.source import ADDRESSES, NAMES
from tests.helpers.clients import client, question
from tests.helpers.odd_bodies import HOSTILE, HTML, variants, with_long_list
from tests.helpers.raw_server import RawServer, raw_server
from tests.unit.sources.samples import SAMPLES, Good

LONGEST = 20
"""Maximum CPU time in seconds for any answer."""
MOST_MEMORY = 600 * 2**20
"""Maximum bytes for any answer."""
LONGEST_SENTENCE = 600
"""Maximum characters of an error."""

KEYS = list(SOURCES)
QUESTIONS = [(key, asked) for key in KEYS if key in SAMPLES for asked in SAMPLES[key].answers]
SINGLE = [(key, asked) for key, asked in QUESTIONS if SAMPLES[key].answers[asked].requests == 1]

a_few = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


class Play:
    """A service that sends one response to every search, and a good one to every sign-in."""

    def __init__(self) -> None:
        self.response = b""
        self.login = b""
        self.server = RawServer(0)

    def say(self, body: bytes, status: str = "200 OK", *headers: str) -> None:
        """Set the response to every search."""
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
        self.response = "\r\n".join(lines).encode() + body

    @property
    def searches(self) -> int:
        return sum(not head.startswith(b"POST") for head in self.server.heads)


@pytest.fixture(scope="module")
def play() -> Iterator[Play]:
    playing = Play()
    with raw_server(
        lambda connection: connection.sendall(playing.response),
        login=lambda connection: connection.sendall(good_login(playing.login)),
    ) as server:
        playing.server = server
        yield playing


def good_login(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body


def good(key: str, asked: str) -> Good:
    return SAMPLES[key].answers[asked]


def over_http(play: Play, key: str, asked: str) -> Answer | SourceError:
    """The checked result of a look-up at the service."""
    sample = SAMPLES[key]
    play.login = sample.login
    settings: dict[str, Any] = {**sample.settings, **dict.fromkeys(sample.addresses, play.server.url)}
    asker = client(key, play.server.url, **settings)
    return checked(key, lambda: asker.look_up(question(asked)))


def from_file(key: str, asked: str, body: bytes) -> Answer | SourceError:
    """The checked result of reading a saved body."""
    return checked(key, lambda: SOURCES[key].read(body, asked))


def checked(key: str, look_up: Callable[[], Answer]) -> Answer | SourceError:
    begun = time.thread_time()
    try:
        answer = look_up()
    except SourceError as error:
        assert time.thread_time() - begun < LONGEST
        check_sentence(key, str(error))
        return error
    assert time.thread_time() - begun < LONGEST
    check_answer(key, answer)
    return answer


def check_sentence(key: str, sentence: str) -> None:
    assert sentence
    assert sentence.isprintable(), repr(sentence)
    assert len(sentence) <= LONGEST_SENTENCE
    for secret in [*secrets_of(key), "-of-nobody"]:
        assert secret not in sentence


def secrets_of(key: str) -> list[str]:
    section = SOURCES[key].settings(**{SOURCES[key].address: "http://127.0.0.1", **SAMPLES[key].settings})
    values = [getattr(section, name) for name in type(section).model_fields]
    return [value.get_secret_value() for value in values if isinstance(value, SecretStr) and value.get_secret_value()]


def check_answer(key: str, answer: Answer) -> None:
    assert type(answer) is Answer
    assert type(answer.records) is list
    assert type(answer.complete) is type(answer.certain) is bool
    assert type(answer.unreadable) is int
    assert answer.unreadable >= 0
    for record in answer.records:
        check_record(key, record)


def check_record(key: str, record: Record) -> None:
    assert type(record) is Record
    texts = (record.name, record.type, record.data, *record.sensors)
    assert all(type(text) is str for text in texts), record
    assert record.type == record.type.upper()
    assert type(record.sensors) is tuple
    assert all(sensor.isprintable() for sensor in record.sensors), record
    assert record.source == key
    seen = [moment for moment in (record.first_seen, record.last_seen) if moment is not None]
    assert all(moment.utcoffset() == timedelta(0) for moment in seen), record
    assert seen == sorted(seen), record


# The table


def test_every_source_has_a_sample() -> None:
    assert set(SOURCES) <= set(SAMPLES)


@pytest.mark.parametrize("key", KEYS)
def test_a_sample_has_an_answer_for_every_supported_type(key: str) -> None:
    kinds = {question(asked).type for asked in SAMPLES[key].answers}
    for takable in (NAMES, ADDRESSES):
        assert bool(kinds & takable) == bool(SOURCES[key].takes & takable)


@pytest.mark.parametrize(("key", "asked"), QUESTIONS)
def test_a_good_answer_becomes_its_records_in_the_expected_requests(play: Play, key: str, asked: str) -> None:
    play.say(good(key, asked).body)
    play.server.heads.clear()
    answer = over_http(play, key, asked)
    assert isinstance(answer, Answer)
    assert (len(answer.records), answer.unreadable, play.searches) == (
        good(key, asked).records,
        0,
        good(key, asked).requests,
    )


@pytest.mark.parametrize(("key", "asked"), SINGLE)
def test_a_saved_answer_is_read_like_one_over_http(play: Play, key: str, asked: str) -> None:
    play.say(good(key, asked).body)
    saved = from_file(key, asked, good(key, asked).body)
    assert isinstance(saved, Answer)
    # Only a saved answer needs to state what it is about.
    assert saved._replace(about="") == over_http(play, key, asked)


# Malformed answers


@pytest.mark.parametrize(("key", "asked"), QUESTIONS)
def test_a_saved_answer_with_any_part_replaced_ends_well(key: str, asked: str) -> None:
    for body in variants(good(key, asked).body):
        from_file(key, asked, body)


@pytest.mark.parametrize(("key", "asked"), QUESTIONS)
def test_an_answer_with_any_part_replaced_ends_well(play: Play, key: str, asked: str) -> None:
    bodies = list(variants(good(key, asked).body))

    @a_few
    @given(st.sampled_from(bodies))
    def ends_well(body: bytes) -> None:
        play.say(body)
        over_http(play, key, asked)

    ends_well()


@pytest.mark.parametrize(("key", "asked"), QUESTIONS)
def test_any_json_ends_well(play: Play, key: str, asked: str) -> None:
    @a_few
    @given(st.lists(any_json, min_size=1, max_size=3))
    def ends_well(documents: list[Any]) -> None:
        body = b"\n".join(json.dumps(document).encode() for document in documents)
        play.say(body)
        over_http(play, key, asked)
        from_file(key, asked, body)

    ends_well()


# Truncated answers


@pytest.mark.parametrize(("key", "asked"), QUESTIONS)
def test_a_truncated_saved_answer_ends_well_and_never_has_more_records(key: str, asked: str) -> None:
    body = good(key, asked).body
    whole = from_file(key, asked, body)
    for length in range(len(body)):
        part = from_file(key, asked, body[:length])
        assert isinstance(whole, Answer)
        assert isinstance(part, SourceError) or len(part.records) <= len(whole.records)


@pytest.mark.parametrize(("key", "asked"), QUESTIONS)
def test_a_truncated_answer_ends_well(play: Play, key: str, asked: str) -> None:
    body = good(key, asked).body
    for length in range(0, len(body), max(len(body) // 30, 1)):
        play.say(body[:length])
        over_http(play, key, asked)


@pytest.mark.parametrize(("key", "asked"), QUESTIONS)
def test_an_answer_shorter_than_its_content_length_is_an_error(play: Play, key: str, asked: str) -> None:
    play.say(good(key, asked).body)
    for cut in (1, len(good(key, asked).body) // 2, len(good(key, asked).body)):
        whole = play.response
        play.response = whole[:-cut]
        assert isinstance(over_http(play, key, asked), SourceError)
        play.response = whole


# Hostile answers


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (len(body) > 2**18)) for name, body in HOSTILE.items()]
)
@pytest.mark.parametrize(("key", "asked"), QUESTIONS)
def test_a_hostile_answer_ends_well(play: Play, key: str, asked: str, name: str) -> None:
    play.say(HOSTILE[name])
    over_http(play, key, asked)
    from_file(key, asked, HOSTILE[name])


@pytest.mark.parametrize("status", ["301 Moved", "400 Bad", "401 No", "403 No", "404 No", "429 Slow", "503 Busy"])
@pytest.mark.parametrize("key", KEYS)
def test_an_error_with_a_hostile_body_ends_well(play: Play, key: str, status: str) -> None:
    asked = next(iter(SAMPLES[key].answers))
    for body in HOSTILE.values():
        if len(body) < 2**20:
            play.say(body, status)
            over_http(play, key, asked)


@pytest.mark.parametrize(("key", "asked"), QUESTIONS)
def test_a_web_page_never_means_nothing_known(play: Play, key: str, asked: str) -> None:
    for status in ("200 OK", "404 Not Found"):
        play.say(HTML, status, "Content-Type: text/html")
        assert isinstance(over_http(play, key, asked), SourceError)


@pytest.mark.slow
@pytest.mark.parametrize("key", KEYS)
def test_a_gzip_bomb_is_an_error_in_bounded_memory(play: Play, key: str) -> None:
    asked = next(iter(SAMPLES[key].answers))
    play.say(gzip.compress(bytes(128 * 2**20)) * 8, "200 OK", "Content-Encoding: gzip")
    with bounded_memory():
        assert isinstance(over_http(play, key, asked), BadAnswer)


@pytest.mark.slow
@pytest.mark.parametrize("key", KEYS)
def test_a_tenth_of_the_longest_list_needs_at_most_a_tenth_of_the_memory(key: str) -> None:
    """A tenth, since Python is many times slower while it traces its memory."""
    asked = next(iter(SAMPLES[key].answers))
    body = with_long_list(good(key, asked).body, share=10)
    with bounded_memory(MOST_MEMORY // 10), contextlib.suppress(SourceError):
        SOURCES[key].read(body, asked)


@contextlib.contextmanager
def bounded_memory(most: int = MOST_MEMORY) -> Iterator[None]:
    """Fails if Python allocates more bytes in the block."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < most, f"{peak >> 20} MiB"


# Quoted credentials


FORMS = ['{"message": %s}', '{"error": %s}', '{"error": {"code": %s, "message": %s}}', '{"detail": %s}', "%s"]
FORMS += ['{"cond": "failed", "msg": %s}', '{"cond": %s}']
STATUSES = ["302 Found", "400 Bad", "401 No", "403 No", "429 Slow", "503 Busy"]


@pytest.mark.parametrize("status", ["200 OK", "404 No", *STATUSES])
@pytest.mark.parametrize("key", KEYS)
def test_credentials_quoted_by_a_server_are_masked(key: str, status: str) -> None:
    for form in FORMS:
        with echoing(status, form) as play:
            over_http(play, key, next(iter(SAMPLES[key].answers)))


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("key", [key for key in KEYS if key in SAMPLES and SAMPLES[key].login])
def test_credentials_quoted_by_the_sign_in_are_masked(key: str, status: str) -> None:
    for form in [*FORMS, '{"error": "invalid_client", "error_description": %s}']:
        with echoing(status, form, login=True) as play:
            assert isinstance(over_http(play, key, next(iter(SAMPLES[key].answers))), SourceError)


@contextlib.contextmanager
def echoing(status: str, form: str, login: bool = False) -> Iterator[Play]:
    """A service whose errors quote the request: its header values, user name and password, and its form."""
    play = Play()

    def speak(connection: socket.socket) -> None:
        quoted = json.dumps(quotation(play.server.heads[-1].decode()))
        play.say(form.replace("%s", quoted).encode(), status)
        connection.sendall(play.response)

    with raw_server(speak, login=None if login else lambda c: c.sendall(good_login(play.login))) as server:
        play.server = server
        yield play


def quotation(request: str) -> str:
    head, _, body = request.partition("\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
    usual = {"host", "user-agent", "accept", "accept-encoding", "connection", "content-length", "content-type"}
    values = [value for name, value in headers.items() if name.lower() not in usual]
    basic = [b64decode(value[6:]).decode() for value in values if value.startswith("Basic ")]
    return " ".join([*basic, *(value for _, value in parse_qsl(body)), *values])
