"""Parses DNS presentation text: record types, and the name, address or mailbox in record data."""

import re
from collections.abc import Sequence
from typing import Any

LONGEST_SENSOR = 64
"""Maximum characters of the name of a sensor."""

_NUMBERED = {1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA", 33: "SRV"}
_FIRST_BARE_DOT = re.compile(r"(?<!\\)\.")


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
    """Whether a text is an address rather than a name."""
    return ":" in text or text.rpartition(".")[2].isdigit()


def sensors(names: Sequence[Any]) -> tuple[str, ...]:
    """The names that can be shown: printable texts of limited length."""
    return tuple(
        [name for name in names if isinstance(name, str) and 0 < len(name) <= LONGEST_SENSOR and name.isprintable()]
    )


def names_and_addresses(kind: str, data: str) -> Sequence[str]:
    """The targets of a record of type `kind`: MX without preference, host and mailbox of SOA, else `data`.

    RFC 1035 section 3.3 defines the forms. Other `data` are returned unchanged for the converter to validate.
    """
    if kind == "MX":
        fields = data.split(None, 1)
        return (fields[1],) if len(fields) == 2 and fields[0].isdecimal() else (data,)
    if kind == "SOA":
        host, *fields = data.split()[:2] or [""]
        return (host, *map(mailbox, fields))
    return (data,)


def mailbox(rname: str) -> str:
    """The mailbox of an SOA record with @ instead of the first dot (RFC 1035 section 8)."""
    if "@" in rname:
        return rname
    local, at, domain = _FIRST_BARE_DOT.sub("@", rname, count=1).partition("@")
    return f"{local.replace(chr(92) + '.', '.')}{at}{domain}"
