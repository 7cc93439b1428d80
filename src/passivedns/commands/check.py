"""`main.py check`: tries once what the connector needs, a line each; nothing is registered, and no search is spent."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from passivedns.assembly import cache_of, client_of
from passivedns.errors import (
    ConnectorError,
    CredentialsRefused,
    NoAnswer,
    QuotaExceeded,
    SettingsError,
    SourceError,
)
from passivedns.meter import Meter
from passivedns.model import Budget, Finding, State
from passivedns.opencti.inspection import PATIENCE, platform_findings
from passivedns.settings.loading import (
    PROJECT_ROOT,
    config_files,
    from_environment,
    helper_config,
    load_lookup_settings,
    load_settings,
)
from passivedns.settings.model import LookupSettings, Settings
from passivedns.settings.wording import variable
from passivedns.sources import SOURCES
from passivedns.sources.http import Patience
from passivedns.sources.source import Source
from passivedns.wording import age, allowance_in_words, counted, printable

if TYPE_CHECKING:
    from passivedns.cache import Cache  # not imported where the cache is off

_MARKS = {
    State.GOOD: ("✓", "+", "green"),
    State.WARNING: ("!", "!", "yellow"),
    State.BAD: ("✗", "x", "red"),
    State.UNKNOWN: ("-", "-", "dim"),
}


def run(as_json: bool, root: Path = PROJECT_ROOT) -> int:
    """Print what was found, as it is found; 1 where something keeps the connector from its work, else 0."""
    console = Console(highlight=False)
    found = []
    for finding in _findings(root):
        found.append(finding)
        if not as_json:
            console.print(_line(finding, console.options.ascii_only), soft_wrap=True)
    good = all(finding.state is not State.BAD for finding in found)
    if as_json:
        print(json.dumps({"good": good, "findings": [finding._asdict() for finding in found]}))
    return 0 if good else 1


def _findings(root: Path) -> Iterator[Finding]:
    settings = _settings(root)
    yield from settings_findings(settings, root)
    if isinstance(settings, Settings):
        yield from platform_findings(helper_config(settings))
    else:
        yield Finding("OpenCTI", State.UNKNOWN, "not tried without settings")
    try:
        lookup = load_lookup_settings(root)
    except SettingsError:
        yield Finding("sources", State.UNKNOWN, "not tried without settings")
        return
    for key in lookup.sources:
        yield from source_findings(key, lookup)
    yield cache_finding(cache_of(lookup), datetime.now(UTC))


def _settings(root: Path) -> Settings | SettingsError:
    try:
        return load_settings(root)
    except SettingsError as error:
        return error


def settings_findings(settings: Settings | SettingsError, root: Path) -> Iterator[Finding]:
    """Where the settings come from, and what is wrong with them; values are not told, since some are secrets."""
    files = [str(path) for path in config_files(root) if path.exists()]
    variables = sorted(variable((section, key)) for section, keys in from_environment()[0].items() for key in keys)
    sources = f"{' and '.join(files) or 'no config.yml'}; {counted(len(variables), 'variable')}"
    if variables:
        sources += f": {', '.join(variables)}"
    if isinstance(settings, SettingsError):
        yield Finding("settings", State.BAD, f"{settings}\n{sources}")
        return
    yield Finding("settings", State.GOOD, sources)
    for warning in settings.warnings():
        yield Finding("settings", State.WARNING, warning)


def source_findings(key: str, settings: LookupSettings) -> Iterator[Finding]:
    """Whether a source answers to the credentials, and what is left of its quota; it takes one request."""
    source, reserve = SOURCES[key], getattr(settings.sources[key], "quota_reserve", 0)
    address = str(getattr(settings.sources[key], source.address))
    patience = Patience(min(settings.pdns.request_timeout, PATIENCE), max_retries=0)
    client = client_of(key, settings, patience, Meter(source))
    trust = ", its TLS certificate is trusted" if address.startswith("https:") else ""
    good = f"{address} answers{trust}"
    try:
        budget = client.budget()
    except (NoAnswer, CredentialsRefused) as error:
        yield Finding(source.title, State.BAD, f"{address}: {error}")
    except QuotaExceeded as error:
        yield Finding(source.title, State.GOOD, good)
        yield Finding("quota", State.BAD, str(error))
    except SourceError as error:
        yield Finding(source.title, State.WARNING, f"{good}, but does not tell the quota: {error}")
    else:
        yield Finding(source.title, State.GOOD, f"{good}, the credentials are accepted")
        yield from _budget_findings(source, budget, reserve)


def _budget_findings(source: Source, budget: Budget, reserve: int) -> Iterator[Finding]:
    """What each allowance leaves; one that is used up, except for the reserve, leaves nothing to work with."""
    kept = f", {reserve:,} of them reserved" if reserve else ""
    for allowance in budget.allowances:
        state = State.BAD if allowance.left <= reserve else State.GOOD
        yield Finding("quota", state, allowance_in_words(allowance) + kept)
    if not budget.allowances:
        yield Finding("quota", State.UNKNOWN, f"{source.title} does not state it")


def cache_finding(cache: "Cache | None", now: datetime) -> Finding:
    """Where answers are kept, how many, and how old the oldest is; a cache that is away costs only searches."""
    if cache is None:
        return Finding("cache", State.UNKNOWN, "off (PDNS_CACHE_TTL)")
    try:
        stock = cache.stock()
    except ConnectorError as error:
        return Finding("cache", State.WARNING, str(error))
    oldest = f", the oldest {age(now - stock.oldest)}" if stock.oldest else ""
    return Finding("cache", State.GOOD, f"{cache.place}: {counted(stock.answers, 'answer')}{oldest}")


def _line(finding: Finding, ascii_only: bool) -> Text:
    sign, plain, style = _MARKS[finding.state]
    indented = "\n".join(f"{'':15}{printable(line.strip())}" for line in finding.text.splitlines()).lstrip()
    return Text.assemble((plain if ascii_only else sign, style), f" {finding.subject:13}{indented}")
