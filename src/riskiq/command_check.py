"""`main.py check`: every check at once, a line each."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.text import Text

from riskiq.account import cache_of, client_of, load_account
from riskiq.check import Finding, State, cache_finding, passivetotal_findings, settings_findings
from riskiq.check_platform import PATIENCE, platform_findings
from riskiq.errors import SettingsError
from riskiq.settings import PROJECT_ROOT, Settings, helper_config, load_settings
from riskiq.wording import printable

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
        riskiq = load_account(root)
    except SettingsError:
        yield Finding("PassiveTotal", State.UNKNOWN, "not tried without settings")
        return
    hasty = riskiq.model_copy(update={"request_timeout": min(riskiq.request_timeout, PATIENCE), "max_retries": 0})
    yield from passivetotal_findings(client_of(hasty), riskiq.api_base_url, riskiq.quota_reserve)
    yield cache_finding(cache_of(riskiq), datetime.now(UTC))


def _settings(root: Path) -> Settings | SettingsError:
    try:
        return load_settings(root)
    except SettingsError as error:
        return error


def _line(finding: Finding, ascii_only: bool) -> Text:
    sign, plain, style = _MARKS[finding.state]
    indented = "\n".join(f"{'':15}{printable(line.strip())}" for line in finding.text.splitlines()).lstrip()
    return Text.assemble((plain if ascii_only else sign, style), f" {finding.subject:13}{indented}")
