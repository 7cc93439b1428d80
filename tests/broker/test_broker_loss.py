"""Lost connections to the broker and its restarts, during an enrichment and while idle."""

import pytest

from sandbox.rabbitmq import RabbitMQ
from sandbox.sources.riskiq_data import ADDRESS, DIRTY, DOMAIN
from sandbox.works import Work
from tests.broker.conftest import Cable
from tests.world import WAIT, new_world

# pycti waits 10 seconds before it reconnects.
RECONNECTS = WAIT + 10

pytestmark = pytest.mark.timeout(240)


def assert_closed_by_its_own_message(work: Work, value: str) -> None:
    work.wait(RECONNECTS)
    assert work.message is not None
    assert value in work.message
    assert not work.in_error
    assert (work.imported, work.errors) == (work.expectations, [])


def test_a_connection_lost_during_an_enrichment_affects_neither_it_nor_the_next(broker: str, cable: Cable) -> None:
    with new_world(broker, MQ_PORT=str(cable.port)) as world:
        world.service.held = {DOMAIN}
        first = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        world.wait_for_searches()
        cable.cut()
        second = world.platform.enrich(world.entity("IPv4-Addr", ADDRESS))
        world.service.held.clear()
        assert_closed_by_its_own_message(first, DOMAIN)
        assert_closed_by_its_own_message(second, ADDRESS)


def test_a_message_redelivered_during_its_enrichment_is_neither_enriched_nor_closed_twice(
    broker: str, cable: Cable
) -> None:
    with new_world(broker, MQ_PORT=str(cable.port)) as world:
        world.service.held = {DOMAIN}
        first = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        world.wait_for_searches()
        cable.cut()
        second = world.platform.enrich(world.entity("IPv4-Addr", ADDRESS))
        world.platform.wait_registered(RECONNECTS)
        world.service.held.clear()
        assert_closed_by_its_own_message(first, DOMAIN)
        assert_closed_by_its_own_message(second, ADDRESS)
        assert [search.params["query"] for search in world.service.searches] == [DOMAIN, ADDRESS]


def test_an_answer_made_while_the_broker_is_down_is_given_once_it_is_back(broker: str, cable: Cable) -> None:
    with new_world(broker, MQ_PORT=str(cable.port), CONNECTOR_LOG_LEVEL="debug") as world:
        world.service.held = {DOMAIN}
        execution = world.platform.play(world.entity("Domain-Name", DOMAIN))
        world.wait_for_searches()
        cable.cut()
        world.service.held.clear()
        world.wait_for_log('"Converted"')
        assert execution.bundles == []
        assert len(execution.wait(RECONNECTS).bundles) == 1
        assert_closed_by_its_own_message(world.platform.enrich(world.entity("IPv4-Addr", ADDRESS)), ADDRESS)
        assert len(execution.bundles) == 1


def test_a_connection_lost_while_idle_is_restored(broker: str, cable: Cable) -> None:
    with new_world(broker, MQ_PORT=str(cable.port)) as world:
        cable.cut()
        work = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        assert_closed_by_its_own_message(work, DOMAIN)


def test_a_restart_of_the_broker_during_an_enrichment_affects_neither_it_nor_the_next(restartable: RabbitMQ) -> None:
    with new_world(restartable.url, CONNECTOR_LOG_LEVEL="debug") as world:
        world.service.held = {DOMAIN}
        first = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        world.wait_for_searches()
        restartable.stop()
        world.service.held.clear()
        # The search ends before the broker is back.
        world.wait_for_log('"Converted"')
        restartable.start()
        second = world.platform.enrich(world.entity("Domain-Name", DIRTY))
        assert_closed_by_its_own_message(first, DOMAIN)
        assert_closed_by_its_own_message(second, DIRTY)


def test_the_connector_reconnects_to_a_broker_that_restarts_while_idle(restartable: RabbitMQ) -> None:
    with new_world(restartable.url) as world:
        restartable.stop()
        restartable.start()
        work = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        assert_closed_by_its_own_message(work, DOMAIN)
