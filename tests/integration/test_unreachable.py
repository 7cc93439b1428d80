"""An unreachable source is not queried again for a while; each test has its own world."""

import pytest

from sandbox.sources.riskiq_data import ADDRESS, DOMAIN
from tests.helpers.world import QUICK, new_world
from tests.integration.conftest import needs_http_protocols

pytestmark = needs_http_protocols

FAULTS = {
    "stall": "PassiveTotal did not answer within 2 s.",
    "reset": "PassiveTotal cannot be reached: the response was cut off; check whether RISKIQ_API_BASE_URL should begin "
    "with https://.",
    "cut-connection": "PassiveTotal cannot be reached: the response was cut off.",
}


@pytest.mark.parametrize(("fault", "sentence"), FAULTS.items(), ids=FAULTS)
def test_the_work_is_an_error_that_says_why_and_the_next_value_is_looked_up(fault: str, sentence: str) -> None:
    with new_world(**QUICK) as world:
        world.service.fail(fault, on="search")
        work = world.enrich("Domain-Name", DOMAIN)
        assert (work.in_error, work.message) == (True, sentence)
        world.service.recover()
        assert not world.enrich("IPv4-Addr", ADDRESS).in_error


def test_while_a_source_cannot_be_reached_the_next_one_fails_at_once_and_says_until_when() -> None:
    with new_world(**QUICK, RISKIQ_API_BASE_URL="http://127.0.0.1:9/pt") as world:
        world.enrich("Domain-Name", DOMAIN)
        second = world.enrich("IPv4-Addr", ADDRESS)
        assert second.in_error
        assert str(second.message).startswith("PassiveTotal cannot be reached: ")
        assert str(second.message).endswith(" s.")
        assert " Next try in " in str(second.message)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_playbook_gets_its_objects_back(fault: str) -> None:
    with new_world(**QUICK) as world:
        world.service.fail(fault, on="search")
        for value in (DOMAIN, "next.example"):
            entity = world.entity("Domain-Name", value)
            (bundle,) = world.play(entity).bundles
            assert bundle["objects"] == [entity.as_stix()]
