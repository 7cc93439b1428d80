"""OpenCTI refuses for a long time to close works or to answer about one entity: nothing is lost, and nobody waits."""

import time
from collections.abc import Iterator

import pytest

from sandbox.opencti import Fault
from sandbox.sources.riskiq_data import ADDRESS, DIRTY, DOMAIN
from tests.helpers.world import QUEUES, WAIT, World, new_world

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(params=QUEUES)
def world(request: pytest.FixtureRequest, broker: str) -> Iterator[World]:
    with new_world(broker, queue_type=request.param) as world:
        yield world


def searches(world: World, value: str) -> int:
    return [search.params["query"] for search in world.service.searches].count(value)


def refuse_to_close_for_a_while(world: World) -> None:
    world.platform.fail("toProcessed", how="database")
    works = [world.platform.enrich(world.entity("Domain-Name", value)) for value in (DOMAIN, DIRTY)]
    for work in works:
        # So the second is processed although the first remains.
        world.wait_for_log(f"OpenCTI refused to close the work {work.id}")
    assert [work.closings for work in works] == [[], []]
    world.platform.recover()
    for work in works:
        work.wait(WAIT)
        assert (work.in_error, len(work.closings), searches(world, work.entity.value)) == (False, 1, 1)
        assert (work.imported, work.errors) == (work.expectations, [])


def test_a_work_that_opencti_does_not_close_is_closed_once_it_can_be_without_another_search(world: World) -> None:
    refuse_to_close_for_a_while(world)


@pytest.mark.slow
def test_with_the_pauses_that_operators_see_a_work_is_closed_once_it_can_be(broker: str) -> None:
    with new_world(broker, pauses="real") as world:
        refuse_to_close_for_a_while(world)


def test_a_playbook_that_cannot_be_answered_gets_its_only_bundle_once_it_can_be(world: World) -> None:
    world.platform.fail("playbookStepExecution", how="database")
    execution = world.platform.play(world.entity("Domain-Name", DOMAIN))
    world.wait_for_log("cannot be answered; its message is delivered again.")
    assert not world.enrich("IPv4-Addr", ADDRESS).in_error
    world.platform.recover()
    (bundle,) = execution.wait(WAIT).bundles
    assert sum(item["type"] == "relationship" for item in bundle["objects"]) in (0, 12)


def test_an_entity_that_opencti_cannot_read_closes_its_work_as_an_error_and_delays_no_other(world: World) -> None:
    ambiguous = world.entity("Domain-Name", "ambiguous.example")
    world.platform.entity_ambiguous(ambiguous)
    work, execution = world.platform.enrich(ambiguous), world.platform.play(ambiguous)
    assert not world.enrich("Domain-Name", DOMAIN).in_error
    assert work.wait(WAIT).in_error
    assert work.message == (
        "OpenCTI failed when the connector read the observable (DATABASE_ERROR: Id loading expect only one response). "
        "Correct this in OpenCTI, then enrich again."
    )
    (bundle,) = execution.wait(WAIT).bundles
    assert bundle["objects"] == [ambiguous.as_stix()]


@pytest.mark.parametrize("fault", ["database", "error", "http500", "gone"])
def test_an_opencti_that_answers_nothing_for_long_delays_a_message_and_fails_none(broker: str, fault: Fault) -> None:
    with new_world(broker) as world:
        world.service.held = {DOMAIN}
        work = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        world.wait_for_searches()
        world.platform.fail("*", how=fault)
        execution = world.platform.play(world.entity("Domain-Name", DIRTY))
        world.service.held.clear()
        time.sleep(2)  # for more tries than a failure gets that is about one message
        assert (work.closings, execution.bundles) == ([], [])
        world.platform.recover()
        assert str(work.wait(WAIT).message).startswith("Added 12 observables")
        assert (len(work.closings), work.expectations, searches(world, DOMAIN)) == (1, 28, 1)
        assert len(execution.wait(WAIT).bundles) == 1


def test_a_work_that_was_deleted_while_it_waited_costs_no_search(world: World) -> None:
    world.service.held = {DOMAIN}
    world.platform.enrich(world.entity("Domain-Name", DOMAIN))
    world.wait_for_searches()
    cancelled = [world.platform.enrich(world.entity("Domain-Name", f"flood-{number}.example")) for number in range(5)]
    for work in cancelled:
        del world.platform.works[work.id]
    world.service.held.clear()
    assert not world.enrich("IPv4-Addr", ADDRESS).in_error
    assert [search.params["query"] for search in world.service.searches] == [DOMAIN, ADDRESS]
    assert [work.received for work in cancelled] == [[]] * 5


def test_a_work_that_was_deleted_is_not_closed_for_ever(world: World) -> None:
    world.service.held = {DOMAIN}
    work = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
    world.wait_for_searches()
    del world.platform.works[work.id]
    world.service.held.clear()
    world.wait_for_log(f"The work {work.id} was deleted.")
    assert not world.enrich("IPv4-Addr", ADDRESS).in_error
