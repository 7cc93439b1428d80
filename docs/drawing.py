"""Generates the pictures of the documents from the sandbox."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from io import StringIO

from rich.console import Console
from rich.terminal_theme import MONOKAI

from passivedns.commands.lookup import observable
from passivedns.enrichment import Enricher
from passivedns.query.all_sources import ConfiguredSource
from passivedns.query.quota import QuotaMeter
from passivedns.report.lookup import Lookup
from passivedns.report.page import page
from passivedns.report.table import table
from passivedns.sources import SOURCES
from passivedns.stix.builder import Publisher
from passivedns.transport.http import Http
from passivedns.transport.retry import RetryPolicy
from sandbox.server import serving
from sandbox.sources.history import DOMAIN, history
from sandbox.sources.table import STAND_INS

DAY = date(2026, 11, 24)
"""The date of the pictures, fixed so that they do not change."""
_NOON = datetime(DAY.year, DAY.month, DAY.day, 12, tzinfo=UTC)
SHOWN = ("circl", "mnemonic", "robtex")


def terminal(width: int = 100) -> str:
    """`main.py lookup example.org` at three sources, as SVG."""
    console = Console(record=True, width=width, file=StringIO(), force_terminal=True, highlight=False)
    console.print("$ python3 src/main.py lookup example.org")
    console.print(table(lookup(SHOWN), console.options))
    return console.export_svg(title="passive DNS", theme=MONOKAI, unique_id="lookup")


def report_page() -> str:
    """The HTML page of the same look-up, for the pictures of the report."""
    return page([lookup(SHOWN)], _NOON)


def lookup(keys: Sequence[str]) -> Lookup:
    """A look-up of the domain at the stand-ins of these sources."""
    with ExitStack() as stack:
        sources = [_configured(stack, key, shift) for shift, key in enumerate(keys)]
        publisher = Publisher({key: SOURCES[key].title for key in keys}, dict.fromkeys(keys, "TLP:CLEAR"))
        entity = observable(DOMAIN)
        return Lookup(entity, Enricher(sources, publisher).enrich(entity, _NOON), publisher)


def _configured(stack: ExitStack, key: str, shift: int) -> ConfiguredSource:
    """A source that saw the history `shift` days earlier, without a rate limit."""
    stand_in, source = STAND_INS[key], replace(SOURCES[key], rate=lambda _: "")
    url = stack.enter_context(serving(stand_in.app(stand_in.make(history(DAY, shift)))))
    settings = source.settings(**{name: text.format(url=url) for name, text in stand_in.settings.items()})
    client = source.client(settings, Http(source, str(getattr(settings, source.address)), RetryPolicy()))
    return ConfiguredSource(source, client, QuotaMeter(source), since=lambda now: now - timedelta(days=365))
