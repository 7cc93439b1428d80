"""Says what is wrong with the settings to those who must correct them, without showing a secret."""

import re
import reprlib
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, cast

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

Setting = tuple[str, str]
"""Section and key in config.yml, such as ("riskiq", "max_tlp")."""

_MASK = "****"
_SHORTENED = reprlib.Repr()
_SHORTENED.maxstring = 60


def listed(problems: Collection[str]) -> str:
    """The whole text that stops the start."""
    count = "1 setting needs" if len(problems) == 1 else f"{len(problems)} settings need"
    return "\n  ".join([f"The connector cannot start: {count} correcting.", *problems])


def invalid_settings(
    error: ValidationError,
    declared: Mapping[Setting, FieldInfo],
    values: Mapping[str, Mapping[str, Any]],
    placeholders: Collection[Setting],
    *,
    all_read: bool,
) -> list[str]:
    """A sentence for each setting that did not pass.

    `values` are what the operator wrote, before any spelling was forgiven; `placeholders` are the settings that
    still hold ChangeMe. Unless `all_read`, what is missing may stand in a file that could not be used.
    """
    sentences: list[str] = []
    for detail in error.errors(include_url=False):
        section, key, *_ = map(str, detail["loc"])
        field = declared[section, key]
        if detail["type"] != "missing":
            what = f"holds {_held(field, values[section][key])}{_reason(detail)}"
        elif (section, key) in placeholders:
            what = "still holds ChangeMe"
        elif all_read:
            what = "missing"
        else:
            continue
        sentences.append(f"{title((section, key))}: {what}; it may hold {may_hold(field)}.")
    return sentences


def title(setting: Setting) -> str:
    """A setting by both its names."""
    return f"{variable(setting)} (config.yml: {'.'.join(setting)})"


def variable(setting: Setting) -> str:
    """The environment variable of a setting, such as RISKIQ_MAX_TLP."""
    return "_".join(setting).upper()


def may_hold(field: FieldInfo) -> str:
    """What a setting may hold, as a phrase that follows "it may hold"."""
    return str(cast(dict[str, Any], field.json_schema_extra)["may_hold"])


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known name that a misspelt one resembles, if any does."""
    return next(iter(get_close_matches(name.lower(), known, n=1, cutoff=cutoff)), None)


def readable_name(name: str) -> str:
    """A misspelt name, cut where it cannot be one: YAML reads `{api_key:secret}` as a name too."""
    start = "".join(re.findall(r"^[\w-]{1,40}", name))
    return start if start == name else f"{start}..."


def shown(value: object) -> str:
    """A bad value: short, control characters escaped, without what may be the credentials of a URL."""
    if isinstance(value, str):
        masked = re.sub(r"(?s)^.*@", f"{_MASK}@", value)
        # After a blank, # begins a comment that went astray in an env file: the operator must see that.
        return _SHORTENED.repr(re.sub(r"(?s)(\?|(?<=\S)#).+", rf"\1{_MASK}", masked))
    if isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 10**18):
        return repr(value)
    # What stands inside a mapping or a list may be a secret that slipped below another key.
    return {dict: "a mapping", list: "a list", int: "a huge number"}.get(type(value), "a value of another kind")


def _held(field: FieldInfo, value: object) -> str:
    return repr(_MASK) if field.annotation is SecretStr else shown(value)


def _reason(detail: ErrorDetails) -> str:
    """What a check has to say beyond that."""
    if detail["type"] == "string_type":
        return ", which YAML does not read as text (put it in quotes)"
    reason = str(detail.get("ctx", {}).get("error", ""))
    return f", {reason}" if reason else ""
