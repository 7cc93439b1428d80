"""Existing objects keep their dates, author and description when an enrichment finds the same relationship."""

import itertools
from typing import Any

import pytest
from pycti import Identity

from sandbox.entities import Entity
from sandbox.import_rules import TLP, author
from tests.helpers.world import World, record

numbers = itertools.count(1)
ANALYSTS = Identity.generate_id("Analysts", "organization")
OURS = Identity.generate_id("Passive DNS", "organization")
UNDATED = {"firstSeen": None, "lastSeen": None}
FIRST, LAST = (record("A", "ip", "192.0.2.1")[name] for name in ("firstSeen", "lastSeen"))


@pytest.fixture
def domain(world: World) -> Entity:
    """Return a name that no other test uses."""
    return world.entity("Domain-Name", f"known-{next(numbers)}.example")


@pytest.fixture
def address(world: World) -> Entity:
    """An address that PassiveTotal gives for the name."""
    return world.entity("IPv4-Addr", f"198.51.100.{next(numbers) + 100}")


def look_up(world: World, domain: Entity, address: Entity, **dates: str | None) -> None:
    world.service.answers[domain.value] = [record("A", "ip", address.value, **dates)]
    work = world.platform.enrich(domain).wait(60)
    assert (work.in_error, work.errors) == (False, [])


def times(relation: dict[str, Any]) -> list[str]:
    """Return start and stop in PassiveTotal's format."""
    return [relation[name].replace("T", " ").removesuffix("Z") for name in ("start_time", "stop_time")]


def test_an_undated_relationship_of_an_analyst_stays_and_a_dated_one_is_added(
    world: World, domain: Entity, address: Entity
) -> None:
    by_hand = {"description": "from a report", "created_by_ref": ANALYSTS}
    before = world.platform.add_relationship(domain, "resolves-to", address, **by_hand)
    look_up(world, domain, address)
    kept, added = world.relationships(domain)
    assert kept == before
    assert (added["description"], added["created_by_ref"]) == ("A records (RiskIQ PassiveTotal: riskiq)", OURS)


@pytest.mark.parametrize("period", [{}, {"start_time": "2020-01-01T00:00:00Z", "stop_time": "2020-02-01T00:00:00Z"}])
def test_a_relationship_of_an_analyst_keeps_its_description_if_the_record_is_undated(
    world: World, domain: Entity, address: Entity, period: dict[str, str]
) -> None:
    by_hand = {"description": "from a report", "created_by_ref": ANALYSTS, **period}
    before = world.platform.add_relationship(domain, "resolves-to", address, **by_hand)
    look_up(world, domain, address, **UNDATED)
    (after,) = world.relationships(domain)
    assert {name: after[name] for name in before} == before


def test_a_dated_relationship_is_added_to_an_earlier_undated_one_with_its_own_dates(
    world: World, domain: Entity, address: Entity
) -> None:
    look_up(world, domain, address, **UNDATED)
    (undated,) = world.relationships(domain)
    look_up(world, domain, address, firstSeen=FIRST, lastSeen=LAST)
    kept, dated = world.relationships(domain)
    assert kept == undated
    assert times(dated) == [FIRST, LAST]


def test_a_date_missing_once_does_not_affect_the_dates_of_later_look_ups(
    world: World, domain: Entity, address: Entity
) -> None:
    look_up(world, domain, address, firstSeen=FIRST, lastSeen=None)
    look_up(world, domain, address, firstSeen=FIRST, lastSeen=LAST)
    (dated,) = world.relationships(domain)
    assert times(dated) == [FIRST, LAST]


def test_two_undated_look_ups_make_one_relationship(world: World, domain: Entity, address: Entity) -> None:
    for _ in range(2):
        look_up(world, domain, address, **UNDATED)
    assert len(world.relationships(domain)) == 1


def test_an_existing_observable_keeps_its_author(world: World, domain: Entity) -> None:
    known = world.entity("IPv4-Addr", "192.0.2.230", author="Analysts")
    look_up(world, domain, known)
    assert author(world.platform.objects[known.standard_id]) == ANALYSTS


def test_an_existing_observable_gets_nothing_but_a_marking(world: World, domain: Entity) -> None:
    described = {"score": 77, "labels": ("seen",), "description": "from a report", "author": "Analysts"}
    known = world.entity("IPv4-Addr", "192.0.2.231", markings=(), **described)
    before = dict(world.platform.objects[known.standard_id])
    look_up(world, domain, known)
    assert world.platform.objects[known.standard_id] == before | {"object_marking_refs": [TLP["TLP:CLEAR"]]}


def test_an_existing_observable_without_an_author_gets_this_one(world: World, domain: Entity, address: Entity) -> None:
    look_up(world, domain, address)
    assert author(world.platform.objects[address.standard_id]) == OURS
