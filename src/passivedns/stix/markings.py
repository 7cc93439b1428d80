"""Determines the strictest TLP and PAP of the entity, and the marking objects that relationships refer to."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from passivedns.stix import marking_text, objects
from passivedns.stix.confusables import skeleton
from passivedns.stix.objects import StixObject
from passivedns.text import one_line

LAXEST = "TLP:CLEAR"

_Said = Callable[[object, Collection[str]], str | None]
"""Reads the level that a text states in a marking of these kinds."""

# The laxest first.
_TLPS = {
    # OpenCTI's ids, from STIX 2.1 section 7.2.1.4 if it defines one; CLEAR and WHITE share one.
    objects.TLP_CLEAR: LAXEST,
    "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da": "TLP:GREEN",
    "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82": "TLP:AMBER",
    "marking-definition--826578e1-40ad-459f-bc73-ede076f81f37": "TLP:AMBER+STRICT",
    "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed": "TLP:RED",
    # OASIS's ids of TLP 2.0: cti-stix-common-objects, extension-definition-specifications/tlp-2.0.
    "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487": "TLP:CLEAR",
    "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb": "TLP:GREEN",
    "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421": "TLP:AMBER",
    "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003": "TLP:AMBER+STRICT",
    "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1": "TLP:RED",
}
_STRICTNESS = {tlp: level for level, tlp in enumerate(dict.fromkeys(_TLPS.values()))} | {"TLP:WHITE": 0}
_STRICTNESS |= {tlp.replace("TLP", "PAP"): level for tlp, level in _STRICTNESS.items() if "STRICT" not in tlp}
_KNOWN = [objects.marking(ref, "TLP", tlp) for ref, tlp in _TLPS.items()]
# OpenCTI's ids come first above, so they win.
TLP_MARKINGS = {marking["x_opencti_definition"]: marking for marking in reversed(_KNOWN)}
"""OpenCTI's marking object of each TLP."""

_TLP_2 = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"


def entity_markings(data: dict[str, Any], read: Sequence[StixObject] = ()) -> list[StixObject]:
    """The marking objects of a message's entity, to include in the bundle; `read` are those of OpenCTI.

    Objects read from OpenCTI take precedence: pycti exports names in lower case, to which OpenCTI would rename them.
    """
    known = {marking["id"]: marking for marking in _descriptions(data, read)}
    return [known[ref] for ref in references(data) if ref in known]


def strictest_tlp(data: dict[str, Any], read: Sequence[StixObject] = ()) -> str | None:
    """The strictest TLP of a message's entity, such as `TLP:AMBER`; None without a TLP.

    Considers all descriptions of a marking in the message and OpenCTI, whose markings are `read`. A marking that cannot
    be understood is stricter than TLP:RED and is returned as a phrase with the reason.
    """
    return _strictest(data, read, marking_text.tlp)


def strictest_pap(data: dict[str, Any], read: Sequence[StixObject] = ()) -> str | None:
    """The strictest PAP (Permissible Actions Protocol) of a message's entity, determined like `strictest_tlp`."""
    return _strictest(data, read, marking_text.pap)


def _strictest(data: dict[str, Any], read: Sequence[StixObject], said: _Said) -> str | None:
    known: dict[str, list[StixObject]] = {}
    for marking in _descriptions(data, read):
        known.setdefault(marking["id"], []).append(marking)
    levels = [
        level
        for ref in references(data)
        for marking in known.get(ref, [{"id": ref}])
        for level in _levels(marking, said)
    ]
    return strictest(*levels) if levels else None


def references(data: dict[str, Any]) -> list[str]:
    """The unique ids of the entity's markings, as received and in OpenCTI.

    In a playbook an earlier step may have changed the former. Markings of single properties (`granular_markings`),
    which OpenCTI itself never writes, count like those of the object.
    """
    entity = data["stix_entity"]
    items = _as_list(entity.get("granular_markings"))
    granular = [item.get("marking_ref") if isinstance(item, dict) else item for item in items]
    refs = [ref for ref in [*_as_list(entity.get("object_marking_refs")), *granular] if ref is not None]
    return list(dict.fromkeys([*map(str, refs), *(marking["id"] for marking in _markings_in_opencti(data))]))


def _as_list(value: object) -> list[Any]:
    """A list unchanged, another value as a list of one, nothing as an empty list."""
    return value if isinstance(value, list) else [value] if value else []


def _descriptions(data: dict[str, Any], read: Sequence[StixObject]) -> list[StixObject]:
    """All descriptions of markings, the most reliable last; an id may occur several times."""
    received = [item for item in data["stix_objects"] if item.get("type") == "marking-definition"]
    return [*_KNOWN, *received, *read, *_markings_in_opencti(data)]


def _markings_in_opencti(data: dict[str, Any]) -> list[StixObject]:
    """The markings of the entity in OpenCTI."""
    return [as_stix(item) for item in data["enrichment_entity"].get("objectMarking") or []]


def as_stix(marking: Mapping[str, Any]) -> StixObject:
    """A marking as read from OpenCTI, under the name that it has there."""
    return objects.marking(
        marking["standard_id"], marking["definition_type"], marking["definition"], marking.get("created")
    )


def _levels(marking: StixObject, said: _Said) -> list[str]:
    """What any property of a marking says."""
    words, kinds = _words_and_kinds(marking)
    if not words:
        meaningless = "neither OpenCTI nor the message says what this marking means, so it counts as the strictest"
        return [f"{one_line(marking['id'])} ({meaningless})"]
    return [level for word in words if (level := said(word, kinds))]


def _words_and_kinds(marking: StixObject) -> tuple[list[object], set[str]]:
    """The texts and the declared types (such as pap) of a marking of OpenCTI, STIX 2.1 or the TLP 2.0 extension."""
    words = [marking.get("x_opencti_definition"), marking.get("name")]
    kinds = [marking.get("x_opencti_definition_type"), marking.get("definition_type")]
    definition, extensions = marking.get("definition"), marking.get("extensions")
    if isinstance(definition, dict):
        words += definition.values()
        kinds += definition
    else:
        words.append(definition)
    if isinstance(extensions, dict) and (extension := extensions.get(_TLP_2)) is not None:
        words.append(extension.get("tlp_2_0", extension) if isinstance(extension, dict) else extension)
        kinds.append("tlp")
    return [word for word in words if skeleton(str(word or "")).strip()], {str(kind) for kind in kinds if kind}


def strictest(*levels: str) -> str:
    """The strictest of several TLPs, or of several PAPs; an unknown one is stricter than all known ones."""
    return max(levels, key=_strictness)


def is_within(level: str | None, maximum: str | None) -> bool:
    """Whether a TLP or PAP (or None) is at most `maximum`, of the same kind; None means no limit."""
    return level is None or maximum is None or _strictness(level) <= _strictness(maximum)


def _strictness(level: str) -> int:
    return _STRICTNESS.get(level, len(_STRICTNESS))
