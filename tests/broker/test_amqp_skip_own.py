"""PDNS_SKIP_OWN over AMQP: only people and playbooks can enrich what this connector added."""

from collections.abc import Iterator

import pytest

from sandbox.entities import Entity
from sandbox.sources.riskiq_data import ADDRESS
from tests.helpers.world import WAIT, World, new_world

AUTHOR = "Passive DNS"
SKIPPED = f"{ADDRESS} was not looked up: this connector is its author, and PDNS_SKIP_OWN is on"


@pytest.fixture(scope="module")
def shared_world(broker: str) -> Iterator[World]:
    with new_world(broker, PDNS_SKIP_OWN="true") as world:
        yield world


@pytest.fixture
def world(shared_world: World) -> World:
    """The world of the module, whose OpenCTI says who requests an enrichment."""
    shared_world.platform.tells_mode = True
    return shared_world


@pytest.fixture
def own(world: World) -> Entity:
    """An address that an enrichment added."""
    return world.entity("IPv4-Addr", ADDRESS, author=AUTHOR)


def test_an_automatic_run_is_skipped(world: World, own: Entity) -> None:
    assert world.platform.enrich(own, auto=True).wait(WAIT).message == SKIPPED


def test_a_person_gets_an_enrichment(world: World, own: Entity) -> None:
    assert str(world.platform.enrich(own).wait(WAIT).message).startswith("Added 4 observables")


def test_a_playbook_gets_an_enrichment(world: World, own: Entity) -> None:
    (bundle,) = world.play(own).bundles
    assert sum(item["type"] == "relationship" for item in bundle["objects"]) == 4


def test_a_platform_that_does_not_report_the_mode_gets_the_reason_for_skipping(world: World, own: Entity) -> None:
    world.platform.tells_mode = False
    work = world.platform.enrich(own).wait(WAIT)
    assert work.message == f"{SKIPPED}; this OpenCTI does not report whether a person requested it"


def test_each_of_many_messages_is_answered_by_its_own_mode(world: World, own: Entity) -> None:
    asked = [auto for _ in range(4) for auto in (True, False)]
    works = [world.platform.enrich(own, auto) for auto in asked]
    assert [work.wait(WAIT).message == SKIPPED for work in works] == asked
