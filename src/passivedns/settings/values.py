"""Types of setting values, tolerant of spelling and strict about values that would fail later; base of the sections.

Each type states the values that it accepts (`allowed`), as a phrase to follow "Accepted values:".
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import PurePath
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

import pydantic
from isodate import Duration, duration_isoformat, parse_duration

from passivedns.model import RECORD_TYPES
from passivedns.settings.problems import redact

Tlp = Literal["TLP:CLEAR", "TLP:WHITE", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"]
Pap = Literal["PAP:CLEAR", "PAP:WHITE", "PAP:GREEN", "PAP:AMBER", "PAP:RED"]
NO_LIMIT = "none"
"""Lifts the maximum of TLP or PAP."""

A_BASE_URL = "an http:// or https:// URL without user name, query or fragment"
A_DURATION = "a positive ISO 8601 duration, such as P30D, P6M (calendar months) or PT12H"
A_TLP, A_PAP = (f"{', '.join(get_args(scale)[:-1])} or {get_args(scale)[-1]}" for scale in (Tlp, Pap))
YES_OR_NO = "true or false"

PLAIN_NUMBER = r"-?((0|[1-9][0-9]*)(\.[0-9]+)?|\.[0-9]+)"

_OBSERVABLE_TYPES = ("IPv4-Addr", "Domain-Name", "IPv6-Addr", "Hostname")
_FILE_SUFFIXES = (".sqlite", ".sqlite3", ".db")
_HTTP_URL = pydantic.TypeAdapter(pydantic.AnyHttpUrl)
_REDIS_URL = re.compile(r"rediss?://([^\s@/?#]*@)?([\w.-]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?(/[0-9]*)?")
_UUID4 = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-4[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}$"


def since(window: timedelta | Duration, now: datetime) -> datetime:
    """`now` minus `window`, using calendar months and years.

    The day is clamped to the length of the month: P1M before 31 March is the last day of February.
    """
    moment: datetime = now - window
    return moment


def _duration(value: object) -> timedelta | Duration:
    """Zero in any unit becomes `timedelta(0)`."""
    text = str(value).strip()
    if re.fullmatch(r"[1-9][0-9]{0,4}", text):
        raise ValueError(f"a number without a unit (write P{text}D for {text} days)")
    try:
        duration = parse_duration(text)
        now = datetime.now(UTC)
        start = since(duration, now)
        if start <= now:
            return duration if start < now else timedelta(0)
    except (ValueError, ArithmeticError):
        pass
    raise ValueError("which is not a valid duration")


def _positive(duration: timedelta | Duration) -> timedelta | Duration:
    if not duration:
        raise ValueError("which is not a valid duration")
    return duration


def several_of(known: Iterable[str], why_not: str) -> pydantic.BeforeValidator:
    """A validator of case-insensitive names, as a list or comma-separated; `why_not` follows "cannot be"."""
    by_lower_case = {name.lower(): name for name in known}

    def parse(value: object) -> list[str]:
        names = value.split(",") if isinstance(value, str) else value
        if not isinstance(names, list | tuple):
            raise ValueError
        given = [name.strip() if isinstance(name, str) else name for name in names]
        if unknown := [name for name in given if name and str(name).lower() not in by_lower_case]:
            raise ValueError(f"of which {' and '.join(map(redact, unknown))} cannot be {why_not}")
        return list(dict.fromkeys(by_lower_case[name.lower()] for name in given if name))

    return pydantic.BeforeValidator(parse)


def _text(spelling: Callable[[str], str]) -> pydantic.BeforeValidator:
    """Corrects the spelling of text, and leaves other values to be rejected."""
    return pydantic.BeforeValidator(lambda value: spelling(value) if isinstance(value, str) else value)


def _plain_number(value: object) -> object:
    """Rejects YAML's `yes`, which would be 1, and text such as `0100`, which YAML reads as 64 and others as 100."""
    if isinstance(value, bool):
        raise ValueError
    if isinstance(value, str) and not re.fullmatch(PLAIN_NUMBER, value.strip()):
        raise ValueError("which is not a plain decimal number" if re.search("[0-9]", value) else "")
    return value


def _level(scale: str) -> pydantic.BeforeValidator:
    """Corrects the spelling of a level of TLP or PAP, and of the word that lifts the limit."""

    def spell(value: str) -> str:
        if value.lower() == NO_LIMIT:
            return NO_LIMIT
        return f"{scale}:{value.upper().removeprefix(f'{scale}:')}"

    return _text(spell)


def _base_url(value: str) -> str:
    # requests would send the user name and password of a URL instead of the configured credentials.
    if re.search("[@?#]", value):
        raise ValueError("with a user name, a query or a fragment")
    try:
        return str(_HTTP_URL.validate_python(value)).rstrip("/")
    except pydantic.ValidationError:
        raise ValueError from None


def _cache_place(value: str) -> str:
    if value.lower() == "memory":
        return "memory"
    # The suffix keeps a misspelt word from becoming a file.
    if "://" not in value and PurePath(value).suffix in _FILE_SUFFIXES:
        return value
    if not _REDIS_URL.fullmatch(value):
        raise ValueError
    _ = urlsplit(value).port  # raises ValueError above 65535
    return value


def _printable_ascii(value: pydantic.SecretStr) -> pydantic.SecretStr:
    """Rejects characters for which the HTTP library would raise an error that quotes the secret (RFC 9110, 5.5)."""
    if not (value.get_secret_value().isascii() and value.get_secret_value().isprintable()):
        raise ValueError("with a character that is not printable ASCII")
    return value


def allowed(phrase: str) -> dict[str, Any]:
    """The accepted values of a setting, as a phrase to follow "Accepted values:"; by default those of its type."""
    return {"allowed": phrase}


def accepts(phrase: str, **constraints: Any) -> Any:
    """The accepted values of a type, in words and as constraints of `Field`."""
    return pydantic.Field(json_schema_extra=allowed(phrase), **constraints)


def one_or_more(known: Iterable[str]) -> Any:
    """The constraints of a list of names."""
    items = {"items": {"enum": list(known), "type": "string"}}
    phrase = allowed(f"one or more of {', '.join(known)}, separated by commas")
    return pydantic.Field(min_length=1, json_schema_extra=phrase | items)


_LOWER_CASE, _UPPER_CASE = _text(str.lower), _text(str.upper)
_CANONICAL_TLP, _CANONICAL_PAP = _level("TLP"), _level("PAP")
_PLAIN = pydantic.BeforeValidator(_plain_number)

Secret = Annotated[pydantic.SecretStr, pydantic.AfterValidator(_printable_ascii)]
Token = Annotated[Secret, accepts("the token shown in that user's OpenCTI profile")]
ConnectorType = Annotated[Literal["INTERNAL_ENRICHMENT"], accepts("INTERNAL_ENRICHMENT only")]
Text = Annotated[str, accepts("any text")]
Flag = Annotated[bool, accepts(YES_OR_NO)]
Uuid4 = Annotated[str, accepts("a hyphenated UUIDv4 that no other connector has", pattern=_UUID4)]
BaseUrl = Annotated[str, pydantic.AfterValidator(_base_url), accepts(A_BASE_URL)]
CachePlace = Annotated[
    str,
    pydantic.AfterValidator(_cache_place),
    accepts(
        "memory, a file name ending in .sqlite, .sqlite3 or .db (in the user's cache folder unless its path is "
        "absolute), or redis://[[user]:password@]host[:port][/database] (rediss:// for TLS)"
    ),
]
Scope = Annotated[tuple[str, ...], one_or_more(_OBSERVABLE_TYPES), several_of(_OBSERVABLE_TYPES, "enriched")]
RecordTypes = Annotated[tuple[str, ...], one_or_more(RECORD_TYPES), several_of(RECORD_TYPES, "imported")]
ResultsTlp = Annotated[Tlp, _CANONICAL_TLP, accepts(A_TLP)]
MaxTlp = Annotated[Tlp | None, _CANONICAL_TLP]
TlpLimit = Annotated[Literal[Tlp, "none"], _CANONICAL_TLP, accepts(f"{A_TLP}, or {NO_LIMIT} for no limit")]
PapLimit = Annotated[Literal[Pap, "none"], _CANONICAL_PAP, accepts(f"{A_PAP}, or {NO_LIMIT} for no limit")]
LogLevel = Annotated[
    Literal["debug", "info", "warn", "warning", "error"], _LOWER_CASE, accepts("debug, info, warn, warning or error")
]
ListenProtocol = Annotated[Literal["AMQP", "API"] | None, _UPPER_CASE, accepts("AMQP or API")]
QueueProtocol = Annotated[Literal["amqp", "api"] | None, _LOWER_CASE, accepts("amqp or api")]
Port = Annotated[int | None, accepts("a port from 1 to 65535", ge=1, le=65535), _PLAIN]
Pages = Annotated[int, accepts("a whole number from 1 to 100", ge=1, le=100), _PLAIN]
Count = Annotated[int, accepts("a whole number from 0 to 100", ge=0, le=100), _PLAIN]
Quantity = Annotated[int, accepts("a whole number", ge=0, le=1_000_000_000), _PLAIN]
Limit = Annotated[Quantity, accepts("a whole number, or 0 for no limit")]
Seconds = Annotated[float, accepts("a number of seconds from 0 to 3600", ge=0, le=3600, allow_inf_nan=False), _PLAIN]
PositiveSeconds = Annotated[
    float, accepts("a number of seconds above 0, 3600 at most", gt=0, le=3600, allow_inf_nan=False), _PLAIN
]
Lifetime = Annotated[
    timedelta | Duration,
    pydantic.PlainValidator(_duration),
    pydantic.PlainSerializer(duration_isoformat),
    pydantic.WithJsonSchema({"type": "string", "format": "duration"}),
]
Window = Annotated[Lifetime, pydantic.AfterValidator(_positive), accepts(A_DURATION)]


class Section(pydantic.BaseModel):
    """A section of config.yml; undeclared options are kept for pycti but never shown."""

    # Sections of sources that are not queried are never built.
    model_config = pydantic.ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True, defer_build=True)

    @pydantic.field_validator("*", mode="before")
    @classmethod
    def _trim(cls, value: object) -> object:
        return value.strip() if isinstance(value, str) else value

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Declared settings without those that may contain a password; undeclared ones may be passwords too."""
        return [(key, getattr(self, key)) for key, field in type(self).model_fields.items() if field.repr]
