"""Validates and normalizes addresses, names and mailboxes, or gives the reason for rejecting them.

The rules are stricter than OpenCTI's, which accepts `http://x.com/y` and `192.0.2.10` as names.
"""

import re
import unicodedata
from collections.abc import Callable
from socket import AddressFamily, inet_ntop, inet_pton

from passivedns.model import FAMILIES

# RFC 1035 section 2.3.4 limits the lengths; passive DNS has underscores; OpenCTI rejects last labels of one character.
_LABEL = r"(?:[a-z0-9_-]|[^\x00-\x7f\u3002\uff0e\uff61])"
_NAME = re.compile(rf"(?!-)(?:{_LABEL}{{1,63}}\.)+{_LABEL}{{2,63}}")
_BEYOND_UTF16_UNIT = re.compile("[\U00010000-\U0010ffff]")
# The mailbox of the HTML standard, as in OpenCTI, with single, inner dots as in RFC 5321 section 4.1.2.
_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL_PART = re.compile(rf"(?!.{{65}}){_ATOM}(?:\.{_ATOM})*")
_MAIL_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_CIDR = re.compile(r"[0-9a-f.:]+/[0-9]+", re.IGNORECASE)


class Unusable(ValueError):
    """A value that cannot become an observable; `str(error)` is the reason shown in the work."""


def address(text: str, address_type: str) -> str:
    """The canonical form (RFC 5952) of an IP address.

    Raises:
        Unusable: not an address of that type.
    """
    family = FAMILIES[address_type]
    if packed := _packed(text, family):
        return inet_ntop(family, packed)
    raise Unusable(_reason(text, _NOT_THAT_ADDRESS))


def domain_name(text: str) -> str:
    """A name of two or more labels in lower case and Unicode NFC, without the trailing dot.

    Raises:
        Unusable: not such a name.
    """
    name = _normalized(text)
    if _is_name(name):
        return name
    raise Unusable(_reason(name, _NOT_A_NAME))


def ascii_name(name: str) -> str:
    """The DNS form of a name: international labels in Punycode (RFC 5890's A-labels)."""
    if name.isascii():
        return name
    return ".".join(
        label if label.isascii() else f"xn--{label.encode('punycode').decode()}" for label in name.split(".")
    )


def mailbox(text: str) -> str:
    """A mailbox in lower case.

    Raises:
        Unusable: not a mailbox.
    """
    value = text.lower().removesuffix(".")
    if not value:
        raise Unusable("empty value")
    local, _, domain = value.partition("@")
    if len(value) <= 254 and _LOCAL_PART.fullmatch(local) and _MAIL_DOMAIN.fullmatch(domain) and _is_name(domain):
        return value
    raise Unusable("not a mailbox")


def is_address(text: str) -> bool:
    """Whether a value is an IPv4 or IPv6 address."""
    return any(_packed(text, family) for family in FAMILIES.values())


def _packed(text: str, family: AddressFamily) -> bytes | None:
    try:
        return inet_pton(family, text)
    except (OSError, ValueError):
        return None


def _normalized(text: str) -> str:
    # Composing a long hostile text takes minutes, and 1,024 characters become at least 256, which is too long.
    return unicodedata.normalize("NFC", text[:1024].lower()).removesuffix(".")


def _is_name(text: str) -> bool:
    """Whether a normalized text is a name in ASCII or its own script (RFC 5890's U-labels)."""
    # OpenCTI counts UTF-16 units.
    units = text if text.isascii() else _BEYOND_UTF16_UNIT.sub("\ufffd\ufffd", text)
    return (
        len(units) <= 253
        and _NAME.fullmatch(units) is not None
        and not text.rpartition(".")[2].isdigit()
        and text.isprintable()
    )


_Reasons = tuple[tuple[str, Callable[[str], bool]], ...]

_NOT_THAT_ADDRESS: _Reasons = (
    ("empty value", lambda text: not text),
    ("CIDR range", lambda text: bool(_CIDR.fullmatch(text))),
    ("wrong IP version", lambda text: is_address(text)),
    ("name instead of an address", lambda text: _is_name(_normalized(text))),
    ("not an IP address", lambda _: True),
)
_NOT_A_NAME: _Reasons = (
    ("name too long", lambda name: len(name) > 253),
    ("empty value", lambda name: not name),
    ("contains whitespace", lambda name: any(map(str.isspace, name))),
    ("wildcard", lambda name: "*" in name),
    ("CIDR range", lambda name: bool(_CIDR.fullmatch(name))),
    ("URL", lambda name: "/" in name),
    ("mailbox instead of a name", lambda name: "@" in name),
    ("address instead of a name", lambda name: is_address(name)),
    ("single label", lambda name: "." not in name),
    ("not a domain name", lambda _: True),
)


def _reason(text: str, reasons: _Reasons) -> str:
    return next(reason for reason, applies in reasons if applies(text))
