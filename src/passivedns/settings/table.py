"""Lists the model of every section and the field of every setting."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from passivedns.settings.model import ConnectorSettings, MqOptions, OpenCTISettings, PdnsSettings
from passivedns.settings.sections import Section
from passivedns.settings.wording import Setting
from passivedns.sources import SOURCES

PROJECT_ROOT = Path(__file__).resolve().parents[3]

PLATFORM: Mapping[str, type[Section]] = {
    "opencti": OpenCTISettings,
    "connector": ConnectorSettings,
    "mq": MqOptions,
    "s3": Section,
}
"""Sections that pycti also reads."""
SECTIONS: Mapping[str, type[Section]] = {
    **PLATFORM,
    "pdns": PdnsSettings,
    **{key: source.settings for key, source in SOURCES.items()},
}
"""The model of every section."""

CHECKED: Mapping[Setting, FieldInfo] = {
    (section, key): field for section, model in SECTIONS.items() for key, field in model.model_fields.items()
}
"""Every validated setting, including pycti options."""
DECLARED: Mapping[Setting, FieldInfo] = {setting: field for setting, field in CHECKED.items() if field.description}
"""The connector's settings in documentation order; pycti options have no description."""

Values = dict[str, dict[str, Any]]
"""Configured values by section and key."""
