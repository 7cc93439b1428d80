"""What the operator sets, in config.yml and the environment; validated once, at the start."""

import os
from collections.abc import Mapping, MutableMapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from typing_extensions import override

from riskiq.errors import SettingsError
from riskiq.settings_errors import Setting, invalid_settings, listed, nearest, readable_name, title, variable
from riskiq.settings_sections import ConnectorSettings, MqOptions, OpenCTISettings, RiskIQSettings, S3Options
from riskiq.settings_sources import Source, from_environment, from_file, is_missing, left_in_place, merged
from riskiq.settings_values import since

__all__ = ["DECLARED", "RiskIQSettings", "Settings", "helper_config", "load_settings", "since"]

PROJECT_ROOT = Path(__file__).resolve().parents[2]


class Settings(BaseSettings):
    """All sections; made by `load_settings`."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        env_nested_delimiter="_",
        env_nested_max_split=1,
        env_ignore_empty=True,
        enable_decoding=False,  # lists are text with commas, not JSON
        hide_input_in_errors=True,
    )

    opencti: OpenCTISettings
    connector: ConnectorSettings
    riskiq: RiskIQSettings
    mq: MqOptions = MqOptions()
    s3: S3Options = S3Options()

    @classmethod
    @override
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What `load_settings` hands over, alone: its errors must tell what each source held."""
        return (init_settings,)

    @property
    def skip_own(self) -> bool:
        """Whether automatic enrichments leave observables alone whose author is this connector."""
        return self.connector.auto if self.riskiq.skip_own is None else self.riskiq.skip_own

    def warnings(self) -> list[str]:
        """Sentences on what is allowed and still may not be what the operator wants."""
        found = [_ignored(key) for key in self.riskiq.model_extra or {}]
        if self.riskiq.max_tlp is None:
            found.append(
                "RISKIQ_MAX_TLP is not set: observables of any TLP, TLP:RED included, are sent to PassiveTotal."
            )
        url = urlsplit(self.riskiq.api_base_url)
        if url.scheme == "http" and not _is_loopback(url.hostname or ""):
            found.append(f"RISKIQ_API_BASE_URL is not https: the API key travels unencrypted to {url.hostname}.")
        if self.connector.auto and not self.skip_own:
            found.append(
                "CONNECTOR_AUTO is on and RISKIQ_SKIP_OWN is off: OpenCTI has what an enrichment adds enriched in "
                "turn, without end."
            )
        return found


_CHECKED: Mapping[Setting, FieldInfo] = {
    (section, key): field
    for section, model in (
        ("opencti", OpenCTISettings),
        ("connector", ConnectorSettings),
        ("riskiq", RiskIQSettings),
        ("mq", MqOptions),
        ("s3", S3Options),
    )
    for key, field in model.model_fields.items()
}
DECLARED: Mapping[Setting, FieldInfo] = {setting: field for setting, field in _CHECKED.items() if field.description}
"""Every setting of the connector's own, in the order of the documents; options of pycti have no description."""


def load_settings(root: Path = PROJECT_ROOT) -> Settings:
    """Reads `root`/config.yml, `root`/src/config.yml and the environment; the later wins, key by key.

    Raises SettingsError, whose text lists all that is wrong.
    """
    files = [from_file(path, Settings.model_fields) for path in (root / "config.yml", root / "src" / "config.yml")]
    sources = [*(source for source, _ in files), from_environment(Settings)]
    unusable = [problem for _, problems in files for problem in problems]
    problems = unusable + [problem for source, _ in files for problem in _misspelt(source)]
    values = merged(sources, Settings.model_fields)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        problems += invalid_settings(error, _CHECKED, values, left_in_place(sources), all_read=not unusable)
    # Outside the except, so that no traceback can come to the values.
    if problems:
        raise SettingsError(listed(problems))
    return settings


def helper_config(settings: Settings, environ: MutableMapping[str, str] = os.environ) -> dict[str, dict[str, Any]]:
    """The configuration for OpenCTIConnectorHelper: what was validated, and whatever else pycti reads.

    pycti prefers `environ` to its argument and forgives less than these settings do. Variables of validated
    settings are therefore rewritten there, and those that hold nothing or ChangeMe are removed.
    """
    sections = [name for name in Settings.model_fields if name != "riskiq"]
    config = {
        name: {key: _plain(value) for key, value in getattr(settings, name) if value is not None} for name in sections
    }
    for name in [name for name, value in environ.items() if is_missing(value)]:
        if name.split("_")[0].lower() in sections:
            del environ[name]
    for section, key in _CHECKED:
        if section in sections and (name := variable((section, key))) in environ:
            value = config[section][key]
            environ[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return config


def _plain(value: object) -> object:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return ",".join(value) if isinstance(value, tuple) else value


def _misspelt(source: Source) -> list[str]:
    return [
        f"config.yml: riskiq.{readable_name(key)} is not a setting{_did_you_mean(key)}"
        for key in source.get("riskiq", {})
        if key not in RiskIQSettings.model_fields
    ]


def _ignored(key: str) -> str:
    return f"RISKIQ_{readable_name(key).upper()} is not a setting and is ignored{_did_you_mean(key)}"


def _did_you_mean(key: str) -> str:
    meant = nearest(key, RiskIQSettings.model_fields)
    return f"; did you mean {title(('riskiq', meant))}?" if meant else "."


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
