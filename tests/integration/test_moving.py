"""The environment of the original connector with other sources: its limit has no effect, and yet nothing leaks."""

from collections.abc import Iterator

import pytest

from sandbox.entities import Marking
from tests.helpers.world import WAIT, World
from tests.integration.conftest import any_world

SOURCES = ("mnemonic", "robtex")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """The sandbox sets RISKIQ_USERNAME, RISKIQ_API_KEY and RISKIQ_MAX_TLP=TLP:AMBER, as for the original connector."""
    with any_world(SOURCES, PDNS_SOURCES=",".join(SOURCES), CONNECTOR_LOG_LEVEL="error") as world:
        yield world


def requests(world: World) -> int:
    return len(world.service.requests) + sum(len(other.requests) for other in world.others.values())


@pytest.mark.parametrize(
    ("marking", "kind"),
    [
        ("TLP:RED", "TLP"),
        ("TLP:AMBER+STRICT", "TLP"),
        ("PAP:RED", "PAP"),
        ("Amber\u2013Strict", "statement"),
        ("TLP RED only", "statement"),
        ("\u0422LP:RED", "statement"),
        ("T-L.P: RED", "statement"),
    ],
)
def test_nothing_above_amber_is_sent(world: World, marking: str, kind: str) -> None:
    before = requests(world)
    entity = world.entity("Domain-Name", "marked.example", markings=(Marking(marking, kind),))
    work = world.platform.enrich(entity).wait(WAIT)
    assert work.in_error
    assert str(work.message).startswith("Not sent to mnemonic and Robtex: marked ")
    assert requests(world) == before


def test_what_is_amber_is_sent(world: World) -> None:
    assert not world.enrich("Domain-Name", "amber.example", markings=("TLP:AMBER", "PAP:AMBER")).in_error
    assert all(other.requests for other in world.others.values())


def test_the_operator_is_told_of_the_limit_without_effect_even_at_level_error(world: World) -> None:
    assert (
        "RISKIQ_MAX_TLP limits only riskiq, which PDNS_SOURCES does not list; set PDNS_MAX_TLP."
    ) in world.daemon.log.splitlines()
