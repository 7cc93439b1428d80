"""Applies a user's permissions at import: the rights of roles, and the markings visible through groups."""

from collections.abc import Iterable, Mapping

from sandbox.import_rules import StixObject, references

FORBIDDEN = "You are not allowed to do this."


def denial(obj: StixObject, capabilities: Iterable[Mapping[str, str]], hidden: Iterable[str]) -> str | None:
    """Return why OpenCTI refuses to import ``obj`` for this user, as ``CODE: message``, or None.

    ``hidden`` contains the ids of the markings that the user cannot see; for the user they do not exist.
    """
    if obj.get("type") == "marking-definition" and not may("SETTINGS_SETMARKINGS", capabilities):
        return f"FORBIDDEN_ACCESS: {FORBIDDEN}"
    missing = sorted(set(hidden).intersection(references(obj)))
    return (
        f"MISSING_REFERENCE_ERROR: Element(s) not found: {', '.join(missing)} (of {obj.get('id')})" if missing else None
    )


def may(needed: str, capabilities: Iterable[Mapping[str, str]]) -> bool:
    """Return whether a user may do what needs a capability: one includes its prefixes, and BYPASS includes all."""
    return any(held["name"] == "BYPASS" or held["name"].startswith(needed) for held in capabilities)
