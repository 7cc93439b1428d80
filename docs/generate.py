"""Writes the files that are made from the settings, the pictures, and the example of docs/stix-mapping.md."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from docs import drawing, example
from docs.settings_reference import compose_environment, config_sample, schema, schema_document, settings_tables
from passivedns.settings.table import PROJECT_ROOT

TABLE_MARKERS = ("<!-- settings: made by make docs -->\n", "<!-- end of settings -->\n")
GRAPH_MARKERS = ("<!-- graph of the example: made by make docs -->\n", "<!-- end of the graph -->\n")
COMPOSE_MARKERS = ("      # settings: made by make docs\n", "      # end of settings\n")


def documents(root: Path) -> dict[str, str]:
    """The text that each file below `root` should hold, by its path.

    Raises SystemExit when docs/settings.md, docker-compose.yml or docs/stix-mapping.md lacks the lines between which
    a part of it is made.
    """
    return {
        "docs/settings.md": _with_part(root / "docs/settings.md", TABLE_MARKERS, settings_tables()),
        "docs/pictures/lookup.svg": drawing.terminal(),
        "config.yml.sample": config_sample(),
        "docker-compose.yml": _with_part(root / "docker-compose.yml", COMPOSE_MARKERS, compose_environment()),
        "__metadata__/connector_config_schema.json": json.dumps(schema(), indent=2) + "\n",
        "__metadata__/CONNECTOR_CONFIG_DOC.md": schema_document(),
        "docs/example-bundle.json": example.bundle(),
        "docs/stix-mapping.md": _with_part(root / "docs/stix-mapping.md", GRAPH_MARKERS, f"\n{example.graph()}\n"),
    }


def stale(root: Path) -> dict[str, str]:
    """Those documents that differ from their files."""
    return {name: text for name, text in documents(root).items() if _text(root / name) != text}


def main(arguments: Sequence[str] | None = None, root: Path = PROJECT_ROOT) -> int:
    """Brings the files up to date, or with --check only names those that are stale; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m docs.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 when a file is stale")
    check = parser.parse_args(arguments).check
    differing = stale(root)
    for name, text in differing.items():
        if check:
            print(f"{name} is stale: run `make docs`.", file=sys.stderr)
        else:
            (root / name).write_text(text, encoding="utf-8")
    return int(check and bool(differing))


def _with_part(path: Path, markers: tuple[str, str], part: str) -> str:
    start, end = markers
    before, start_found, rest = _text(path).partition(start)
    _, end_found, after = rest.partition(end)
    if not (start_found and end_found):
        raise SystemExit(f"{path.name} must contain the line {start.strip()!r} and, below it, {end.strip()!r}.")
    return f"{before}{start}{part}{end}{after}"


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
