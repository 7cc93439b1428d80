"""`make demo`: the real daemon enriches a domain and an address in the sandbox, and what arrived is shown."""

import argparse
import ipaddress
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from sandbox.daemon import Daemon, daemon, settings
from sandbox.opencti import OpenCTI, opencti_app
from sandbox.server import serving
from sandbox.sources.riskiq import PassiveTotal, passivetotal_app
from sandbox.sources.riskiq_data import ADDRESS, DOMAIN, Answers, own_records, recorded_records
from sandbox.works import Work

COLUMNS = ("source", "relationship", "target", "record types", "first seen", "last seen")
EVERYTHING = "P30Y"
"""The window for recorded answers, which end years ago; older than any passive DNS."""
console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 120)


def main() -> int:
    """Run the demo; 0 when every work closed without an error and brought relationships to the platform."""
    arguments = _arguments()
    answers = recorded_records(arguments.data) if arguments.data else own_records(datetime.now(UTC).date())
    window = EVERYTHING if arguments.data else "P30D"
    platform = OpenCTI()
    with ExitStack() as stack:
        running = _start(stack, platform, answers, window)
        try:
            with console.status("Waiting for the connector to register"):
                platform.wait_registered(60)
            console.print("The connector is registered and listens.")
            outcomes = [enrich(platform, value) for value in arguments.values]
            return 0 if all(outcomes) else 1
        except TimeoutError as error:
            console.print(f"[bold red]{error}[/]\nThe connector's log:\n{running.log}")
            return 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("values", nargs="*", default=[DOMAIN, ADDRESS], help="domains and addresses to enrich")
    parser.add_argument("--data", type=Path, help="a folder of recorded answers, in place of the sandbox's own data")
    return parser.parse_args()


def _start(stack: ExitStack, platform: OpenCTI, answers: Answers, window: str) -> Daemon:
    passivetotal_url = stack.enter_context(serving(passivetotal_app(PassiveTotal(answers))))
    opencti_url = stack.enter_context(serving(opencti_app(platform)))
    console.print(f"Embedded OpenCTI at {opencti_url}, embedded PassiveTotal at {passivetotal_url}; window {window}.")
    environment = settings(opencti_url, platform.token, passivetotal_url)
    return stack.enter_context(daemon(environment | {"RISKIQ_IMPORT_LAST_SEEN_TIME_WINDOW": window}))


def enrich(platform: OpenCTI, value: str) -> bool:
    """Enrich one value and show what came of it; whether it went well and something arrived."""
    entity = platform.add_observable(_entity_type(value), value)
    with console.status(f"Enriching {value}"):
        work = platform.enrich(entity).wait(120)
    relationships = [item for item in platform.relationships() if entity.standard_id in _ends(item)]
    console.print(f"\n[bold]{entity.entity_type} {value}[/]\n{_mark(work)} {escape(str(work.message))}")
    for refusal in work.errors:
        console.print(f"[red]✗[/] OpenCTI refused: {escape(refusal)}")
    if relationships:
        console.print(_table(platform, relationships), soft_wrap=False)
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


def _table(platform: OpenCTI, relationships: list[dict[str, Any]]) -> Table:
    table = Table(*(Column(name, overflow="fold") for name in COLUMNS), box=SIMPLE_HEAD, pad_edge=False)
    rows = [_row(platform, relationship) for relationship in relationships]
    for row in sorted(rows, key=lambda row: (row[3], row[0], row[2])):
        table.add_row(*row)
    return table


def _row(platform: OpenCTI, relationship: dict[str, Any]) -> tuple[str, ...]:
    source, target = (platform.objects[end]["value"] for end in _ends(relationship))
    record_types, _, _ = relationship["description"].partition(" records")
    days = (relationship.get(time, "")[:10] for time in ("start_time", "stop_time"))
    return (source, relationship["relationship_type"], target, record_types, *days)


if __name__ == "__main__":
    sys.exit(main())
