"""With maxima of TLP:AMBER and PAP:AMBER, observables with stricter or unknown markings are not sent."""

import itertools
import json
import time
from typing import Any

import pytest

from sandbox.entities import Entity, Marking
from sandbox.import_rules import TLP
from sandbox.works import Execution
from tests.helpers.world import WAIT, World, record

numbers = itertools.count(1)
FOREIGN = "marking-definition--6a2c9b1e-5f43-4b7c-9d0a-3e8f7c1b2a45"
TLP_2_EXTENSION = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"
TLP_2 = {
    "clear": "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    "green": "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    "amber": "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    "amber+strict": "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    "red": "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}
"""OASIS's definitions in cti-stix-common-objects."""
WITHIN, ABOVE = ("clear", "green", "amber"), ("amber+strict", "red")

TYPED_TLP: dict[str, Any] = {"definition_type": "tlp", "definition": {"tlp": "red"}}
NAMED_ONLY = {"definition_type": "TLP", "name": "RED"}
STATEMENT: dict[str, Any] = {"definition_type": "statement", "definition": {"statement": "TLP:RED"}}
UNKNOWN = "(not a TLP that the connector knows, so it counts as the strictest)"
MEANINGLESS = "(neither OpenCTI nor the message says what this marking means, so it counts as the strictest)"


def fresh(world: World, **more: Any) -> Entity:
    """Return an observable that no other test uses and that PassiveTotal knows."""
    value = f"gated-{next(numbers)}.example"
    world.service.answers[value] = [record("A", "ip", "192.0.2.210")]
    return world.entity("Domain-Name", value, **more)


def marking(marking_id: str = FOREIGN, **properties: Any) -> dict[str, Any]:
    created = "2022-10-01T00:00:00.000Z"
    return {"type": "marking-definition", "spec_version": "2.1", "id": marking_id, "created": created} | properties


def tlp_2(level: str, marking_id: str = FOREIGN) -> dict[str, Any]:
    """Return a marking with OASIS's TLP 2.0 extension, without a name."""
    return marking(marking_id, extensions={TLP_2_EXTENSION: {"extension_type": "property-extension", "tlp_2_0": level}})


def play(world: World, refs: object, *markings: dict[str, Any]) -> tuple[Execution, list[dict[str, Any]]]:
    """Run a playbook step on an observable with these markings; return the sent objects as well."""
    entity = fresh(world, markings=())
    received = [entity.as_stix() | {"object_marking_refs": refs}, *markings]
    return world.play(entity, received), received


def failure(world: World, entity: Entity) -> str:
    """Return the log line of a playbook step, which has no work; it follows the bundle."""
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        lines = [line for line in world.daemon.log.splitlines() if "Enrichment failed" in line and entity.value in line]
        if lines:
            return str(json.loads(lines[0])["attributes"]["text"])
        time.sleep(0.05)
    raise TimeoutError(f"the log does not tell that the enrichment of {entity.value} failed")


def assert_refused(world: World, execution: Execution, received: list[dict[str, Any]], marked: str) -> None:
    assert [bundle["objects"] for bundle in execution.bundles] == [received]
    assert world.service.requests == []
    assert failure(world, execution.entity) == (
        f"Not sent to PassiveTotal: marked {marked}, above the maximum of TLP:AMBER (RISKIQ_MAX_TLP)."
    )


@pytest.mark.parametrize(
    ("name", "kind", "marked"),
    [
        ("TLP:PURPLE", "TLP", f"TLP:PURPLE {UNKNOWN}"),
        ("TLP:ORANGE", "TLP", f"TLP:ORANGE {UNKNOWN}"),
        ("RED", "TLP", "TLP:RED"),
        ("TLP: RED", "TLP", "TLP:RED"),
        ("tlp_red", "TLP", "TLP:RED"),
        ("TLP:RED", "statement", "TLP:RED"),
        ("TLP:Red", "Sharing", "TLP:RED"),
        ("Red", "Sharing", "TLP:RED"),
        ("T.L.P. Red", "statement", f"T.L.P. Red {UNKNOWN}"),
        ("TLP RED only", "statement", f"TLP RED only {UNKNOWN}"),
        ("RED (internal)", "statement", f"RED (internal) {UNKNOWN}"),
        ("T-L.P: RED", "statement", f"T-L.P: RED {UNKNOWN}"),
        ("\u0422LP:RED", "statement", "TLP:RED"),
        ("Amber\u2013Strict", "statement", "TLP:AMBER+STRICT"),
        ("Internal", "TLP", f"Internal {UNKNOWN}"),
    ],
)
def test_a_marking_in_opencti_above_the_maximum_or_unknown_is_refused(
    world: World, name: str, kind: str, marked: str
) -> None:
    assert_not_enriched(world, Marking(name, kind), f"marked {marked}, above the maximum of TLP:AMBER (RISKIQ_MAX_TLP)")


@pytest.mark.parametrize(
    ("name", "kind", "marked"),
    [
        ("PAP:RED", "PAP", "PAP:RED"),
        ("Red", "PAP", "PAP:RED"),
        ("pap_red", "statement", "PAP:RED"),
        ("\u0420AP:RED", "statement", "PAP:RED"),
        ("PAP:PURPLE", "PAP", "PAP:PURPLE (not a PAP that the connector knows, so it counts as the strictest)"),
    ],
)
def test_a_pap_in_opencti_above_the_maximum_or_unknown_is_refused(
    world: World, name: str, kind: str, marked: str
) -> None:
    assert_not_enriched(world, Marking(name, kind), f"marked {marked}, above the maximum of PAP:AMBER (PDNS_MAX_PAP)")


def assert_not_enriched(world: World, marking: Marking, words: str) -> None:
    """Enrich a name with that marking; nothing is sent to the source, and the work says why."""
    work = world.platform.enrich(fresh(world, markings=(marking,))).wait(WAIT)
    assert (work.in_error, work.message) == (True, f"Not sent to PassiveTotal: {words}.")
    assert world.service.requests == []


def test_a_pap_in_a_playbook_above_the_maximum_is_refused(world: World) -> None:
    execution, received = play(world, [FOREIGN], marking(definition_type="pap", definition={"pap": "pap:red"}))
    assert [bundle["objects"] for bundle in execution.bundles] == [received]
    assert world.service.requests == []
    assert failure(world, execution.entity) == (
        "Not sent to PassiveTotal: marked PAP:RED, above the maximum of PAP:AMBER (PDNS_MAX_PAP)."
    )


@pytest.mark.parametrize("name", ["PAP:CLEAR", "PAP:AMBER", "SECRET", "Copyright Red Hat"])
def test_a_marking_in_opencti_that_forbids_nothing_does_not_block(world: World, name: str) -> None:
    work = world.platform.enrich(fresh(world, markings=(name,))).wait(WAIT)
    assert not work.in_error
    assert len(world.service.searches) == 1


@pytest.mark.parametrize(
    ("received", "marked"),
    [
        (marking(**TYPED_TLP), "TLP:RED"),
        (marking(**NAMED_ONLY), "TLP:RED"),
        (tlp_2("red"), "TLP:RED"),
        (tlp_2("amber+strict"), "TLP:AMBER+STRICT"),
        (marking(**STATEMENT), "TLP:RED"),
        (marking(name="tlp : red"), "TLP:RED"),
        (marking(definition_type="tlp", definition="red"), "TLP:RED"),
        (marking(definition_type="tlp", definition=["red"]), f"['red'] {UNKNOWN}"),
        (marking(name="TLP:PURPLE"), f"TLP:PURPLE {UNKNOWN}"),
        (marking(), f"{FOREIGN} {MEANINGLESS}"),
    ],
    ids=["typed", "named", "TLP 2.0", "strict", "statement", "blanks", "text", "list", "purple", "wordless"],
)
def test_a_marking_in_a_playbook_is_refused_in_every_form(world: World, received: dict[str, Any], marked: str) -> None:
    assert_refused(world, *play(world, [FOREIGN], received), marked)


@pytest.mark.parametrize("level", ABOVE)
def test_a_tlp_of_oasis_above_the_maximum_is_refused_with_its_object(world: World, level: str) -> None:
    assert_refused(world, *play(world, [TLP_2[level]], tlp_2(level, TLP_2[level])), f"TLP:{level.upper()}")


@pytest.mark.parametrize("level", ABOVE)
def test_a_tlp_of_oasis_above_the_maximum_is_refused_without_its_object(world: World, level: str) -> None:
    assert_refused(world, *play(world, [TLP_2[level]]), f"TLP:{level.upper()}")


@pytest.mark.parametrize("level", WITHIN)
@pytest.mark.parametrize("is_present", [True, False])
def test_a_tlp_of_oasis_within_the_maximum_is_looked_up(world: World, level: str, is_present: bool) -> None:
    markings = [tlp_2(level, TLP_2[level]) | {"name": f"TLP:{level.upper()}"}] if is_present else []
    execution, received = play(world, [TLP_2[level]], *markings)
    assert execution.errors == []
    assert execution.bundles[0]["objects"][: len(received)] == received
    (relation,) = [item for item in execution.bundles[0]["objects"] if item["type"] == "relationship"]
    assert relation["object_marking_refs"] == [TLP_2[level]]


def test_a_marking_that_the_entity_does_not_refer_to_does_not_count(world: World) -> None:
    execution, _ = play(world, [TLP_2["green"]], tlp_2("red", TLP_2["red"]), marking(name="TLP:PURPLE"))
    assert len(world.service.searches) == 1
    assert any(item["type"] == "relationship" for item in execution.bundles[0]["objects"])


def test_an_unknown_reference_is_refused(world: World) -> None:
    assert_refused(world, *play(world, [TLP_2["green"], FOREIGN]), f"{FOREIGN} {MEANINGLESS}")


@pytest.mark.parametrize("others", [(), ("PAP:GREEN",)])
def test_relationships_have_a_marking_that_an_earlier_step_added(world: World, others: tuple[str, ...]) -> None:
    added = world.entity("Domain-Name", "secret.example", markings=("SECRET",)).markings[0].id
    entity = fresh(world, markings=others)
    refs = [*(marking.id for marking in entity.markings), added]
    execution = world.play(entity, [entity.as_stix() | {"object_marking_refs": refs}])
    (relation,) = [item for item in execution.bundles[0]["objects"] if item["type"] == "relationship"]
    assert execution.errors == []
    assert set(refs) <= set(relation["object_marking_refs"])


def test_a_marking_that_an_earlier_step_added_keeps_the_name_that_an_administrator_gave_it(world: World) -> None:
    world.platform.rename_marking("TLP:GREEN", "TLP:Green")
    execution, _ = play(world, [TLP["TLP:GREEN"]])
    (sent,) = [item for item in execution.bundles[0]["objects"] if item["id"] == TLP["TLP:GREEN"]]
    assert sent["x_opencti_definition"] == "TLP:Green"


def test_a_reference_outside_a_list_is_refused(world: World) -> None:
    assert_refused(world, *play(world, TLP_2["red"]), "TLP:RED")


def test_a_marking_of_a_single_property_is_refused(world: World) -> None:
    entity = fresh(world, markings=())
    granular = {"granular_markings": [{"marking_ref": TLP_2["red"], "selectors": ["value"]}]}
    received = [entity.as_stix() | granular]
    assert_refused(world, world.play(entity, received), received, "TLP:RED")
