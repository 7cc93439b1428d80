"""While no source can answer, a message that nobody waits for stays in the queue; people and playbooks get an error."""

import itertools
import time
from collections.abc import Iterator

import pytest
from fastapi.responses import JSONResponse

from sandbox.works import Work
from tests.helpers.world import WAIT, World, new_world, record

numbers = itertools.count(1)


@pytest.fixture
def world(broker: str) -> Iterator[World]:
    with new_world(broker, PDNS_MAX_RETRIES="0", PDNS_MAX_TLP="TLP:AMBER") as world:
        world.platform.tells_mode = True  # as since 6.8, whatever pycti the tests run with
        yield world


def ask(world: World, *, auto: bool) -> Work:
    name = f"waiting-{next(numbers)}.example"
    world.service.answers[name] = [record("A", "ip", "192.0.2.203")]
    return world.platform.enrich(world.entity("Domain-Name", name), auto)


def test_an_automatic_run_waits_until_a_source_answers(world: World) -> None:
    world.service.fail("429", on="search")
    work = ask(world, auto=True)
    world.wait_for_searches(2)
    assert not work.closed.is_set()
    world.service.recover()
    assert not work.wait(WAIT).in_error
    assert str(work.message).startswith("Added 1 observable")


def test_a_source_is_not_asked_more_often_than_it_wants_while_a_message_waits(world: World) -> None:
    """The stand-in asks for a second between two requests."""
    world.service.fail("429", on="search")
    begun = time.monotonic()
    ask(world, auto=True)
    world.wait_for_searches(4)
    assert time.monotonic() - begun >= 3


@pytest.mark.parametrize("tells_mode", [True, False])
def test_a_person_gets_the_error_at_once(world: World, tells_mode: bool) -> None:
    world.platform.tells_mode = tells_mode
    world.service.fail("429", on="search")
    work = ask(world, auto=False).wait(WAIT)
    assert (work.in_error, len(world.service.searches)) == (True, 1)


def test_without_the_mode_an_automatic_run_counts_as_a_person(world: World) -> None:
    world.platform.tells_mode = False
    world.service.fail("429", on="search")
    assert ask(world, auto=True).wait(WAIT).in_error


def test_a_playbook_gets_its_objects_at_once(world: World) -> None:
    world.service.fail("429", on="search")
    entity = world.entity("Domain-Name", "played.example")
    (bundle,) = world.play(entity).bundles
    assert bundle["objects"] == [entity.as_stix()]
    assert len(world.service.searches) == 1


@pytest.mark.parametrize("fault", ["401", "402", "400", "html", "reset"])
def test_an_automatic_run_does_not_wait_for_what_will_not_pass(world: World, fault: str) -> None:
    world.service.fail(fault, on="search")
    work = ask(world, auto=True).wait(WAIT)
    assert (work.in_error, len(world.service.searches)) == (True, 1)


def test_an_automatic_run_does_not_wait_for_a_source_that_stays_away_for_longer_than_it_may_wait(world: World) -> None:
    away = {"away": lambda: JSONResponse({"message": "come back"}, 429, {"Retry-After": "601"})}
    world.service.faults = dict(world.service.faults) | away
    world.service.fail("away", on="search")
    work = ask(world, auto=True).wait(WAIT)
    assert work.in_error
    assert "next try in 11 min" in str(work.message)


def test_an_observable_that_is_marked_while_its_message_waits_is_not_sent(world: World) -> None:
    world.service.fail("429", on="search")
    work = ask(world, auto=True)
    world.wait_for_searches(1)
    world.platform.mark(work.entity, "TLP:RED")
    world.service.recover()
    searches = len(world.service.searches)
    assert work.wait(WAIT).in_error
    assert "marked TLP:RED" in str(work.message)
    assert len(world.service.searches) <= searches


def test_a_connector_that_stops_leaves_a_waiting_message_to_the_next(world: World) -> None:
    world.service.fail("429", on="search")
    work = ask(world, auto=True)
    world.wait_for_searches(1)
    world.stop()
    assert not work.closed.is_set()
