"""Renders the settings as tables, samples and JSON Schema."""

import json
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import yaml
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema
from typing_extensions import override

from passivedns.settings.model import DECLARED, SECTIONS
from passivedns.settings.problems import Setting, allowed_values, is_secret, variable
from passivedns.settings.values import A_BASE_URL, A_DURATION, A_PAP, A_TLP, YES_OR_NO
from passivedns.sources import SOURCES
from passivedns.sources.source import QuotaSettings, RestrictedSettings, SourceSettings

SLUG = "riskiq-passive-total"
"""The connector's name in OpenCTI's catalogue."""

_SAMPLE_HEAD = """\
# Settings of the connector. Copy this file to config.yml, and replace the URL of OpenCTI and every ChangeMe.
# Environment variables take precedence: PDNS_MAX_TLP overrides max_tlp of pdns.
# Commented-out settings show their defaults; remove the # to change them.
# Made by `make docs` from src/passivedns/settings and src/passivedns/sources.
"""
_LAST_IN_A_SECTION = {**QuotaSettings.model_fields, **RestrictedSettings.model_fields}
"""Settings that many sources share, listed after those of one source."""


class _WithoutNull(GenerateJsonSchema):
    """Omits `anyOf` with null: in a form, an optional setting is a field left empty."""

    @override
    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def _in_order(section: str) -> list[Setting]:
    settings = [setting for setting in DECLARED if setting[0] == section]
    return sorted(settings, key=lambda setting: section in SOURCES and setting[1] in _LAST_IN_A_SECTION)


_SECTIONS = {name: _in_order(name) for name in dict.fromkeys(section for section, _ in DECLARED)}
_SCHEMAS = {name: SECTIONS[name].model_json_schema(schema_generator=_WithoutNull) for name in _SECTIONS}
_KINDS = {
    A_BASE_URL: "a URL",
    A_DURATION: "a duration",
    A_TLP: "a TLP",
    A_PAP: "a PAP",
    ", separated by commas": "",
    "a number of seconds ": "",
}
_SAID_BY_DESCRIPTIONS = ("a URL", "a TLP", "a duration", "a whole number", YES_OR_NO)
_FIRST_SOURCE = next(iter(SOURCES))
_SOURCES = "Sources. Only those in PDNS_SOURCES are used. All accept max_tlp and import_last_seen_time_window."


def all_settings() -> list[Setting]:
    """Every setting, in documentation order."""
    return [setting for settings in _SECTIONS.values() for setting in settings]


def is_shared(setting: Setting) -> bool:
    """Whether every source has the setting; tables for people show it once."""
    return setting[0] in SOURCES and setting[1] in SourceSettings.model_fields


# The form of OpenCTI's connector manager


def schema() -> JsonSchemaValue:
    """The settings by environment variable, as OpenCTI's connector manager reads them.

    CONNECTOR_ID is omitted, as in OpenCTI's own connectors: the manager generates it. Settings of sources are not
    required, since PDNS_SOURCES selects the sources.
    """
    asked_for = [setting for setting in all_settings() if setting != ("connector", "id")]
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "$id": f"https://www.filigran.io/connectors/{SLUG}_config.schema.json",
        "type": "object",
        "properties": {variable(setting): _property(setting) for setting in asked_for},
        "required": [variable(setting) for setting in asked_for if _is_required(setting) and setting[0] not in SOURCES],
        "additionalProperties": True,
    }


def _property(setting: Setting) -> JsonSchemaValue:
    dropped = {"title", "allowed"} | ({"default"} if _default(setting) is None else set())
    kept = {key: value for key, value in _json_schema(setting).items() if key not in dropped}
    needed = f"Required where PDNS_SOURCES contains {setting[0]}."
    parts = [*_explanation(setting), *([needed] if _is_required(setting) and setting[0] in SOURCES else [])]
    return kept | {"description": " ".join(parts)}


# docs/settings.md


def settings_tables() -> str:
    """Tables of all settings, between empty lines: Markdown reads text right after a comment as HTML."""
    shared = [(next(iter(SOURCES)), key) for key in SourceSettings.model_fields]
    platform = [
        f"**`{name}`**: {SECTIONS[name].__doc__}\n\n{_rows(settings)}"
        for name, settings in _SECTIONS.items()
        if name not in SOURCES
    ]
    sources = [
        f"**`{key}`**: {SECTIONS[key].__doc__}\n\n{_rows(own)}"
        for key in SOURCES
        if (own := [setting for setting in _SECTIONS[key] if not is_shared(setting)])
    ]
    every = f"**Every source** accepts these. {_key_explained()}\n\n{_rows(shared)}"
    return "\n" + "\n".join([*platform, every, *sources]) + "\n"


def _rows(settings: Iterable[Setting]) -> str:
    head = ("Variable", "Default", "Meaning")
    return _table(
        head,
        [
            (
                f"`{shown_variable(setting)}`",
                "**required**" if _is_required(setting) else _code(_written(_default(setting))),
                _meaning(setting),
            )
            for setting in settings
        ],
    )


def _meaning(setting: Setting) -> str:
    """The description and the accepted values; docs/settings.md defines the kinds of value that recur."""
    field = DECLARED[setting]
    values = allowed_values(field)
    for phrase, kind in _KINDS.items():
        values = values.replace(phrase, kind)
    says_nothing_new = is_secret(field) or values.startswith(("the ", "any ")) or values in _SAID_BY_DESCRIPTIONS
    return str(field.description) if says_nothing_new else f"{field.description} Accepted values: {values}."


def shown_variable(setting: Setting) -> str:
    """The variable of a setting; `<KEY>_MAX_TLP` for one that every source has."""
    return variable(("<KEY>" if is_shared(setting) else setting[0], setting[1]))


def _key_explained() -> str:
    first = next(iter(SOURCES))
    example = variable((first, next(iter(SourceSettings.model_fields))))
    return f"`<KEY>` is the key of a source, as in `{example}`."


# The samples


def config_sample() -> str:
    """The text of config.yml.sample."""
    return _SAMPLE_HEAD + "".join(_config_section(name, settings) for name, settings in _SECTIONS.items())


def _config_section(name: str, settings: Iterable[Setting]) -> str:
    entries = "".join(_config_entry(setting) for setting in settings if _is_in_sample(setting))
    body = f"{name}:\n{textwrap.indent(entries, '  ')}"
    return f"\n{_sample_title(name)}{_commented_out(body) if name in SOURCES else body}"


def _config_entry(setting: Setting) -> str:
    value = _sample(setting)
    default = "required" if _is_required(setting) else f"default: {_written(_default(setting)) or 'empty'}"
    description, values = _explanation(setting)
    comments = _comment(description) + _comment(f"{values.removesuffix('.')} ({default}).")
    shown = _written(value) if isinstance(value, list) else value
    entry = f"{setting[1]}:\n" if shown is None else yaml.safe_dump({setting[1]: shown}, width=math.inf)
    return comments + (entry if _is_chosen(setting) else _commented_out(entry))


def compose_environment() -> str:
    """The lines below `environment` in docker-compose.yml."""
    lines = []
    for name, settings in _SECTIONS.items():
        lines.append(_sample_title(name))
        for setting in settings:
            line = f"- {variable(setting)}={_written(_sample(setting))}\n"
            if _is_in_sample(setting):
                lines.append(line if _is_chosen(setting) and name not in SOURCES else _commented_out(line))
    return textwrap.indent("".join(lines), "      ")


def _sample_title(section: str) -> str:
    about = _comment(str(SECTIONS[section].__doc__))
    return about if section != _FIRST_SOURCE else f"{_comment(_SOURCES)}#\n{about}"


def _is_in_sample(setting: Setting) -> bool:
    return setting[0] == _FIRST_SOURCE or not is_shared(setting)


# These sources need no account. The URL is the one that OpenCTI's connector linter wants in samples.
_CHOSEN: Mapping[Setting, Any] = {
    ("opencti", "url"): "http://localhost",
    ("pdns", "sources"): [key for key, source in SOURCES.items() if source.account == "none"],
}


def _is_chosen(setting: Setting) -> bool:
    """Whether the samples set it."""
    return _is_required(setting) or setting in _CHOSEN


def _sample(setting: Setting) -> Any:
    return _CHOSEN.get(setting, "ChangeMe" if _is_required(setting) else _default(setting))


def _comment(text: str) -> str:
    return textwrap.indent(textwrap.fill(text, 112, break_on_hyphens=False) + "\n", "# ")


def _commented_out(text: str) -> str:
    return textwrap.indent(text, "# ", lambda _: True)


# Shared helpers


def _json_schema(setting: Setting) -> JsonSchemaValue:
    section, key = setting
    return cast(JsonSchemaValue, _SCHEMAS[section]["properties"][key])


def _is_required(setting: Setting) -> bool:
    return DECLARED[setting].is_required()


def _default(setting: Setting) -> Any:
    default = _json_schema(setting).get("default")
    return None if default == [] else default


def _written(value: Any) -> str:
    """A value in the syntax of an environment variable."""
    if isinstance(value, list):
        return ",".join(value)
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value)


def _explanation(setting: Setting) -> tuple[str, str]:
    field = DECLARED[setting]
    return str(field.description), f"Accepted values: {allowed_values(field)}."


def _code(text: str) -> str:
    return f"`{text}`" if text else "empty"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([cell.replace("|", r"\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
