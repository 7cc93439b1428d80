"""Parses DNS presentation text: record types, and the name, address or mailbox in record data."""

import re
from collections.abc import Sequence
from socket import AF_INET, AF_INET6, AddressFamily, inet_pton
from typing import Any

MAX_SENSOR = 64
"""Characters of the name of a sensor."""
MAX_RDATA = 65_535
"""Characters of a name or of record data; RFC 1035 section 3.2.1 allows as many bytes."""

_NUMBERED = {1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA", 33: "SRV"}
_FORMS = {
    "A": ("ADDRESS",),
    "AAAA": ("ADDRESS",),
    "CNAME": ("CNAME",),
    "MX": ("PREFERENCE", "EXCHANGE"),
    "NS": ("NSDNAME",),
    "SOA": ("MNAME", "RNAME", "SERIAL", "REFRESH", "RETRY", "EXPIRE", "MINIMUM"),
}
"""The fields of record data (RFC 1035 section 3.3, RFC 3596 section 2.2)."""
_NUMBERS = frozenset({"PREFERENCE", "SERIAL", "REFRESH", "RETRY", "EXPIRE", "MINIMUM"})
"""The fields that are numbers; the others are names or addresses."""
_NUMBER = re.compile("[0-9]{1,10}")
_ESCAPE = re.compile(r"\\(?:[0-9]{3}|.)", re.DOTALL)
_FIELD = re.compile(r'"(?:[^"\\]++|\\.)*+"|[()]|;[^\n]*+|(?:\\.|[^\s()"])++|"', re.DOTALL)
_ONE_FIELD = re.compile(r'[^\s()";]++')
_WITH_AT = re.compile(r"((?:\\[0-9]{3}|\\.|[^\\@])*+)@(.*)", re.DOTALL)
_WITH_DOT = re.compile(r"((?:\\[0-9]{3}|\\.|[^\\.])*+)\.(.*)", re.DOTALL)


def record_type(value: Any) -> str:
    """The type in upper case, with numbers (RFC 3597, COF) replaced by names if known; empty if invalid."""
    if isinstance(value, str):
        text = value.strip().upper()
        return _NUMBERED.get(int(text), f"TYPE{text}") if text.isdigit() and text.isascii() and len(text) < 6 else text
    return record_type(str(value)) if isinstance(value, int) and not isinstance(value, bool) else ""


def address_type(address: str) -> str:
    """`A` or `AAAA` by the address, for sources that mix them up or omit the type."""
    return "AAAA" if ":" in address else "A"


def fitting_type(kind: str, data: str) -> str:
    """The type of a record, with A and AAAA corrected by the address."""
    return address_type(data) if kind in ("A", "AAAA") else kind


def is_address(text: str) -> bool:
    """Whether a text is an IPv4 or IPv6 address."""
    # Most texts are names, for which inet_pton raises an error, slowly.
    return _is_one(text, AF_INET6) if ":" in text else text[-1:].isdigit() and _is_one(text, AF_INET)


def _is_one(text: str, family: AddressFamily) -> bool:
    try:
        return bool(inet_pton(family, text))
    except (OSError, ValueError):
        return False


def sensors(names: Sequence[Any]) -> tuple[str, ...]:
    """The names that can be shown: printable texts of limited length."""
    return tuple(
        [name for name in names if isinstance(name, str) and 0 < len(name) <= MAX_SENSOR and name.isprintable()]
    )


def fields(data: str) -> list[str]:
    """The fields of record data in presentation form (RFC 1035 section 5.1), with their escapes.

    White space separates them unless quoted or escaped; parentheses group lines; a semicolon begins a comment.
    """
    return [field.strip('"') for field in _FIELD.findall(data) if field[0] not in "();"]


def has_form(kind: str, data: str) -> bool:
    """Whether record data have the fields of their type."""
    return _targets(kind, data) is not None


def names_and_addresses(kind: str, data: str) -> Sequence[str]:
    """The names, address and mailbox in the data of a record of type `kind`; other types are returned unchanged.

    Some sources send only the host of MX and SOA. Data of another form are returned unchanged, for the converter to
    reject, except those of SOA and those longer than DNS allows: they have no targets.
    """
    if len(data) > MAX_RDATA:
        return ()
    if kind not in _FORMS or _ONE_FIELD.fullmatch(data):
        return (data,)
    targets = _targets(kind, data)
    return targets if targets is not None else () if kind == "SOA" else (data,)


def _targets(kind: str, data: str) -> Sequence[str] | None:
    """The fields with a name or an address; None unless there are exactly the fields of the type."""
    found = fields(data) if len(data) <= MAX_RDATA else []
    form = _FORMS[kind]
    if len(found) != len(form):
        return None
    named = list(zip(form, found, strict=True))
    if not all(_NUMBER.fullmatch(value) for name, value in named if name in _NUMBERS):
        return None
    return [mailbox(value) if name == "RNAME" else value for name, value in named if name not in _NUMBERS]


def mailbox(rname: str) -> str:
    """The mailbox of an SOA record with @ instead of the first dot (RFC 1035 section 8), and without escapes."""
    divided = _WITH_AT.fullmatch(rname) or _WITH_DOT.fullmatch(rname)
    if not divided:
        return rname
    local, domain = divided.groups()
    return f"{_ESCAPE.sub(_unescape, local)}@{domain}"


def _unescape(escape: re.Match[str]) -> str:
    text = escape[0][1:]
    return chr(int(text)) if len(text) == 3 else text
