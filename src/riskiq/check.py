"""Whether the connector could work: what it needs is tried once, and nothing is registered or spent."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol

from riskiq.errors import CredentialsRefused, NoAnswer, PassiveTotalError, QuotaExceeded, SettingsError
from riskiq.records import Allowance, Quota
from riskiq.settings import Settings
from riskiq.settings_errors import variable
from riskiq.settings_sources import from_environment
from riskiq.wording import counted


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


def passivetotal_findings(account: Account, base_url: str) -> Iterator[Finding]:
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
        yield from quota_findings(quota)


def quota_findings(quota: Quota) -> Iterator[Finding]:
    """What each allowance leaves; one that is used up leaves nothing to work with."""
    for allowance in quota.allowances:
        yield Finding("quota", State.BAD if allowance.reached else State.GOOD, in_words(allowance))
    if not quota.allowances:
        yield Finding("quota", State.UNKNOWN, "PassiveTotal does not state it")


def in_words(allowance: Allowance) -> str:
    """An allowance in words."""
    left = max(allowance.limit - allowance.used, 0)
    reset = f" until {allowance.next_reset}" if allowance.next_reset else ""
    return f"{allowance.owner}: {allowance.used:,.0f} of {allowance.limit:,.0f} searches used, {left:,.0f} left{reset}"
