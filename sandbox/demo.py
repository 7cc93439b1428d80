"""Runs `make demo`: enriches from several sources in the sandbox, one of which fails, and shows the results."""

import argparse
import ipaddress
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from sandbox.api import opencti_app
from sandbox.daemon import Daemon, daemon, http_settings
from sandbox.opencti import OpenCTI
from sandbox.server import serving
from sandbox.sources.history import ADDRESS, DOMAIN, history
from sandbox.sources.riskiq import PassiveTotal
from sandbox.sources.riskiq_data import own_records, recorded_records
from sandbox.sources.service import Service
from sandbox.sources.table import STAND_INS
from sandbox.works import Work

SOURCES = ("circl", "mnemonic", "robtex")
FAILING = "robtex"
"""The source that fails in the demo, unless it is the only one."""
EVERYTHING = "P30Y"
"""Time window for recorded answers, which are years old."""
_WIDE = 100
"""Terminal width from which the type of relationship is shown."""
NEXT = """
[bold]What to do next[/]
  Look up a real name at sources that need no account:
    .venv/bin/python3 src/main.py lookup example.org --sources mnemonic,robtex
  Write a report as an HTML page:
    .venv/bin/python3 src/main.py lookup example.org \\
      --sources mnemonic,robtex --format html > report.html
  Connect it to your OpenCTI: see Install in README.md."""
console = Console(soft_wrap=not sys.stdout.isatty(), width=None if sys.stdout.isatty() else 120)


def main() -> int:
    """Run the demo; returns 0 if every work succeeded and added relationships, else 1."""
    arguments = _arguments()
    platform = OpenCTI()
    with ExitStack() as stack:
        running = _start(stack, platform, arguments.sources.split(","), arguments.data)
        try:
            with console.status("Waiting for the connector to register"):
                platform.wait_registered(60)
            console.print("The connector has registered and is listening.")
            outcomes = [enrich(platform, value) for value in arguments.values]
            console.print(NEXT)
            return 0 if all(outcomes) else 1
        except TimeoutError as error:
            console.print(f"[bold red]{error}[/]\nThe connector's log:\n{running.log}")
            return 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("values", nargs="*", default=[DOMAIN, ADDRESS], help="domains and addresses to enrich")
    parser.add_argument(
        "--sources", default=",".join(SOURCES), help="keys of the sources to query (default: %(default)s)"
    )
    parser.add_argument("--data", type=Path, help="folder of recorded PassiveTotal answers, for the source riskiq")
    return parser.parse_args()


def _start(stack: ExitStack, platform: OpenCTI, sources: Sequence[str], data: Path | None) -> Daemon:
    opencti_url = stack.enter_context(serving(opencti_app(platform)))
    console.print(f"Started an embedded OpenCTI at {opencti_url} and these embedded sources:")
    for key in sources:
        console.print(f"  {key}{' (fails on purpose)' if _fails(key, sources) else ''}")
    window = EVERYTHING if data else "P30D"
    environment = http_settings(opencti_url, platform.token) | {
        "PDNS_SOURCES": ",".join(sources),
        "PDNS_MAX_TLP": "TLP:AMBER",
        "PDNS_IMPORT_LAST_SEEN_TIME_WINDOW": window,
        "PDNS_MAX_RETRIES": "0",
    }
    for key in sources:
        service = _service(key, data)
        if _fails(key, sources):
            service.fail("503" if "503" in service.faults else "500")
        url = stack.enter_context(serving(STAND_INS[key].app(service)))
        environment |= STAND_INS[key].variables(key, url)
    return stack.enter_context(daemon(environment))


def _fails(key: str, sources: Sequence[str]) -> bool:
    return key == FAILING and len(sources) > 1


def _service(key: str, data: Path | None) -> Service:
    """A stand-in with the demo's history; PassiveTotal has other records."""
    today = datetime.now(UTC).date()
    if key == "riskiq":
        return PassiveTotal(recorded_records(data) if data else own_records(today))
    # Each source saw the names at different times.
    return STAND_INS[key].make(history(today, shift=list(STAND_INS).index(key)))


def enrich(platform: OpenCTI, value: str) -> bool:
    """Enrich one value and show the result; returns whether the work succeeded and added relationships."""
    entity = platform.add_observable(_entity_type(value), value)
    with console.status(f"Enriching {value}"):
        work = platform.enrich(entity).wait(120)
    relationships = [item for item in platform.relationships() if entity.standard_id in _ends(item)]
    console.print(f"\n[bold]{entity.entity_type} {value}[/]\n{_mark(work)} {escape(str(work.message))}")
    for error in work.errors:
        console.print(f"[red]✗[/] OpenCTI rejected: {escape(error)}")
    if relationships:
        console.print(_table(platform, entity.standard_id, relationships), soft_wrap=False)
    return bool(relationships) and not work.in_error and not work.errors


def _entity_type(value: str) -> str:
    try:
        return f"IPv{ipaddress.ip_address(value).version}-Addr"
    except ValueError:
        return "Domain-Name"


def _ends(relationship: dict[str, Any]) -> tuple[str, str]:
    return relationship["source_ref"], relationship["target_ref"]


def _mark(work: Work) -> str:
    return "[red]✗[/]" if work.in_error else "[green]✓[/]"


def _table(platform: OpenCTI, entity: str, relationships: list[dict[str, Any]]) -> Table:
    """The relationships of an entity: direction, other end, dates and description."""
    wide = console.width >= _WIDE
    names = ["relationship"] if wide else []
    columns = [Column(name, no_wrap=True) for name in (*names, "observable", "first seen", "last seen")]
    table = Table(*columns, Column("description", overflow="fold"), box=SIMPLE_HEAD, show_edge=False, padding=0)
    for row in sorted(_row(platform, entity, relationship) for relationship in relationships):
        table.add_row(*row[-len(table.columns) :])
    return table


def _row(platform: OpenCTI, entity: str, relationship: dict[str, Any]) -> tuple[str, ...]:
    source, target = _ends(relationship)
    arrow, other = ("→", target) if source == entity else ("←", source)
    days = (relationship.get(time, "")[:10] for time in ("start_time", "stop_time"))
    observable = f"{arrow} {platform.objects[other]['value']}"
    return (relationship["relationship_type"], observable, *days, relationship["description"])


if __name__ == "__main__":
    sys.exit(main())
