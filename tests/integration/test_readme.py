"""Every command in the README is run here, or by the file named next to it."""

import re
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pycti
import pytest

from sandbox.api import opencti_app
from sandbox.daemon import ROOT, amqp_settings, inherited
from sandbox.opencti import OpenCTI
from sandbox.server import serving
from sandbox.sources.history import history
from sandbox.sources.riskiq import PassiveTotal, passivetotal_app
from sandbox.sources.riskiq_data import own_records
from sandbox.sources.table import STAND_INS
from tests.helpers.world import HAS_HTTP_PROTOCOLS, today

README = (ROOT / "README.md").read_text(encoding="utf-8")
SHOWN = README + (ROOT / "docs" / "operation.md").read_text(encoding="utf-8")
DOCKER_TAG = " -t opencti/connector-riskiq-passive-total:latest ."

ELSEWHERE = {
    "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt": "Makefile",
    "make test": ".ci/run",
    "docker build" + DOCKER_TAG: "tests/image/test_image.py",
    "docker build --build-arg PYCTI_VERSION=6.9.29" + DOCKER_TAG: "tests/image/test_image.py",
    "docker compose up --detach --scale connector-riskiq-passive-total=3": "tests/broker/test_workers.py",
}
"""Commands that other files run, in the same or an equivalent form."""
REPORT = ".venv/bin/python3 src/main.py lookup example.org --sources mnemonic,robtex --format html > report.html"
HERE = {
    "make demo",
    "cp config.yml.sample config.yml",
    ".venv/bin/python3 src/main.py",
    ".venv/bin/python3 src/main.py check",
    "PDNS_SOURCES=mnemonic,robtex .venv/bin/python3 src/main.py lookup example.org",
    REPORT,
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the project that uses this Python environment."""
    for name in ("src", "sandbox"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "config.yml"))
    shutil.copy(ROOT / "config.yml.sample", tmp_path)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


def run(command: str, folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    assert command in HERE
    return subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env=inherited() | environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_every_command_of_the_readme_is_run_by_a_test() -> None:
    blocks = re.findall(r"```sh\n(.*?)```", SHOWN, re.DOTALL)
    shown = {re.sub(r"\s+#.*", "", line) for block in blocks for line in block.splitlines() if line}
    assert shown == HERE | ELSEWHERE.keys()
    assert all((ROOT / path).exists() for path in ELSEWHERE.values())


@pytest.mark.skipif(not HAS_HTTP_PROTOCOLS, reason="make demo uses the pinned pycti")
def test_make_demo_succeeds_and_shows_the_results() -> None:
    ended = run("make demo", ROOT)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (shown,) = re.findall(r"^Added .+$", README, re.MULTILINE)
    # The stand-ins count their dates back from today.
    assert undated(shown) in undated(ended.stdout)
    assert "What to do next" in ended.stdout
    assert "✓ Added 4 observables and 4 relationships from 10 passive DNS records of 192.0.2.10" in ended.stdout


def undated(text: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\d", "DATE", text)


def test_by_hand_the_sample_is_refused_until_every_changeme_is_replaced(checkout: Path) -> None:
    assert run("cp config.yml.sample config.yml", checkout).returncode == 0
    ended = run(".venv/bin/python3 src/main.py", checkout)
    assert ended.returncode == 2
    to_replace = re.findall(r"^ *\w+: ChangeMe$", (checkout / "config.yml").read_text(), re.MULTILINE)
    assert to_replace
    assert ended.stderr.count("is still ChangeMe") == len(to_replace)


def test_check_does_what_the_readme_says(checkout: Path) -> None:
    platform, service = OpenCTI(pycti.__version__), PassiveTotal(own_records(today()))
    with serving(opencti_app(platform)) as opencti_url, serving(passivetotal_app(service)) as passivetotal_url:
        settings = amqp_settings(opencti_url, platform.token, passivetotal_url)
        checked = run(".venv/bin/python3 src/main.py check", checkout, **settings)
        assert "✓ PassiveTotal" in checked.stdout
        assert service.searches == []


def test_a_first_look_up_needs_no_account_no_opencti_and_no_other_setting(checkout: Path) -> None:
    keys = ("mnemonic", "robtex")
    with ExitStack() as stack:
        elsewhere: dict[str, str] = {}
        for key in keys:
            service = STAND_INS[key].make(history(today()))
            elsewhere |= STAND_INS[key].variables(key, stack.enter_context(serving(STAND_INS[key].app(service))))
        assert elsewhere.keys() == {f"{key.upper()}_API_BASE_URL" for key in keys}
        command = "PDNS_SOURCES=mnemonic,robtex .venv/bin/python3 src/main.py lookup example.org"
        looked_up = run(command, checkout, **elsewhere)
        page = run(REPORT, checkout, **elsewhere)
    assert looked_up.returncode == 0, looked_up.stderr
    assert "21 records, merged into 10 relationships" in looked_up.stdout
    assert looked_up.stdout.rstrip().endswith("Records by source: mnemonic 11; Robtex 11")
    assert page.returncode == 0, page.stderr
    assert "ns1.example.net" in (checkout / "report.html").read_text(encoding="utf-8")
