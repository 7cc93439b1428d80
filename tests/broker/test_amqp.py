"""Enrichments over AMQP: the objects, the text of the work, and the bundle of a playbook."""

from collections.abc import Iterator

import pytest

from passivedns.opencti import chunks
from sandbox.sources.riskiq_data import ADDRESS, DOMAIN
from tests.helpers.world import QUICK, WAIT, World, new_world, record

IS_CHUNKED = chunks.has_no_split()


@pytest.fixture(scope="module")
def shared_world(broker: str) -> Iterator[World]:
    with new_world(broker, PDNS_MAX_RELATIONSHIPS="0", **QUICK) as world:
        yield world


@pytest.fixture
def world(shared_world: World) -> World:
    shared_world.service.reset()
    return shared_world


def test_every_object_is_counted_by_the_work_and_accepted(world: World) -> None:
    work = world.enrich("Domain-Name", DOMAIN)
    assert work.message is not None
    assert work.message.startswith("Added 12 observables and 12 relationships from 16 passive DNS records")
    # Plus the entity, the author and two markings.
    assert (work.expectations, work.imported, work.errors) == (28, 28, [])
    assert len(world.relationships(work.entity)) == 12


def test_an_address_is_enriched(world: World) -> None:
    work = world.enrich("IPv4-Addr", ADDRESS)
    assert work.errors == []
    assert world.relationships(work.entity)


def test_a_playbook_gets_one_bundle_with_the_results(world: World) -> None:
    (bundle,) = world.play(world.entity("Domain-Name", DOMAIN)).bundles
    assert sum(item["type"] == "relationship" for item in bundle["objects"]) == 12


def test_an_unreadable_entity_closes_the_work_as_an_error(world: World) -> None:
    hidden = world.entity("Domain-Name", "hidden.example")
    world.platform.entity_unreadable(hidden)
    work = world.platform.enrich(hidden).wait(WAIT)
    assert work.in_error
    assert work.message == (
        "OpenCTI did not return the observable: it was deleted, or the user of OPENCTI_TOKEN may not see it. "
        "Give the groups of that user access to its markings and organizations, then enrich again."
    )


def test_a_playbook_with_an_unreadable_entity_gets_its_objects_back(world: World) -> None:
    hidden = world.entity("Domain-Name", "hidden-in-a-playbook.example")
    world.platform.entity_unreadable(hidden)
    (bundle,) = world.play(hidden).bundles
    assert bundle["objects"] == [hidden.as_stix()]


@pytest.mark.parametrize("fault", ["401", "429", "500", "empty-body", "huge", "drip"])
def test_a_fault_closes_the_work_and_lets_a_playbook_continue(broker: str, fault: str) -> None:
    """The source may be left alone afterwards, so each fault has a world of its own."""
    with new_world(broker, **QUICK) as world:
        entity = world.entity("Domain-Name", f"{fault}.example")
        world.service.fail(fault, on="search")
        work = world.platform.enrich(entity).wait(WAIT)
        assert work.message is not None
        assert work.expectations == 0
        (bundle,) = world.platform.play(entity).wait(WAIT).bundles
        assert bundle["objects"] == [entity.as_stix()]


def test_a_large_answer_is_imported_in_full_before_its_work_closes(world: World) -> None:
    domain, count = "large.example", 2 * chunks.MAX_CHUNK + 10
    world.service.answers[domain] = [
        record("A", "ip", f"198.51.{number >> 8}.{number & 255}") for number in range(count)
    ]
    work = world.enrich("Domain-Name", domain)
    assert len(world.relationships(work.entity)) == count
    assert (work.imported, work.errors) == (work.expectations, [])


@pytest.mark.skipif(not IS_CHUNKED, reason="this pycti splits whatever it is given")
def test_a_large_answer_takes_few_messages(world: World) -> None:
    domain, count = "few.example", 2 * chunks.MAX_CHUNK + 10
    world.service.answers[domain] = [
        record("A", "ip", f"198.51.{number >> 8}.{number & 255}") for number in range(count)
    ]
    pushes = world.platform.pushes
    work = world.enrich("Domain-Name", domain)
    # Each contains the entity, the author and two markings, besides its relationships and their other ends.
    assert (world.platform.pushes - pushes, work.expectations) == (3, 2 * count + 3 * 4)
