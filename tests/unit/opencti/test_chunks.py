"""Each chunk is self-contained, and together they are the bundle."""

import json
from datetime import UTC, datetime

import pycti
import pytest
from pycti import OpenCTIConnectorHelper

from passivedns.model import Entity, Relation
from passivedns.opencti import chunks
from passivedns.opencti.chunks import can_send, in_json
from passivedns.stix import objects
from passivedns.stix.builder import Publisher, additions
from passivedns.stix.note import summary_note
from passivedns.stix.objects import StixObject

NOW = datetime(2026, 11, 24, 12, 30, 15, tzinfo=UTC)
CREATED = "2026-11-24T12:30:15.000Z"
DOMAIN = objects.observable_id("Domain-Name", "example.org")
AMBER = "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82"
ENTITY = Entity(DOMAIN, "Domain-Name", "example.org", [AMBER], "TLP:AMBER")
STUB = {"type": "domain-name", "spec_version": "2.1", "id": DOMAIN, "value": "example.org"}
PUBLISHER = Publisher({"riskiq": "RiskIQ"}, {"riskiq": "TLP:CLEAR"})


def bundle(relationships: int) -> list[StixObject]:
    """All that one enrichment sends, a note included."""
    relations = [
        Relation(
            "resolves-to",
            f"198.51.{number >> 8}.{number & 255}",
            "IPv4-Addr",
            False,
            ("A",),
            (("riskiq", ()),),
            NOW,
            NOW,
        )
        for number in range(relationships)
    ]
    marking = objects.marking(AMBER, "TLP", "TLP:AMBER")
    note = summary_note(ENTITY, relations, PUBLISHER, CREATED, CREATED)
    return [STUB, marking, *additions(ENTITY, relations, PUBLISHER, NOW), note]


@pytest.mark.parametrize("relationships", [1, 9, 10, 11, 95])
def test_the_chunks_together_are_the_bundle(relationships: int) -> None:
    whole = bundle(relationships)
    sent = {item["id"]: item for chunk in chunks.chunks(whole, size=10) for item in chunk}
    assert sent == {item["id"]: item for item in whole}


def test_every_chunk_has_the_references_of_its_objects_before_them() -> None:
    for chunk in chunks.chunks(bundle(25), size=10):
        before: set[str] = set()
        for item in chunk:
            refs = {ref for key, value in item.items() if "_ref" in key for ref in ([value], value)["refs" in key]}
            assert refs <= before
            before.add(item["id"])


def test_a_chunk_has_each_object_once() -> None:
    for chunk in chunks.chunks(bundle(25), size=10):
        assert len({item["id"] for item in chunk}) == len(chunk)


def test_a_relationship_is_in_one_chunk_only() -> None:
    sent = [item["id"] for chunk in chunks.chunks(bundle(25), size=10) for item in chunk]
    relationships = [item_id for item_id in sent if item_id.startswith("relationship--")]
    assert len(relationships) == len(set(relationships)) == 25


def test_a_full_chunk_is_far_below_the_brokers_limit() -> None:
    texts = [in_json(chunk) for chunk in chunks.chunks(bundle(2 * chunks.MAX_CHUNK))]
    assert max(map(len, texts)) < 1_000_000


def test_the_text_of_a_chunk_is_a_bundle() -> None:
    (chunk,) = chunks.chunks(bundle(2))
    written = json.loads(in_json(chunk))
    assert (written["type"], written["id"][:8], written["objects"]) == ("bundle", "bundle--", chunk)


@pytest.mark.parametrize(
    ("version", "can"), [("6.3.5", False), ("7.260224.0", False), ("7.260401.0", True), ("7.261026.0", True)]
)
def test_only_versions_of_pycti_that_can_send_a_bundle_unsplit_get_chunks(
    helper: OpenCTIConnectorHelper, monkeypatch: pytest.MonkeyPatch, version: str, can: bool
) -> None:
    monkeypatch.setattr(pycti, "__version__", version)
    helper.bundle_send_to_queue, helper.bundle_send_to_s3 = True, False
    assert can_send(helper) == can


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("queue_protocol", "api"),
        ("bundle_send_to_queue", False),
        ("bundle_send_to_directory", True),
        ("bundle_send_to_s3", True),
        ("connect_validate_before_import", True),
        ("force_validation", True),
    ],
)
def test_bundles_that_do_not_only_go_to_the_queue_are_not_chunked(
    helper: OpenCTIConnectorHelper, monkeypatch: pytest.MonkeyPatch, option: str, value: object
) -> None:
    monkeypatch.setattr(pycti, "__version__", "7.261026.0")
    # Older versions of pycti do not have all of them.
    helper.bundle_send_to_queue, helper.bundle_send_to_s3 = True, False
    assert can_send(helper)
    setattr(helper, option, value)
    assert not can_send(helper)
