"""Validates and normalizes addresses, names and mailboxes, or gives the reason for rejecting them.

The rules are stricter than OpenCTI's, which accepts `http://x.com/y` and `192.0.2.10` as names.
"""

import re
import socket
import unicodedata
from collections.abc import Callable
from typing import Literal

AddressType = Literal["IPv4-Addr", "IPv6-Addr"]

_FAMILIES: dict[AddressType, socket.AddressFamily] = {
    "IPv4-Addr": socket.AF_INET,
    "IPv6-Addr": socket.AF_INET6,
}

# RFC 1035 section 2.3.4 gives the lengths; underscores do occur in passive DNS; OpenCTI refuses a last label of one.
_ASCII_NAME = re.compile(r"(?!-)(?:[a-z0-9_-]{1,63}\.)+(?![0-9]+\Z)[a-z0-9_-]{2,63}")
_LABEL = re.compile(r"(?:[a-z0-9_-]|[^\x00-\x7f]){1,63}")
_IDEOGRAPHIC_DOTS = re.compile("[\u3002\uff0e\uff61]")
# The HTML standard's mailbox, as OpenCTI checks it, with the dots of RFC 5321 section 4.1.2: one at a time, and inside.
_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL_PART = re.compile(rf"(?!.{{65}}){_ATOM}(?:\.{_ATOM})*")
_MAIL_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_CIDR = re.compile(r"[0-9a-f.:]+/[0-9]+")


class Unusable(ValueError):
    """A value that cannot become an observable; `str(error)` is the reason, as shown in the work."""


def address(text: str, address_type: AddressType) -> str:
    """The canonical form (RFC 5952) of an IP address.

    Raises:
        Unusable: not an address of that type.
    """
    family = _FAMILIES[address_type]
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, text))
    except (OSError, ValueError):
        raise Unusable(_why_no_address(text)) from None


def domain_name(text: str) -> str:
    """A name of two or more labels in lower case and Unicode NFC, without the trailing dot.

    Raises:
        Unusable: not such a name.
    """
    name = _composed(text.lower()).removesuffix(".")
    if len(name) <= 253 and (_ASCII_NAME.fullmatch(name) or _is_international(name)):
        return name
    raise Unusable(_why_no_name(name))


def _composed(text: str) -> str:
    # Four times as long as any name at the least: composing such a text may take for ever.
    return unicodedata.normalize("NFC", text) if len(text) <= 1024 else text


def ascii_name(name: str) -> str:
    """The DNS form of a name: international labels in Punycode (RFC 5890's A-labels)."""
    if name.isascii():
        return name
    return ".".join(
        label if label.isascii() else f"xn--{label.encode('punycode').decode()}" for label in name.split(".")
    )


def mailbox(text: str) -> str:
    """A mailbox in lower case; the dotted form of SOA records (RFC 1035 section 8) is converted to the @ form.

    Raises:
        Unusable: not a mailbox.
    """
    value = text.lower().removesuffix(".")
    if len(value) > 254:
        raise Unusable("no mailbox")
    local, at, domain = value.partition("@") if "@" in value else _dotted_mailbox(value)
    usable = at and _LOCAL_PART.fullmatch(local) and _MAIL_DOMAIN.fullmatch(domain) and _ASCII_NAME.fullmatch(domain)
    if not usable:
        raise Unusable("empty value" if not value else "no mailbox")
    return f"{local}@{domain}"


def _dotted_mailbox(value: str) -> tuple[str, str, str]:
    """Replaces the first unescaped dot by the @."""
    local, at, domain = re.sub(r"(?<!\\)\.", "@", value, count=1).partition("@")
    return local.replace("\\.", "."), at, domain


def _is_international(name: str) -> bool:
    """A name in its own script (RFC 5890's U-labels); OpenCTI counts UTF-16 units."""
    if name.isascii() or not name.isprintable() or name.startswith("-") or _IDEOGRAPHIC_DOTS.search(name):
        return False
    labels = name.split(".")
    fits = all(_LABEL.fullmatch(label) and _utf16_units(label) <= 63 for label in labels) and _utf16_units(name) <= 253
    return fits and len(labels) > 1 and len(labels[-1]) > 1 and not labels[-1].isdigit()


def _utf16_units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _why_no_address(text: str) -> str:
    if not text:
        return "empty value"
    if _CIDR.fullmatch(text.lower()[:64]):
        return "CIDR"
    if is_address(text):
        return "address of the other family"
    return "name for an address" if is_domain_name(text) else "no address"


def _why_no_name(name: str) -> str:
    if len(name) > 253:
        return "name too long"
    return next((reason for reason, applies in _NOT_A_NAME if applies(name)), "no domain name")


_NOT_A_NAME: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("empty value", lambda name: not name),
    ("blank inside", lambda name: any(c.isspace() for c in name)),
    ("wildcard", lambda name: "*" in name),
    ("CIDR", lambda name: bool(_CIDR.fullmatch(name))),
    ("URL", lambda name: "/" in name),
    ("mailbox for a name", lambda name: "@" in name),
    ("address for a name", lambda name: is_address(name)),
    ("single label", lambda name: "." not in name),
)


def is_address(text: str) -> bool:
    """Whether a value is an IPv4 or IPv6 address."""
    for address_family in _FAMILIES.values():
        try:
            socket.inet_pton(address_family, text)
        except (OSError, ValueError):
            continue
        return True
    return False


def is_domain_name(text: str) -> bool:
    """Whether `domain_name` accepts a value."""
    try:
        domain_name(text)
    except Unusable:
        return False
    return True
