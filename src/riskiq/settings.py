"""What the operator sets, in config.yml and the environment; validated once, at the start.

Every setting carries its description and, as `may_hold` beside it, what it may hold.
"""

import os
from collections.abc import Iterable, Mapping, MutableMapping
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from typing_extensions import override

from riskiq.errors import SettingsError
from riskiq.settings_errors import Setting, invalid_settings, listed, nearest, readable_name, title, variable
from riskiq.settings_sources import Source, from_environment, from_file, is_missing, left_in_place, merged
from riskiq.settings_values import (
    BaseUrl,
    Count,
    LogLevel,
    MaxTlp,
    ObservableType,
    PositiveSeconds,
    Scope,
    Seconds,
    Secret,
    Tlp,
    Uuid4,
    Window,
    since,
)

__all__ = ["DECLARED", "Settings", "helper_config", "load_settings", "since"]

PROJECT_ROOT = Path(__file__).resolve().parents[2]

_A_BASE_URL = "an http:// or https:// URL without user name, query or fragment"


def _may_hold(phrase: str) -> dict[str, Any]:
    return {"may_hold": phrase}


class Section(BaseModel):
    """A section of config.yml; what pycti reads beside the declared settings is kept, but never shown."""

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    @field_validator("*", mode="before")
    @classmethod
    def _trim(cls, value: object) -> object:
        return value.strip() if isinstance(value, str) else value

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """The declared settings alone: others may be passwords."""
        return [(key, getattr(self, key)) for key in type(self).model_fields]


class OpenCTISettings(Section):
    """The platform."""

    url: BaseUrl = Field(
        description="Address of the OpenCTI platform.",
        json_schema_extra=_may_hold(_A_BASE_URL),
    )
    token: Secret = Field(
        description="Token of the user as whom the connector works in OpenCTI.",
        json_schema_extra=_may_hold("the token that OpenCTI shows in the profile of that user"),
    )


class ConnectorSettings(Section):
    """The connector as the platform sees it."""

    id: Uuid4 = Field(
        description="What tells this connector from all others of the platform.",
        json_schema_extra=_may_hold("a UUIDv4 that no other connector has"),
    )
    type: Literal["INTERNAL_ENRICHMENT"] = Field(
        default="INTERNAL_ENRICHMENT",
        description="Kind of connector.",
        json_schema_extra=_may_hold("INTERNAL_ENRICHMENT and nothing else"),
    )
    name: str = Field(
        default="RiskIQ PassiveTotal",
        description="Name under which OpenCTI shows the connector.",
        json_schema_extra=_may_hold("any text"),
    )
    scope: Scope = Field(
        default=("IPv4-Addr", "Domain-Name"),
        description="Types of observable that may be enriched.",
        json_schema_extra=_may_hold(f"one or more of {', '.join(get_args(ObservableType))}, with commas between"),
    )
    log_level: LogLevel = Field(
        default="info",
        description="Least severe message that is logged.",
        json_schema_extra=_may_hold("debug, info, warn, warning or error"),
    )
    auto: bool = Field(
        default=False,
        description="Whether OpenCTI has every new observable of the scope enriched without being asked.",
        json_schema_extra=_may_hold("true or false"),
    )


class RiskIQSettings(Section):
    """PassiveTotal, and what may be asked of it."""

    username: Secret = Field(
        description="User name of the PassiveTotal account.",
        json_schema_extra=_may_hold("the user name of the PassiveTotal account, usually an e-mail address"),
    )
    api_key: Secret = Field(
        description="API key of the PassiveTotal account.",
        json_schema_extra=_may_hold("the API key of the PassiveTotal account"),
    )
    max_tlp: MaxTlp = Field(
        default=None,
        description="Strictest marking with which an observable may still be sent to PassiveTotal.",
        json_schema_extra=_may_hold(f"{', '.join(get_args(Tlp)[:-1])} or {get_args(Tlp)[-1]}, or nothing for no limit"),
    )
    import_last_seen_time_window: Window = Field(
        default=timedelta(days=30),
        description="How long ago a record may have been seen last and still be imported.",
        json_schema_extra=_may_hold("a positive ISO 8601 duration, such as P30D, P6M (by the calendar) or PT12H"),
    )
    api_base_url: BaseUrl = Field(
        default="https://api.riskiq.net/pt",
        description="Address of PassiveTotal's API, without the version.",
        json_schema_extra=_may_hold(_A_BASE_URL),
    )
    request_timeout: PositiveSeconds = Field(
        default=60,
        description="Seconds to wait for a connection to PassiveTotal, and then for each part of the answer.",
        json_schema_extra=_may_hold("a number of seconds above 0, 3600 at most"),
    )
    max_retries: Count = Field(
        default=4,
        description="How often a request is repeated that failed for a passing reason.",
        json_schema_extra=_may_hold("a whole number from 0 to 100"),
    )
    retry_backoff: Seconds = Field(
        default=2,
        description="Seconds to wait before a request is repeated, doubled each time.",
        json_schema_extra=_may_hold("a number of seconds from 0 to 3600"),
    )
    start_timeout: Seconds = Field(
        default=300,
        description="Seconds to wait at the start for an OpenCTI that is not up yet.",
        json_schema_extra=_may_hold("a number of seconds from 0 to 3600"),
    )
    stop_grace: Seconds = Field(
        default=30,
        description="Seconds that an enrichment under way may still take after the connector was told to stop.",
        json_schema_extra=_may_hold("a number of seconds from 0 to 3600"),
    )


class Settings(BaseSettings):
    """All sections; made by `load_settings`."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        env_nested_delimiter="_",
        env_nested_max_split=1,
        env_ignore_empty=True,
        enable_decoding=False,  # the scope is text with commas, not JSON
        hide_input_in_errors=True,
    )

    opencti: OpenCTISettings
    connector: ConnectorSettings
    riskiq: RiskIQSettings
    mq: Section = Section()
    s3: Section = Section()

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
        return found


DECLARED: Mapping[Setting, FieldInfo] = {
    (section, key): field
    for section, model in (
        ("opencti", OpenCTISettings),
        ("connector", ConnectorSettings),
        ("riskiq", RiskIQSettings),
    )
    for key, field in model.model_fields.items()
}
"""Every setting of the connector's own, in the order of the documents."""


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
        problems += invalid_settings(error, DECLARED, values, left_in_place(sources), all_read=not unusable)
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
    config = {name: {key: _plain(value) for key, value in getattr(settings, name)} for name in sections}
    for name in [name for name, value in environ.items() if is_missing(value)]:
        if name.split("_")[0].lower() in sections:
            del environ[name]
    for section, key in DECLARED:
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
