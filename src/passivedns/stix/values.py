"""Validates and normalizes addresses, names and mailboxes, or gives the reason for rejecting them.

The rules are stricter than OpenCTI's, which accepts `http://x.com/y` and `192.0.2.10` as names.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from socket import AddressFamily, inet_ntop, inet_pton

import idna

from passivedns.model import FAMILIES

MAX_TEXT = 1024
"""Characters of a text that may be a name or a mailbox, in any spelling: long hostile ones would take minutes."""
_MAX_ADDRESS = len("0000:0000:0000:0000:0000:ffff:255.255.255.255")
# RFC 1035 section 2.3.4 limits the lengths; passive DNS has underscores; OpenCTI rejects last labels of one character.
_NAME = re.compile(r"(?!-)(?:[a-z0-9_-]{1,63}\.)+[a-z0-9_-]{2,63}")
_JOINERS = "\u200c\u200d"
# Symbols without a glyph: BRAILLE PATTERN BLANK and MUSICAL SYMBOL NULL NOTEHEAD.
_BLANKS = "\u2800\U0001d159"
# They only choose between text and emoji, so UTS 46 may remove them.
_VARIATION_SELECTORS = "\ufe0e\ufe0f"
# The mailbox of the HTML standard, as in OpenCTI, with single, inner dots as in RFC 5321 section 4.1.2.
_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL_PART = re.compile(rf"(?!.{{65}}){_ATOM}(?:\.{_ATOM})*")
_MAIL_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
CIDR = re.compile(r"[0-9a-f.:]+/[0-9.]+", re.IGNORECASE)
"""A range of addresses, by prefix length or mask."""


class Unusable(ValueError):
    """A value that cannot become an observable; `str(error)` is the reason shown in the work."""


def canonical(observable_type: str, value: str) -> str:
    """The canonical value of an observable: lower case, no trailing dot, A-labels, RFC 5952.

    Raises:
        Unusable: not a single address, name or mailbox; `str(error)` is the reason.
    """
    if observable_type in FAMILIES:
        return address(value, observable_type)
    return mailbox(value) if observable_type == "Email-Addr" else domain_name(value)


def address(text: str, address_type: str) -> str:
    """The canonical form (RFC 5952) of an IP address.

    Raises:
        Unusable: not an address of that type.
    """
    family = FAMILIES[address_type]
    if packed := _packed(text, family):
        return inet_ntop(family, packed)
    raise Unusable(_reason(text[: MAX_TEXT + 1], _NOT_THAT_ADDRESS))


def domain_name(text: str) -> str:
    """A name of two or more labels as the DNS has it: ASCII in lower case, international labels as A-labels (RFC 5890).

    All spellings of a name have this one form, without the trailing dot.

    Raises:
        Unusable: not such a name.
    """
    name = _normalized(text)
    if _is_name(name):
        return name
    raise Unusable(_reason(name, _NOT_A_NAME))


def ascii_name(name: str) -> str:
    """A name mapped by UTS 46 (non-transitional), with its international labels as A-labels.

    A text that cannot be a name stays as it is. Symbols, which IDNA2008 rejects, are names in the DNS all the same.
    """
    if name.isascii() or len(name) > MAX_TEXT or any(map(_is_invisible, name)):
        return name
    try:
        return ".".join(map(_a_label, idna.uts46_remap(name, std3_rules=False).split(".")))
    except idna.IDNAError:
        return name


# A script has few letters.
@lru_cache(maxsize=4096)
def _is_invisible(character: str) -> bool:
    """Whether a character has no glyph, so that a name with it looks like another one."""
    if character.isascii() or character in _JOINERS + _VARIATION_SELECTORS:
        return False
    return not character.isprintable() or character in _BLANKS or not idna.uts46_remap(character, std3_rules=False)


# Rows about a name, or below one zone, repeat its labels.
@lru_cache(maxsize=1024)
def _a_label(label: str) -> str:
    """The A-label of a label mapped by UTS 46; raises IDNAError if neither IDNA2008 nor symbols explain it."""
    if label.isascii():
        return label
    idna.check_label("".join("0" if c == "_" or unicodedata.category(c)[0] == "S" else c for c in label))
    return f"xn--{label.encode('punycode').decode()}"


def mailbox(text: str) -> str:
    """A mailbox in lower case, its domain as in `domain_name`.

    Raises:
        Unusable: not a mailbox.
    """
    text = text[: MAX_TEXT + 1].removesuffix(".")
    if not text:
        raise Unusable("empty value")
    local, _, domain = text.partition("@")
    local, domain = local.lower() if local.isascii() else "", _normalized(domain)
    value = f"{local}@{domain}"
    if len(value) <= 254 and _LOCAL_PART.fullmatch(local) and _MAIL_DOMAIN.fullmatch(domain) and _is_name(domain):
        return value
    raise Unusable("not a mailbox")


def is_address(text: str) -> bool:
    """Whether a value is an IPv4 or IPv6 address."""
    return any(_packed(text, family) for family in FAMILIES.values())


def _packed(text: str, family: AddressFamily) -> bytes | None:
    try:
        return inet_pton(family, text) if len(text) <= _MAX_ADDRESS else None
    except (OSError, ValueError):
        return None


def _normalized(text: str) -> str:
    return ascii_name(text[: MAX_TEXT + 1]).lower().removesuffix(".")


def _is_name(text: str) -> bool:
    """Whether a normalized text is a name."""
    return len(text) <= 253 and _NAME.fullmatch(text) is not None and not text.rpartition(".")[2].isdigit()


_Reasons = tuple[tuple[str, Callable[[str], bool]], ...]

_NOT_THAT_ADDRESS: _Reasons = (
    ("empty value", lambda text: not text),
    ("CIDR range", lambda text: bool(CIDR.fullmatch(text))),
    ("wrong IP version", lambda text: is_address(text)),
    ("name instead of an address", lambda text: _is_name(_normalized(text))),
    ("not an IP address", lambda _: True),
)
_NOT_A_NAME: _Reasons = (
    ("name too long", lambda name: len(name) > 253),
    ("empty value", lambda name: not name),
    ("contains whitespace", lambda name: any(map(str.isspace, name))),
    ("wildcard", lambda name: "*" in name),
    ("CIDR range", lambda name: bool(CIDR.fullmatch(name))),
    ("URL", lambda name: "/" in name),
    ("mailbox instead of a name", lambda name: "@" in name),
    ("address instead of a name", lambda name: is_address(name)),
    ("single label", lambda name: "." not in name),
    ("not a domain name", lambda _: True),
)


def _reason(text: str, reasons: _Reasons) -> str:
    return next(reason for reason, applies in reasons if applies(text))
