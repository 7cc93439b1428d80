"""The markings of the entity: which TLP is the strictest, and the marking objects that its relationships refer to."""

from collections.abc import Iterable
from typing import Any

from riskiq import stix

# OpenCTI's fixed ids of the TLP markings; CLEAR and WHITE share one.
_TLP_IDS = {
    stix.TLP_CLEAR: "TLP:CLEAR",
    "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da": "TLP:GREEN",
    "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82": "TLP:AMBER",
    "marking-definition--826578e1-40ad-459f-bc73-ede076f81f37": "TLP:AMBER+STRICT",
    "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed": "TLP:RED",
}
_LAXEST_FIRST = ["TLP:CLEAR", "TLP:WHITE", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"]


def entity_markings(data: dict[str, Any]) -> list[stix.StixObject]:
    """The marking objects of a message's entity, as received, or built from what pycti read of the platform.

    In a playbook an earlier step may have marked the received object anew, so both are looked at.
    """
    received = {item["id"]: item for item in data["stix_objects"] if item.get("type") == "marking-definition"}
    read = {item["standard_id"]: _from_platform(item) for item in data["enrichment_entity"].get("objectMarking") or []}
    fixed = {marking_id: stix.marking(marking_id, "TLP", name) for marking_id, name in _TLP_IDS.items()}
    known = fixed | read | received
    referred = data["stix_entity"].get("object_marking_refs") or []
    return [known[marking_id] for marking_id in dict.fromkeys([*referred, *read]) if marking_id in known]


def strictest_tlp(markings: Iterable[stix.StixObject]) -> str | None:
    """The strictest TLP, such as `TLP:AMBER`; a TLP that nobody knows is stricter than all; None without a TLP."""
    names = [name for name in map(_tlp, markings) if name]
    return max(names, key=_strictness, default=None)


def _strictness(name: str) -> int:
    return _LAXEST_FIRST.index(name) if name in _LAXEST_FIRST else len(_LAXEST_FIRST)


def _tlp(marking: stix.StixObject) -> str | None:
    """A marking's TLP in whichever form it is written: OpenCTI's, STIX 2.1's or STIX 2.1's with an extension."""
    if marking["id"] in _TLP_IDS:
        return _TLP_IDS[marking["id"]]
    name = str(marking.get("x_opencti_definition") or marking.get("name") or "").upper()
    is_tlp = "tlp" in (str(marking.get("x_opencti_definition_type")).lower(), marking.get("definition_type"))
    return name if is_tlp or name.startswith("TLP:") else None


def _from_platform(item: dict[str, Any]) -> stix.StixObject:
    return stix.marking(item["standard_id"], item["definition_type"], item["definition"], item.get("created"))
