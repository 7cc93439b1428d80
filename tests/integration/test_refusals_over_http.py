"""OpenCTI refuses, over pycti's HTTP protocols: nothing is lost, and a message that waited is read again."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sandbox.entities import Entity
from sandbox.sources.riskiq_data import ADDRESS, DOMAIN
from tests.helpers.world import WAIT, World
from tests.integration.conftest import any_world

pytestmark = pytest.mark.timeout(100)


@pytest.fixture
def world() -> Iterator[World]:
    with any_world() as world:
        yield world
        world.platform.recover()


def test_a_work_that_opencti_does_not_close_is_closed_once_it_can_be(world: World) -> None:
    world.platform.fail("toProcessed", how="database")
    work = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
    world.wait_for_log(f"OpenCTI refused to close the work {work.id}")
    assert work.closings == []
    world.platform.recover()
    work.wait(WAIT)
    assert str(work.message).startswith("Added 12 observables")
    assert (work.in_error, len(work.closings), len(world.service.searches)) == (False, 1, 1)


def test_an_entity_that_opencti_cannot_read_closes_its_work_as_an_error(world: World) -> None:
    ambiguous = world.entity("Domain-Name", "ambiguous.example")
    world.platform.entity_ambiguous(ambiguous)
    work = world.platform.enrich(ambiguous).wait(WAIT)
    assert work.in_error
    assert "DATABASE_ERROR: Id loading expect only one response" in str(work.message)
    (bundle,) = world.play(ambiguous).bundles
    assert bundle["objects"] == [ambiguous.as_stix()]


def test_a_playbook_whose_result_is_too_large_for_a_proxy_gets_what_it_sent(world: World) -> None:
    entity = world.entity("Domain-Name", DOMAIN)
    received = [entity.as_stix() | {"x_text": "x" * 20_000}]
    # The request holds what the playbook sent, and what it gets.
    world.platform.largest_request = 45_000
    (bundle,) = world.play(entity, received).bundles
    assert bundle["objects"] == received
    world.wait_for_log("The playbook continues with what it sent.")
    assert "HTTP 413" in world.daemon.log


def test_a_playbook_whose_result_is_invalid_gets_what_it_sent(world: World) -> None:
    world.platform.fail("playbookStepExecution", times=1, how="refused")
    entity = world.entity("Domain-Name", DOMAIN)
    (bundle,) = world.play(entity).bundles
    assert bundle["objects"] == [entity.as_stix()]
    assert len(world.play(world.entity("IPv4-Addr", ADDRESS)).bundles) == 1


def test_an_observable_that_becomes_red_while_its_message_waits_is_not_sent(world: World) -> None:
    entity = world.entity("Domain-Name", DOMAIN)
    with waiting_message(world, entity):
        work = world.platform.enrich(entity)
    assert work.wait(WAIT).in_error
    assert "marked TLP:RED" in str(work.message)
    assert world.service.requests == []


def test_a_playbooks_observable_that_becomes_red_while_its_message_waits_is_not_sent(world: World) -> None:
    entity = world.entity("Domain-Name", DOMAIN)
    with waiting_message(world, entity):
        execution = world.platform.play(entity)
    (bundle,) = execution.wait(WAIT).bundles
    assert bundle["objects"] == [entity.as_stix()]
    assert world.service.requests == []


@contextmanager
def waiting_message(world: World, entity: Entity) -> Iterator[None]:
    """Let the message that is sent in this block wait after its entity was read, which then becomes TLP:RED.

    The markings are read next, and answer again after the wait.
    """
    world.platform.fail("markingDefinitions", how="gone")
    yield
    world.wait_for_log("is waiting.")
    world.platform.mark(entity, "TLP:RED")
    time.sleep(6)
    world.platform.recover()
