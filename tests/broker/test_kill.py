"""kill -9 at every step: the broker redelivers the message to the next process, and its work is closed once."""

import time
from collections.abc import Callable

import pika
import pytest

from sandbox.daemon import Daemon
from sandbox.sources.riskiq_data import ADDRESS, DOMAIN
from sandbox.works import Work
from tests.helpers.preloaded import daemon
from tests.helpers.world import WAIT, World, new_world

CRASHED = "The connector crashed 3 times on this message and gave it up; see the connector log."


def kill(running: Daemon) -> None:
    running.process.kill()
    running.process.wait()


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait; the time limit of the test ends an endless wait."""
    while not is_so():
        time.sleep(0.02)


def count(world: World, field: str) -> int:
    return sum(field in (call.field, call.below) for call in world.platform.calls)


def left(broker: str, world: World) -> int:
    """Number of messages in the listen queue, once it has no consumer."""
    queue = f"listen_{world.environment['CONNECTOR_ID']}"
    with pika.BlockingConnection(pika.URLParameters(broker)) as connection:
        return int(connection.channel().queue_declare(queue, passive=True).method.message_count)


def test_the_current_message_is_answered_by_the_next_process(broker: str) -> None:
    with new_world(broker) as world:
        world.service.held = {DOMAIN}
        works = [world.platform.enrich(world.entity("Domain-Name", DOMAIN))]
        world.wait_for_searches()
        works.append(world.platform.enrich(world.entity("IPv4-Addr", ADDRESS)))
        kill(world.daemon)
        world.service.held.clear()
        with daemon(world.environment) as second:
            assert [work.wait(WAIT).in_error for work in works] == [False, False]
            assert [len(work.closings) for work in works] == [1, 1]
            second.process.terminate()
            assert second.process.wait(WAIT) == 0
        assert left(broker, world) == 0


def test_the_current_playbook_is_answered_by_the_next_process(broker: str) -> None:
    with new_world(broker) as world:
        world.service.held = {DOMAIN}
        execution = world.platform.play(world.entity("Domain-Name", DOMAIN))
        world.wait_for_searches()
        kill(world.daemon)
        world.service.held.clear()
        with daemon(world.environment):
            assert len(execution.wait(WAIT).bundles) == 1


@pytest.mark.parametrize("field", ["stixCyberObservable", "toReceived", "addExpectations", "toProcessed"])
def test_a_kill_at_any_step_ends_in_one_closed_work_with_all_its_objects(broker: str, field: str) -> None:
    with new_world(broker) as world:
        world.platform.fail(field, how="gone")
        work = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        wait_until(lambda: count(world, field) > 0)
        kill(world.daemon)
        world.platform.recover()
        with daemon(world.environment):
            work.wait(WAIT)
            assert str(work.message).startswith("Added 12 observables")
            assert (work.closings, work.expectations, work.errors) == ([work.message], 28, [])


def killed_without_response(world: World, call: str) -> Work:
    """Kill the connector after OpenCTI has executed a call of its work, but neither responded nor shown the work."""
    world.service.held = {DOMAIN}
    work = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
    world.wait_for_searches()
    world.platform.fail("work", how="gone")
    world.platform.fail(call, times=1, how="unheard")
    asked = count(world, "work")
    world.service.held.clear()
    wait_until(lambda: count(world, "work") > asked)
    kill(world.daemon)
    world.platform.recover()
    return work


def test_a_work_that_was_closed_before_the_kill_is_not_enriched_again(broker: str) -> None:
    with new_world(broker) as world:
        work = killed_without_response(world, "toProcessed")
        with daemon(world.environment):
            assert not world.enrich("IPv4-Addr", ADDRESS).in_error
            assert len(work.closings) == 1
            assert [search.params["query"] for search in world.service.searches].count(DOMAIN) == 1


def test_objects_that_were_announced_before_the_kill_are_not_announced_again(broker: str) -> None:
    with new_world(broker) as world:
        work = killed_without_response(world, "addExpectations")
        with daemon(world.environment):
            assert not work.wait(WAIT).in_error
            assert (work.expectations, work.imported) == (28, 28)


def crash_three_times(world: World) -> None:
    """Kill each process during its search, beginning with the world's own."""
    world.wait_for_searches()
    kill(world.daemon)
    for number in (2, 3):
        with daemon(world.environment) as next_one:
            world.wait_for_searches(number)
            kill(next_one)


def test_a_message_that_crashed_three_processes_closes_its_work_as_an_error(broker: str) -> None:
    with new_world(broker) as world:
        world.service.held = {DOMAIN}
        work = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        crash_three_times(world)
        with daemon(world.environment):
            work.wait(WAIT)
            assert (work.message, work.in_error, len(world.service.searches)) == (CRASHED, True, 3)
            assert not world.enrich("IPv4-Addr", ADDRESS).in_error


def test_a_playbook_that_crashed_three_processes_gets_its_objects_back(broker: str) -> None:
    with new_world(broker) as world:
        world.service.held = {DOMAIN}
        entity = world.entity("Domain-Name", DOMAIN)
        execution = world.platform.play(entity)
        crash_three_times(world)
        with daemon(world.environment):
            (bundle,) = execution.wait(WAIT).bundles
            assert bundle["objects"] == [entity.as_stix()]
            assert not world.enrich("IPv4-Addr", ADDRESS).in_error
            assert len(execution.bundles) == 1


@pytest.mark.parametrize(
    "body",
    [b"not JSON", b"[" * 100_000, b"[]", b"\xff", b"{}", b'{"event": {}, "internal": {}}'],
    ids=["text", "too deep", "list", "bytes", "empty", "without ids"],
)
def test_an_unreadable_message_is_dropped_and_the_next_is_answered(broker: str, body: bytes) -> None:
    with new_world(broker) as world:
        with pika.BlockingConnection(pika.URLParameters(broker)) as connection:
            key = f"listen_routing_{world.environment['CONNECTOR_ID']}"
            connection.channel().basic_publish("amqp.connector.exchange", key, body)
        assert not world.enrich("Domain-Name", DOMAIN).in_error
        world.stop()
        assert left(broker, world) == 0
