"""Determines the strictest TLP of the entity and the marking objects that relationships refer to."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from passivedns.stix import objects
from passivedns.stix.objects import StixObject
from passivedns.wording import one_line

_TLP_IDS = {
    # OpenCTI's own, which are those of STIX 2.1 section 7.2.1.4 where it has them; CLEAR and WHITE share one.
    objects.TLP_CLEAR: "TLP:CLEAR",
    "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da": "TLP:GREEN",
    "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82": "TLP:AMBER",
    "marking-definition--826578e1-40ad-459f-bc73-ede076f81f37": "TLP:AMBER+STRICT",
    "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed": "TLP:RED",
    # OASIS's of TLP 2.0: cti-stix-common-objects, extension-definition-specifications/tlp-2.0.
    "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487": "TLP:CLEAR",
    "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb": "TLP:GREEN",
    "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421": "TLP:AMBER",
    "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003": "TLP:AMBER+STRICT",
    "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1": "TLP:RED",
}
TLP_MARKINGS = {name: objects.marking(ref, "TLP", name) for ref, name in reversed(_TLP_IDS.items())}
"""OpenCTI's marking object of each TLP."""

LAXEST = "TLP:CLEAR"

_TLP_2 = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"
_LAXEST_FIRST = [LAXEST, "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"]
_LEVEL = re.compile(r"(?:tlp[\s:_-]*)?(clear|white|green|amber|(amber[\s+_-]*strict)|red)")
_MENTIONS_TLP = re.compile(r"tlp|traffic[\s_-]*light")


def entity_markings(data: dict[str, Any]) -> list[StixObject]:
    """The marking objects of a message's entity, to include in the bundle.

    Objects read from OpenCTI take precedence: pycti exports names in lower case, to which OpenCTI would rename them.
    """
    known = {marking["id"]: marking for marking in _tellings(data)}
    return [known[ref] for ref in _references(data) if ref in known]


def strictest_tlp(data: dict[str, Any]) -> str | None:
    """The strictest TLP of a message's entity, such as `TLP:AMBER`; None without a TLP.

    Considers all descriptions of a marking in the message and OpenCTI. A marking that cannot be understood is stricter
    than TLP:RED and is returned as a phrase with the reason.
    """
    refs = _references(data)
    tellings = [marking for marking in _tellings(data) if marking["id"] in refs]
    unexplained = [{"id": ref} for ref in refs if ref not in {marking["id"] for marking in tellings}]
    return max((tlp for marking in tellings + unexplained for tlp in _tlps(marking)), key=_strictness, default=None)


def _references(data: dict[str, Any]) -> list[str]:
    """The unique ids of the entity's markings, as received and in OpenCTI.

    In a playbook an earlier step may have changed the former. Markings of single properties (`granular_markings`),
    which OpenCTI itself never writes, count like those of the object.
    """
    entity = data["stix_entity"]
    granular = [
        item.get("marking_ref") if isinstance(item, dict) else item for item in _listed(entity.get("granular_markings"))
    ]
    refs = [ref for ref in [*_listed(entity.get("object_marking_refs")), *granular] if ref is not None]
    return list(dict.fromkeys([*map(str, refs), *(marking["id"] for marking in _read(data))]))


def _tellings(data: dict[str, Any]) -> list[StixObject]:
    """All descriptions of markings, the most reliable last; an id may occur several times."""
    fixed = [objects.marking(marking_id, "TLP", name) for marking_id, name in _TLP_IDS.items()]
    received = [item for item in data["stix_objects"] if item.get("type") == "marking-definition"]
    return fixed + received + _read(data)


def _read(data: dict[str, Any]) -> list[StixObject]:
    return [
        objects.marking(item["standard_id"], item["definition_type"], item["definition"], item.get("created"))
        for item in data["enrichment_entity"].get("objectMarking") or []
    ]


def _tlps(marking: StixObject) -> list[str]:
    """The TLPs named in any property of a marking."""
    words, kinds = _words(marking), _kinds(marking)
    if not words:
        meaningless = "neither OpenCTI nor the message says what this marking means, so it counts as the strictest"
        return [f"{one_line(marking['id'])} ({meaningless})"]
    return [tlp for word in words if (tlp := _tlp(word, kinds))]


def _tlp(word: object, kinds: Iterable[str]) -> str | None:
    """The TLP for a word in a marking of these kinds; None for another kind, such as PAP:RED."""
    text = _plain(word)
    is_tlp = any(map(_MENTIONS_TLP.search, [text, *kinds]))
    level = _LEVEL.fullmatch(text)
    if level and (is_tlp or set(kinds) <= {"statement"}):
        return "TLP:AMBER+STRICT" if level[2] else f"TLP:{level[1].upper()}"
    if is_tlp or not isinstance(word, str):
        return f"{one_line(str(word))} (not a TLP that the connector knows, so it counts as the strictest)"
    return None


def _words(marking: StixObject) -> list[object]:
    """The texts of a marking in properties of OpenCTI, STIX 2.1 and the TLP 2.0 extension."""
    definition, extension = marking.get("definition"), _extension(marking)
    words = [marking.get("x_opencti_definition"), marking.get("name")]
    words += definition.values() if isinstance(definition, dict) else [definition]
    words += [extension.get("tlp_2_0", extension) if isinstance(extension, dict) else extension]
    return [word for word in words if _plain(word or "")]


def _kinds(marking: StixObject) -> set[str]:
    """The declared types of a marking: tlp, pap, statement and so on."""
    definition = marking.get("definition")
    kinds = [marking.get("x_opencti_definition_type"), marking.get("definition_type")]
    kinds += definition if isinstance(definition, dict) else []
    kinds += ["tlp"] if _extension(marking) is not None else []
    return {_plain(kind) for kind in kinds if kind}


def _extension(marking: StixObject) -> object:
    extensions = marking.get("extensions")
    return extensions.get(_TLP_2) if isinstance(extensions, dict) else None


def _plain(word: object) -> str:
    """Text normalized in case and width, without outer spaces and unprintable characters."""
    text = unicodedata.normalize("NFKC", str(word)).casefold()
    return "".join(filter(str.isprintable, text)).strip()


def _listed(value: object) -> list[Any]:
    """A list unchanged, another value as a list of one, nothing as an empty list."""
    return value if isinstance(value, list) else [value] if value else []


def strictest(*tlps: str) -> str:
    """The strictest of several TLPs; an unknown one is stricter than all known ones."""
    return max(tlps, key=_strictness)


def is_within(tlp: str | None, maximum: str | None) -> bool:
    """Whether a TLP (or None) is at most `maximum`; None means no limit."""
    return tlp is None or maximum is None or _strictness(tlp) <= _strictness(maximum)


def _strictness(tlp: str) -> int:
    tlp = tlp.replace("WHITE", "CLEAR")
    return _LAXEST_FIRST.index(tlp) if tlp in _LAXEST_FIRST else len(_LAXEST_FIRST)
