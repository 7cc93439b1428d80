"""The messages of the embedded OpenCTI name the requester, as the platform's do since 6.8."""

from typing import Any

import pytest

from sandbox.entities import Entity
from sandbox.messages import as_before_6_8, enrichment_message, playbook_message
from sandbox.opencti import OpenCTI
from sandbox.works import Execution, Work

DOMAIN = Entity("Domain-Name", "example.com")


def by_hand() -> dict[str, Any]:
    return enrichment_message(Work("w1", DOMAIN), auto=False)


def by_itself() -> dict[str, Any]:
    return enrichment_message(Work("w1", DOMAIN), auto=True)


def in_a_playbook() -> dict[str, Any]:
    return playbook_message(Execution("e1", DOMAIN), [DOMAIN.as_stix()], DOMAIN.standard_id)


def test_a_message_says_whether_a_person_asked() -> None:
    assert by_hand()["internal"]["mode"] == "manual"
    assert by_itself()["internal"]["mode"] == in_a_playbook()["internal"]["mode"] == "auto"


@pytest.mark.parametrize("message", [by_hand(), by_itself(), in_a_playbook()])
def test_a_message_of_an_older_platform_does_not(message: dict[str, Any]) -> None:
    older = as_before_6_8(message)

    assert message["internal"].keys() - older["internal"].keys() == {"mode", "trigger"}
    assert "stix_entity" not in older["event"]
    assert older["event"]["entity_id"] == message["event"]["entity_id"]


@pytest.mark.parametrize(("version", "tells"), [("6.7.20", False), ("6.8.0", True), ("7.261026.0", True)])
def test_a_platform_says_it_since_6_8(version: str, tells: bool) -> None:
    assert OpenCTI(version).tells_mode is tells
