"""Implements OpenCTI's rules for rejecting and merging imported objects (7.x) as pure functions.

They follow only OpenCTI's behaviour and share no code with the connector that they check.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

StixObject = Mapping[str, Any]
Find = Callable[[str], StixObject | None]
"""Returns the object with an id, or None if it is unknown."""

TLP = {
    "TLP:CLEAR": "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9",
    "TLP:GREEN": "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da",
    "TLP:AMBER": "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82",
    "TLP:AMBER+STRICT": "marking-definition--826578e1-40ad-459f-bc73-ede076f81f37",
    "TLP:RED": "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed",
}
"""OpenCTI's built-in TLP markings, least strict first; TLP:WHITE has the id of TLP:CLEAR."""

PAP = {
    "PAP:CLEAR": "marking-definition--4cdff7eb-acb8-543f-8573-829eb9fe8b34",
    "PAP:GREEN": "marking-definition--89484dde-e3d2-547f-a6c6-d14824429eb1",
    "PAP:AMBER": "marking-definition--a6f20d4d-0360-59b6-ba22-3b48707828b1",
    "PAP:RED": "marking-definition--4e4e3b84-de45-53df-9d9b-b21207699fd8",
}
"""OpenCTI's built-in PAP markings, least strict first."""

OBSERVABLES = frozenset(
    {"artifact", "autonomous-system", "directory", "domain-name", "email-addr", "email-message", "file", "hostname"}
    | {"ipv4-addr", "ipv6-addr", "mac-addr", "mutex", "network-traffic", "process", "software", "url"}
    | {"user-account", "windows-registry-key", "x509-certificate"}
)
"""STIX 2.1 section 6, and OpenCTI's Hostname."""

_ENTITY_TYPES = {"ipv4-addr": "IPv4-Addr", "ipv6-addr": "IPv6-Addr", "file": "StixFile"}
_IDENTITIES = {"organization": "Organization", "individual": "Individual", "class": "Sector", "system": "System"}

_OWNERS = ("Organization", "Individual")
_ADDRESSES = ("IPv4-Addr", "IPv6-Addr")
_EVERYWHERE = ("related-to", "revoked-by")
_RELATIONSHIPS = frozenset(
    [
        *product(["Domain-Name"], ["resolves-to"], ["Domain-Name", "Hostname", *_ADDRESSES]),
        *product(["Domain-Name"], ["derived-from"], ["Domain-Name", "Hostname"]),
        *product(["Hostname"], ["resolves-to", "communicates-with"], ["Domain-Name", *_ADDRESSES]),
        ("Hostname", "derived-from", "Hostname"),
        *product(_ADDRESSES, ["resolves-to"], ["Mac-Addr"]),
        *product(_ADDRESSES, ["belongs-to"], ["Autonomous-System", *_OWNERS]),
        *product(["Domain-Name"], ["belongs-to"], _OWNERS),
        *((address, "derived-from", address) for address in _ADDRESSES),
        ("IPv4-Addr", "communicates-with", "IPv4-Addr"),
    ]
)

_HOST_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?"
_HOSTNAME = re.compile(rf"{_HOST_LABEL}(?:\.{_HOST_LABEL})*")
_MAIL_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_MAIL = re.compile(rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_MAIL_LABEL}(?:\.{_MAIL_LABEL})*")
_DOMAIN_LABEL = re.compile(r"[^\s.]{1,63}")
_WITH_ZONE = re.compile(r"fe80:(?::[0-9a-fA-F]{0,4}){0,4}%[0-9a-zA-Z]+")
_WITH_IPV4 = re.compile(r"(?:::(?:ffff(?::0{1,4})?:)?|(?:[0-9a-fA-F]{1,4}:){1,4}:)[0-9.]+")

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_RELATIONSHIP_REQUIRES = {"relationship_type", "source_ref", "target_ref"}
_DEDUPLICATION_WINDOW = timedelta(days=30)
_UNIONS = ("labels", "x_opencti_labels", "external_references")
_AUTHORS = ("created_by_ref", "x_opencti_created_by_ref")
_UNKNOWN_TIMES = {"start_time": "1970-01-01T00:00:00.000Z", "stop_time": "5138-11-16T09:46:40.000Z"}


def entity_type(obj: StixObject) -> str:
    """Return OpenCTI's name for the type of a STIX object, such as ``IPv4-Addr`` for ``ipv4-addr``."""
    if obj["type"] == "identity":
        return _IDENTITIES.get(obj.get("identity_class", ""), "Identity")
    return _ENTITY_TYPES.get(obj["type"], str(obj["type"]).title())


def refusal(obj: StixObject, find: Find) -> str | None:
    """Return why OpenCTI refuses to import ``obj``, as ``CODE: message``, or None.

    ``find`` looks up the objects that OpenCTI has already.
    """
    checks = (_malformed, _missing_reference, _bad_value, _bad_score, _bad_ends, _bad_times)
    return next((reason for check in checks if (reason := check(obj, find))), None)


def references(obj: StixObject) -> list[str]:
    """Return the ids in the properties ``*_ref`` and ``*_refs`` of the object."""
    single = [value for key, value in obj.items() if key.endswith("_ref") and value]
    several = [ref for key, refs in obj.items() if key.endswith("_refs") for ref in refs or ()]
    return single + several


def is_correct_value(type_name: str, value: object) -> bool:
    """Return whether OpenCTI accepts ``value`` for that observable type (``Domain-Name``, ``IPv4-Addr``, ...).

    Never stricter than OpenCTI, which accepts ``http://example.com`` as a domain name. Unchecked types pass.
    """
    check = _SYNTAX.get(type_name)
    return check is None or (isinstance(value, str) and check(value))


def same_relationship(stored: StixObject, incoming: StixObject) -> bool:
    """Return whether OpenCTI merges two relationships of the same type and ends.

    It does if each time of ``incoming`` lies within 30 days of the stored one.
    """
    return all(
        abs(instant(stored, name) - instant(incoming, name)) <= _DEDUPLICATION_WINDOW
        for name in ("start_time", "stop_time")
        if incoming.get(name)
    )


def merged(stored: StixObject, incoming: StixObject) -> dict[str, Any]:
    """Return the stored object after an upsert: new values win, nulls do not, lists grow, times widen.

    An existing author stays; of several markings of one type, the strictest does.
    """
    kept = _AUTHORS if author(stored) else ()
    came = {key: value for key, value in incoming.items() if value is not None and key not in kept}
    unions = {key: _union(stored.get(key), came[key]) for key in _UNIONS if key in came}
    result = {**stored, **came, **unions, "id": stored["id"]}
    marks = _strictest(_union(stored.get("object_marking_refs"), came.get("object_marking_refs")))
    if marks:
        result["object_marking_refs"] = marks
    if stored["type"] == "relationship":
        result |= _widened(stored, came)
    return result


def author(obj: StixObject) -> str | None:
    """Return the id of an object's author as pycti and OpenCTI write it, or None."""
    written = [obj, *(obj.get("extensions") or {}).values()]
    return next((part[key] for part in written for key in _AUTHORS if part.get(key)), None)


def instant(obj: StixObject, name: str) -> datetime:
    """Return ``start_time`` or ``stop_time`` in UTC; if missing, OpenCTI's minimum or maximum."""
    time = datetime.fromisoformat(obj.get(name) or _UNKNOWN_TIMES[name])
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _malformed(obj: StixObject, _find: Find) -> str | None:
    required = {"type", "id"} | (_RELATIONSHIP_REQUIRES if obj.get("type") == "relationship" else set())
    absent = sorted(required - {key for key, value in obj.items() if value})
    if absent:
        return f"VALIDATION_ERROR: Missing {', '.join(absent)} (of {obj.get('id')})"
    if not re.fullmatch(rf"{re.escape(obj['type'])}--{_UUID}", obj["id"]):
        return f"VALIDATION_ERROR: Invalid identifier {obj['id']} of a {obj['type']}"
    return None


def _missing_reference(obj: StixObject, find: Find) -> str | None:
    missing = [ref for ref in references(obj) if find(ref) is None]
    return f"MISSING_REFERENCE_ERROR: Element(s) not found: {', '.join(missing)} (of {obj['id']})" if missing else None


def _bad_value(obj: StixObject, _find: Find) -> str | None:
    name = entity_type(obj)
    if is_correct_value(name, obj.get("value")):
        return None
    return f"INCORRECT_OBSERVABLE_FORMAT: Observable is not correctly formatted ({name} {obj.get('value')!r})"


def _bad_score(obj: StixObject, _find: Find) -> str | None:
    score = obj.get("x_opencti_score")
    if score is None or (type(score) is int and 0 <= score <= 100):
        return None
    return f"VALIDATION_ERROR: The score should be an integer between 0 and 100 ({score!r} of {obj['id']})"


def _bad_ends(obj: StixObject, find: Find) -> str | None:
    if obj["type"] != "relationship":
        return None
    source, target = find(obj["source_ref"]), find(obj["target_ref"])
    if not source or not target:
        return None
    if source["id"] == target["id"]:
        return f"SELF_REFERENCING_RELATION: Self referencing relations are not allowed ({source['id']})"
    relation, ends = obj["relationship_type"], (entity_type(source), entity_type(target))
    if relation in _EVERYWHERE or not _is_judged(source, target) or (ends[0], relation, ends[1]) in _RELATIONSHIPS:
        return None
    return f"FUNCTIONAL_ERROR: The relationship type {relation} is not allowed between {ends[0]} and {ends[1]}"


def _is_judged(source: StixObject, target: StixObject) -> bool:
    # The part of OpenCTI's table whose relationships start at an observable.
    return source["type"] in OBSERVABLES and (target["type"] in OBSERVABLES or entity_type(target) in _OWNERS)


def _bad_times(obj: StixObject, _find: Find) -> str | None:
    if obj["type"] != "relationship":
        return None
    try:
        if instant(obj, "start_time") <= instant(obj, "stop_time"):
            return None
    except ValueError as error:
        return f"VALIDATION_ERROR: {error} (of {obj['id']})"
    return f"DATABASE_ERROR: You cant create a relation with a stop_time less than the start_time ({obj['id']})"


def _is_domain_name(value: str) -> bool:
    labels = value.split(".")
    length = 1 <= len(value) <= 253 and len(labels) >= 2 and len(labels[-1]) >= 2
    return length and not value.startswith("-") and all(_DOMAIN_LABEL.fullmatch(label) for label in labels)


def _is_network(value: str, address: Callable[[str], object], longest_prefix: int) -> bool:
    host, slash, prefix = value.partition("/")
    try:
        address(host)
    except ValueError:
        return False
    return not slash or (bool(re.fullmatch(r"0|[1-9]\d{0,2}", prefix, re.ASCII)) and int(prefix) <= longest_prefix)


def _ipv6(host: str) -> object:
    """Raises ValueError if Python does, or for zones and embedded addresses that only Python accepts."""
    if ("%" in host and not _WITH_ZONE.fullmatch(host)) or ("." in host and not _WITH_IPV4.fullmatch(host)):
        raise ValueError(host)
    return ipaddress.IPv6Address(host)


_SYNTAX: dict[str, Callable[[str], bool]] = {
    "Domain-Name": _is_domain_name,
    "Hostname": lambda value: bool(_HOSTNAME.fullmatch(value)),
    "Email-Addr": lambda value: bool(_MAIL.fullmatch(value)),
    "IPv4-Addr": lambda value: _is_network(value, ipaddress.IPv4Address, 32),
    "IPv6-Addr": lambda value: _is_network(value, _ipv6, 128),
}


def _union(stored: list[Any] | None, came: list[Any] | None) -> list[Any]:
    known = stored or []
    return known + [item for item in came or [] if item not in known]


def _strictest(refs: list[str]) -> list[str]:
    """Keep only the strictest TLP marking and the strictest PAP marking, and all others."""
    for markings in (TLP, PAP):
        order = list(markings.values())
        strictest = max((order.index(ref) for ref in refs if ref in order), default=None)
        refs = [ref for ref in refs if ref not in order or order.index(ref) == strictest]
    return refs


def _widened(stored: StixObject, came: StixObject) -> dict[str, str]:
    """Return the oldest start and the newest stop as written; unknown ones are OpenCTI's minimum or maximum."""
    picks = {"start_time": min, "stop_time": max}
    known = {name: [obj for obj in (stored, came) if obj.get(name)] or [_UNKNOWN_TIMES] for name in picks}
    return {name: pick(known[name], key=lambda obj: instant(obj, name))[name] for name, pick in picks.items()}
