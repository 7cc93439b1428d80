"""Whether the connector could work: what it needs is tried once, and nothing is registered or spent."""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from riskiq.errors import ConnectorError, CredentialsRefused, NoAnswer, PassiveTotalError, QuotaExceeded, SettingsError
from riskiq.records import Allowance, Quota
from riskiq.settings import Settings
from riskiq.settings_errors import variable
from riskiq.settings_sources import from_environment
from riskiq.wording import ago, counted

if TYPE_CHECKING:
    from riskiq.cache import Cache  # its libraries take long to load


class State(StrEnum):
    """What became of one check."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
    UNKNOWN = "unknown"
    """It was not tried, or nothing came of it."""


class Finding(NamedTuple):
    """One line of the report."""

    subject: str
    state: State
    text: str


class Account(Protocol):
    """What tells of an account of PassiveTotal."""

    def quota(self) -> Quota:
        """Raises PassiveTotalError."""


def settings_findings(settings: Settings | SettingsError, root: Path) -> Iterator[Finding]:
    """Where the settings come from, and what is wrong with them; values are not told, since some are secrets."""
    files = [str(path) for path in (root / "config.yml", root / "src" / "config.yml") if path.exists()]
    variables = [variable((section, key)) for section, keys in from_environment(Settings).items() for key in keys]
    sources = f"{' and '.join(files) or 'no config.yml'}; {counted(len(variables), 'variable')}"
    if variables:
        sources += f": {', '.join(sorted(variables))}"
    if isinstance(settings, SettingsError):
        yield Finding("settings", State.BAD, f"{settings}\n{sources}")
        return
    yield Finding("settings", State.GOOD, sources)
    for warning in settings.warnings():
        yield Finding("settings", State.WARNING, warning)


def passivetotal_findings(account: Account, base_url: str, reserve: int = 0) -> Iterator[Finding]:
    """Whether PassiveTotal answers to the credentials, and what is left of the quota; it takes one request.

    Asking for the quota is no search: none is spent.
    """
    trust = ", its TLS certificate is trusted" if base_url.startswith("https:") else ""
    good = f"{base_url} answers{trust}"
    try:
        quota = account.quota()
    except (NoAnswer, CredentialsRefused) as error:
        yield Finding("PassiveTotal", State.BAD, f"{base_url}: {error}")
    except QuotaExceeded as error:
        yield Finding("PassiveTotal", State.GOOD, good)
        yield Finding("quota", State.BAD, str(error))
    except PassiveTotalError as error:
        yield Finding("PassiveTotal", State.WARNING, f"{good}, but does not tell the quota: {error}")
    else:
        yield Finding("PassiveTotal", State.GOOD, f"{good}, the credentials are accepted")
        yield from quota_findings(quota, reserve)


def quota_findings(quota: Quota, reserve: int = 0) -> Iterator[Finding]:
    """What each allowance leaves; one that is used up, but for the reserve, leaves nothing to work with."""
    kept = f", {reserve:,} of them kept back" if reserve else ""
    for allowance in quota.allowances:
        state = State.BAD if allowance.left <= reserve else State.GOOD
        yield Finding("quota", state, in_words(allowance) + kept)
    if not quota.allowances:
        yield Finding("quota", State.UNKNOWN, "PassiveTotal does not state it")


def in_words(allowance: Allowance) -> str:
    """An allowance in words."""
    owner, used, limit, next_reset = allowance
    reset = f" until {next_reset}" if next_reset else ""
    return f"{owner}: {used:,.0f} of {limit:,.0f} searches used, {allowance.left:,.0f} left{reset}"


def cache_finding(cache: "Cache | None", now: datetime) -> Finding:
    """Where answers are kept, how many, and how old the oldest is; a cache that is away costs searches alone."""
    if cache is None:
        return Finding("cache", State.UNKNOWN, "off (RISKIQ_CACHE_TTL)")
    try:
        stock = cache.stock()
    except ConnectorError as error:
        return Finding("cache", State.WARNING, str(error))
    oldest = f", the oldest of {ago(now - stock.oldest)}" if stock.oldest else ""
    return Finding("cache", State.GOOD, f"{cache.place}: {counted(stock.answers, 'answer')}{oldest}")
