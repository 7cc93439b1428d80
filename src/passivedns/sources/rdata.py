"""DNS in presentation text: record types, and the name, address or mailbox in the data of a record."""

import re
from collections.abc import Sequence
from typing import Any

_NUMBERED = {1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA", 33: "SRV"}
_FIRST_BARE_DOT = re.compile(r"(?<!\\)\.")


def record_type(value: Any) -> str:
    """The type in upper case; numbers (RFC 3597, COF) become names where they have one; empty where it is neither."""
    if isinstance(value, str):
        text = value.strip().upper()
        return _NUMBERED.get(int(text), f"TYPE{text}") if text.isascii() and text.isdigit() and len(text) < 6 else text
    return record_type(str(value)) if isinstance(value, int) and not isinstance(value, bool) else ""


def address_type(address: str) -> str:
    """`A` or `AAAA`, whichever the address is; for sources that mix them up or do not say."""
    return "AAAA" if ":" in address else "A"


def names_and_addresses(kind: str, data: str) -> Sequence[str]:
    """What a record of type `kind` leads to: MX without its preference, the host and the mailbox of SOA, else `data`.

    RFC 1035 section 3.3 has the forms. A `data` of another form comes back as it is, for the converter to judge.
    """
    if kind == "MX":
        fields = data.split(None, 1)
        return (fields[1],) if len(fields) == 2 and fields[0].isdecimal() else (data,)
    if kind == "SOA":
        host, *fields = data.split()[:2] or [""]
        return (host, *map(mailbox, fields))
    return (data,)


def mailbox(rname: str) -> str:
    """The mailbox of an SOA record with its @, which the DNS writes as the first dot (RFC 1035 section 8)."""
    if "@" in rname:
        return rname
    local, at, domain = _FIRST_BARE_DOT.sub("@", rname, count=1).partition("@")
    return f"{local.replace(chr(92) + '.', '.')}{at}{domain}"
