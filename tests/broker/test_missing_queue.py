"""After a reset of the broker its queue for bundles is missing, until OpenCTI recreates it at the next ping."""

from pathlib import Path

import pytest

from sandbox.sources.riskiq_data import DOMAIN
from tests.helpers.world import WAIT, World, new_world


def assert_sent_once_the_queue_is_back(world: World) -> None:
    world.service.held = {DOMAIN}
    work = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
    world.wait_for_searches()
    world.platform.link.lose_push_queue()
    world.service.held.clear()
    world.wait_for_log("the queue for bundles is missing")
    assert work.closings == []
    world.platform.link.assert_queues()
    work.wait(WAIT)
    assert str(work.message).startswith("Added 12 observables")
    assert (work.in_error, len(work.closings), work.expectations, work.errors) == (False, 1, 28, [])
    assert len(world.relationships(work.entity)) == 12
    assert len(world.service.searches) == 1


def test_a_bundle_waits_for_its_queue(broker: str) -> None:
    with new_world(broker) as world:
        assert_sent_once_the_queue_is_back(world)


def test_a_bundle_that_pycti_sends_waits_for_its_queue(broker: str, tmp_path: Path) -> None:
    with new_world(broker, CONNECTOR_SEND_TO_DIRECTORY="true", CONNECTOR_SEND_TO_DIRECTORY_PATH=str(tmp_path)) as world:
        assert_sent_once_the_queue_is_back(world)


@pytest.mark.slow  # pycti pings every 40 seconds
def test_the_ping_of_the_connector_is_enough_to_restore_the_queue(broker: str) -> None:
    with new_world(broker) as world:
        world.platform.link.lose_push_queue()
        work = world.enrich("Domain-Name", DOMAIN)
        assert len(world.relationships(work.entity)) == 12
