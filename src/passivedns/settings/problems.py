"""Formats settings errors for the operator, with secrets redacted."""

import re
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, cast, get_args

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

Setting = tuple[str, str]
"""Section and key in config.yml, such as ("circl", "max_tlp")."""

_MASK = "****"
_SHORTENED = reprlib.Repr()
_SHORTENED.maxstring = 60


def invalid_settings(
    error: ValidationError, section: str, fields: Mapping[str, FieldInfo], values: Mapping[str, Any], *, all_read: bool
) -> Iterator[str]:
    """A sentence for each invalid setting of a section, and for each invalid combination.

    `values` are as configured. Unless `all_read`, what is missing may be in a file that could not be read.
    """
    for detail in error.errors(include_url=False):
        key = str(detail["loc"][0]) if detail["loc"] else ""
        if not (key in values or all_read):
            continue
        if not key:
            yield _words(detail)
        else:
            fault = _fault(detail, fields[key], values.get(key))
            yield f"{title((section, key))} {fault}. Accepted values: {allowed_values(fields[key])}."


def _fault(detail: ErrorDetails, field: FieldInfo, value: object) -> str:
    if is_placeholder(value):
        return "is still ChangeMe"
    if detail["type"] == "missing":
        return "is missing"
    reason = (
        "which YAML does not read as text (put it in quotes)" if detail["type"] == "string_type" else _words(detail)
    )
    return f"is {repr(_MASK) if is_secret(field) else redact(value)}{reason and f', {reason}'}"


def _words(detail: ErrorDetails) -> str:
    """The message of a validator, if any."""
    return str(detail.get("ctx", {}).get("error", ""))


def is_placeholder(value: object) -> bool:
    """Whether a value is the placeholder of the samples."""
    return isinstance(value, str) and value.strip().lower() == "changeme"


def title(setting: Setting) -> str:
    """The variable and the config.yml key of a setting."""
    return f"{variable(setting)} (config.yml: {'.'.join(setting)})"


def variable(setting: Setting) -> str:
    """The environment variable of a setting, such as CIRCL_MAX_TLP."""
    return "_".join(setting).upper()


def allowed_values(field: FieldInfo) -> str:
    """The accepted values of a setting, as a phrase to follow "Accepted values:"."""
    return str(cast(dict[str, Any], field.json_schema_extra)["allowed"])


def nearest(name: str, known: Iterable[str], cutoff: float) -> str | None:
    """The known name most similar to a misspelt one, if any."""
    return next(iter(get_close_matches(name.lower(), known, n=1, cutoff=cutoff)), None)


def nearest_section(name: str, known: Iterable[str]) -> str | None:
    """The known section most similar to a misspelt one, or spelt out, if any."""
    squeezed = re.sub("[-_. ]", "", name.lower())
    return nearest("pdns" if squeezed == "passivedns" else squeezed, known, cutoff=0.75)


def readable_name(name: str) -> str:
    """A misspelt name, cut at the first invalid character: YAML also reads `{api_key:secret}` as a name."""
    start = "".join(re.findall(r"^[\w-]{1,40}", name))
    return start if start == name else f"{start}..."


def redact(value: object) -> str:
    """A bad value, shortened and escaped, with URL credentials masked."""
    if isinstance(value, str):
        masked = re.sub(r"(?s)^.*@", f"{_MASK}@", value)
        # A # after a space starts a comment that ended up in the value of an env file: the operator must see that.
        return _SHORTENED.repr(re.sub(r"(?s)(\?|(?<=\S)#).+", rf"\1{_MASK}", masked))
    if isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 10**18):
        return repr(value)
    # A mapping or list may contain a secret that was indented below the wrong key.
    return {dict: "a mapping", list: "a list", int: "a huge number"}.get(type(value), "a value of the wrong type")


def is_secret(field: FieldInfo) -> bool:
    """Whether a setting is a password, a key or a token."""
    return _contains_secret(field.annotation)


def _contains_secret(annotation: object) -> bool:
    return annotation is SecretStr or any(map(_contains_secret, get_args(annotation)))
