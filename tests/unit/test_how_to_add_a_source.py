"""The steps of "How to add a source" in docs/architecture.md, taken one by one for the source that it shows."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from passivedns.settings.reading import PROJECT_ROOT
from sandbox.daemon import inherited

CHAPTER = (
    (PROJECT_ROOT / "docs/architecture.md")
    .read_text(encoding="utf-8")
    .partition("### How to add a source\n")[2]
    .partition("\n### ")[0]
)
MODULE, STAND_IN, SAMPLE, PAGE = re.findall(r"```(?:python|markdown)\n(.+?)```", CHAPTER, re.DOTALL)
FOLDERS = ("src", "sandbox", "docs", "tests", "__metadata__")
NO_CODE = shutil.ignore_patterns("__pycache__", "config.yml")

LOOK_UP = """
import os, runpy, sys
from datetime import UTC, datetime
from sandbox.server import serving
from sandbox.sources.history import history
from sandbox.sources.table import STAND_INS

stand_in = STAND_INS["toy"]
with serving(stand_in.app(stand_in.make(history(datetime.now(UTC).date())))) as url:
    os.environ |= stand_in.variables("toy", url) | {name: value for name, value in [a.split("=") for a in sys.argv[1:]]}
    sys.argv = ["main.py", "lookup", "example.org", "--sources", "toy", "--format", "json"]
    runpy.run_path("src/main.py", run_name="__main__")
"""


def insert(path: Path, before: str, text: str) -> None:
    """Insert a text before the only place that says so."""
    old = path.read_text(encoding="utf-8")
    assert old.count(before) == 1, before
    path.write_text(old.replace(before, text + before), encoding="utf-8")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the project in which all steps are taken."""
    root = tmp_path_factory.mktemp("checkout")
    for folder in FOLDERS:
        shutil.copytree(PROJECT_ROOT / folder, root / folder, ignore=NO_CODE)
    for file in (path for path in PROJECT_ROOT.iterdir() if path.is_file() and path.name != "config.yml"):
        shutil.copy(file, root / file.name)
    sources = root / "src/passivedns/sources"
    (sources / "toy.py").write_text(MODULE, encoding="utf-8")
    insert(sources / "__init__.py", "\nSOURCES", "from passivedns.sources.toy import TOY\n")
    insert(sources / "__init__.py", ")\n}", ", TOY")
    (root / "sandbox/sources/toy.py").write_text(STAND_IN, encoding="utf-8")
    insert(root / "tests/unit/sources/samples.py", '}\n"""By the key in `SOURCES`."""', SAMPLE)
    (root / "docs/sources/toy.md").write_text(PAGE, encoding="utf-8")
    ended = run(root, "-m", "docs.generate")
    assert ended.returncode == 0, ended.stderr
    yield root
    shutil.rmtree(root)


def run(root: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run Python in the checkout."""
    variables = inherited() | {"PYTHONPATH": "src"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=root, env=variables, capture_output=True, text=True, check=False)


def look_up(checkout: Path, *variables: str) -> "subprocess.CompletedProcess[str]":
    """Look up example.org at the stand-in."""
    return run(checkout, "-c", LOOK_UP, *variables)


def test_its_records_become_relationships(checkout: Path) -> None:
    ended = look_up(checkout)
    assert ended.returncode == 0, ended.stderr
    assert {"192.0.2.10", "ns1.example.net"} <= set(
        re.findall(r'"value": "([^"]+)"', json.dumps(json.loads(ended.stdout)))
    )


def test_its_failures_are_worded(checkout: Path) -> None:
    assert "Toy DNS rejected the credentials (HTTP 401); check TOY_API_KEY. Its response says: who are you?" in (
        look_up(checkout, "TOY_API_KEY=key-of-nobody").stderr
    )


def test_the_documents_and_samples_name_it(checkout: Path) -> None:
    for name, text in {
        "README.md": "| [`toy`](docs/sources/toy.md) | Toy DNS | free |",
        "docs/settings.md": "`TOY_API_BASE_URL`",
        "docker-compose.yml": "- TOY_API_KEY=ChangeMe",
        "config.yml.sample": "# toy:",
        "__metadata__/connector_config_schema.json": '"TOY_API_KEY"',
        "__metadata__/connector_manifest.json": "Toy DNS",
    }.items():
        assert text in (checkout / name).read_text(encoding="utf-8")


SHARED = ("sources/test_every_source.py", "sources/test_every_row.py", "sources/test_errors_of_every_source.py")
ALL_SOURCES = ("test_samples.py", "test_generated_files.py", "settings/test_settings_sources.py", "test_house_rules.py")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_tests_that_all_sources_share_pass_without_another_edit(checkout: Path) -> None:
    ended = run(checkout, "-m", "pytest", "-q", "-k", "toy", *(f"tests/unit/{name}" for name in SHARED))
    assert ended.returncode == 0, ended.stdout
    ended = run(checkout, "-m", "pytest", "-q", *(f"tests/unit/{name}" for name in ALL_SOURCES))
    assert ended.returncode == 0, ended.stdout


def test_the_module_is_short() -> None:
    written = [line for line in MODULE.splitlines() if line and not line.startswith(("from ", "import ", '"""'))]
    assert len(written) <= 30


def test_the_steps_name_files_that_exist() -> None:
    named = re.findall(r"`((?:src|sandbox|tests|docs)/[a-z_/]*\.py)`", CHAPTER)
    named += [f"src/passivedns/sources/{name}" for name in re.findall(r"`([a-z]+\.py)`", CHAPTER)]
    assert len(named) > 10
    assert [path for path in named if not (PROJECT_ROOT / path).exists()] == []
