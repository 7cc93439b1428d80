"""SIGTERM and SIGINT over pycti's HTTP protocols: what is under way is finished, sent and closed."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sandbox.dataset import DOMAIN
from tests.integration.conftest import needs_http_protocols
from tests.world import World, new_world

pytestmark = needs_http_protocols


@contextmanager
def own_world(latency: float, **environment: str) -> Iterator[World]:
    """A world of the test's own, whose PassiveTotal takes `latency` seconds to answer."""
    with new_world(**environment) as world:
        world.service.latency = latency
        yield world


def wait_for_search(world: World) -> None:
    while not world.service.searches:
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_enrichment_under_way_is_finished_sent_and_closed(number: signal.Signals) -> None:
    with own_world(latency=1) as world:
        work = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        wait_for_search(world)
        world.daemon.process.send_signal(number)
        assert world.daemon.process.wait(10) == 0
        work.wait(1)
        assert not work.in_error
        assert work.message is not None
        assert work.message.startswith("Added 12 observables")


def test_an_idle_connector_stops_at_once() -> None:
    with own_world(latency=0) as world:
        begun = time.monotonic()
        world.daemon.process.terminate()
        assert world.daemon.process.wait(10) == 0
        assert time.monotonic() - begun < 3


def test_after_the_grace_the_work_is_closed_as_an_error_that_says_so() -> None:
    with own_world(latency=60, RISKIQ_STOP_GRACE="1") as world:
        work = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        wait_for_search(world)
        world.daemon.process.terminate()
        assert world.daemon.process.wait(10) == 0
        work.wait(1)
        assert work.in_error
        assert work.message == ("The connector was stopped, and the enrichment did not end within 1 s; enrich again.")


def test_after_the_grace_a_playbook_goes_on_with_what_it_sent() -> None:
    with own_world(latency=60, RISKIQ_STOP_GRACE="1") as world:
        entity = world.entity("Domain-Name", DOMAIN)
        execution = world.platform.play(entity)
        wait_for_search(world)
        world.daemon.process.terminate()
        assert world.daemon.process.wait(10) == 0
        (bundle,) = execution.wait(1).bundles
        assert bundle["objects"] == [entity.as_stix()]


def test_a_second_signal_ends_the_process_at_once() -> None:
    with own_world(latency=60) as world:
        world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        wait_for_search(world)
        world.daemon.process.terminate()
        time.sleep(0.5)
        world.daemon.process.terminate()
        assert world.daemon.process.wait(3) == -signal.SIGTERM
