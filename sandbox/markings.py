"""Imports marking definitions as OpenCTI does: read as pycti reads them, then upserted by id.

Measured on OpenCTI 7.260817: the definition that was sent renames the marking for everybody; its type, order and
colour stay (``upsert: false`` in the platform's ``stixMetaObject-registrationAttributes.ts``).
"""

from collections.abc import Mapping
from typing import Any


def read(obj: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the marking in OpenCTI's terms; None if pycti finds no text in it, or fails, and sends nothing.

    The forms are tried in the order of pycti's ``MarkingDefinition.import_from_stix2``.
    """
    kind, definition = _words(obj)
    if not definition:
        return None
    kept = {key: obj[key] for key in ("type", "id", "created") if key in obj}
    named = "TLP:CLEAR" if definition == "TLP:WHITE" else definition
    return {**kept, "definition_type": kind, "definition": named}


def upserted(stored: Mapping[str, Any], came: Mapping[str, Any]) -> dict[str, Any]:
    """Return the stored marking after an upsert; both are as returned by `read`."""
    return {**came, **stored, "definition": came["definition"]}


def _words(obj: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return its type and its definition as sent."""
    if "x_opencti_definition_type" in obj and "x_opencti_definition" in obj:
        return obj["x_opencti_definition_type"], obj["x_opencti_definition"]
    kind, name, definition = obj.get("definition_type"), obj.get("name"), obj.get("definition")
    if kind == "tlp" and definition:
        level = definition.get("tlp") if isinstance(definition, dict) else None
        return "TLP", f"TLP:{level.upper()}" if isinstance(level, str) else None
    if kind == "tlp":
        return "TLP", name
    if kind:
        return kind, definition.get(kind, name) if isinstance(definition, dict) else definition or name
    return (name.partition(":")[0] if name and ":" in name else "statement"), name
