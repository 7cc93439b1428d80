"""What Prometheus gets from the running connector, on the port that pycti opens."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from sandbox.daemon import free_port
from sandbox.dataset import ADDRESS, DOMAIN
from sandbox.rabbitmq import running_broker
from tests.world import HAS_HTTP_PROTOCOLS, QUICK, WAIT, World, new_world

Series = dict[tuple[str, tuple[str, ...]], float]


@pytest.fixture(scope="module")
def shared_world() -> Iterator[World]:
    served = {"CONNECTOR_EXPOSE_METRICS": "true", "CONNECTOR_METRICS_PORT": str(free_port())}
    cached = {"PDNS_CACHE": "memory", "PDNS_CACHE_TTL": "PT24H"}
    with ExitStack() as stack:
        try:
            broker = None if HAS_HTTP_PROTOCOLS else stack.enter_context(running_broker())
        except FileNotFoundError:
            pytest.skip("pycti lacks the HTTP protocols and RabbitMQ is not installed: apt-get install rabbitmq-server")
        yield stack.enter_context(new_world(broker, **QUICK, **served, **cached))


@pytest.fixture
def world(shared_world: World) -> World:
    shared_world.service.reset()
    return shared_world


def scrape(world: World) -> Series:
    """The values of the connector's own series, by name and by the values of their labels."""
    url = f"http://127.0.0.1:{world.environment['CONNECTOR_METRICS_PORT']}/metrics"
    families = text_string_to_metric_families(requests.get(url, timeout=WAIT).text)
    samples = [sample for family in families for sample in family.samples if sample.name.startswith("riskiq_")]
    return {(sample.name, tuple(sample.labels.values())): sample.value for sample in samples}


def growth(before: Series, after: Series, name: str, *labels: str) -> float:
    return after[name, labels] - before.get((name, labels), 0)


def test_an_enrichment_is_counted_with_its_records_and_what_was_left_out(world: World) -> None:
    before = scrape(world)
    world.enrich("Domain-Name", DOMAIN)
    after = scrape(world)
    assert growth(before, after, "riskiq_searches_total") == 1
    assert {kind: growth(before, after, "riskiq_records_total", kind) for kind in ("A", "AAAA", "MX", "NS", "SOA")} == {
        "A": 4,
        "AAAA": 2,
        "MX": 2,
        "NS": 2,
        "SOA": 3,
    }
    assert growth(before, after, "riskiq_records_left_out_total", "TXT") == 2


def test_the_time_of_each_request_and_of_each_conversion_is_measured(world: World) -> None:
    before = scrape(world)
    world.service.latency = 0.2
    begun = time.monotonic()
    world.enrich("IPv4-Addr", ADDRESS)
    taken = time.monotonic() - begun
    after = scrape(world)
    for endpoint in ("/v2/account/quota", "/v2/dns/passive"):
        assert growth(before, after, "riskiq_passivetotal_wait_seconds_count", endpoint) == 1
    assert 0.2 <= growth(before, after, "riskiq_passivetotal_wait_seconds_sum", "/v2/dns/passive") <= taken
    assert growth(before, after, "riskiq_conversion_seconds_count") == 1


def test_an_answer_of_the_cache_is_a_hit_and_no_search(world: World) -> None:
    world.enrich("Domain-Name", "twice.example")
    before = scrape(world)
    world.enrich("Domain-Name", "twice.example")
    after = scrape(world)
    assert growth(before, after, "riskiq_cache_hits_total") == 1
    assert growth(before, after, "riskiq_searches_total") == 0
    assert growth(before, after, "riskiq_passivetotal_wait_seconds_count", "/v2/dns/passive") == 0


def test_a_failure_is_counted_by_its_kind_and_the_waiting_for_it_too(world: World) -> None:
    before = scrape(world)
    world.service.fail("stall", on="search")
    world.enrich("Domain-Name", "stalls.example")
    after = scrape(world)
    assert growth(before, after, "riskiq_failures_total", "no_answer") == 1
    assert growth(before, after, "riskiq_passivetotal_wait_seconds_sum", "/v2/dns/passive") >= 1
    assert growth(before, after, "riskiq_searches_total") == 1


def test_a_used_up_quota_is_shown_and_costs_no_search(world: World) -> None:
    before = scrape(world)
    world.service.used, world.service.limit = 2000, 2000
    world.enrich("Domain-Name", "late.example")
    after = scrape(world)
    assert growth(before, after, "riskiq_failures_total", "quota_exceeded") == 1
    assert growth(before, after, "riskiq_searches_total") == 0
    assert after["riskiq_quota_used_searches", ("user",)] == 2000
    assert after["riskiq_quota_limit_searches", ("user",)] == 2000


def test_an_observable_that_may_not_leave_is_a_failure_without_a_search(world: World) -> None:
    before = scrape(world)
    world.enrich("Domain-Name", "secret.example", markings=("TLP:RED",))
    after = scrape(world)
    assert growth(before, after, "riskiq_failures_total", "tlp_refused") == 1
    assert growth(before, after, "riskiq_searches_total") == 0


def test_a_hostile_number_of_record_types_makes_no_series(world: World) -> None:
    world.service.answers["flood.example"] = [
        {"recordType": f"T{number}", "resolveType": "x", "resolve": "y"} for number in range(3_000)
    ]
    before = scrape(world)
    world.enrich("Domain-Name", "flood.example")
    after = scrape(world)
    assert growth(before, after, "riskiq_records_left_out_total", "other") == 3_000
    assert len(after) <= len(before) + 2
