"""SIGTERM over AMQP: the current enrichment is finished, and waiting messages stay in the queue."""

import time

import pika

from sandbox.rabbitmq import RabbitMQ
from sandbox.sources.riskiq_data import ADDRESS, DIRTY, DOMAIN
from tests.helpers.preloaded import daemon
from tests.helpers.world import WAIT, World, new_world

SHORT = {"PDNS_STOP_GRACE": "1", "CONNECTOR_LOG_LEVEL": "debug"}


def wait_until_waiting(broker: str, world: World, count: int) -> None:
    """Wait until that many messages in the listen queue are ready for delivery."""
    queue = f"listen_{world.environment['CONNECTOR_ID']}"
    with pika.BlockingConnection(pika.URLParameters(broker)) as connection:
        channel = connection.channel()
        while channel.queue_declare(queue, passive=True).method.message_count != count:
            time.sleep(0.02)


def test_waiting_messages_stay_in_the_queue_for_the_next_process(broker: str) -> None:
    with new_world(broker) as world:
        world.service.held = {DOMAIN}
        first = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        world.wait_for_searches()
        later = [
            world.platform.enrich(world.entity(entity_type, value))
            for entity_type, value in (("IPv4-Addr", ADDRESS), ("Domain-Name", DIRTY))
        ]
        # The connector has the first, and takes no other before it has acknowledged that one.
        wait_until_waiting(broker, world, 2)
        world.daemon.process.terminate()
        world.wait_for_log("Shutting down")
        world.service.held.clear()
        assert world.daemon.process.wait(WAIT) == 0
        assert not first.wait(WAIT).in_error
        wait_until_waiting(broker, world, 2)
        with daemon(world.environment):
            assert all(not work.wait(WAIT).in_error for work in later)


def test_an_enrichment_that_exceeds_the_grace_is_answered_by_the_next_process(broker: str) -> None:
    with new_world(broker, **SHORT) as world:
        world.service.held = {DOMAIN}
        work = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        world.wait_for_searches()
        world.stop()
        assert "did not finish within 1 s and will be redelivered." in world.daemon.log
        assert work.closings == []
        world.service.held.clear()
        with daemon(world.environment):
            assert not work.wait(WAIT).in_error
            assert len(work.closings) == 1


def test_shutdowns_do_not_count_as_crashes(broker: str) -> None:
    with new_world(broker, **SHORT) as world:
        world.service.held = {DOMAIN}
        work = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        world.wait_for_searches()
        world.stop()
        for number in (2, 3):
            with daemon(world.environment) as next_one:
                world.wait_for_searches(number)
                next_one.process.terminate()
                assert next_one.process.wait(WAIT) == 0
        world.service.held.clear()
        with daemon(world.environment):
            assert not work.wait(WAIT).in_error


def test_a_message_that_waits_for_opencti_does_not_delay_the_shutdown(broker: str) -> None:
    with new_world(broker, PDNS_STOP_GRACE="3600") as world:
        world.platform.fail("*", how="gone")
        work = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        world.wait_for_log("is waiting.")
        world.stop()
        world.platform.recover()
        with daemon(world.environment):
            assert not work.wait(WAIT).in_error


def test_a_bundle_that_waits_for_the_broker_does_not_delay_the_shutdown(restartable: RabbitMQ) -> None:
    with new_world(restartable.url, CONNECTOR_LOG_LEVEL="debug", PDNS_STOP_GRACE="3600") as world:
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
        assert work.closings == []
        with daemon(world.environment):
            assert not work.wait(WAIT).in_error
            assert (work.expectations, work.imported) == (28, 28)


def test_a_bundle_that_the_broker_does_not_confirm_within_the_grace_is_sent_by_the_next_process(
    restartable: RabbitMQ,
) -> None:
    with new_world(restartable.url, **SHORT) as world:
        world.service.held = {DOMAIN}
        work = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        world.wait_for_searches()
        with restartable.frozen():
            world.service.held.clear()
            while not work.expectations:
                time.sleep(0.02)
            world.stop()
        with daemon(world.environment):
            assert not work.wait(WAIT).in_error
            assert (len(work.closings), work.expectations) == (1, 28)


def test_a_playbook_whose_answer_exceeds_the_grace_stays_in_the_queue(broker: str) -> None:
    with new_world(broker, **SHORT) as world:
        world.platform.fail("playbookStepExecution", how="stall")
        execution = world.platform.play(world.entity("Domain-Name", DOMAIN))
        while "playbookStepExecution" not in [call.field for call in world.platform.calls]:
            time.sleep(0.02)
        world.stop()
        wait_until_waiting(broker, world, 1)
        world.platform.recover()
        with daemon(world.environment):
            assert not world.enrich("IPv4-Addr", ADDRESS).in_error
        # One that OpenCTI accepted only after the stop, and one of the next process.
        assert len(execution.bundles) == 2
        first, second = ({item["id"] for item in bundle["objects"]} for bundle in execution.bundles)
        assert first == second


def test_an_idle_connector_does_not_wait_for_the_grace_to_end(broker: str) -> None:
    with new_world(broker, PDNS_STOP_GRACE="3600") as world:
        world.stop()
        assert "Stopped; no enrichment was interrupted." in world.daemon.log
