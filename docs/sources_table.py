"""Makes the table of the sources in the README, and their names in the manifest, from their pages in docs/sources/."""

import re
from pathlib import Path

from passivedns.sources import SOURCES
from passivedns.text import and_list

_PAGES = Path(__file__).parent / "sources"
_HEAD = "| source | account | cost | look-ups of | record types | dates | you need |\n"


def sources_table() -> str:
    """The table between empty lines; sources without an account come first, and those that were shut down last."""
    rows = [f"| [`{key}`](docs/sources/{key}.md) {_row(key)}\n" for key in _easiest_first()]
    return "".join(["\n| key ", _HEAD, "|---" * 8, "|\n", *rows, "\n"])


def with_names(manifest: str) -> str:
    """The text of the manifest with the names of the sources in its description."""
    names = and_list([_row(key).split(" | ")[0].removeprefix("| ") for key in _easiest_first()])
    return re.sub(r"(?<=several sources: ).*?(?=\. The default is)", lambda _: names, manifest, count=1)


def _easiest_first() -> list[str]:
    return sorted(SOURCES, key=lambda key: (bool(SOURCES[key].shut), SOURCES[key].account != "none"))


def _row(key: str) -> str:
    """The only row of the first table of a page.

    Raises SystemExit if the page lacks that table.
    """
    page = _PAGES / f"{key}.md"
    _, found, rest = (page.read_text(encoding="utf-8") if page.exists() else "").partition(_HEAD)
    if not found:
        raise SystemExit(f"docs/sources/{page.name} must contain a table with this head: {_HEAD.strip()}")
    return rest.splitlines()[1]
