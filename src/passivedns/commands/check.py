"""`main.py check`: tries once what the connector needs, a line each; nothing is registered, and no search is spent."""

import json
import sys
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
from passivedns.settings.loading import helper_config, load_lookup_settings, load_settings
from passivedns.settings.model import LookupSettings, Settings
from passivedns.settings.reading import config_files, from_environment
from passivedns.settings.table import PROJECT_ROOT
from passivedns.settings.wording import variable
from passivedns.sources import SOURCES
from passivedns.sources.http import Http, Patience
from passivedns.sources.source import Client, Source, tells_budget
from passivedns.wording import age, allowance_in_words, counted, printable

if TYPE_CHECKING:
    from passivedns.cache import Cache  # not imported where the cache is off

_MARKS = {
    State.GOOD: ("✓", "+", "green"),
    State.WARNING: ("!", "!", "yellow"),
    State.BAD: ("✗", "x", "red"),
    State.UNKNOWN: ("-", "-", "dim"),
}
_WIDTH = max(len(source.title) for source in SOURCES.values()) + 1
"""Characters of the column of subjects."""


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
        indent = 2 if sys.stdout.isatty() else None
        print(json.dumps({"good": good, "findings": [finding._asdict() for finding in found]}, indent=indent))
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
    """Whether a source can be reached and accepts the credentials, how often it may be asked, and what is left of its
    quota; it takes one request, which is not a search.
    """
    patience = Patience(min(settings.pdns.request_timeout, PATIENCE), max_retries=0)
    client = client_of(key, settings, patience, Meter(SOURCES[key]))
    if tells_budget(client):
        yield from _account_findings(key, settings, client)
    else:
        yield _probe_finding(key, settings, patience)


def _account_findings(key: str, settings: LookupSettings, client: Client) -> Iterator[Finding]:
    source, answers = SOURCES[key], _answers(key, settings)
    try:
        budget = client.budget()
    except (NoAnswer, CredentialsRefused) as error:
        yield Finding(source.title, State.BAD, f"{_address(key, settings)}: {error}")
    except QuotaExceeded as error:
        yield Finding(source.title, State.GOOD, f"{answers}{_pace(key, settings)}")
        yield Finding(source.title, State.BAD, str(error))
    except SourceError as error:
        yield Finding(source.title, State.WARNING, f"{answers}, but does not tell the quota: {error}")
    else:
        yield Finding(source.title, State.GOOD, f"{answers}, the credentials are accepted{_pace(key, settings)}")
        yield from _budget_findings(source, budget, getattr(settings.sources[key], "quota_reserve", 0))


def _probe_finding(key: str, settings: LookupSettings, patience: Patience) -> Finding:
    """Without credentials, since nothing that is asked here needs them."""
    source, section, address = SOURCES[key], settings.sources[key], _address(key, settings)
    try:
        Http(source, address, patience).probe()
    except SourceError as error:
        return Finding(source.title, State.BAD, f"{address}: {error}")
    has_account = any(getattr(section, name) for name in source.credentials)
    unchecked = "; the credentials are not checked: only a look-up would tell" if has_account else ""
    return Finding(source.title, State.GOOD, f"{_answers(key, settings)}{unchecked}{_pace(key, settings)}")


def _address(key: str, settings: LookupSettings) -> str:
    return str(getattr(settings.sources[key], SOURCES[key].address))


def _answers(key: str, settings: LookupSettings) -> str:
    address = _address(key, settings)
    return f"{address} answers{', its TLS certificate is trusted' if address.startswith('https:') else ''}"


def _pace(key: str, settings: LookupSettings) -> str:
    rates = SOURCES[key].pace(settings.sources[key]).replace(";", " and ")
    return f"; it is asked {rates} at most" if rates else ""


def _budget_findings(source: Source, budget: Budget, reserve: int) -> Iterator[Finding]:
    """What each allowance leaves; one that is used up, except for the reserve, leaves nothing to work with."""
    kept = f", {reserve:,} of them reserved" if reserve else ""
    for allowance in budget.allowances:
        state = State.BAD if allowance.left <= reserve else State.GOOD
        yield Finding(source.title, state, f"quota of the {allowance_in_words(allowance)}{kept}")
    if not budget.allowances:
        yield Finding(source.title, State.UNKNOWN, "no quota is stated")


def cache_finding(cache: "Cache | None", now: datetime) -> Finding:
    """Where answers are kept, how many, and how old the oldest is; a cache that is away costs only searches."""
    if cache is None:
        return Finding("cache", State.UNKNOWN, "off (PDNS_CACHE_TTL)")
    try:
        stock = cache.stock()
    except ConnectorError as error:
        return Finding("cache", State.WARNING, str(error))
    oldest = f", the oldest {age(now - stock.oldest)}" if stock.oldest else ""
    return Finding("cache", State.GOOD, f"{cache.place}: {counted(stock.values, 'answer')}{oldest}")


def _line(finding: Finding, ascii_only: bool) -> Text:
    sign, plain, style = _MARKS[finding.state]
    indented = "\n".join(f"{'':{_WIDTH + 2}}{printable(line.strip())}" for line in finding.text.splitlines()).lstrip()
    return Text.assemble((plain if ascii_only else sign, style), f" {finding.subject:{_WIDTH}}{indented}")
