"""The daemon avoids repeated searches and unwanted imports."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.sources.riskiq_data import ADDRESS, DOMAIN
from tests.helpers.world import WAIT, World, new_world
from tests.integration.conftest import needs_http_protocols

pytestmark = needs_http_protocols


AUTHOR = "Passive DNS"
SKIPPED = f"{ADDRESS} was not looked up: this connector is its author, and PDNS_SKIP_OWN is on"


@pytest.fixture(scope="module")
def shared_thrifty() -> Iterator[World]:
    limits = {"PDNS_MAX_RELATIONSHIPS": "3", "PDNS_RECORD_TYPES": "a,mx", "PDNS_SKIP_OWN": "true"}
    with new_world(PDNS_CACHE="memory", PDNS_CACHE_TTL="PT1H", **limits) as world:
        yield world


@pytest.fixture
def thrifty(shared_thrifty: World) -> World:
    """The world of the module, whose OpenCTI says who requests an enrichment."""
    shared_thrifty.platform.tells_mode = True
    return shared_thrifty


def test_a_second_enrichment_makes_no_request_and_says_so(thrifty: World) -> None:
    first = thrifty.enrich("Domain-Name", DOMAIN)
    asked = len(thrifty.service.requests)
    second = thrifty.enrich("Domain-Name", DOMAIN)
    assert len(thrifty.service.requests) == asked
    assert second.message == f"{first.message}; from cache (less than a minute old)"


def test_an_empty_answer_is_cached(thrifty: World) -> None:
    for _ in range(2):
        work = thrifty.enrich("Domain-Name", "unheard-of.example")
    assert str(work.message).endswith("; from cache (less than a minute old)")


def test_the_text_counts_unwanted_records(thrifty: World) -> None:
    text = str(thrifty.enrich("Domain-Name", DOMAIN).message)
    assert text.startswith("Added 3 observables and 3 relationships from ")
    assert "record type not selected" in text
    assert "over the relationship limit" in text


def test_with_skip_own_results_are_not_enriched_automatically(thrifty: World) -> None:
    asked = len(thrifty.service.requests)
    work = thrifty.platform.enrich(thrifty.entity("IPv4-Addr", ADDRESS, author=AUTHOR), auto=True).wait(WAIT)
    assert work.message == SKIPPED
    assert not work.in_error
    assert len(thrifty.service.requests) == asked


def test_a_person_can_enrich_a_result(thrifty: World) -> None:
    work = thrifty.platform.enrich(thrifty.entity("IPv4-Addr", ADDRESS, author=AUTHOR)).wait(WAIT)
    assert str(work.message).startswith("Added 3 observables and 3 relationships from ")


def test_a_playbook_can_enrich_a_result(thrifty: World) -> None:
    (bundle,) = thrifty.play(thrifty.entity("IPv4-Addr", ADDRESS, author=AUTHOR)).bundles
    assert sum(item["type"] == "relationship" for item in bundle["objects"]) == 3


@pytest.mark.parametrize("auto", [True, False])
def test_an_older_opencti_that_does_not_name_the_requester_gets_the_reason(thrifty: World, auto: bool) -> None:
    thrifty.platform.tells_mode = False
    work = thrifty.platform.enrich(thrifty.entity("IPv4-Addr", ADDRESS, author=AUTHOR), auto).wait(WAIT)
    assert work.message == f"{SKIPPED}; this OpenCTI does not report whether a person requested it"


def test_an_observable_that_got_this_author_is_skipped_unless_a_person_asks(thrifty: World) -> None:
    entity = thrifty.entity("IPv4-Addr", ADDRESS)
    thrifty.enrich("Domain-Name", DOMAIN)
    assert thrifty.platform.enrich(entity, auto=True).wait(WAIT).message == SKIPPED
    assert str(thrifty.platform.enrich(entity).wait(WAIT).message).startswith("Added")


def test_observables_of_others_are_enriched(thrifty: World) -> None:
    entity = thrifty.entity("IPv4-Addr", "192.0.2.99", author="Example Organization")
    work = thrifty.platform.enrich(entity, auto=True).wait(WAIT)
    assert str(work.message).startswith("PassiveTotal has no passive DNS records of 192.0.2.99")


def test_a_restarted_connector_uses_the_cache_file(tmp_path: Path) -> None:
    kept = {"PDNS_CACHE": str(tmp_path / "cache.sqlite"), "PDNS_CACHE_TTL": "PT1H"}
    with new_world(**kept) as world:
        world.enrich("Domain-Name", DOMAIN)
        base_url = world.environment["RISKIQ_API_BASE_URL"]
    with new_world(**kept, RISKIQ_API_BASE_URL=base_url) as world:
        # The source is down.
        assert "; from cache (" in str(world.enrich("Domain-Name", DOMAIN).message)
