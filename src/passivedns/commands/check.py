"""`main.py check`: tests everything that the connector needs, without registering it or spending a search."""

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.text import Text

from passivedns.assembly import cache_of, client_of, publisher_of
from passivedns.commands.terminal import wrap
from passivedns.errors import ConnectorError, CredentialsRefused, NoAnswer, QuotaExceeded, SettingsError, SourceError
from passivedns.model import Finding, Quota, State
from passivedns.opencti.inspection import TIMEOUT, platform_findings
from passivedns.query.cache import Cache
from passivedns.query.quota import QuotaMeter
from passivedns.settings.loading import helper_config, load_lookup_settings, load_settings
from passivedns.settings.model import LookupSettings, Settings
from passivedns.settings.problems import variable
from passivedns.settings.reading import PROJECT_ROOT, config_files, from_environment
from passivedns.sources import SOURCES
from passivedns.sources.source import tells_quota
from passivedns.text import age, allowance_in_words, quantity, rates_in_words
from passivedns.transport.http import Http, RetryPolicy

_MARKS = {
    State.GOOD: ("✓", "+", "green"),
    State.WARNING: ("!", "!", "yellow"),
    State.BAD: ("✗", "x", "red"),
    State.UNKNOWN: ("-", "-", "dim"),
}
_WIDTH = max(len(source.title) for source in SOURCES.values()) + 1
"""Characters of the column of subjects."""


def run(as_json: bool, root: Path = PROJECT_ROOT) -> int:
    """Print the findings one by one; return 1 if something keeps the connector from working, else 0."""
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
    try:
        settings = load_settings(root)
    except SettingsError as error:
        yield from settings_findings(error, root)
        yield Finding("OpenCTI", State.UNKNOWN, "not checked: the settings are invalid")
    else:
        yield from settings_findings(settings, root)
        yield from platform_findings(helper_config(settings), sorted({*publisher_of(settings.lookup).tlps.values()}))
    try:
        lookup = load_lookup_settings(root)
    except SettingsError:
        yield Finding("sources", State.UNKNOWN, "not checked: the settings are invalid")
        return
    for key in lookup.sources:
        yield from source_findings(key, lookup)
    yield cache_finding(cache_of(lookup), datetime.now(UTC))


def settings_findings(settings: Settings | SettingsError, root: Path) -> Iterator[Finding]:
    """The origin of the settings, without their values, which may be secret, and their errors and warnings."""
    files = [str(path) for path in config_files(root) if path.exists()]
    variables = sorted(variable((section, key)) for section, keys in from_environment()[0].items() for key in keys)
    names = f": {', '.join(variables)}" if variables else ""
    origin = f"{' and '.join(files) or 'no config.yml'}; {quantity(len(variables), 'variable')}{names}"
    if isinstance(settings, SettingsError):
        yield Finding("settings", State.BAD, f"{settings}\n{origin}")
        return
    yield Finding("settings", State.GOOD, origin)
    for warning in settings.warnings():
        yield Finding("settings", State.WARNING, warning)


def source_findings(key: str, settings: LookupSettings) -> Iterator[Finding]:
    """Whether a source is reachable and accepts the credentials, its rate limit, and its remaining quota.

    Takes one request, which is not a search.
    """
    source, section = SOURCES[key], settings.sources[key]
    url = str(getattr(section, source.address))
    answers = f"{url} answers{', its TLS certificate is trusted' if url.startswith('https:') else ''}"
    rates = source.pace(section)
    limit = f"; rate limit {rates_in_words(rates)}" if rates else ""
    patience = RetryPolicy(min(settings.pdns.request_timeout, TIMEOUT), max_retries=0)
    client = client_of(key, settings, patience, QuotaMeter(source))
    try:
        if tells_quota(client):
            quota = client.quota()
            yield Finding(source.title, State.GOOD, f"{answers}, the credentials are accepted{limit}")
            yield from _quota_findings(source.title, quota, getattr(section, "quota_reserve", 0))
        else:
            Http(source, url, patience).probe()  # without credentials, which the base URL does not check
            has_account = any(getattr(section, name) for name in source.credentials)
            unchecked = "; only a look-up would check the credentials" if has_account else ""
            yield Finding(source.title, State.GOOD, f"{answers}{unchecked}{limit}")
    except (NoAnswer, CredentialsRefused) as error:
        yield Finding(source.title, State.BAD, f"{url}: {error}")
    except QuotaExceeded as error:
        yield Finding(source.title, State.GOOD, f"{answers}{limit}")
        yield Finding(source.title, State.BAD, str(error))
    except SourceError as error:
        yield Finding(source.title, State.WARNING, f"{answers}, but the quota cannot be read: {error}")


def _quota_findings(title: str, quota: Quota, reserve: int) -> Iterator[Finding]:
    """The remaining searches of each allowance; it is bad if only the reserve is left."""
    reserved = f", {reserve:,} of them reserved" if reserve else ""
    for allowance in quota.allowances:
        state = State.BAD if allowance.left <= reserve else State.GOOD
        yield Finding(title, state, f"quota of the {allowance_in_words(allowance)}{reserved}")
    if not quota.allowances:
        yield Finding(title, State.UNKNOWN, "no quota is reported")


def cache_finding(cache: Cache | None, now: datetime) -> Finding:
    """The location of the cache, its number of answers, and the age of the oldest; a failure is only a warning."""
    if cache is None:
        return Finding("cache", State.UNKNOWN, "off (PDNS_CACHE_TTL)")
    try:
        answers, given = cache.stock()
    except ConnectorError as error:
        return Finding("cache", State.WARNING, str(error))
    oldest = f", the oldest {age(now - given)}" if given else ""
    return Finding("cache", State.GOOD, f"{cache.place}: {quantity(answers, 'answer')}{oldest}")


def _line(finding: Finding, ascii_only: bool) -> Text:
    sign, plain, style = _MARKS[finding.state]
    lines = "\n".join(f"{'':{_WIDTH + 2}}{line.strip()}" for line in finding.text.splitlines())
    indented = wrap(lines, sys.stdout).lstrip()
    return Text.assemble((plain if ascii_only else sign, style), f" {finding.subject:{_WIDTH}}{indented}")
