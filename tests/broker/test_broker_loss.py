"""The broker restarts or blocks publishers, during an enrichment or while idle."""

import time

import pytest

from sandbox.rabbitmq import RabbitMQ
from sandbox.sources.riskiq_data import DIRTY, DOMAIN
from tests.helpers.reconnecting import assert_closed_by_its_own_message
from tests.helpers.world import new_world

pytestmark = pytest.mark.timeout(240)


def test_a_broker_restart_during_an_enrichment_affects_neither_it_nor_the_next(restartable: RabbitMQ) -> None:
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


def test_the_connector_reconnects_to_a_restarted_broker(restartable: RabbitMQ) -> None:
    with new_world(restartable.url) as world:
        restartable.stop()
        restartable.start()
        work = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        assert_closed_by_its_own_message(work, DOMAIN)


def test_a_broker_that_is_short_of_memory_delays_enrichments_and_loses_none(restartable: RabbitMQ) -> None:
    with new_world(restartable.url, CONNECTOR_LOG_LEVEL="debug") as world:
        world.service.held = {DOMAIN}
        first = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        world.wait_for_searches()
        with restartable.short_of_memory():
            world.service.held.clear()
            while not first.expectations:
                time.sleep(0.02)
            assert first.closings == []
        second = world.platform.enrich(world.entity("Domain-Name", DIRTY))
        assert_closed_by_its_own_message(first, DOMAIN)
        assert_closed_by_its_own_message(second, DIRTY)
        assert len(world.service.searches) == 2
        world.stop()
