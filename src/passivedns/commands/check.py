"""`main.py check`: tests everything that the connector needs, without registering it or spending a search."""

import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.text import Text

from passivedns.assembly import client_of, publisher_of
from passivedns.commands.terminal import wrap
from passivedns.errors import ConnectorError, CredentialsRefused, NoAnswer, QuotaExceeded, SettingsError, SourceError
from passivedns.model import Finding, Quota, State
from passivedns.opencti.inspection import TIMEOUT, platform_findings
from passivedns.query.cache import Cache
from passivedns.query.quota import QuotaMeter
from passivedns.settings.loading import helper_config, load_lookup_settings, load_settings
from passivedns.settings.model import LookupSettings, PdnsSettings, Settings
from passivedns.settings.problems import variable
from passivedns.settings.reading import PROJECT_ROOT, config_files, from_environment
from passivedns.sources import SOURCES
from passivedns.sources.source import tells_quota
from passivedns.text import allowance_in_words, duration, quantity, rates_in_words
from passivedns.transport.http import Http
from passivedns.transport.retry import RetryPolicy

_MARKS = {
    State.GOOD: ("✓", "+", "green"),
    State.WARNING: ("!", "!", "yellow"),
    State.BAD: ("✗", "x", "red"),
    State.UNKNOWN: ("-", "-", "dim"),
}
_WIDTH = max(len(source.title) for source in SOURCES.values()) + 1
"""Characters of the column of subjects."""

T = TypeVar("T")


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
    settings, lookup = _loaded(load_settings, root), _loaded(load_lookup_settings, root)
    yield from settings_findings(settings, root)
    if isinstance(settings, SettingsError):
        yield Finding("OpenCTI", State.UNKNOWN, "not checked: the settings are invalid")
    else:
        yield from platform_findings(helper_config(settings), sorted({*publisher_of(settings.lookup).tlps.values()}))
    if isinstance(lookup, SettingsError):
        yield Finding("sources", State.UNKNOWN, "not checked: the settings are invalid")
        return
    for key in lookup.sources:
        yield from source_findings(key, lookup)
    yield cache_finding(lookup.pdns, datetime.now(UTC))


def _loaded(load: Callable[[Path], T], root: Path) -> T | SettingsError:
    try:
        return load(root)
    except SettingsError as error:
        return error


def settings_findings(settings: Settings | SettingsError, root: Path) -> list[Finding]:
    """The origin of the settings, without their values, which may be secret, and their errors and warnings."""
    files = [str(path) for path in config_files(root) if path.exists()]
    variables = sorted(variable((section, key)) for section, keys in from_environment().values.items() for key in keys)
    names = f": {', '.join(variables)}" if variables else ""
    origin = f"{' and '.join(files) or 'no config.yml'}; {quantity(len(variables), 'variable')}{names}"
    if isinstance(settings, SettingsError):
        return [Finding("settings", State.BAD, f"{settings}\n{origin}")]
    warnings = [Finding("settings", State.WARNING, warning) for warning in settings.warnings()]
    return [Finding("settings", State.GOOD, origin), *warnings]


def source_findings(key: str, settings: LookupSettings) -> list[Finding]:
    """Whether a source is reachable and accepts the credentials, its rate limit, and its remaining quota.

    Takes one request, which is not a search.
    """
    source, section = SOURCES[key], settings.sources[key]
    title = source.title
    url, rates = str(getattr(section, source.address)), source.rate(section)
    answers = f"{url} answers{', its TLS certificate is trusted' if url.startswith('https:') else ''}"
    limit = f"; rate limit {rates_in_words(rates)}" if rates else ""
    try:
        quota = _quota(key, settings, url)
    except (NoAnswer, CredentialsRefused) as error:
        return [Finding(title, State.BAD, f"{url}: {error}")]
    except QuotaExceeded as error:
        return [Finding(title, State.GOOD, f"{answers}{limit}"), Finding(title, State.BAD, str(error))]
    except SourceError as error:
        return [Finding(title, State.WARNING, f"{answers}, but the quota cannot be read: {error}")]
    if quota is not None:
        good = Finding(title, State.GOOD, f"{answers}, the credentials are accepted{limit}")
        return [good, *_quota_findings(title, quota, getattr(section, "quota_reserve", 0))]
    has_account = any(getattr(section, name) for name in source.credentials)
    unchecked = "; only a look-up would check the credentials" if has_account else ""
    return [Finding(title, State.GOOD, f"{answers}{unchecked}{limit}")]


def _quota(key: str, settings: LookupSettings, url: str) -> Quota | None:
    """The quota of a source; None after a request without credentials, which a base URL does not check.

    Raises:
        SourceError: the source cannot be used.
    """
    retries = RetryPolicy(timeout=min(settings.pdns.request_timeout, TIMEOUT), max_retries=0)
    client = client_of(key, settings, retries, QuotaMeter(SOURCES[key]))
    if tells_quota(client):
        return client.quota()
    Http(SOURCES[key], url, retries).probe()
    return None


def _quota_findings(title: str, quota: Quota, reserve: int) -> list[Finding]:
    """The remaining searches of each allowance; it is bad if only the reserve is left."""
    reserved = f", {reserve:,} of them reserved" if reserve else ""
    states = [State.BAD if allowance.left <= reserve else State.GOOD for allowance in quota.allowances]
    texts = [f"quota of the {allowance_in_words(allowance)}{reserved}" for allowance in quota.allowances]
    found = [Finding(title, state, text) for state, text in zip(states, texts, strict=True)]
    return found or [Finding(title, State.UNKNOWN, "no quota is reported")]


def cache_finding(pdns: PdnsSettings, now: datetime) -> Finding:
    """The location of the cache, its number of answers, and the age of the oldest; a failure is only a warning."""
    if not pdns.cache_ttl:
        return Finding("cache", State.UNKNOWN, "off (PDNS_CACHE_TTL)")
    cache = Cache(pdns.cache, pdns.cache_ttl)
    try:
        answers, given = cache.stock()
    except ConnectorError as error:
        return Finding("cache", State.WARNING, str(error))
    oldest = f", the oldest {duration(now - given)} old" if given else ""
    return Finding("cache", State.GOOD, f"{cache.place}: {quantity(answers, 'answer')}{oldest}")


def _line(finding: Finding, ascii_only: bool) -> Text:
    sign, plain, style = _MARKS[finding.state]
    lines = "\n".join(f"{'':{_WIDTH + 2}}{line.strip()}" for line in finding.text.splitlines())
    indented = wrap(lines, sys.stdout).lstrip()
    return Text.assemble((plain if ascii_only else sign, style), f" {finding.subject:{_WIDTH}}{indented}")
