"""Every setting there is: the model of each section, and the field of each setting."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from passivedns.settings.model import ConnectorSettings, MqOptions, OpenCTISettings, PdnsSettings, S3Options
from passivedns.settings.sections import Section
from passivedns.settings.wording import Setting
from passivedns.sources import SOURCES

PROJECT_ROOT = Path(__file__).resolve().parents[3]

PLATFORM: Mapping[str, type[Section]] = {
    "opencti": OpenCTISettings,
    "connector": ConnectorSettings,
    "mq": MqOptions,
    "s3": S3Options,
}
"""The sections that pycti reads too."""
SECTIONS: Mapping[str, type[Section]] = {
    **PLATFORM,
    "pdns": PdnsSettings,
    **{key: source.settings for key, source in SOURCES.items()},
}
"""The model of every section."""

CHECKED: Mapping[Setting, FieldInfo] = {
    (section, key): field for section, model in SECTIONS.items() for key, field in model.model_fields.items()
}
"""Every setting that is checked, options of pycti among them."""
DECLARED: Mapping[Setting, FieldInfo] = {setting: field for setting, field in CHECKED.items() if field.description}
"""Every setting of the connector's own, in the order of the documents; options of pycti have no description."""

Values = dict[str, dict[str, Any]]
"""What the operator wrote, by section and key."""
