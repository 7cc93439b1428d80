"""Applies a user's permissions at import: the rights of roles, and the markings visible through groups."""

from collections.abc import Iterable, Mapping

from sandbox.platform_rules import StixObject, references


def denial(obj: StixObject, capabilities: Iterable[Mapping[str, str]], hidden: Iterable[str]) -> str | None:
    """Why the platform does not import ``obj`` for this user, as ``CODE: words``; None when his rights suffice.

    ``hidden`` holds the ids of the markings that he may not see. To him they do not exist.
    """
    if obj.get("type") == "marking-definition" and not _may("SETTINGS_SETMARKINGS", capabilities):
        return "FORBIDDEN_ACCESS: You are not allowed to do this."
    missing = sorted(set(hidden).intersection(references(obj)))
    return (
        f"MISSING_REFERENCE_ERROR: Element(s) not found: {', '.join(missing)} (of {obj.get('id')})" if missing else None
    )


def _may(needed: str, capabilities: Iterable[Mapping[str, str]]) -> bool:
    """A capability holds those whose names it begins with, and BYPASS all."""
    return any(held["name"] == "BYPASS" or held["name"].startswith(needed) for held in capabilities)
