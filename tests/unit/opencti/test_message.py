"""What a message says of its entity: who the author is, in each form in which a message names one, and who asked."""

from types import SimpleNamespace
from typing import Any

import pytest
from pycti import Identity

from passivedns.opencti.message import Message

OWN = Identity.generate_id("RiskIQ PassiveTotal", "organization")
ANOTHER = Identity.generate_id("Example Organization", "organization")
OPENCTI = "extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba"
OBSERVABLE = "extension-definition--f93e2c80-4231-4f9a-af8b-95c9bd566a82"


def message(author: dict[str, Any] | None = None, mode: str | None = None, **properties: Any) -> Message:
    """A message with what pycti hands over of its author."""
    entity = {"type": "domain-name", "id": "domain-name--1", "value": "example.org"} | properties
    return of({"enrichment_entity": {"createdBy": author}, "stix_entity": entity, "mode": mode})


def of(data: dict[str, Any]) -> Message:
    return Message(data, SimpleNamespace(work_id=None))


@pytest.mark.parametrize(
    "as_told",
    [
        lambda author: message({"standard_id": author, "name": "any"}),
        lambda author: message(x_opencti_created_by_ref=author),
        lambda author: message(created_by_ref=author),
        lambda author: message(extensions={OPENCTI: {"type": "Domain-Name"}, OBSERVABLE: {"created_by_ref": author}}),
    ],
    ids=["read by pycti", "exported by pycti", "of a playbook, flat", "of a playbook, in an extension"],
)
def test_the_author_is_known_in_every_form(as_told: Any) -> None:
    assert as_told(OWN).is_by(OWN)
    assert not as_told(ANOTHER).is_by(OWN)


@pytest.mark.parametrize("unauthored", [message(), message({}), message(extensions=None), message(more=1)])
def test_an_observable_without_an_author_is_by_nobody(unauthored: Message) -> None:
    assert not unauthored.is_by(OWN)


def test_an_entity_that_does_not_name_authors_is_by_nobody() -> None:
    assert not of({"enrichment_entity": {}, "stix_entity": {}}).is_by(OWN)


@pytest.mark.parametrize(("mode", "deliberate"), [("manual", True), ("playbook", True), ("auto", False), (None, False)])
def test_a_person_and_a_playbook_ask_deliberately_and_opencti_itself_does_not(
    mode: str | None, deliberate: bool
) -> None:
    assert message(mode=mode).mode == mode
    assert message(mode=mode).is_deliberate is deliberate


def test_a_message_that_does_not_say_what_caused_it_is_not_deliberate() -> None:
    silent = of({"enrichment_entity": {}, "stix_entity": {}})
    assert silent.mode is None
    assert not silent.is_deliberate
