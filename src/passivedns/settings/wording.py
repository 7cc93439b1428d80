"""Formats settings errors for the operator, with secrets redacted."""

import re
import reprlib
from collections.abc import Collection, Iterable, Mapping
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


def listed(consequence: str, problems: Collection[str], notices: Iterable[str] = ()) -> str:
    """The full message: the consequence, every problem, and further notices."""
    count = "1 setting needs" if len(problems) == 1 else f"{len(problems)} settings need"
    return "\n".join(["\n  ".join([f"{consequence}: {count} correcting.", *problems]), *notices])


def invalid_settings(
    error: ValidationError,
    section: str,
    declared: Mapping[Setting, FieldInfo],
    values: Mapping[str, Any],
    placeholders: Collection[Setting],
    *,
    all_read: bool,
) -> list[str]:
    """A sentence for each invalid setting of a section.

    `values` are the configured values before normalization; `placeholders` are the settings still set to ChangeMe.
    Unless `all_read`, a missing setting may be in a file that could not be read.
    """
    sentences: list[str] = []
    for detail in error.errors(include_url=False):
        if not detail["loc"]:
            # It is about several settings, of which some may be in the file that could not be used.
            sentences += [_said(detail)] if all_read else []
            continue
        setting = section, str(detail["loc"][0])
        field = declared[setting]
        if detail["type"] != "missing":
            sentences.append(_sentence(setting, field, f"is {_held(field, values[setting[1]])}{_reason(detail)}"))
        elif setting in placeholders:
            sentences.append(still_a_placeholder(setting, field))
        elif all_read:
            sentences.append(_sentence(setting, field, "is missing"))
    return sentences


def still_a_placeholder(setting: Setting, field: FieldInfo) -> str:
    """The sentence for a placeholder that was not replaced."""
    return _sentence(setting, field, "is still ChangeMe")


def _sentence(setting: Setting, field: FieldInfo, what: str) -> str:
    return f"{title(setting)} {what}. Accepted values: {allowed_values(field)}."


def title(setting: Setting) -> str:
    """The variable and the config.yml key of a setting."""
    return f"{variable(setting)} (config.yml: {'.'.join(setting)})"


def variable(setting: Setting) -> str:
    """The environment variable of a setting, such as CIRCL_MAX_TLP."""
    return "_".join(setting).upper()


def allowed_values(field: FieldInfo) -> str:
    """The accepted values of a setting, as a phrase to follow "Accepted values:"."""
    return str(cast(dict[str, Any], field.json_schema_extra)["allowed"])


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known name most similar to a misspelt one, if any."""
    return next(iter(get_close_matches(name.lower(), known, n=1, cutoff=cutoff)), None)


def readable_name(name: str) -> str:
    """A misspelt name, cut at the first invalid character: YAML also reads `{api_key:secret}` as a name."""
    start = "".join(re.findall(r"^[\w-]{1,40}", name))
    return start if start == name else f"{start}..."


def shown(value: object) -> str:
    """A bad value, shortened and escaped, with URL credentials masked."""
    if isinstance(value, str):
        masked = re.sub(r"(?s)^.*@", f"{_MASK}@", value)
        # After a blank, # begins a comment that went astray in an env file: the operator must see that.
        return _SHORTENED.repr(re.sub(r"(?s)(\?|(?<=\S)#).+", rf"\1{_MASK}", masked))
    if isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 10**18):
        return repr(value)
    # What is inside a mapping or a list may be a secret that slipped below another key.
    return {dict: "a mapping", list: "a list", int: "a huge number"}.get(type(value), "a value of another kind")


def _held(field: FieldInfo, value: object) -> str:
    return repr(_MASK) if is_secret(field) else shown(value)


def is_secret(field: FieldInfo) -> bool:
    """Whether a setting is a password, a key or a token."""
    return _has_secret(field.annotation)


def _has_secret(annotation: object) -> bool:
    return annotation is SecretStr or any(map(_has_secret, get_args(annotation)))


def _reason(detail: ErrorDetails) -> str:
    """The reason given by a validator, if any."""
    if detail["type"] == "string_type":
        return ", which YAML does not read as text (put it in quotes)"
    reason = _said(detail)
    return f", {reason}" if reason else ""


def _said(detail: ErrorDetails) -> str:
    """The message of a validator."""
    return str(detail.get("ctx", {}).get("error", ""))
