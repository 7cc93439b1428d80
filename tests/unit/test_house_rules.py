"""Rules for the whole code: small functions and modules, one direction of imports, sources kept separate."""

import ast
import re
from pathlib import Path
from statistics import median

from passivedns.settings.reading import PROJECT_ROOT

SRC = PROJECT_ROOT / "src"
FIRST_SOURCE = SRC / "passivedns" / "sources" / "riskiq.py"
NAMED_ON_PURPOSE = {
    "passivedns/sources/__init__.py": [r"from passivedns\.sources\.riskiq import RISKIQ", r"\bRISKIQ, "],
}
"""The registration of the first source."""


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


def imported(path: Path) -> set[str]:
    """Return the modules that a module imports, including late imports and those for types."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}


def who_imports(*packages: str) -> list[str]:
    """Return the modules that import a package or a part of it."""
    return [
        str(path.relative_to(SRC / "passivedns"))
        for path in modules()
        if any(name == package or name.startswith(f"{package}.") for name in imported(path) for package in packages)
        and path.parent != SRC
    ]


def test_only_delivery_and_opencti_import_pycti() -> None:
    knowing = who_imports("pycti", "pika")
    assert "opencti/helper.py" in knowing
    assert [name for name in knowing if not name.startswith(("opencti/", "delivery/"))] == []


def test_sources_import_neither_stix_nor_opencti_nor_the_mapping() -> None:
    knowing = who_imports(*(f"passivedns.{name}" for name in ("stix", "opencti", "delivery", "converter", "connector")))
    assert "connector.py" in knowing
    assert [name for name in knowing if name.startswith("sources/")] == []


def test_the_converter_imports_no_http_no_clock_and_no_source() -> None:
    for package in ("requests", "time", "passivedns.sources", "passivedns.opencti", "passivedns.settings"):
        assert "converter.py" not in who_imports(package)
