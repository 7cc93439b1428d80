"""SIGTERM and SIGINT over pycti's HTTP protocols: what is under way is finished, sent and closed."""

import signal

import pytest

from sandbox.sources.riskiq_data import DOMAIN
from tests.integration.conftest import needs_http_protocols
from tests.world import WAIT, new_world

pytestmark = needs_http_protocols


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_enrichment_under_way_is_finished_sent_and_closed(number: signal.Signals) -> None:
    with new_world() as world:
        world.service.held = {DOMAIN}
        work = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        world.wait_for_searches()
        world.daemon.process.send_signal(number)
        world.wait_for_log("Shutting down")
        world.service.held.clear()
        assert world.daemon.process.wait(WAIT) == 0
        assert not work.wait(WAIT).in_error
        assert str(work.message).startswith("Added 12 observables")


def test_an_idle_connector_does_not_wait_for_the_grace_to_end() -> None:
    with new_world(PDNS_STOP_GRACE="3600") as world:
        world.stop()
        assert "Stopped; nothing was left under way." in world.daemon.log


def test_after_the_grace_the_work_is_closed_as_an_error_that_says_so() -> None:
    with new_world(PDNS_STOP_GRACE="1") as world:
        world.service.held = {DOMAIN}
        work = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        world.wait_for_searches()
        world.stop()
        assert work.wait(WAIT).in_error
        assert work.message == "The connector was stopped, and the enrichment did not end within 1 s; enrich again."


def test_after_the_grace_a_playbook_goes_on_with_what_it_sent() -> None:
    with new_world(PDNS_STOP_GRACE="1") as world:
        world.service.held = {DOMAIN}
        entity = world.entity("Domain-Name", DOMAIN)
        execution = world.platform.play(entity)
        world.wait_for_searches()
        world.stop()
        (bundle,) = execution.wait(WAIT).bundles
        assert bundle["objects"] == [entity.as_stix()]


def test_a_second_signal_ends_the_process_at_once() -> None:
    with new_world(PDNS_STOP_GRACE="3600") as world:
        world.service.held = {DOMAIN}
        world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        world.wait_for_searches()
        world.daemon.process.terminate()
        world.wait_for_log("Shutting down")
        world.daemon.process.terminate()
        assert world.daemon.process.wait(WAIT) == -signal.SIGTERM
