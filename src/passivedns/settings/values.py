"""Types of setting values: tolerant of spelling, strict about values that would fail later."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import PurePath
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit
from uuid import UUID

from isodate import Duration, duration_isoformat, parse_duration
from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    SecretStr,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)

from passivedns.settings.wording import shown

ObservableType = Literal["IPv4-Addr", "Domain-Name", "IPv6-Addr", "Hostname"]
RecordType = Literal["A", "AAAA", "CNAME", "MX", "NS", "SOA"]
Tlp = Literal["TLP:CLEAR", "TLP:WHITE", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"]

FILE_SUFFIXES = (".sqlite", ".sqlite3", ".db")

_HTTP_URL = TypeAdapter(AnyHttpUrl)
_TIMEDELTA = TypeAdapter(timedelta)
_REDIS_URL = re.compile(r"rediss?://([^\s@/?#]*@)?([\w.-]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?(/[0-9]*)?")


def since(window: timedelta | Duration, now: datetime) -> datetime:
    """`now` minus `window`, using calendar months and years.

    The day is clamped to the length of the month: P1M before 31 March is the last day of February.
    """
    moment: datetime = now - window
    return moment


def _parsed_duration(value: object) -> timedelta | Duration:
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
    raise ValueError("which leads to no moment in the past")


def _parsed_window(value: object) -> timedelta | Duration:
    window = _parsed_duration(value)
    if not window:
        raise ValueError("which leads to no moment in the past")
    return window


def several_of(known: tuple[str, ...], why_not: str) -> Callable[[object], list[str]]:
    """A validator of case-insensitive names, as a list or comma-separated; `why_not` follows "cannot be"."""
    by_lower_case = {name.lower(): name for name in known}

    def named(value: object) -> list[str]:
        names = value.split(",") if isinstance(value, str) else value
        if not isinstance(names, list | tuple):
            raise ValueError
        given = [name.strip() if isinstance(name, str) else name for name in names]
        if unknown := [name for name in given if name and str(name).lower() not in by_lower_case]:
            raise ValueError(f"where {' and '.join(map(shown, unknown))} cannot be {why_not}")
        return list(dict.fromkeys(by_lower_case[name.lower()] for name in given if name))

    return named


def _canonical_tlp(value: object) -> object:
    return f"TLP:{value.upper().removeprefix('TLP:')}" if isinstance(value, str) else value


def _lower_case(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _upper_case(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _not_a_bool(value: object) -> object:
    """Rejects booleans, so that YAML's `yes` is not read as 1."""
    if isinstance(value, bool):
        raise ValueError
    return value


def _uuid4(value: str) -> str:
    """Preserves case: OpenCTI treats another spelling as another connector."""
    parsed = UUID(value)
    if parsed.version != 4 or str(parsed) != value.lower():
        raise ValueError("a UUID of another version or spelling")
    return value


def _positive_duration(value: str) -> str:
    """A duration that pycti can parse; with a zero duration it would never ping OpenCTI."""
    try:
        duration = _TIMEDELTA.validate_python(value)
    except ValidationError:
        raise ValueError from None
    if duration <= timedelta(0):
        raise ValueError
    return value


def _base_url(value: str) -> str:
    # requests would send the user name and password of a URL in place of the authentication proper.
    if re.search("[@?#]", value):
        raise ValueError("with a user name, a query or a fragment")
    try:
        return str(_HTTP_URL.validate_python(value)).rstrip("/")
    except ValidationError:
        raise ValueError from None


def _cache_place(value: str) -> str:
    if value.lower() == "memory":
        return "memory"
    # The suffix keeps a misspelt word from becoming a file.
    if "://" not in value and PurePath(value).suffix in FILE_SUFFIXES:
        return value
    if not _REDIS_URL.fullmatch(value):
        raise ValueError
    # It raises where the port is too high.
    _ = urlsplit(value).port
    return value


def _printable_ascii(value: SecretStr) -> SecretStr:
    """Rejects characters for which the HTTP library would raise an error that quotes the secret (RFC 9110, 5.5)."""
    if not (value.get_secret_value().isascii() and value.get_secret_value().isprintable()):
        raise ValueError("with a character that is not printable ASCII")
    return value


Secret = Annotated[SecretStr, AfterValidator(_printable_ascii)]
Uuid4 = Annotated[str, AfterValidator(_uuid4)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
CachePlace = Annotated[str, AfterValidator(_cache_place)]
Scope = Annotated[
    tuple[ObservableType, ...],
    Field(min_length=1),
    BeforeValidator(several_of(get_args(ObservableType), "enriched")),
]
RecordTypes = Annotated[
    tuple[RecordType, ...], Field(min_length=1), BeforeValidator(several_of(get_args(RecordType), "imported"))
]
MaxTlp = Annotated[Tlp | None, BeforeValidator(_canonical_tlp)]
ResultsTlp = Annotated[Tlp, BeforeValidator(_canonical_tlp)]
LogLevel = Annotated[Literal["debug", "info", "warn", "warning", "error"], BeforeValidator(_lower_case)]
ListenProtocol = Annotated[Literal["AMQP", "API"], BeforeValidator(_upper_case)]
QueueProtocol = Annotated[Literal["amqp", "api"], BeforeValidator(_lower_case)]
Port = Annotated[int, Field(ge=1, le=65535), BeforeValidator(_not_a_bool)]
PositiveDuration = Annotated[str, AfterValidator(_positive_duration)]
Count = Annotated[int, Field(ge=0, le=100), BeforeValidator(_not_a_bool)]
Quantity = Annotated[int, Field(ge=0, le=1_000_000_000), BeforeValidator(_not_a_bool)]
Seconds = Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False), BeforeValidator(_not_a_bool)]
PositiveSeconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False), BeforeValidator(_not_a_bool)]
Window = Annotated[
    timedelta | Duration,
    PlainValidator(_parsed_window),
    PlainSerializer(duration_isoformat),
    WithJsonSchema({"type": "string", "format": "duration"}),
]
Lifetime = Annotated[
    timedelta | Duration,
    PlainValidator(_parsed_duration),
    PlainSerializer(duration_isoformat),
    WithJsonSchema({"type": "string", "format": "duration"}),
]
