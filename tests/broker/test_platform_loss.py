"""An outage of OpenCTI at every step of an enrichment: the message waits, and is answered once."""

import time

import pytest

from sandbox.opencti import Fault
from sandbox.sources.riskiq_data import ADDRESS, DIRTY, DOMAIN
from tests.broker.conftest import Cable
from tests.helpers.world import WAIT, World, new_world

WAITS = "is waiting."


def is_asked_for(world: World, field: str) -> bool:
    return field in [call.below for call in world.platform.calls] + [call.field for call in world.platform.calls]


def assert_answered_once(world: World, fault: Fault, field: str, times: int | None) -> None:
    world.platform.fail(field, times, how=fault)
    work = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
    while not is_asked_for(world, field):
        time.sleep(0.02)
    work.wait(WAIT)
    assert str(work.message).startswith("Added 12 observables")
    assert len(work.closings) == 1
    assert (work.expectations, work.imported, work.errors) == (28, 28, [])
    assert len(world.service.searches) == 1


@pytest.mark.parametrize("fault", ["http500", "gone", "unheard"])
@pytest.mark.parametrize(
    "field", ["stixCyberObservable", "stixNestedRefRelationships", "toReceived", "addExpectations", "toProcessed"]
)
def test_an_outage_at_any_step_loses_no_message_and_repeats_no_search(broker: str, field: str, fault: Fault) -> None:
    with new_world(broker) as world:
        assert_answered_once(world, fault, field, times=2)


def test_messages_during_an_outage_are_answered_after_it(broker: str) -> None:
    with new_world(broker) as world:
        world.platform.fail("*", how="gone")
        works = [world.platform.enrich(world.entity("Domain-Name", value)) for value in (DOMAIN, DIRTY)]
        execution = world.platform.play(world.entity("IPv4-Addr", ADDRESS))
        world.wait_for_log(WAITS)
        assert world.service.searches == []
        world.platform.recover()
        assert all(not work.wait(WAIT).in_error for work in works)
        assert len(execution.wait(WAIT).bundles) == 1


@pytest.mark.parametrize(("fault", "times"), [("http500", 2), ("database", 2), ("gone", 1)])
def test_a_playbook_gets_its_answer_after_an_outage(broker: str, fault: Fault, times: int) -> None:
    with new_world(broker) as world:
        world.platform.fail("playbookStepExecution", times, how=fault)
        execution = world.play(world.entity("Domain-Name", DOMAIN))
        assert not world.enrich("IPv4-Addr", ADDRESS).in_error
        assert len(execution.bundles) == 1


@pytest.mark.parametrize("times", [1, 2, 9])
def test_a_playbook_gets_the_same_answer_once_more_if_responses_are_lost(broker: str, times: int) -> None:
    with new_world(broker) as world:
        world.platform.fail("playbookStepExecution", times, how="unheard")
        execution = world.play(world.entity("Domain-Name", DOMAIN))
        assert not world.enrich("IPv4-Addr", ADDRESS).in_error
        first, second = execution.bundles
        assert {item["id"] for item in first["objects"]} == {item["id"] for item in second["objects"]}


def test_a_rejection_closes_the_work_as_an_error(broker: str) -> None:
    with new_world(broker) as world:
        world.platform.fail("stixCyberObservable", times=1, how="refused")
        work = world.enrich("Domain-Name", DOMAIN)
        assert work.in_error
        assert "Business validation" in str(work.message)
        assert world.service.searches == []


def test_a_work_that_opencti_refuses_to_close_is_logged_with_its_text(broker: str) -> None:
    with new_world(broker) as world:
        world.platform.fail("toProcessed", times=1, how="refused")
        lost = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        world.wait_for_log("refused to close the work")
        (line,) = [line for line in world.daemon.log.splitlines() if "refused to close the work" in line]
        assert lost.id in line
        assert "Added 12" in line
        assert not world.enrich("IPv4-Addr", ADDRESS).in_error


def test_a_message_requeued_during_an_outage_is_answered_once(broker: str, cable: Cable) -> None:
    with new_world(broker, MQ_PORT=str(cable.port)) as world:
        world.platform.fail("toProcessed", how="gone")
        work = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        world.wait_for_log(WAITS)
        cable.cut()
        world.platform.recover()
        work.wait(WAIT)
        assert str(work.message).startswith("Added 12 observables")
        assert not world.enrich("IPv4-Addr", ADDRESS).in_error
        assert len(work.closings) == 1
        assert sum(search.params["query"] == DOMAIN for search in world.service.searches) == 1
