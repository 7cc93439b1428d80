"""OpenCTI goes away in mid-enrichment: the connector says so and goes on."""

from sandbox.sources.riskiq_data import ADDRESS, DOMAIN
from tests.world import new_world


def test_a_work_that_cannot_be_closed_is_named_in_the_log_with_its_outcome(broker: str) -> None:
    with new_world(broker) as world:
        # Twice: pycti then tries to close the work as an error.
        world.platform.fail("toProcessed", times=2, how="http500")
        lost = world.platform.enrich(world.entity("Domain-Name", DOMAIN))
        world.wait_for_log("Failing reporting the processing")
        outcomes = [line for line in world.daemon.log.splitlines() if lost.id in line and "Added 12" in line]
        assert len(outcomes) == 1
        assert not world.enrich("IPv4-Addr", ADDRESS).in_error


def test_a_playbook_whose_answer_is_not_taken_is_told_in_the_log_and_does_not_stop_the_connector(broker: str) -> None:
    with new_world(broker) as world:
        world.platform.fail("playbookStepExecution", times=1, how="http500")
        world.platform.play(world.entity("Domain-Name", DOMAIN))
        world.wait_for_log("OpenCTI did not take the result")
        assert not world.enrich("IPv4-Addr", ADDRESS).in_error
