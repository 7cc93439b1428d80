"""SIGTERM over AMQP: what is under way is finished, and what was not taken stays in the queue."""

import time

import pika

from sandbox.daemon import daemon
from sandbox.dataset import ADDRESS, DIRTY, DOMAIN
from tests.world import WAIT, World, new_world


def waiting(broker: str, world: World) -> int:
    """Messages of the listen queue that nobody has taken."""
    with pika.BlockingConnection(pika.URLParameters(broker)) as connection:
        queue = f"listen_{world.environment['CONNECTOR_ID']}"
        count: int = connection.channel().queue_declare(queue, passive=True).method.message_count
        return count


def wait_for_search(world: World) -> None:
    while not world.service.searches:
        time.sleep(0.02)


def test_messages_that_were_not_taken_stay_in_the_queue_for_the_next_connector(broker: str) -> None:
    with new_world(broker) as world:
        world.service.latency = 1.5
        first = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        wait_for_search(world)
        later = [
            world.platform.enrich(world.entity(entity_type, value))
            for entity_type, value in (("IPv4-Addr", ADDRESS), ("Domain-Name", DIRTY))
        ]
        time.sleep(0.3)
        world.daemon.process.terminate()
        assert world.daemon.process.wait(10) == 0
        assert first.wait(5).message
        assert not first.in_error
        assert waiting(broker, world) == 2
        world.service.latency = 0
        with daemon(world.environment):
            assert all(not work.wait(WAIT).in_error for work in later)


def test_after_the_grace_the_work_is_closed_as_an_error_that_says_so(broker: str) -> None:
    with new_world(broker, RISKIQ_STOP_GRACE="1") as world:
        world.service.latency = 60
        work = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        wait_for_search(world)
        world.daemon.process.terminate()
        assert world.daemon.process.wait(10) == 0
        assert work.wait(2).in_error
        assert work.message is not None
        assert "did not end within 1 s" in work.message


def test_an_idle_connector_stops_at_once(broker: str) -> None:
    with new_world(broker) as world:
        world.daemon.process.terminate()
        assert world.daemon.process.wait(3) == 0
