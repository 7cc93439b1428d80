"""Generates the files made from the settings, the pictures, and the example of docs/stix-mapping.md."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import SubprocessError

from docs import drawing, example, screenshots
from docs.settings_reference import compose_environment, config_sample, schema, settings_tables
from docs.sources_table import sources_table, with_names
from passivedns.settings.reading import PROJECT_ROOT

TABLE_MARKERS = ("<!-- settings: made by make docs -->\n", "<!-- end of settings -->\n")
GRAPH_MARKERS = ("<!-- graph of the example: made by make docs -->\n", "<!-- end of the graph -->\n")
SOURCES_MARKERS = ("<!-- sources: made by make docs from docs/sources/ -->\n", "<!-- end of the sources -->\n")
COMPOSE_MARKERS = ("      # settings: made by make docs\n", "      # end of settings\n")


def documents(root: Path) -> dict[str, str]:
    """The up-to-date text of each generated file below `root`, by path.

    Raises SystemExit if README.md, docs/settings.md, docker-compose.yml or docs/stix-mapping.md lacks the markers of
    its generated part, or a source its page.
    """
    return {
        "README.md": _with_part(root / "README.md", SOURCES_MARKERS, sources_table()),
        "docs/settings.md": _with_part(root / "docs/settings.md", TABLE_MARKERS, settings_tables()),
        "docs/pictures/lookup.svg": drawing.terminal(),
        "config.yml.sample": config_sample(),
        "docker-compose.yml": _with_part(root / "docker-compose.yml", COMPOSE_MARKERS, compose_environment()),
        "__metadata__/connector_manifest.json": with_names(_text(root / "__metadata__/connector_manifest.json")),
        "__metadata__/connector_config_schema.json": json.dumps(schema(), indent=2) + "\n",
        "docs/example-bundle.json": example.bundle(),
        "docs/stix-mapping.md": _with_part(root / "docs/stix-mapping.md", GRAPH_MARKERS, f"\n{example.graph()}\n"),
    }


def stale(root: Path) -> dict[str, str]:
    """The documents that differ from their files."""
    return {name: text for name, text in documents(root).items() if _text(root / name) != text}


def stale_pictures(root: Path) -> dict[str, str]:
    """The pictures of the report that are missing or show another page, with their color schemes."""
    page = drawing.report_page()
    files = {f"docs/pictures/report-{scheme}.png": scheme for scheme in screenshots.SCHEMES}
    return {name: scheme for name, scheme in files.items() if not _is_of(root / name, page)}


def _is_of(path: Path, page: str) -> bool:
    return path.exists() and screenshots.is_of(path.read_bytes(), page)


def main(arguments: Sequence[str] | None = None, root: Path = PROJECT_ROOT) -> int:
    """Update the files, or with --check only name the stale ones; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m docs.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only report stale files; exit with 1 if there are any")
    check = parser.parse_args(arguments).check
    differing = stale(root)
    for name, text in differing.items():
        if check:
            print(f"{name} is stale: run `make docs`.", file=sys.stderr)
        else:
            (root / name).write_text(text, encoding="utf-8")
    old = stale_pictures(root)
    if check:
        for name in old:
            print(f"{name} is stale: run `make docs`.", file=sys.stderr)
    else:
        _take(old, root)
    return int(check and bool(differing or old))


def _take(schemes: Mapping[str, str], root: Path) -> None:
    """Take new pictures of the report; without a browser, only report that they stay as they are."""
    browser, page = screenshots.chromium(), drawing.report_page()
    for name, scheme in schemes.items():
        try:
            if not browser:
                raise FileNotFoundError("Chromium is not installed")
            (root / name).write_bytes(screenshots.screenshot(browser, page, scheme))
        except (OSError, SubprocessError) as error:
            print(f"{name} stays as it is: {error}.", file=sys.stderr)


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
