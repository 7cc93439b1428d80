"""The embedded OpenCTI imports marking definitions as pycti reads them, and upserts them by id."""

from typing import Any

import pytest

from sandbox.entities import Marking
from sandbox.import_rules import TLP
from sandbox.stored_objects import Knowledge

SECRET, PAP = Marking("SECRET"), Marking("PAP:RED")


def platform(*markings: Marking) -> Knowledge:
    knowledge = Knowledge()
    knowledge.take(marking.as_stored() for marking in markings)
    return knowledge


def definition(knowledge: Knowledge, marking: Marking) -> Any:
    return knowledge.objects[marking.id]["definition"]


@pytest.mark.parametrize(("marking", "renamed"), [(SECRET, "secret"), (PAP, "pap:red")])
def test_a_marking_as_pycti_exports_it_renames_the_stored_one(marking: Marking, renamed: str) -> None:
    knowledge = platform(marking)

    assert knowledge.take([marking.as_stix()]) == []

    assert definition(knowledge, marking) == renamed


@pytest.mark.parametrize("marking", [SECRET, PAP, *map(Marking, TLP)])
def test_a_marking_in_openctis_own_words_keeps_its_name(marking: Marking) -> None:
    knowledge = platform(marking)

    knowledge.take([marking.as_stored()])

    assert definition(knowledge, marking) == marking.definition


@pytest.mark.parametrize("name", TLP)
def test_a_tlp_as_pycti_exports_it_keeps_its_name(name: str) -> None:
    knowledge = platform(Marking(name))

    knowledge.take([Marking(name).as_stix()])

    assert definition(knowledge, Marking(name)) == name


def test_the_type_of_a_stored_marking_stays() -> None:
    knowledge = platform(PAP)

    knowledge.take([PAP.as_stix()])

    assert knowledge.objects[PAP.id]["definition_type"] == "PAP"


def test_a_marking_under_a_foreign_id_is_the_one_of_the_same_words() -> None:
    knowledge = platform(Marking("TLP:RED"))
    foreign = "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"

    knowledge.take([{"type": "marking-definition", "id": foreign, "name": "TLP:RED"}])

    assert knowledge.find(foreign) == knowledge.objects[TLP["TLP:RED"]]


@pytest.mark.parametrize(
    "words", [{}, {"definition_type": "tlp", "definition": "red"}, {"definition_type": "tlp", "definition": {"tlp": 1}}]
)
def test_a_marking_that_pycti_cannot_read_is_not_imported(words: dict[str, Any]) -> None:
    knowledge = platform()

    knowledge.take([{"type": "marking-definition", "id": SECRET.id} | words])

    assert knowledge.objects == {}
