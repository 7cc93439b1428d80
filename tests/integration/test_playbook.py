"""A playbook gets exactly one bundle for every outcome, with the received objects unchanged."""

import itertools
from typing import Any

import pytest

from sandbox.faults import FAULTS
from sandbox.sources.riskiq_data import DOMAIN
from sandbox.works import Execution
from tests.helpers.world import World, record

numbers = itertools.count(1)


def fresh_name() -> str:
    return f"played-{next(numbers)}.example"


def returned(execution: Execution) -> list[dict[str, Any]]:
    """Return the objects of the only bundle, checked against OpenCTI's rules."""
    assert execution.errors == []
    (bundle,) = execution.bundles
    objects: list[dict[str, Any]] = bundle["objects"]
    assert len({item["id"] for item in objects}) == len(objects)
    return objects


def test_results_follow_the_received_objects_which_are_unchanged(world: World) -> None:
    entity = world.entity("Domain-Name", DOMAIN, score=70)
    received = [entity.as_stix(), *(marking.as_stix() for marking in entity.markings)]
    objects = returned(world.play(entity, received))
    assert objects[: len(received)] == received
    assert sum(item["type"] == "relationship" for item in objects) == 12


def test_the_bundle_contains_every_referenced_object_even_if_the_playbook_sent_no_markings(world: World) -> None:
    value = fresh_name()
    world.service.answers[value] = [record("A", "ip", "192.0.2.221")]
    objects = returned(world.play(world.entity("Domain-Name", value, markings=("TLP:AMBER",))))
    ids = {item["id"] for item in objects}
    referred = {ref for item in objects for ref in item.get("object_marking_refs", [])}
    assert referred <= ids


def test_a_received_object_is_not_replaced_by_a_result(world: World) -> None:
    value = fresh_name()
    world.service.answers[value] = [record("A", "ip", "192.0.2.222")]
    other = world.entity("IPv4-Addr", "192.0.2.222", score=99).as_stix()
    entity = world.entity("Domain-Name", value)
    assert other in returned(world.play(entity, [entity.as_stix(), other]))


def test_if_nothing_is_known_the_received_objects_are_returned(world: World) -> None:
    entity = world.entity("Domain-Name", fresh_name())
    assert returned(world.play(entity)) == [entity.as_stix()]


def test_an_entity_out_of_scope_passes_through(world: World) -> None:
    entity = world.platform.add_entity("Indicator", "an indicator", pattern="[domain-name:value = 'a.example']")
    assert returned(world.play(entity)) == [entity.as_stix()]
    assert world.service.requests == []


def test_an_observable_marked_above_the_maximum_passes_through_and_is_not_sent(world: World) -> None:
    entity = world.entity("Domain-Name", fresh_name(), markings=("TLP:RED",))
    assert returned(world.play(entity)) == [entity.as_stix()]
    assert world.service.requests == []


def test_a_network_passes_through(world: World) -> None:
    entity = world.entity("IPv4-Addr", "192.0.2.0/25")
    assert returned(world.play(entity)) == [entity.as_stix()]


def test_a_used_up_quota_passes_through(fresh_world: World) -> None:
    fresh_world.service.used = fresh_world.service.limit
    entity = fresh_world.entity("Domain-Name", fresh_name())
    assert returned(fresh_world.play(entity)) == [entity.as_stix()]


# Faults that end a connection are in test_unreachable.py and tests/broker/test_amqp.py.
@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - {"cut-connection", "drip", "huge", "reset", "stall"}))
def test_every_fault_of_passivetotal_passes_through(fresh_world: World, fault: str) -> None:
    fresh_world.service.fail(fault, on="search")
    entity = fresh_world.entity("Domain-Name", fresh_name())
    assert returned(fresh_world.play(entity)) == [entity.as_stix()]


def test_a_playbook_does_not_affect_the_next_enrichment(world: World) -> None:
    execution = world.play(world.entity("Domain-Name", DOMAIN))
    work = world.enrich("Domain-Name", fresh_name())
    assert work.message is not None
    assert len(execution.bundles) == 1


def test_only_results_are_shared_with_the_organizations_of_the_entity(world: World) -> None:
    value = fresh_name()
    world.service.answers[value] = [record("A", "ip", "192.0.2.203")]
    entity, other = world.entity("Domain-Name", value), world.entity("IPv4-Addr", "198.51.100.7")
    organizations = [world.platform.add_entity("Organization", name).standard_id for name in ("one", "two")]
    own = entity.as_stix()
    (extension, properties), *_ = own["extensions"].items()
    own["extensions"] = own["extensions"] | {extension: properties | {"granted_refs": organizations}}
    received = [own, other.as_stix()]
    objects = returned(world.play(entity, received))
    assert objects[: len(received)] == received
    results = objects[len(received) :]
    assert results
    assert all(item["x_opencti_granted_refs"] == organizations for item in results)
