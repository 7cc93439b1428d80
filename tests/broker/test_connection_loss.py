"""The connection to the broker is lost during an enrichment or while idle."""

import pytest

from sandbox.sources.riskiq_data import ADDRESS, DOMAIN
from sandbox.works import Work
from tests.broker.conftest import Cable
from tests.helpers.reconnecting import assert_closed_by_its_own_message
from tests.helpers.world import WAIT, World, new_world

pytestmark = pytest.mark.timeout(240)


def cut_during_the_first_of_two(world: World, cable: Cable) -> tuple[Work, Work]:
    """The search of the first is held."""
    world.service.held = {DOMAIN}
    first = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
    world.wait_for_searches()
    cable.cut()
    return first, world.platform.enrich(world.entity("IPv4-Addr", ADDRESS))


def test_a_connection_lost_during_an_enrichment_affects_neither_it_nor_the_next(broker: str, cable: Cable) -> None:
    with new_world(broker, MQ_PORT=str(cable.port)) as world:
        first, second = cut_during_the_first_of_two(world, cable)
        world.service.held.clear()
        assert_closed_by_its_own_message(first, DOMAIN)
        assert_closed_by_its_own_message(second, ADDRESS)


def test_a_message_redelivered_during_its_enrichment_is_neither_enriched_nor_closed_twice(
    broker: str, cable: Cable
) -> None:
    with new_world(broker, MQ_PORT=str(cable.port)) as world:
        first, second = cut_during_the_first_of_two(world, cable)
        world.platform.wait_registered(WAIT)
        world.service.held.clear()
        assert_closed_by_its_own_message(first, DOMAIN)
        assert_closed_by_its_own_message(second, ADDRESS)
        assert [search.params["query"] for search in world.service.searches] == [DOMAIN, ADDRESS]


def test_an_answer_is_sent_once_the_broker_is_back(broker: str, cable: Cable) -> None:
    with new_world(broker, MQ_PORT=str(cable.port), CONNECTOR_LOG_LEVEL="debug") as world:
        world.service.held = {DOMAIN}
        execution = world.platform.play(world.entity("Domain-Name", DOMAIN))
        world.wait_for_searches()
        cable.is_broken = True
        cable.cut()
        world.wait_for_log("BrokerUnavailable")
        world.service.held.clear()
        world.wait_for_log('"Converted"')
        assert execution.bundles == []
        cable.is_broken = False
        assert len(execution.wait(WAIT).bundles) == 1
        assert_closed_by_its_own_message(world.platform.enrich(world.entity("IPv4-Addr", ADDRESS)), ADDRESS)
        assert len(execution.bundles) == 1


def test_a_connection_lost_while_idle_is_restored(broker: str, cable: Cable) -> None:
    with new_world(broker, MQ_PORT=str(cable.port)) as world:
        cable.cut()
        work = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        assert_closed_by_its_own_message(work, DOMAIN)
