"""What holds of the code as a whole: small pieces, knowledge that flows down only, and no source in another's room."""

import ast
import re
from pathlib import Path
from statistics import median

from passivedns.settings.table import PROJECT_ROOT

SRC = PROJECT_ROOT / "src"
FIRST_SOURCE = SRC / "passivedns" / "sources" / "riskiq.py"
NAMED_ON_PURPOSE = {
    "passivedns/sources/__init__.py": [r"from passivedns\.sources\.riskiq import RISKIQ", r"\bRISKIQ, "],
    "passivedns/settings/model.py": [r'default=\("riskiq",\)'],
}
"""The row of the first source, and its place as the default."""


def modules() -> list[Path]:
    found = sorted(SRC.rglob("*.py"))
    assert len(found) > 40
    return found


def lengths() -> dict[str, int]:
    """The lines of every function, docstrings included."""
    return {
        f"{path.relative_to(SRC)}:{node.name}:{node.lineno}": (node.end_lineno or 0) - node.lineno + 1
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_no_function_is_longer_than_40_lines_and_half_of_them_have_8_at_most() -> None:
    found = lengths()
    assert [name for name, length in found.items() if length > 40] == []
    assert median(found.values()) <= 8


def test_no_module_is_longer_than_300_lines() -> None:
    assert [path for path in modules() if len(path.read_text(encoding="utf-8").splitlines()) > 300] == []


def test_no_module_but_its_own_names_the_first_source() -> None:
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
    """The modules that a module imports, whether at once or later, or for its types only."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}


def who_imports(*packages: str) -> list[str]:
    """The modules that import a package or a part of it."""
    return [
        str(path.relative_to(SRC / "passivedns"))
        for path in modules()
        if any(name == package or name.startswith(f"{package}.") for name in imported(path) for package in packages)
        and path.parent != SRC
    ]


def test_only_the_opencti_side_and_the_connector_know_pycti() -> None:
    assert [name for name in who_imports("pycti", "pika") if not name.startswith("opencti/")] == ["connector.py"]


def test_a_source_knows_neither_stix_nor_opencti_nor_the_mapping() -> None:
    knowing = who_imports("passivedns.stix", "passivedns.opencti", "passivedns.converter", "passivedns.connector")
    assert "connector.py" in knowing
    assert [name for name in knowing if name.startswith("sources/")] == []


def test_the_converter_knows_no_http_no_clock_and_no_source() -> None:
    for package in ("requests", "time", "passivedns.sources", "passivedns.opencti", "passivedns.settings"):
        assert "converter.py" not in who_imports(package)
