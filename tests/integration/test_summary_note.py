"""The summary note: one per observable, updated by later enrichments."""

from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.entities import Entity
from tests.helpers.world import WAIT, World, new_world, record
from tests.integration.conftest import needs_http_protocols

pytestmark = needs_http_protocols


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with new_world(PDNS_SUMMARY_NOTE="true") as world:
        yield world


def notes(world: World, entity: Entity) -> list[dict[str, Any]]:
    stored = world.platform.objects.values()
    return [item for item in stored if item["type"] == "note" and entity.standard_id in item["object_refs"]]


def test_an_enrichment_adds_one_note_to_the_observable(world: World) -> None:
    world.service.answers["noted.example"] = [record("A", "ip", "192.0.2.60")]
    work = world.enrich("Domain-Name", "noted.example", markings=("TLP:AMBER",))
    (note,) = notes(world, work.entity)
    (relationship,) = world.relationships(work.entity)
    assert work.errors == []
    assert "| A | `192.0.2.60` |" in note["content"]
    for name in ("created_by_ref", "object_marking_refs"):
        assert note[name] == relationship[name]
    assert note["created"] == work.entity.created_at


def test_the_next_enrichment_updates_the_note(world: World) -> None:
    entity = world.entity("Domain-Name", "moves.example")
    for address in ("192.0.2.61", "192.0.2.62"):
        world.service.answers["moves.example"] = [record("A", "ip", address)]
        world.platform.enrich(entity).wait(WAIT)
    (note,) = notes(world, entity)
    assert "`192.0.2.62`" in note["content"]
    assert "`192.0.2.61`" not in note["content"]


def test_in_a_playbook_the_bundle_contains_the_note(world: World) -> None:
    world.service.answers["played.example"] = [record("A", "ip", "192.0.2.63")]
    execution = world.play(world.entity("Domain-Name", "played.example"))
    (bundle,) = execution.bundles
    assert [item["type"] for item in bundle["objects"]].count("note") == 1
    assert execution.errors == []


def test_without_additions_there_is_no_note(world: World) -> None:
    work = world.enrich("Domain-Name", "empty.example")
    assert notes(world, work.entity) == []
