"""Defines the base classes of the sections of config.yml.

Each setting has a description and, as `allowed`, the values that it accepts.
"""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.fields import FieldInfo

from passivedns.settings.values import BaseUrl, Flag, MaxTlp, Quantity, ResultsTlp, Window
from passivedns.settings.wording import allowed_values

_TYPES: tuple[Any, ...] = BaseUrl, Window, ResultsTlp, Flag
A_BASE_URL, A_DURATION, A_TLP, YES_OR_NO = (allowed_values(FieldInfo.from_annotation(kind)) for kind in _TYPES)
"""The accepted values of these types, as parts of longer phrases."""


def allowed(phrase: str) -> dict[str, Any]:
    """The accepted values of a setting, as a phrase to follow "Accepted values:"; by default the type's."""
    return {"allowed": phrase}


class Section(BaseModel):
    """A section of config.yml; undeclared options are kept for pycti but never shown."""

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    @field_validator("*", mode="before")
    @classmethod
    def _trim(cls, value: object) -> object:
        return value.strip() if isinstance(value, str) else value

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Declared settings without those that may contain a password; undeclared ones may be passwords too."""
        return [(key, getattr(self, key)) for key, field in type(self).model_fields.items() if field.repr]


class SourceSettings(Section):
    """Settings of every source, which override the section pdns."""

    max_tlp: MaxTlp = Field(
        default=None,
        description="Highest TLP of an observable that may be sent to this source.",
        json_schema_extra=allowed(f"{A_TLP}, or empty for PDNS_MAX_TLP"),
    )
    import_last_seen_time_window: Window | None = Field(
        default=None,
        description="Import only records last seen within this period (ISO 8601).",
        json_schema_extra=allowed(f"{A_DURATION}, or empty for PDNS_IMPORT_LAST_SEEN_TIME_WINDOW"),
    )


class QuotaSettings(SourceSettings):
    """Settings of every source with a quota."""

    quota_reserve: Quantity = Field(
        default=0, description="Searches of the quota reserved for other users of the account."
    )


class RestrictedSettings(SourceSettings):
    """Settings of every source with non-public data."""

    results_tlp: ResultsTlp = Field(
        default="TLP:AMBER",
        description="TLP of the objects created from this source; existing observables are raised to it.",
    )
