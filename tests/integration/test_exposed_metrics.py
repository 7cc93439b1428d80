"""Prometheus metrics of the running connector, on pycti's port."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from sandbox.daemon import free_port
from sandbox.sources.riskiq_data import ADDRESS, DOMAIN
from tests.helpers.world import WAIT, World
from tests.integration.conftest import any_world

Series = dict[tuple[str, tuple[str, ...]], float]


@contextmanager
def measured_world() -> Iterator[World]:
    """A world with metrics and a cache."""
    served = {"CONNECTOR_EXPOSE_METRICS": "true", "CONNECTOR_METRICS_PORT": str(free_port())}
    cached = {"PDNS_CACHE": "memory", "PDNS_CACHE_TTL": "PT24H"}
    with any_world(**served, **cached) as world:
        yield world


@pytest.fixture(scope="module")
def shared_world() -> Iterator[World]:
    with measured_world() as world:
        yield world


@pytest.fixture
def world(shared_world: World) -> World:
    shared_world.service.reset()
    return shared_world


@pytest.fixture
def fresh_world() -> Iterator[World]:
    """A separate world, which has not read the quota yet and whose source can be stopped."""
    with measured_world() as world:
        yield world


def scrape(world: World) -> Series:
    """Return the values of the connector's own series by name and label values, the source first."""
    url = f"http://127.0.0.1:{world.environment['CONNECTOR_METRICS_PORT']}/metrics"
    families = text_string_to_metric_families(requests.get(url, timeout=WAIT).text)
    samples = [sample for family in families for sample in family.samples if sample.name.startswith("pdns_")]
    return {(sample.name, _labels(sample.labels)): sample.value for sample in samples}


def _labels(labels: dict[str, str]) -> tuple[str, ...]:
    return tuple(labels[name] for name in sorted(labels, key=lambda name: (name != "source", name)))


def growth(before: Series, after: Series, name: str, *labels: str) -> float:
    return after.get((name, labels), 0) - before.get((name, labels), 0)


def test_an_enrichment_is_counted_with_its_records_and_what_was_left_out(world: World) -> None:
    before = scrape(world)
    world.enrich("Domain-Name", DOMAIN)
    after = scrape(world)
    assert growth(before, after, "pdns_searches_total", "riskiq") == 1
    assert {kind: growth(before, after, "pdns_records_total", kind) for kind in ("A", "AAAA", "MX", "NS", "SOA")} == {
        "A": 4,
        "AAAA": 2,
        "MX": 2,
        "NS": 2,
        "SOA": 3,
    }
    assert growth(before, after, "pdns_records_left_out_total", "TXT") == 2


def test_requests_and_conversions_are_timed(world: World) -> None:
    before = scrape(world)
    world.service.latency = 0.2
    begun = time.monotonic()
    world.enrich("IPv4-Addr", ADDRESS)
    taken = time.monotonic() - begun
    after = scrape(world)
    assert growth(before, after, "pdns_requests_total", "riskiq", "search") == 1
    assert growth(before, after, "pdns_wait_seconds_count", "riskiq", "search") == 1
    assert 0.2 <= growth(before, after, "pdns_wait_seconds_sum", "riskiq", "search") <= taken
    assert growth(before, after, "pdns_conversion_seconds_count") == 1


def test_the_quota_is_read_once_and_shown(fresh_world: World) -> None:
    fresh_world.service.used = 5
    for value in ("first.example", "second.example"):
        fresh_world.enrich("Domain-Name", value)
    after = scrape(fresh_world)
    assert after["pdns_requests_total", ("riskiq", "quota")] == 1
    assert after["pdns_quota_used_searches", ("riskiq", "user")] == 5
    assert after["pdns_quota_limit_searches", ("riskiq", "organization")] == 10_000


def test_a_cached_answer_is_a_hit_without_a_search(world: World) -> None:
    world.enrich("Domain-Name", "twice.example")
    before = scrape(world)
    world.enrich("Domain-Name", "twice.example")
    after = scrape(world)
    assert growth(before, after, "pdns_cache_hits_total", "riskiq") == 1
    assert growth(before, after, "pdns_searches_total", "riskiq") == 0
    assert growth(before, after, "pdns_wait_seconds_count", "riskiq", "search") == 0


def test_a_failure_is_counted_by_kind_and_source(fresh_world: World) -> None:
    fresh_world.service.fail("401", on="search")
    fresh_world.enrich("Domain-Name", "refused.example")
    after = scrape(fresh_world)
    assert after["pdns_failures_total", ("credentials_refused",)] == 1
    assert after["pdns_source_failures_total", ("riskiq", "credentials_refused")] == 1
    assert after["pdns_searches_total", ("riskiq",)] == 1


def test_requests_that_time_out_are_timed_and_not_retried(fresh_world: World) -> None:
    fresh_world.service.fail("stall", on="search")
    fresh_world.enrich("Domain-Name", "stalls.example")
    after = scrape(fresh_world)
    assert after["pdns_failures_total", ("no_answer",)] == 1
    assert after["pdns_requests_total", ("riskiq", "search")] == 1
    assert after["pdns_wait_seconds_sum", ("riskiq", "search")] >= 1.5


def test_retries_are_counted(fresh_world: World) -> None:
    fresh_world.service.fail("500", on="search", times=1)
    fresh_world.enrich("Domain-Name", "retried.example")
    after = scrape(fresh_world)
    assert after["pdns_requests_total", ("riskiq", "search")] == 2
    assert after["pdns_searches_total", ("riskiq",)] == 1


def test_a_used_up_quota_is_shown_and_no_search_is_made(fresh_world: World) -> None:
    fresh_world.service.used, fresh_world.service.limit = 2000, 2000
    fresh_world.enrich("Domain-Name", "late.example")
    after = scrape(fresh_world)
    assert after["pdns_failures_total", ("quota_exceeded",)] == 1
    assert after["pdns_searches_total", ("riskiq",)] == 0
    assert ("pdns_requests_total", ("riskiq", "search")) not in after
    assert after["pdns_quota_used_searches", ("riskiq", "user")] == 2000
    assert after["pdns_quota_limit_searches", ("riskiq", "user")] == 2000


def test_an_observable_above_the_limit_is_a_failure_without_a_search(world: World) -> None:
    before = scrape(world)
    world.enrich("Domain-Name", "secret.example", markings=("TLP:RED",))
    after = scrape(world)
    assert growth(before, after, "pdns_failures_total", "tlp_refused") == 1
    assert growth(before, after, "pdns_searches_total", "riskiq") == 0


def test_a_hostile_number_of_record_types_adds_no_series(world: World) -> None:
    world.service.answers["flood.example"] = [
        {"recordType": f"T{number}", "resolveType": "x", "resolve": "y"} for number in range(3_000)
    ]
    before = scrape(world)
    world.enrich("Domain-Name", "flood.example")
    after = scrape(world)
    assert growth(before, after, "pdns_records_left_out_total", "other") == 3_000
    assert len(after) <= len(before) + 2
