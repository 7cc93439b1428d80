"""SIGTERM and SIGINT over pycti's HTTP protocols: the current enrichment finishes, and its work closes."""

import signal

import pytest

from sandbox.sources.riskiq_data import DOMAIN
from tests.helpers.preloaded import daemon
from tests.helpers.world import WAIT, new_world
from tests.integration.conftest import needs_http_protocols

pytestmark = needs_http_protocols


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_current_enrichment_is_finished_sent_and_closed(number: signal.Signals) -> None:
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
        assert "Stopped; no enrichment was interrupted." in world.daemon.log


def test_a_message_that_outlasts_the_grace_is_sent_again_and_answered_by_the_next_process() -> None:
    with new_world(PDNS_STOP_GRACE="1") as world:
        world.service.held = {DOMAIN}
        work = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        execution = world.platform.play(world.entity("Domain-Name", DOMAIN))
        world.wait_for_searches()
        world.stop()
        assert (work.closings, execution.bundles) == ([], [])
        world.service.held.clear()
        with daemon(world.environment):
            assert not work.wait(WAIT).in_error
            assert len(execution.wait(WAIT).bundles) == 1
            assert len(work.closings) == 1


@pytest.mark.parametrize("field", ["stixCyberObservable", "markingDefinitions", "stixBundlePush", "toProcessed"])
def test_the_connector_waits_for_the_end_of_an_outage(field: str) -> None:
    with new_world() as world:
        world.platform.fail(field, times=2, how="http500")
        work = world.enrich("Domain-Name", DOMAIN)
        assert str(work.message).startswith("Added 12 observables")
        assert (len(work.closings), len(world.service.searches)) == (1, 1)


def test_a_second_signal_ends_the_process_at_once() -> None:
    with new_world(PDNS_STOP_GRACE="3600") as world:
        world.service.held = {DOMAIN}
        world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        world.wait_for_searches()
        world.daemon.process.terminate()
        world.wait_for_log("Shutting down")
        world.daemon.process.terminate()
        assert world.daemon.process.wait(WAIT) == -signal.SIGTERM
