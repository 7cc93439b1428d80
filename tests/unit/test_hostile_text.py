"""Hostile text cannot forge the text of a work, a description or a log line."""

import json
from collections.abc import Iterator

import pytest

from passivedns.errors import QuotaExceeded, SourceError
from passivedns.query.quota import QuotaMeter
from passivedns.sources.riskiq import RISKIQ
from sandbox.sources.riskiq_data import DOMAIN
from tests.fuzz.canned import client_of
from tests.fuzz.fuzz_records import QUESTION, is_sentence
from tests.helpers.world import HAS_HTTP_PROTOCOLS, QUICK, World, new_world, record

FORGERIES = {
    "line feed": '\n{"level": "ERROR", "message": "forged"}',
    "carriage return": "\r\nlevel=ERROR forged",
    "ANSI escape": "\x1b[2J\x1b[31mforged\x1b]0;forged\x07",
    "bidi override": "\u202edegrof\u2066",
    "line separator": "\u2028forged\u2029\x85forged",
    "NUL": "\x00forged",
    "zero width": "\u200bfo\u00adrged\ufeff",
}
forgeries = pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)


@forgeries
@pytest.mark.parametrize("status", [400, 401, 402, 403, 429, 500])
def test_the_text_of_an_error_stays_on_one_short_line(forgery: str, status: int) -> None:
    bodies = ({"message": forgery * 1000}, {"error": {"message": forgery, "http_code": 500}}, {"error": forgery})
    for body in bodies:
        with pytest.raises(SourceError) as raised:
            client_of(status, json.dumps(body).encode()).look_up(QUESTION)
        assert is_sentence(str(raised.value))


def test_a_stated_status_of_4000_digits_stays_out_of_the_text() -> None:
    with pytest.raises(SourceError) as raised:
        client_of(200, b'{"error": {"http_code": %s, "message": "x"}}' % (b"9" * 4000)).look_up(QUESTION)
    assert is_sentence(str(raised.value))


@pytest.fixture(scope="module")
def shared_world() -> Iterator[World]:
    """After the tests, every log line must come from pycti's JSON formatter."""
    if not HAS_HTTP_PROTOCOLS:
        pytest.skip("this pycti lacks the HTTP protocols, which came with 6.5")
    with new_world(**QUICK, CONNECTOR_LOG_LEVEL="debug") as world:
        world.enrich("Domain-Name", DOMAIN)
        # uvicorn complains about the port that pycti passes, in its own format.
        of_the_start = len(world.daemon.log)
        yield world
        assert [line for line in world.daemon.log[of_the_start:].splitlines() if not is_line_of_log(line)] == []


@pytest.fixture
def world(shared_world: World) -> World:
    shared_world.service.reset()
    return shared_world


def is_line_of_log(line: str) -> bool:
    try:
        return line.isascii() and json.loads(line)["level"] in ("DEBUG", "INFO", "WARNING", "ERROR")
    except (ValueError, KeyError):
        return False


@forgeries
def test_records_cannot_forge_the_text_of_a_work_or_a_description(world: World, forgery: str) -> None:
    name = f"forged{len(world.service.answers)}.example"
    world.service.answers[name] = [
        record(f"X{forgery}", "domain", "a.example"),
        record("A", f"x{forgery}", "192.0.2.1"),
        record("NS", "domain", f"a{forgery}.example"),
        record("MX", "domain", "a.example", source=[f"riskiq{forgery}"], firstSeen=forgery),
    ]
    work = world.enrich("Domain-Name", name)
    assert (work.message or "").startswith("Added 2 observables and 2 relationships from 4 passive DNS records")
    assert is_sentence(work.message or "")
    described = {item["description"] for item in world.relationships(work.entity)}
    assert described == {"A records (RiskIQ PassiveTotal: riskiq)", "MX records (RiskIQ PassiveTotal)"}


@forgeries
def test_the_reset_of_a_quota_cannot_forge_a_sentence(forgery: str) -> None:
    meter = QuotaMeter(RISKIQ)
    meter.refresh(client_of(200, used_up(f"2026-12-01{forgery * 1000}")).quota)
    with pytest.raises(QuotaExceeded) as raised:
        meter.spend()
    assert is_sentence(str(raised.value))


def used_up(next_reset: str) -> bytes:
    licences = {"licenseCounts": {"searchApi": 1}, "licenseLimits": {"searchApi": 1}}
    return json.dumps({"user": {**licences, "next_reset": next_reset}}).encode()


@pytest.mark.skipif(not HAS_HTTP_PROTOCOLS, reason="this pycti lacks the HTTP protocols, which came with 6.5")
def test_a_quota_answer_cannot_forge_the_text_of_a_work_or_a_log_line() -> None:
    # A separate world each, since a quota is read once a minute.
    with new_world(**QUICK) as world:
        world.service.quota_body = json.loads(used_up("".join(FORGERIES.values())))
        work = world.enrich("Domain-Name", DOMAIN)
        assert work.in_error
        assert is_sentence(work.message or "")
    with new_world(**QUICK, CONNECTOR_LOG_LEVEL="debug") as world:
        world.service.quota_body = {"error": {"http_code": 500, "message": "".join(FORGERIES.values())}}
        assert not world.enrich("Domain-Name", DOMAIN).in_error
        lines = world.daemon.log.partition('"Begun"')[2].splitlines()[1:]
    assert [line for line in lines if not is_line_of_log(line)] == []
    assert any("The quota cannot be read" in line for line in lines)


@forgeries
def test_the_value_of_an_observable_cannot_forge_the_text_of_a_work(world: World, forgery: str) -> None:
    assert is_sentence(world.enrich("Domain-Name", f"{forgery}.example").message or "")


@forgeries
def test_the_name_of_a_marking_cannot_forge_the_text_of_a_work(world: World, forgery: str) -> None:
    work = world.platform.enrich(world.entity("Domain-Name", DOMAIN, markings=[f"TLP:{forgery}"])).wait(60)
    assert work.in_error
    assert is_sentence(work.message or "")


@pytest.mark.slow
@pytest.mark.skipif(not HAS_HTTP_PROTOCOLS, reason="this pycti lacks the HTTP protocols, which came with 6.5")
def test_100_000_record_types_are_counted_in_a_short_text() -> None:
    # A separate world, since the stand-in may exceed the one-second timeout of the tests of failures.
    with new_world() as world:
        types = [record(f"TYPE{number}", "domain", "a.example") for number in range(100_000)]
        world.service.answers["types.example"] = types
        message = world.enrich("Domain-Name", "types.example").message or ""
    assert message.startswith("Added nothing from 100,000 passive DNS records of types.example; left out ")
    assert is_sentence(message)
