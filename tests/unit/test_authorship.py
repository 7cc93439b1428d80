"""Whether the observable of a message is this connector's own, in each form in which a message tells its author."""

from typing import Any

import pytest
from pycti import Identity

from passivedns.authorship import is_own
from passivedns.converter import AUTHOR

OWN = Identity.generate_id(AUTHOR, "organization")
ANOTHER = Identity.generate_id("Example Organization", "organization")
OPENCTI = "extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba"
OBSERVABLE = "extension-definition--f93e2c80-4231-4f9a-af8b-95c9bd566a82"


def message(author: dict[str, Any] | None = None, **properties: Any) -> dict[str, Any]:
    """What pycti hands over, as far as it may tell the author."""
    entity = {"type": "domain-name", "id": "domain-name--1", "value": "example.org"} | properties
    return {"enrichment_entity": {"createdBy": author}, "stix_entity": entity}


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
    assert is_own(as_told(OWN))
    assert not is_own(as_told(ANOTHER))


@pytest.mark.parametrize("unauthored", [message(), message({}), message(extensions=None), {**message(), "more": 1}])
def test_an_observable_without_an_author_is_not_its_own(unauthored: dict[str, Any]) -> None:
    assert not is_own(unauthored)


def test_an_entity_that_does_not_tell_of_authors_is_not_its_own() -> None:
    assert not is_own({"enrichment_entity": {}, "stix_entity": {}})
