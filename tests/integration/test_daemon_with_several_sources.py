"""The daemon with several sources: merged results, and failures of some or all of them."""

import itertools
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pycti import Identity

from sandbox.entities import Marking
from sandbox.import_rules import author
from sandbox.sources.history import DOMAIN
from sandbox.works import Work
from tests.helpers.world import WAIT, World, record
from tests.integration.conftest import DEBUG, any_world, assert_no_secret_in_the_log

LIMITS = {
    "PDNS_MAX_TLP": "TLP:GREEN",
    "RISKIQ_MAX_TLP": "TLP:AMBER",
    "OTX_MAX_TLP": "TLP:RED",
    "VIRUSTOTAL_PACE": "none",
}
NOT_UNDERSTOOD = Marking("TLP:PURPLE", "TLP")
WHY_NOT = "(not a TLP that the connector knows, so it counts as the strictest)"
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def shared_world() -> Iterator[World]:
    with any_world(["virustotal", "otx"], **LIMITS, **DEBUG) as world:
        yield world
        assert_no_secret_in_the_log(world)


@pytest.fixture
def fresh_world() -> Iterator[World]:
    """A world for one test, since the daemon remembers refusals and server errors of a source."""
    with any_world(["virustotal", "otx"], **LIMITS, **DEBUG) as world:
        yield world


@pytest.fixture
def world(shared_world: World) -> Iterator[World]:
    """The world of the module, with all sources working."""
    shared_world.service.reset()
    for other in shared_world.others.values():
        other.recover()
        other._requests.clear()
    yield shared_world
    shared_world.platform.recover()


def fresh_name() -> str:
    return f"asked-{next(numbers)}.example"


def asked(world: World) -> list[str]:
    """Return the sources that received any request."""
    services = {"riskiq": world.service, **world.others}
    return [key for key, service in services.items() if service.requests]


def targets(world: World, work: Work) -> dict[str, dict[str, Any]]:
    """Return the relationships of a work's entity by the value of their other end."""
    found = [item for item in world.relationships(work.entity) if item["source_ref"] == work.entity.standard_id]
    return {world.platform.objects[item["target_ref"]]["value"]: item for item in found}


def test_a_record_of_all_sources_is_one_relationship_that_names_them(world: World) -> None:
    work = world.enrich("Domain-Name", DOMAIN)
    assert (work.in_error, work.errors) == (False, [])
    found = targets(world, work)
    assert found["192.0.2.10"]["description"] == (
        "A records (AlienVault OTX; RiskIQ PassiveTotal: emerging_threats, kaspersky, pingly, riskiq, virustotal; "
        "VirusTotal: VirusTotal)"
    )
    assert found["2001:db8:0:1::10"]["description"] == "AAAA records (RiskIQ PassiveTotal: pingly)"
    assert found["mx1.example.net"]["description"] == "MX records (AlienVault OTX; RiskIQ PassiveTotal: pingly, riskiq)"


def test_the_text_counts_the_records_of_each_source(world: World) -> None:
    text = str(world.enrich("Domain-Name", DOMAIN).message)
    assert text.startswith("Added ")
    assert "; records by source: PassiveTotal 16, AlienVault OTX " in text
    assert "VirusTotal 5" in text


def test_with_several_sources_the_author_is_the_organization_of_the_connector(world: World) -> None:
    work = world.enrich("Domain-Name", DOMAIN)
    relation = targets(world, work)["192.0.2.10"]
    ours = Identity.generate_id("Passive DNS", "organization")
    assert relation["created_by_ref"] == ours
    assert author(world.platform.objects[relation["target_ref"]]) == ours


def test_sources_are_queried_in_parallel(world: World) -> None:
    world.service.held = {DOMAIN}
    work = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
    while asked(world) != ["riskiq", "virustotal", "otx"]:
        time.sleep(0.02)
    world.service.held.clear()
    assert not work.wait(WAIT).in_error


def test_a_failing_source_is_named_in_the_text_and_does_not_affect_others(fresh_world: World) -> None:
    fresh_world.others["virustotal"].fail("500")
    work = fresh_world.enrich("Domain-Name", DOMAIN)
    assert (work.in_error, work.errors) == (False, [])
    assert str(work.message).startswith("Added ")
    assert "; VirusTotal failed: server error (HTTP 500); try again later" in str(work.message)
    assert {"192.0.2.10", "mx1.example.net"} <= targets(fresh_world, work).keys()


def test_a_failing_source_is_named_even_if_the_others_know_nothing(fresh_world: World) -> None:
    fresh_world.service.fail("402", on="search")
    text = str(fresh_world.enrich("Domain-Name", fresh_name()).message)
    assert text.startswith("VirusTotal and AlienVault OTX have no passive DNS records of ")
    assert "; The PassiveTotal account is not entitled to passive DNS (HTTP 402)" in text


def test_if_all_sources_fail_the_work_is_an_error_that_names_each(fresh_world: World) -> None:
    fresh_world.service.fail("402", on="search")
    for other in fresh_world.others.values():
        other.fail("500")
    work = fresh_world.enrich("Domain-Name", fresh_name())
    assert work.in_error
    assert "The PassiveTotal account is not entitled to passive DNS (HTTP 402)" in str(work.message)
    assert "VirusTotal and AlienVault OTX failed: server error (HTTP 500); try again later" in str(work.message)


@pytest.mark.parametrize(
    ("marking", "may_have_it"),
    [
        ("TLP:GREEN", ["riskiq", "virustotal", "otx"]),
        ("TLP:AMBER", ["riskiq", "otx"]),
        ("TLP:RED", ["otx"]),
        (NOT_UNDERSTOOD, []),
    ],
)
def test_an_observable_goes_only_to_sources_whose_limit_allows_it(
    world: World, marking: str | Marking, may_have_it: list[str]
) -> None:
    work = world.enrich("Domain-Name", fresh_name(), markings=(marking,))
    assert asked(world) == may_have_it
    assert work.in_error is not bool(may_have_it)


def test_other_sources_are_named_with_the_setting_of_their_limit(world: World) -> None:
    value = fresh_name()
    work = world.enrich("Domain-Name", value, markings=("TLP:RED",))
    assert not work.in_error
    assert str(work.message).startswith(f"AlienVault OTX has no passive DNS records of {value} since 20")
    assert str(work.message).endswith(
        "; Not sent to PassiveTotal: marked TLP:RED, above the maximum of TLP:AMBER (RISKIQ_MAX_TLP); "
        "Not sent to VirusTotal: marked TLP:RED, above the maximum of TLP:GREEN (PDNS_MAX_TLP)"
    )


def test_if_no_limit_allows_it_the_work_is_an_error_that_names_each_limit(world: World) -> None:
    work = world.enrich("Domain-Name", fresh_name(), markings=(NOT_UNDERSTOOD,))
    marked = f"marked TLP:PURPLE {WHY_NOT}, above the maximum of"
    assert (work.in_error, work.message) == (
        True,
        f"Not sent to PassiveTotal: {marked} TLP:AMBER (RISKIQ_MAX_TLP). "
        f"Not sent to VirusTotal: {marked} TLP:GREEN (PDNS_MAX_TLP). "
        f"Not sent to AlienVault OTX: {marked} TLP:RED (OTX_MAX_TLP).",
    )
    assert asked(world) == []


def test_a_playbook_with_a_failing_source_gets_the_records_of_the_others(fresh_world: World) -> None:
    fresh_world.others["otx"].fail("500")
    entity = fresh_world.entity("Domain-Name", DOMAIN)
    execution = fresh_world.play(entity)
    (bundle,) = execution.bundles
    assert execution.errors == []
    assert bundle["objects"][0] == entity.as_stix()
    assert any("VirusTotal" in item.get("description", "") for item in bundle["objects"])


def test_a_playbook_in_which_all_sources_fail_gets_its_objects_back(fresh_world: World) -> None:
    fresh_world.service.fail("500", on="search")
    for other in fresh_world.others.values():
        other.fail("500")
    entity = fresh_world.entity("Domain-Name", fresh_name())
    (bundle,) = fresh_world.play(entity).bundles
    assert bundle["objects"] == [entity.as_stix()]


def test_a_playbook_with_an_observable_above_every_limit_gets_its_objects_back(world: World) -> None:
    entity = world.entity("Domain-Name", fresh_name(), markings=(NOT_UNDERSTOOD,))
    (bundle,) = world.play(entity).bundles
    assert bundle["objects"] == [entity.as_stix()]
    assert asked(world) == []


def test_a_source_that_knows_nothing_does_not_affect_others(world: World) -> None:
    value = fresh_name()
    world.service.answers[value] = [record("A", "ip", "192.0.2.240")]
    work = world.enrich("Domain-Name", value)
    assert work.message == (
        f"Added 1 observable and 1 relationship from 1 passive DNS record of {value} (A 1); "
        "records by source: PassiveTotal 1, AlienVault OTX 0, VirusTotal 0"
    )
