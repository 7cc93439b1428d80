"""The account of PassiveTotal as the settings have it, for commands that need no OpenCTI."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from riskiq.client import RiskIQClient
from riskiq.enrichment import Wanted
from riskiq.errors import SettingsError
from riskiq.settings import DECLARED, PROJECT_ROOT, RiskIQSettings, Settings
from riskiq.settings_errors import invalid_settings, listed
from riskiq.settings_sources import from_environment, from_file, left_in_place, merged

if TYPE_CHECKING:
    from riskiq.cache import Cache


_NO_CREDENTIALS = {"username": "nobody", "api_key": "none"}
"""In the place of what is not needed."""


class _Account(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    riskiq: RiskIQSettings


def load_account(root: Path = PROJECT_ROOT, *, with_credentials: bool = True) -> RiskIQSettings:
    """The section riskiq of the files and variables that `load_settings` reads; all others may be missing or wrong.

    Where nothing is asked of PassiveTotal, `with_credentials` is off, and user name and key may be missing too.

    Raises SettingsError, whose text lists all that is wrong.
    """
    files = [from_file(path, Settings.model_fields) for path in (root / "config.yml", root / "src" / "config.yml")]
    sources = [*(source for source, _ in files), from_environment(Settings)]
    problems = [problem for _, unusable in files for problem in unusable]
    values = merged(sources, Settings.model_fields)
    if not with_credentials:
        values["riskiq"] = _NO_CREDENTIALS | values["riskiq"]
    try:
        account = _Account.model_validate(values)
    except ValidationError as error:
        problems += invalid_settings(error, DECLARED, values, left_in_place(sources), all_read=not problems)
    # Outside the except, so that no traceback can come to the values.
    if problems:
        raise SettingsError(listed(problems))
    return account.riskiq


def client_of(riskiq: RiskIQSettings) -> RiskIQClient:
    """The client that asks for this account."""
    return RiskIQClient(
        riskiq.api_base_url,
        riskiq.username.get_secret_value(),
        riskiq.api_key.get_secret_value(),
        timeout=riskiq.request_timeout,
        max_retries=riskiq.max_retries,
        retry_backoff=riskiq.retry_backoff,
        quota_reserve=riskiq.quota_reserve,
        cache=cache_of(riskiq),
    )


def wanted_of(riskiq: RiskIQSettings) -> Wanted:
    """What of an answer goes to OpenCTI."""
    return Wanted(riskiq.record_types, riskiq.max_relationships, riskiq.summary_note)


def cache_of(riskiq: RiskIQSettings) -> Cache | None:
    """The cache of answers, unless it is off."""
    from riskiq.cache import Cache  # its libraries take long to load, and not every command needs them

    return Cache(riskiq.cache, riskiq.cache_ttl) if riskiq.cache_ttl else None
