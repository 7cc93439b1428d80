"""Defines the sections of config.yml except the sources', an index of all, and the settings as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from isodate import Duration
from pydantic import Field
from pydantic.fields import FieldInfo

from passivedns.model import RECORD_TYPES
from passivedns.settings import values
from passivedns.settings.problems import Setting
from passivedns.settings.values import Section, allowed
from passivedns.sources import SOURCES
from passivedns.sources.source import SourceSettings
from passivedns.text import and_list

SourceKeys = Annotated[tuple[str, ...], values.one_or_more(SOURCES), values.several_of(SOURCES, "queried")]
DEFAULTS = {key: source.default_with for key, source in SOURCES.items() if source.default_with}
"""The sources to query without PDNS_SOURCES, by the setting that must be set."""
_SWITCH = Field(default=None, json_schema_extra=allowed(values.YES_OR_NO))


class OpenCTISettings(Section):
    """OpenCTI platform."""

    url: values.BaseUrl = Field(description="Base URL of OpenCTI.")
    token: values.Token = Field(description="API token of the connector's OpenCTI user.")


class ConnectorSettings(Section):
    """Connector registration in OpenCTI."""

    id: values.Uuid4 = Field(description="Unique ID of this connector (UUIDv4).")
    type: values.ConnectorType = Field(default="INTERNAL_ENRICHMENT", description="Connector type.")
    name: values.Text = Field(default="Passive DNS", description="Display name in OpenCTI.")
    scope: values.Scope = Field(default=("IPv4-Addr", "Domain-Name"), description="Observable types to enrich.")
    log_level: values.LogLevel = Field(default="info", description="Minimum severity of log messages.")
    auto: values.Flag = Field(default=False, description="Enrich every new observable in scope automatically.")

    # pycti does not validate its own options: it ends in a traceback or misinterprets the value.
    expose_metrics: bool | None = _SWITCH
    listen_protocol: values.ListenProtocol = None
    listen_protocol_api_port: values.Port = None
    metrics_port: values.Port = None
    queue_protocol: values.QueueProtocol = None


class MqOptions(Section):
    """pycti options that override the broker address from OpenCTI."""

    port: values.Port = None
    use_ssl: bool | None = _SWITCH


class PdnsSettings(Section):
    """Passive DNS look-ups: sources, limits and import."""

    sources: SourceKeys = Field(
        default=(),
        description="Sources to query. Each has its own section. Without it, "
        + and_list([f"{key} where {key.upper()}_{setting.upper()} is set" for key, setting in DEFAULTS.items()])
        + ".",
    )
    max_tlp: values.TlpLimit = Field(
        default="TLP:AMBER", description="Highest TLP of an observable that may be sent to a source."
    )
    max_pap: values.PapLimit = Field(
        default="PAP:AMBER",
        description="Highest PAP (Permissible Actions Protocol) of an observable that may be sent to a source. PAP:RED "
        "forbids to ask outside sources.",
    )
    import_last_seen_time_window: values.Window = Field(
        default=timedelta(days=30), description="Import only records last seen within this period (ISO 8601)."
    )
    record_types: values.RecordTypes = Field(default=RECORD_TYPES, description="DNS record types to import.")
    max_relationships: values.Limit = Field(
        default=500, description="Maximum relationships added per enrichment, most recently seen first."
    )
    skip_own: bool | None = Field(
        default=None,
        description="Skip observables created by this connector in automatic runs, which would otherwise enrich their "
        "own results endlessly.",
        json_schema_extra=allowed(f"{values.YES_OR_NO}, or empty for the value of CONNECTOR_AUTO"),
    )
    summary_note: values.Flag = Field(
        default=False,
        description="Attach a note that lists the 50 most recently seen relationships to the enriched observable.",
    )
    cache: values.CachePlace = Field(
        default="passive-dns.sqlite",
        repr=False,
        description="Where answers are cached. A Redis also shares rate limits and the memory of messages.",
    )
    cache_ttl: values.Lifetime = Field(
        default=timedelta(hours=24),
        description="How long answers stay cached.",
        json_schema_extra=allowed("an ISO 8601 duration, such as PT24H or P1M (calendar months); PT0S keeps none")
        | {"default": "PT24H"},
    )
    request_timeout: values.PositiveSeconds = Field(
        default=60, description="Timeout of one request to a source in seconds, from connecting to the last byte."
    )
    max_retries: values.Count = Field(default=4, description="Maximum retries of a request after a transient failure.")
    retry_backoff: values.Seconds = Field(
        default=2, description="Delay before the first retry in seconds; doubles with each retry."
    )
    start_timeout: values.Seconds = Field(default=300, description="Seconds to wait for OpenCTI at startup.")
    stop_grace: values.Seconds = Field(
        default=30, description="Seconds the current enrichment has to finish when the connector stops."
    )


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


@dataclass(frozen=True)
class LookupSettings:
    """Settings of a look-up."""

    pdns: PdnsSettings
    sources: Mapping[str, SourceSettings]
    """Sections of the sources to query, by key, in the configured order."""

    def max_tlp(self, key: str) -> tuple[str | None, str]:
        """The highest TLP that may be sent to a source, and the variable that sets it."""
        own = self.sources[key].max_tlp
        return (own, SOURCES[key].variable("max_tlp")) if own else (_limit(self.pdns.max_tlp), "PDNS_MAX_TLP")

    @property
    def max_pap(self) -> str | None:
        """The highest PAP that may be sent to a source; None for no limit."""
        return _limit(self.pdns.max_pap)

    def window(self, key: str) -> tuple[timedelta | Duration | None, str]:
        """The time window of look-ups at a source, None for records of any age, and the variable that sets it."""
        section = self.sources[key]
        if own := section.import_last_seen_time_window:
            return own, SOURCES[key].variable("import_last_seen_time_window")
        ignored = getattr(section, "ignore_time_window", False)
        return None if ignored else self.pdns.import_last_seen_time_window, "PDNS_IMPORT_LAST_SEEN_TIME_WINDOW"

    def warnings(self) -> list[str]:
        """Sentences about valid settings that may be unintended."""
        found = []
        by_tlp = [SOURCES[key].title for key in self.sources if self.max_tlp(key)[0] is None]
        by_pap = [SOURCES[key].title for key in self.sources if self.max_pap is None]
        for scale, titles in (("TLP", by_tlp), ("PAP", by_pap)):
            if titles:
                sent = f"observables of any {scale}, including {scale}:RED, are sent to {and_list(titles)}"
                found.append(f"PDNS_MAX_{scale} is {values.NO_LIMIT}: {sent}.")
        for key, section in self.sources.items():
            for name in [name for name in type(section).model_fields if "url" in name]:
                url = urlsplit(getattr(section, name))
                if url.scheme == "http" and not _is_loopback(url.hostname or ""):
                    sent = f"queries and credentials are sent unencrypted to {url.hostname}"
                    found.append(f"{SOURCES[key].variable(name)} is not https: {sent}.")
        shut = [shut_notice(key, getattr(section, SOURCES[key].address)) for key, section in self.sources.items()]
        return [*found, *filter(None, shut)]


def _limit(maximum: str) -> str | None:
    return None if maximum == values.NO_LIMIT else maximum


_ACCOUNTS = {
    "none": "no account",
    "free": "a free account",
    "restricted": "an account that is free for non-commercial use only",
    "vetted": "a free account after vetting",
}
"""What sources that cost nothing need, by their kind of account."""


def without_cost() -> str:
    """Which sources cost nothing, and what they need, in words."""
    keys = {kind: [key for key, source in SOURCES.items() if source.account == kind] for kind in _ACCOUNTS}
    needs = [f"{and_list(keys[kind])} need{'' if keys[kind][1:] else 's'} {need}" for kind, need in _ACCOUNTS.items()]
    return ", ".join(needs)


def shut_notice(key: str, address: object) -> str:
    """The notice for a source that was shut down; empty if another address is set (None: the default)."""
    source = SOURCES[key]
    if not source.shut or address not in (None, source.settings.model_fields[source.address].default):
        return ""
    return (
        f"{source.shut}. Point {source.variable(source.address)} to a service that speaks the same API, or set "
        f"PDNS_SOURCES to other sources: {without_cost()}."
    )


@dataclass(frozen=True)
class Settings:
    """All settings."""

    opencti: OpenCTISettings
    connector: ConnectorSettings
    mq: MqOptions
    s3: Section
    lookup: LookupSettings
    notices: tuple[str, ...]
    """Sentences about settings without effect."""

    @property
    def skip_own(self) -> bool:
        """Whether automatic runs skip observables authored by this connector."""
        chosen = self.lookup.pdns.skip_own
        return self.connector.auto if chosen is None else chosen

    def warnings(self) -> list[str]:
        """Sentences about valid settings that may be unintended."""
        found = [*self.notices, *self.lookup.warnings()]
        url, ssl_verify = self.opencti.url, (self.opencti.model_extra or {}).get("ssl_verify")
        if url.startswith("https:") and ssl_verify in _NOT_VERIFIED:
            remedy = "set it to true, or to the file of a private CA"
            found.append(f"OPENCTI_SSL_VERIFY is off, so the TLS certificate of {url} is not verified: {remedy}.")
        if self.connector.auto and not self.skip_own:
            found.append(
                "CONNECTOR_AUTO is on and PDNS_SKIP_OWN is off: OpenCTI enriches the results of enrichments endlessly."
            )
        return found


# What pycti reads as false, which is its default.
_NOT_VERIFIED = (None, False, "no", "false", "False")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
