"""Rules for the whole code: small functions and modules, no circle of imports, and who may know whom."""

import ast
import re
from pathlib import Path
from statistics import median

import pytest

from passivedns.settings.reading import PROJECT_ROOT
from passivedns.sources import SOURCES

SRC = PROJECT_ROOT / "src"
FIRST_SOURCE = SRC / "passivedns" / "sources" / "riskiq.py"
NAMED_ON_PURPOSE = {
    "passivedns/sources/__init__.py": [r"from passivedns\.sources\.riskiq import RISKIQ", r"\bRISKIQ, "],
}
"""The registration of the first source."""


EVERYBODY_KNOWS = ("errors", "metrics", "model", "text")
ROOMS = (
    ("commands",),
    ("daemon",),
    ("assembly",),
    ("connector", "report"),
    ("delivery", "opencti", "summary"),
    ("enrichment",),
    ("converter", "query"),
    ("settings", "sources"),
    ("formats", "store"),
    ("circuit_breaker", "stix", "transport"),
    EVERYBODY_KNOWS,
)
"""Packages and modules of `passivedns`; each knows only those in its own row and in the rows below."""


def modules() -> list[Path]:
    found = sorted(SRC.rglob("*.py"))
    assert len(found) > 40
    return found


def lengths() -> dict[str, int]:
    """Return the number of lines of every function, including docstrings."""
    return {
        f"{path.relative_to(SRC)}:{node.name}:{node.lineno}": (node.end_lineno or 0) - node.lineno + 1
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_functions_have_at_most_40_lines_and_a_median_of_8() -> None:
    found = lengths()
    assert [name for name, length in found.items() if length > 40] == []
    assert median(found.values()) <= 8


def test_modules_have_at_most_300_lines() -> None:
    assert [path for path in modules() if len(path.read_text(encoding="utf-8").splitlines()) > 300] == []


def test_only_its_own_module_names_the_first_source() -> None:
    texts = [path for path in SRC.rglob("*") if path.suffix in (".py", ".html", ".js", ".css") and path != FIRST_SOURCE]
    assert texts
    named = {}
    for path in texts:
        text = path.read_text(encoding="utf-8").replace("RiskIQConnector", "")
        for allowed in NAMED_ON_PURPOSE.get(str(path.relative_to(SRC)), []):
            text = re.sub(allowed, "", text, count=1)
        if found := re.findall(r".*(?:passive.?total|risk.?iq).*", text, re.IGNORECASE):
            named[str(path.relative_to(SRC))] = found
    assert named == {}


def names_of_modules() -> dict[str, Path]:
    """Return all modules, also those of the sandbox and of the tests, by the names by which they are imported."""
    found = {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
        for root, folder in (
            (SRC, SRC),
            (PROJECT_ROOT, PROJECT_ROOT / "sandbox"),
            (PROJECT_ROOT, PROJECT_ROOT / "tests"),
        )
        for path in folder.rglob("*.py")
    }
    assert len(found) > 200
    return found


NAMES = names_of_modules()


def imported(path: Path) -> set[str]:
    """Return the modules that a module imports, including late imports and those for types."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    parts = [
        (str(node.module), alias.name) for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names
    ]
    return plain | {f"{module}.{name}" if f"{module}.{name}" in NAMES else module for module, name in parts}


IMPORTS = {name: imported(path) for name, path in NAMES.items()}


def reachable(name: str) -> set[str]:
    """Return the modules that a module imports, directly or through others."""
    found: set[str] = set()
    waiting = {name}
    while waiting:
        new = IMPORTS.get(waiting.pop(), set()) - found
        found |= new
        waiting |= new
    return found


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert [name for name in NAMES if name in reachable(name)] == []


def room(name: str) -> str:
    """Return the room of a module of `passivedns`; empty for other modules, and for the package itself."""
    package, _, rest = name.partition(".")
    return rest.partition(".")[0] if package == "passivedns" else ""


ARROWS = {(name, other) for name in NAMES for other in IMPORTS[name] if room(name) and room(other)}


def test_knowledge_flows_down_only() -> None:
    level = {name: number for number, row in enumerate(ROOMS) for name in row}
    assert {room(name) for name in NAMES} - {""} == level.keys()
    assert [(name, other) for name, other in ARROWS if level[room(name)] > level[room(other)]] == []


@pytest.mark.parametrize(
    ("who", "whom"),
    [
        ("transport", ("stix", "circuit_breaker")),
        ("stix", ("transport", "circuit_breaker")),
        ("formats", ("stix", "store")),
        ("sources", ("stix", "store")),
        ("converter", ("query", "settings", "sources", "formats", "store", "transport")),
        ("query", ("converter",)),
        ("enrichment", ("settings", "sources", "formats", "store", "transport")),
        ("summary", ("opencti", "delivery")),
        ("report", ("connector", "opencti", "delivery", "settings", "sources", "transport")),
        ("opencti", ("enrichment", "summary", "converter", "query", "sources", "formats")),
        ("delivery", ("enrichment", "summary", "converter", "query", "sources", "formats")),
    ],
)
def test_rooms_do_not_know_all_that_is_below_them(who: str, whom: tuple[str, ...]) -> None:
    assert [arrow for arrow in ARROWS if room(arrow[0]) == who and room(arrow[1]) in whom] == []


def importers(*packages: str) -> set[str]:
    """Return the rooms that import a package or a part of it."""
    found = {name for name in NAMES for other in IMPORTS[name] if other.partition(".")[0] in packages}
    return {room(name) for name in found} - {""}


def test_only_the_ways_to_opencti_know_pycti() -> None:
    assert importers("pycti", "pika") == {"delivery", "opencti"}


def test_only_the_transport_speaks_http_and_the_ways_to_opencti_know_its_errors() -> None:
    assert importers("requests", "urllib3", "http") <= {"transport", "sources", "formats", "opencti", "delivery"}
    assert "transport" in importers("requests")


@pytest.mark.parametrize("name", ["converter.py", "stix/builder.py"])
def test_the_mapping_knows_no_clock(name: str) -> None:
    code = ast.unparse(ast.parse((SRC / "passivedns" / name).read_text(encoding="utf-8")))
    assert re.findall(r"\bimport time\b|\.now\(|\.today\(|\bmonotonic\b", code) == []


def test_the_converter_names_no_source() -> None:
    text = (SRC / "passivedns" / "converter.py").read_text(encoding="utf-8").lower()
    assert [key for key in SOURCES if re.search(rf"\b{key}\b", text)] == []


def test_only_services_are_among_the_sources() -> None:
    files = {path.stem for path in (SRC / "passivedns" / "sources").iterdir() if path.suffix}
    assert files - {"__init__", "source"} == SOURCES.keys()


TESTS = sorted((PROJECT_ROOT / "tests").rglob("test_*.py"))


def test_the_unit_tests_are_in_rooms_of_the_code() -> None:
    folders = {path.parent.name for path in TESTS if "unit" in path.parts} - {"unit"}
    assert folders - {"sandbox"} <= {path.parent.name for path in modules()}


def test_each_file_of_tests_has_a_name_of_its_own() -> None:
    names = [path.name for path in TESTS]
    assert [name for name in set(names) if names.count(name) > 1] == []
