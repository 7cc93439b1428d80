"""The settings of src/riskiq/settings.py as tables, samples and JSON Schema."""

import json
import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, cast

import yaml
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema
from typing_extensions import override

from passivedns.settings import DECLARED, Settings
from passivedns.settings_errors import Setting, may_hold, variable

SLUG = "riskiq-passive-total"
"""The connector's name in OpenCTI's catalogue."""

_SAMPLE_HEAD = """\
# The settings of the connector. Copy this file to config.yml, and replace every ChangeMe.
# A variable of the environment wins over its setting here: RISKIQ_MAX_TLP over max_tlp of riskiq.
# Made by `make docs` from src/riskiq/settings.py.
"""


class _WithoutNull(GenerateJsonSchema):
    """Leaves `anyOf` with null out: in a form, a setting that may be missing is a field that may stay empty."""

    @override
    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def _section(name: str) -> type[BaseModel]:
    return cast(type[BaseModel], Settings.model_fields[name].annotation)


_SECTIONS = {name: [setting for setting in DECLARED if setting[0] == name] for name, _ in DECLARED}
_SCHEMAS = {name: _section(name).model_json_schema(schema_generator=_WithoutNull) for name in _SECTIONS}


def schema() -> JsonSchemaValue:
    """The settings by environment variable, in the form that OpenCTI's connector manager reads.

    CONNECTOR_ID is left out, as by OpenCTI's own connectors: the manager makes one, and would ask for it otherwise.
    """
    asked_for = [setting for setting in DECLARED if setting != ("connector", "id")]
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "$id": f"https://www.filigran.io/connectors/{SLUG}_config.schema.json",
        "type": "object",
        "properties": {variable(setting): _property(setting) for setting in asked_for},
        "required": [variable(setting) for setting in asked_for if _is_required(setting)],
        "additionalProperties": True,
    }


def schema_document() -> str:
    """The schema for people, with the columns of OpenCTI's CONNECTOR_CONFIG_DOC.md."""
    head = ("Property", "Type", "Required", "Possible values", "Default", "Description")
    properties = schema()["properties"]
    rows = [
        (
            variable(setting),
            f"`{properties[variable(setting)]['type']}`",
            "✅" if _is_required(setting) else "",
            may_hold(DECLARED[setting]),
            "" if _default(setting) is None else f"`{json.dumps(_default(setting))}`",
            str(DECLARED[setting].description),
        )
        for setting in DECLARED
        if variable(setting) in properties
    ]
    without_id = "CONNECTOR_ID is not among them: OpenCTI's connector manager makes it."
    return f"# Connector Configurations\n\n{without_id}\n\n{_table(head, rows)}"


def readme_table() -> str:
    """All settings, with an empty line at both ends: Markdown takes what follows a comment directly for HTML."""
    head = ("Variable", "In `config.yml`", "Default", "What it is, and what it may hold")
    rows = [
        (
            f"`{variable(setting)}`",
            f"`{'.'.join(setting)}`",
            "**required**" if _is_required(setting) else _code(_written(_default(setting))),
            " ".join(_explanation(setting)),
        )
        for setting in DECLARED
    ]
    return f"\n{_table(head, rows)}\n"


def config_sample() -> str:
    """The text of config.yml.sample."""
    parts = [_SAMPLE_HEAD]
    for name, settings in _SECTIONS.items():
        parts.append(f"\n# {_section(name).__doc__}\n{name}:\n")
        parts.extend(textwrap.indent(_config_entry(setting), "  ") for setting in settings)
    return "".join(parts)


def _config_entry(setting: Setting) -> str:
    value = _sample(setting, opencti_url="http://localhost:8080")
    entry = {setting[1]: _written(value) if isinstance(value, list) else value}
    default = "required" if _is_required(setting) else f"default: {_written(_default(setting)) or 'none'}"
    description, values = _explanation(setting)
    comments = [description, f"{values.removesuffix('.')} ({default})."]
    lines = [textwrap.fill(text, 116, break_on_hyphens=False) for text in comments]
    return textwrap.indent("\n".join([*lines, ""]), "# ") + yaml.safe_dump(entry, width=math.inf)


def compose_environment() -> str:
    """The lines below `environment` in docker-compose.yml."""
    lines = []
    for name, settings in _SECTIONS.items():
        lines.append(f"# {_section(name).__doc__}")
        for setting in settings:
            lines.append(f"- {variable(setting)}={_written(_sample(setting, opencti_url='http://opencti:8080'))}")
    return textwrap.indent("\n".join([*lines, ""]), "      ")


def _property(setting: Setting) -> JsonSchemaValue:
    dropped = {"title", "may_hold"} | ({"default"} if _default(setting) is None else set())
    kept = {key: value for key, value in _json_schema(setting).items() if key not in dropped}
    return kept | {"description": " ".join(_explanation(setting))}


def _json_schema(setting: Setting) -> JsonSchemaValue:
    section, key = setting
    return cast(JsonSchemaValue, _SCHEMAS[section]["properties"][key])


def _is_required(setting: Setting) -> bool:
    return DECLARED[setting].is_required()


def _default(setting: Setting) -> Any:
    return _json_schema(setting).get("default")


def _sample(setting: Setting, opencti_url: str) -> Any:
    # Without a maximum even TLP:RED is sent: nobody should get that by copying a sample.
    chosen = {("opencti", "url"): opencti_url, ("riskiq", "max_tlp"): "TLP:AMBER"}
    return chosen.get(setting, "ChangeMe" if _is_required(setting) else _default(setting))


def _written(value: Any) -> str:
    """A value as it stands in an environment variable."""
    if isinstance(value, list):
        return ",".join(value)
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value)


def _explanation(setting: Setting) -> tuple[str, str]:
    field = DECLARED[setting]
    return str(field.description), f"It may hold {may_hold(field)}."


def _code(text: str) -> str:
    return f"`{text}`" if text else "none"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([cell.replace("|", r"\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
