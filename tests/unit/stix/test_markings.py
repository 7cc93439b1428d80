"""Determining the strictest TLP from every form of marking; unknown markings are stricter still."""

import json
from typing import Any

import pytest
import stix2
from hypothesis import given
from hypothesis import strategies as st

from passivedns.stix import objects
from passivedns.stix.markings import TLP_MARKINGS, entity_markings, is_within, strictest, strictest_tlp
from passivedns.stix.objects import StixObject
from sandbox.import_rules import TLP

GREEN, AMBER, RED = (TLP[name] for name in ("TLP:GREEN", "TLP:AMBER", "TLP:RED"))
PAP = "marking-definition--c43594d1-4b11-4c59-93ab-1c9b14d53ce9"
FOREIGN = "marking-definition--6a2c9b1e-5f43-4b7c-9d0a-3e8f7c1b2a45"
TLP_2 = {
    "TLP:CLEAR": "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    "TLP:GREEN": "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    "TLP:AMBER": "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    "TLP:AMBER+STRICT": "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    "TLP:RED": "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}
TLP_2_EXTENSION = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"

UNKNOWN = "(not a TLP that the connector knows, so it counts as the strictest)"
MEANINGLESS = "(neither OpenCTI nor the message says what this marking means, so it counts as the strictest)"


def tlp(name: str) -> StixObject:
    return objects.marking(TLP.get(name, FOREIGN), "TLP", name)


def read(marking_id: str, name: str | None, definition_type: str = "TLP") -> dict[str, Any]:
    """A marking as read from OpenCTI's API."""
    return {"standard_id": marking_id, "definition_type": definition_type, "definition": name, "created": None}


def message(refs: object, objects: list[Any] = [], markings: list[Any] | None = None) -> dict[str, Any]:  # noqa: B006 - never changed
    return {
        "stix_entity": {"object_marking_refs": refs} if refs else {},
        "stix_objects": objects,
        "enrichment_entity": {"objectMarking": markings},
    }


def said(**properties: Any) -> str | None:
    """The strictest TLP of an entity from a playbook with one marking of an unknown id."""
    return strictest_tlp(message([FOREIGN], [{"type": "marking-definition", "id": FOREIGN} | properties]))


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
    assert strictest_tlp(message([], [], [read(TLP[name], name) for name in names])) == strictest


def test_an_unknown_tlp_is_stricter_than_all() -> None:
    markings = [read(RED, "TLP:RED"), read(FOREIGN, "TLP:PURPLE")]
    assert strictest_tlp(message([], [], markings)) == f"TLP:PURPLE {UNKNOWN}"


@pytest.mark.parametrize("name", TLP)
def test_each_tlp_of_opencti_is_recognized_by_its_id(name: str) -> None:
    assert strictest_tlp(message([TLP[name]])) == name


@pytest.mark.parametrize("name", TLP_2)
def test_each_tlp_of_oasis_is_recognized_by_its_id(name: str) -> None:
    assert strictest_tlp(message([TLP_2[name]])) == name


@pytest.mark.parametrize(
    "properties",
    [
        {"definition_type": "tlp", "definition": {"tlp": "red"}},
        {"definition_type": "tlp", "name": "TLP:RED", "definition": {"tlp": "red"}},
        {"definition_type": "TLP", "name": "RED"},
        {"definition_type": "TLP:2.0", "name": "Red"},
        {"name": "TLP:RED"},
        {"name": "RED"},
        {"definition": {"tlp": "red"}},
        {"definition_type": "tlp", "definition": "red"},
        {"definition_type": "statement", "definition": {"statement": "TLP:RED"}},
        {"definition_type": "statement", "definition": "RED"},
        {"definition_type": "pap", "definition": {"pap": "TLP:RED"}},
        {"definition_type": "Sharing", "name": "RED"},
        {"definition_type": "acme", "definition": {"acme": "red"}},
        {"x_opencti_definition_type": "TLP", "x_opencti_definition": "TLP:RED"},
        {"extensions": {TLP_2_EXTENSION: {"extension_type": "property-extension", "tlp_2_0": "red"}}},
        {"extensions": {TLP_2_EXTENSION: "red"}},
    ],
)
def test_a_tlp_is_recognized_in_every_form(properties: dict[str, Any]) -> None:
    assert said(**properties) == "TLP:RED"


def test_a_tlp_of_python_stix2_is_recognized() -> None:
    assert strictest_tlp(message([RED], [json.loads(stix2.TLP_RED.serialize())])) == "TLP:RED"


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("tlp:red", "TLP:RED"),
        (" TLP: RED ", "TLP:RED"),
        ("tlp_red", "TLP:RED"),
        ("TLP-Red", "TLP:RED"),
        ("TLPRED", "TLP:RED"),
        ("TLP:\tRED\n", "TLP:RED"),
        ("ＴＬＰ：ＲＥＤ", "TLP:RED"),
        ("TLP:\u200bRED", "TLP:RED"),
        ("Tlp:Amber+Strict", "TLP:AMBER+STRICT"),
        ("TLP:AMBER STRICT", "TLP:AMBER+STRICT"),
        ("tlp_amber_strict", "TLP:AMBER+STRICT"),
        ("TLP:WHITE", "TLP:WHITE"),
    ],
)
def test_the_spelling_of_a_tlp_does_not_matter(name: str, known: str) -> None:
    assert said(name=name) == known


@pytest.mark.parametrize(
    "name",
    [
        *("TLP:PURPLE", "TLP:ORANGE", "TLP:GREEN+", "TLP:NOT GREEN", "TLP", "Shared as TLP:GREEN"),
        *("Traffic Light: green", "traffic.light green", "T.L.P.: GREEN", "t l p green", "T-L-P:RED"),
    ],
)
def test_text_that_mentions_tlp_without_being_one_is_stricter_than_all(name: str) -> None:
    assert said(name=name) == f"{name} {UNKNOWN}"


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"definition_type": "tlp", "name": "Internal"}, "Internal"),
        ({"definition_type": "tlp", "name": "TLP:GREEN", "definition": {"tlp": "internal"}}, "internal"),
        ({"definition_type": "tlp", "definition": ["green"]}, "['green']"),
        ({"definition_type": "statement", "definition": 5}, "5"),
        ({"definition_type": "acme", "definition": {"acme": {"level": "high"}}}, "{'level': 'high'}"),
        ({"name": "ACME", "extensions": {TLP_2_EXTENSION: {"tlp_2_0": "blue"}}}, "ACME"),
    ],
)
def test_text_that_cannot_be_read_as_a_tlp_is_stricter_than_all(properties: dict[str, Any], words: str) -> None:
    assert said(**properties) == f"{words} {UNKNOWN}"


@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"definition_type": "tlp"},
        {"definition_type": "statement", "definition": {"statement": " "}, "name": ""},
        {"name": "\u200b", "definition": {}},
        {"extensions": ["red"]},
    ],
)
def test_a_marking_without_text_is_stricter_than_all(properties: dict[str, Any]) -> None:
    assert said(**properties) == f"{FOREIGN} {MEANINGLESS}"


@pytest.mark.parametrize(
    "properties",
    [
        {"definition_type": "pap", "name": "PAP:RED", "definition": {"pap": "pap:red"}},
        {"definition_type": "PAP", "name": "RED", "definition": {"PAP": "RED"}},
        {"name": "PAP:RED"},
        {"definition_type": "statement", "name": "SECRET", "definition": {"statement": "secret"}},
        {"definition_type": "statement", "definition": "Copyright 2026, Market LP"},
        {"definition_type": "statement", "definition": "Copyright 2026, AT&T L.P."},
        {"x_opencti_definition_type": "PAP", "x_opencti_definition": "PAP:RED", "definition_type": "statement"},
    ],
)
def test_other_kinds_of_markings_are_ignored(properties: dict[str, Any]) -> None:
    assert said(**properties) is None


def test_if_id_and_text_contradict_each_other_the_stricter_counts() -> None:
    renamed = {"type": "marking-definition", "id": GREEN, "definition_type": "tlp", "name": "TLP:RED"}
    assert strictest_tlp(message([GREEN], [renamed], [read(GREEN, "TLP:GREEN")])) == "TLP:RED"


def test_the_stricter_of_two_objects_with_one_id_counts() -> None:
    objects = [{"type": "marking-definition", "id": FOREIGN, "name": name} for name in ("TLP:RED", "TLP:GREEN")]
    assert strictest_tlp(message([FOREIGN], objects)) == "TLP:RED"


def test_an_unresolved_reference_is_stricter_than_all() -> None:
    assert strictest_tlp(message([RED, FOREIGN])) == f"{FOREIGN} {MEANINGLESS}"


def test_markings_that_the_entity_does_not_refer_to_are_ignored() -> None:
    assert strictest_tlp(message([GREEN], [tlp("TLP:RED"), tlp("TLP:PURPLE")])) == "TLP:GREEN"


def test_a_tlp_that_a_playbook_added_without_its_object_counts() -> None:
    assert strictest_tlp(message([RED], [], [read(GREEN, "TLP:GREEN")])) == "TLP:RED"


def test_a_tlp_that_a_playbook_removed_counts() -> None:
    assert strictest_tlp(message([GREEN], [], [read(RED, "TLP:RED")])) == "TLP:RED"


def test_a_single_reference_outside_a_list_counts() -> None:
    assert strictest_tlp(message(RED)) == "TLP:RED"


@pytest.mark.parametrize("refs", [5, {"red": True}, [{"id": RED}], [5]])
def test_references_that_are_not_ids_are_stricter_than_all(refs: object) -> None:
    assert str(strictest_tlp(message(refs))).endswith(MEANINGLESS)


@pytest.mark.parametrize("granular", [[{"marking_ref": RED, "selectors": ["value"]}], {"marking_ref": RED}])
def test_a_marking_of_a_single_property_counts_like_one_of_the_object(granular: object) -> None:
    data = message([GREEN])
    data["stix_entity"]["granular_markings"] = granular
    assert strictest_tlp(data) == "TLP:RED"


def test_the_language_of_a_single_property_is_not_a_marking() -> None:
    data = message([GREEN])
    data["stix_entity"]["granular_markings"] = [{"lang": "en", "selectors": ["value"]}]
    assert strictest_tlp(data) == "TLP:GREEN"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
OPENCTIS = ("x_opencti_definition_type", "x_opencti_definition")
PROPERTIES = ("definition_type", "definition", "name", "extensions", *OPENCTIS)


@given(marking=st.dictionaries(st.sampled_from(PROPERTIES), JSON), refs=JSON, granular=JSON)
def test_any_marking_is_handled_without_an_error(marking: dict[str, Any], refs: Any, granular: Any) -> None:
    data = message(refs, [{"type": "marking-definition", "id": FOREIGN} | marking])
    data["stix_entity"]["granular_markings"] = [granular, {"marking_ref": FOREIGN}]
    assert strictest_tlp(data) is None or str(strictest_tlp(data)).isprintable()
    assert all(item["id"] for item in entity_markings(data))


def test_long_text_is_shown_on_one_short_line() -> None:
    assert said(name="TLP:" + "A\n" * 500) == f"TLP:{'A ' * 48}{UNKNOWN}"


def test_an_unmarked_entity_has_no_markings() -> None:
    assert entity_markings(message([])) == []


def test_marking_objects_read_from_opencti_win_over_received_ones() -> None:
    """pycti exports the definition in lower case, to which OpenCTI would rename the marking."""
    exported = {"type": "marking-definition", "id": PAP, "definition_type": "pap", "definition": {"pap": "pap:red"}}
    assert entity_markings(message([PAP], [exported], [read(PAP, "PAP:RED", "PAP")])) == [
        objects.marking(PAP, "PAP", "PAP:RED")
    ]


def test_marking_objects_unknown_to_opencti_are_passed_on_as_received() -> None:
    received = {"type": "marking-definition", "id": FOREIGN, "definition_type": "tlp", "name": "TLP:GREEN"}
    assert entity_markings(message([FOREIGN], [received])) == [received]


def test_a_marking_known_only_to_opencti_is_passed_on() -> None:
    assert entity_markings(message([], [], [read(AMBER, "TLP:AMBER")])) == [tlp("TLP:AMBER")]


def test_an_unresolved_reference_to_a_marking_is_left_out() -> None:
    assert entity_markings(message([PAP])) == []


def test_each_tlp_of_opencti_has_its_object() -> None:
    assert {name: marking["id"] for name, marking in TLP_MARKINGS.items()} == TLP
    assert TLP_MARKINGS["TLP:AMBER+STRICT"]["definition"] == {"statement": "TLP:AMBER+STRICT"}


@pytest.mark.parametrize(
    ("tlps", "expected"),
    [
        (["TLP:CLEAR"], "TLP:CLEAR"),
        (["TLP:AMBER", "TLP:GREEN"], "TLP:AMBER"),
        (["TLP:AMBER", "TLP:AMBER+STRICT"], "TLP:AMBER+STRICT"),
        (["TLP:RED", "unknown"], "unknown"),
    ],
)
def test_the_strictest_of_several_tlps_is_returned_and_an_unknown_one_is_stricter_than_all(
    tlps: list[str], expected: str
) -> None:
    assert strictest(*tlps) == strictest(*reversed(tlps)) == expected


@pytest.mark.parametrize(
    ("tlp", "maximum", "sent"),
    [
        (None, "TLP:CLEAR", True),
        ("TLP:RED", None, True),
        ("anything unknown", None, True),
        ("TLP:WHITE", "TLP:CLEAR", True),
        ("TLP:CLEAR", "TLP:WHITE", True),
        ("TLP:AMBER", "TLP:AMBER", True),
        ("TLP:AMBER+STRICT", "TLP:AMBER", False),
        ("TLP:RED", "TLP:AMBER+STRICT", False),
        ("anything unknown", "TLP:RED", False),
    ],
)
def test_tlps_above_the_maximum_and_unknown_ones_are_not_within_it(
    tlp: str | None, maximum: str | None, sent: bool
) -> None:
    assert is_within(tlp, maximum) is sent
