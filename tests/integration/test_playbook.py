"""In a playbook exactly one bundle goes back on every way out, and it holds the received objects unchanged."""

import itertools
from typing import Any

import pytest

from sandbox.faults import FAULTS
from sandbox.sources.riskiq_data import DOMAIN
from sandbox.works import Execution
from tests.world import World, record

numbers = itertools.count(1)


def fresh_name() -> str:
    return f"played-{next(numbers)}.example"


def returned(execution: Execution) -> list[dict[str, Any]]:
    """The objects of the one bundle that came back, checked against the platform's rules."""
    assert execution.errors == []
    (bundle,) = execution.bundles
    objects: list[dict[str, Any]] = bundle["objects"]
    assert len({item["id"] for item in objects}) == len(objects)
    return objects


def test_what_was_found_comes_back_with_the_received_objects_first_and_unchanged(world: World) -> None:
    entity = world.entity("Domain-Name", DOMAIN, score=70)
    received = [entity.as_stix(), *(marking.as_stix() for marking in entity.markings)]
    objects = returned(world.play(entity, received))
    assert objects[: len(received)] == received
    assert sum(item["type"] == "relationship" for item in objects) == 12


def test_every_reference_is_in_the_bundle_though_the_playbook_sent_no_markings(world: World) -> None:
    value = fresh_name()
    world.service.answers[value] = [record("A", "ip", "192.0.2.221")]
    objects = returned(world.play(world.entity("Domain-Name", value, markings=("TLP:AMBER",))))
    ids = {item["id"] for item in objects}
    referred = {ref for item in objects for ref in item.get("object_marking_refs", [])}
    assert referred <= ids


def test_an_object_that_was_received_is_not_replaced_by_the_one_found(world: World) -> None:
    value = fresh_name()
    world.service.answers[value] = [record("A", "ip", "192.0.2.222")]
    other = world.entity("IPv4-Addr", "192.0.2.222", score=99).as_stix()
    entity = world.entity("Domain-Name", value)
    assert other in returned(world.play(entity, [entity.as_stix(), other]))


def test_where_nothing_is_known_the_received_objects_come_back(world: World) -> None:
    entity = world.entity("Domain-Name", fresh_name())
    assert returned(world.play(entity)) == [entity.as_stix()]


def test_an_entity_out_of_scope_passes_through(world: World) -> None:
    entity = world.platform.add_entity("Indicator", "an indicator", pattern="[domain-name:value = 'a.example']")
    assert returned(world.play(entity)) == [entity.as_stix()]
    assert world.service.requests == []


def test_an_observable_marked_above_the_maximum_passes_through_and_nothing_leaves_the_machine(world: World) -> None:
    entity = world.entity("Domain-Name", fresh_name(), markings=("TLP:RED",))
    assert returned(world.play(entity)) == [entity.as_stix()]
    assert world.service.requests == []


def test_a_network_passes_through(world: World) -> None:
    entity = world.entity("IPv4-Addr", "192.0.2.0/25")
    assert returned(world.play(entity)) == [entity.as_stix()]


def test_a_used_up_quota_passes_through(world: World) -> None:
    world.service.used = world.service.limit
    entity = world.entity("Domain-Name", fresh_name())
    assert returned(world.play(entity)) == [entity.as_stix()]


# The others, after which a source is left alone for a while, are in test_unreachable.py and tests/broker/test_amqp.py.
@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - {"cut-connection", "drip", "huge", "reset", "stall"}))
def test_every_fault_of_passivetotal_passes_through(world: World, fault: str) -> None:
    world.service.fail(fault, on="search")
    entity = world.entity("Domain-Name", fresh_name())
    assert returned(world.play(entity)) == [entity.as_stix()]


def test_after_a_playbook_an_enrichment_goes_its_own_way(world: World) -> None:
    execution = world.play(world.entity("Domain-Name", DOMAIN))
    work = world.enrich("Domain-Name", fresh_name())
    assert work.message is not None
    assert len(execution.bundles) == 1
