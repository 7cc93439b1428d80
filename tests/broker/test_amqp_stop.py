"""SIGTERM over AMQP: what is under way is finished, and what was not taken stays in the queue."""

import time

import pika
import pytest

from sandbox.daemon import daemon
from sandbox.opencti import Fault
from sandbox.rabbitmq import RabbitMQ
from sandbox.sources.riskiq_data import ADDRESS, DIRTY, DOMAIN
from tests.broker.conftest import Cable
from tests.world import WAIT, World, new_world

SHORT = {"PDNS_STOP_GRACE": "1", "CONNECTOR_LOG_LEVEL": "debug"}
GIVEN_UP = "The connector was stopped, and the enrichment did not end within 1 s; enrich again."


def wait_until_waiting(broker: str, world: World, count: int) -> None:
    """Wait until so many messages of the listen queue are there that nobody has taken."""
    queue = f"listen_{world.environment['CONNECTOR_ID']}"
    with pika.BlockingConnection(pika.URLParameters(broker)) as connection:
        channel = connection.channel()
        while channel.queue_declare(queue, passive=True).method.message_count != count:
            time.sleep(0.02)


def test_messages_that_were_not_taken_stay_in_the_queue_for_the_next_connector(broker: str) -> None:
    with new_world(broker) as world:
        world.service.held = {DOMAIN}
        first = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        world.wait_for_searches()
        later = [
            world.platform.enrich(world.entity(entity_type, value))
            for entity_type, value in (("IPv4-Addr", ADDRESS), ("Domain-Name", DIRTY))
        ]
        # The other one is at the connector, which has not acknowledged it.
        wait_until_waiting(broker, world, 1)
        world.daemon.process.terminate()
        world.wait_for_log("Shutting down")
        world.service.held.clear()
        assert world.daemon.process.wait(WAIT) == 0
        assert not first.wait(WAIT).in_error
        wait_until_waiting(broker, world, 2)
        with daemon(world.environment):
            assert all(not work.wait(WAIT).in_error for work in later)


def test_after_the_grace_the_work_is_closed_as_an_error_that_says_so(broker: str) -> None:
    with new_world(broker, **SHORT) as world:
        world.service.held = {DOMAIN}
        work = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        world.wait_for_searches()
        world.stop()
        assert work.wait(WAIT).in_error
        assert work.message == GIVEN_UP


def test_a_work_whose_bundle_waits_for_the_broker_is_closed_as_an_error_after_the_grace(
    restartable: RabbitMQ,
) -> None:
    with new_world(restartable.url, **SHORT) as world:
        world.service.held = {DOMAIN}
        work = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        world.wait_for_searches()
        restartable.stop()
        try:
            world.service.held.clear()
            world.wait_for_log('"Converted"')
            world.stop()
        finally:
            restartable.start()
        assert work.wait(WAIT).in_error
        assert (work.message, work.expectations) == (GIVEN_UP, 0)


def test_a_work_whose_bundle_a_broker_does_not_take_is_given_an_error_after_the_grace(restartable: RabbitMQ) -> None:
    with new_world(restartable.url, **SHORT) as world:
        world.service.held = {DOMAIN}
        work = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        world.wait_for_searches()
        with restartable.frozen():
            world.service.held.clear()
            while not work.expectations:
                time.sleep(0.02)
            world.stop()
        assert (work.processed, work.in_error, work.message) == (True, True, GIVEN_UP)


@pytest.mark.parametrize("fault", ["http500", "stall"])
def test_one_work_that_cannot_be_closed_does_not_keep_another_open(broker: str, cable: Cable, fault: Fault) -> None:
    with new_world(broker, MQ_PORT=str(cable.port), **SHORT) as world:
        world.service.held = {DOMAIN, ADDRESS}
        works = [world.platform.enrich(world.entity("Domain-Name", DOMAIN))]
        world.wait_for_searches()
        # pycti then takes the next message while the first still runs.
        cable.cut()
        works.append(world.platform.enrich(world.entity("IPv4-Addr", ADDRESS)))
        while not works[1].received:
            time.sleep(0.02)
        world.platform.fail("toProcessed", times=1, how=fault)
        world.stop()
        assert [work.message for work in works if work.closed.is_set()] == [GIVEN_UP]


def test_a_playbook_that_is_being_answered_when_the_grace_ends_gets_no_second_bundle(broker: str) -> None:
    with new_world(broker, **SHORT) as world:
        world.platform.fail("playbookStepExecution", how="stall")
        execution = world.platform.play(world.entity("Domain-Name", DOMAIN))
        while "playbookStepExecution" not in [call.field for call in world.platform.calls]:
            time.sleep(0.02)
        world.stop()
        world.platform.recover()
        assert len(execution.wait(WAIT).bundles) == 1
        assert [call.field for call in world.platform.calls].count("playbookStepExecution") == 1


def test_an_idle_connector_does_not_wait_for_the_grace_to_end(broker: str) -> None:
    with new_world(broker, PDNS_STOP_GRACE="3600") as world:
        world.stop()
        assert "Stopped; nothing was left under way." in world.daemon.log
