"""The strictest TLP decides, in whichever form the platform or a playbook writes the markings."""

from typing import Any

import pytest
import stix2

from riskiq import stix
from riskiq.markings import entity_markings, strictest_tlp
from sandbox.platform_rules import TLP

GREEN, AMBER, RED = (TLP[name] for name in ("TLP:GREEN", "TLP:AMBER", "TLP:RED"))
PAP = "marking-definition--c43594d1-4b11-4c59-93ab-1c9b14d53ce9"


def tlp(name: str) -> stix.StixObject:
    return stix.marking(TLP.get(name, "marking-definition--unknown"), "TLP", name)


def read(marking_id: str, name: str, definition_type: str = "TLP") -> dict[str, Any]:
    """A marking as the platform's API gives it."""
    return {"standard_id": marking_id, "definition_type": definition_type, "definition": name, "created": None}


def message(refs: list[str], objects: list[Any] = [], markings: list[Any] | None = None) -> dict[str, Any]:  # noqa: B006 - never changed
    return {
        "stix_entity": {"object_marking_refs": refs} if refs else {},
        "stix_objects": objects,
        "enrichment_entity": {"objectMarking": markings},
    }


@pytest.mark.parametrize(
    ("names", "strictest"),
    [
        ([], None),
        (["TLP:CLEAR"], "TLP:CLEAR"),
        (["TLP:RED", "TLP:GREEN"], "TLP:RED"),
        (["TLP:GREEN", "TLP:RED"], "TLP:RED"),
        (["TLP:AMBER+STRICT", "TLP:AMBER"], "TLP:AMBER+STRICT"),
        (["TLP:GREEN", "TLP:AMBER", "TLP:CLEAR"], "TLP:AMBER"),
    ],
)
def test_the_strictest_of_several_tlps_counts_in_any_order(names: list[str], strictest: str | None) -> None:
    assert strictest_tlp([tlp(name) for name in names]) == strictest


def test_a_tlp_that_nobody_knows_is_stricter_than_all() -> None:
    assert strictest_tlp([tlp("TLP:RED"), tlp("TLP:PURPLE")]) == "TLP:PURPLE"


def test_a_marking_that_is_no_tlp_does_not_count() -> None:
    assert strictest_tlp([stix.marking(PAP, "PAP", "PAP:RED")]) is None


@pytest.mark.parametrize(
    "marking",
    [
        stix2.TLP_RED,
        {"id": "marking-definition--x", "definition_type": "tlp", "name": "TLP:RED", "definition": {"tlp": "red"}},
        {"id": "marking-definition--x", "name": "TLP:RED"},
        {"id": RED},
    ],
)
def test_a_tlp_is_known_in_every_form(marking: Any) -> None:
    assert strictest_tlp([marking]) == "TLP:RED"


def test_an_unmarked_entity_has_no_markings() -> None:
    assert entity_markings(message([])) == []


def test_marking_objects_are_passed_on_as_received() -> None:
    received = {"type": "marking-definition", "id": GREEN, "definition_type": "tlp", "name": "TLP:GREEN"}
    assert entity_markings(message([GREEN], [received], [read(GREEN, "TLP:GREEN")])) == [received]


def test_marking_objects_that_were_not_received_are_built_from_the_platforms() -> None:
    found = entity_markings(message([GREEN, PAP], [], [read(GREEN, "TLP:GREEN"), read(PAP, "PAP:RED", "PAP")]))
    assert found == [tlp("TLP:GREEN"), stix.marking(PAP, "PAP", "PAP:RED")]


def test_a_marking_that_only_the_platform_knows_counts() -> None:
    assert entity_markings(message([], [], [read(AMBER, "TLP:AMBER")])) == [tlp("TLP:AMBER")]


def test_a_tlp_that_a_playbook_added_without_its_object_counts() -> None:
    assert strictest_tlp(entity_markings(message([RED], [], [read(GREEN, "TLP:GREEN")]))) == "TLP:RED"


def test_a_reference_to_a_marking_that_nobody_can_describe_is_left_out() -> None:
    assert entity_markings(message([PAP])) == []
