"""The sections of config.yml.

Every setting carries its description and, as `may_hold` beside it, what it may hold.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

from riskiq.settings_values import (
    FILE_SUFFIXES,
    BaseUrl,
    CachePlace,
    Count,
    Lifetime,
    ListenProtocol,
    LogLevel,
    MaxTlp,
    ObservableType,
    Port,
    PositiveDuration,
    PositiveSeconds,
    Quantity,
    QueueProtocol,
    RecordType,
    RecordTypes,
    Scope,
    Seconds,
    Secret,
    Tlp,
    Uuid4,
    Window,
)

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
        """The declared settings alone, without those that may hold a password: others may be passwords too."""
        return [(key, getattr(self, key)) for key, field in type(self).model_fields.items() if field.repr]


_PORT = Field(default=None, json_schema_extra=_may_hold("a port from 1 to 65535"))
_SWITCH = Field(default=None, json_schema_extra=_may_hold("true or false"))
_DAYS = Field(default=None, json_schema_extra=_may_hold("a whole number of days"))


class PyctiConnectorOptions(Section):
    """Options of pycti at which it would end the start with a traceback, fail in a thread or take no for yes.

    pycti's own documents describe them, so they have no description here; one that is None is left to pycti.
    """

    auto_create_service_account_confidence_level: Count | None = Field(
        default=None, json_schema_extra=_may_hold("a whole number from 0 to 100")
    )
    duration_period: PositiveDuration | None = Field(
        default=None, json_schema_extra=_may_hold("a positive ISO 8601 duration, or better nothing")
    )
    expose_metrics: bool | None = _SWITCH
    listen_protocol: ListenProtocol | None = Field(default=None, json_schema_extra=_may_hold("AMQP or API"))
    listen_protocol_api_port: Port | None = _PORT
    metrics_port: Port | None = _PORT
    queue_protocol: QueueProtocol | None = Field(default=None, json_schema_extra=_may_hold("amqp or api"))
    send_to_directory_retention: Quantity | None = _DAYS
    send_to_s3_retention: Quantity | None = _DAYS


class MqOptions(Section):
    """The broker, where it is reached in another way than OpenCTI tells."""

    port: Port | None = _PORT
    use_ssl: bool | None = _SWITCH


class S3Options(Section):
    """The object storage, where it is reached in another way than OpenCTI tells."""

    port: Port | None = _PORT


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


class ConnectorSettings(PyctiConnectorOptions):
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
    record_types: RecordTypes = Field(
        default=get_args(RecordType),
        description="Types of record that are imported.",
        json_schema_extra=_may_hold(f"one or more of {', '.join(get_args(RecordType))}, with commas between"),
    )
    max_relationships: Quantity = Field(
        default=0,
        description="How many relationships one enrichment may add; those that were seen last come first.",
        json_schema_extra=_may_hold("a whole number, or 0 for no limit"),
    )
    skip_own: bool | None = Field(
        default=None,
        description="Whether observables whose author is this connector are left alone unless a person or a playbook "
        "asks, since with CONNECTOR_AUTO OpenCTI has what an enrichment adds enriched in turn.",
        json_schema_extra=_may_hold("true or false, or nothing for what CONNECTOR_AUTO holds"),
    )
    summary_note: bool = Field(
        default=False,
        description="Whether the enriched observable also gets a note: a table of the 50 relationships seen last.",
        json_schema_extra=_may_hold("true or false"),
    )
    quota_reserve: Quantity = Field(
        default=0,
        description="Searches of the quota that the connector leaves to the people who share the account, "
        "as far as PassiveTotal tells the quota.",
        json_schema_extra=_may_hold("a whole number"),
    )
    cache: CachePlace = Field(
        default="riskiq-passivetotal.sqlite",
        repr=False,
        description="Where answers of PassiveTotal are kept, so that the same search is not made again.",
        json_schema_extra=_may_hold(
            f"memory, a file that ends in {', '.join(FILE_SUFFIXES[:-1])} or {FILE_SUFFIXES[-1]} (in the user's cache "
            "folder unless its path is absolute), or redis://[[user]:password@]host[:port][/database] (rediss:// "
            "for TLS)"
        ),
    )
    cache_ttl: Lifetime = Field(
        default=timedelta(hours=24),
        description="How long an answer is kept.",
        json_schema_extra=_may_hold("an ISO 8601 duration, such as PT24H or P1M (by the calendar); PT0S keeps none")
        | {"default": "PT24H"},
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
