"""`main.py check` as a process: one line per finding, and the exit code."""

import json
from collections.abc import Iterator

import pycti
import pytest

from sandbox.api import opencti_app
from sandbox.daemon import settings
from sandbox.opencti import OpenCTI
from sandbox.server import serving
from sandbox.sources.riskiq import API_KEY, USERNAME, PassiveTotal, passivetotal_app
from tests.helpers.commands import run


@pytest.fixture
def service() -> PassiveTotal:
    return PassiveTotal({})


@pytest.fixture
def account(service: PassiveTotal) -> Iterator[dict[str, str]]:
    """Keep only the settings of the source."""
    with serving(passivetotal_app(service)) as url:
        yield {"RISKIQ_USERNAME": USERNAME, "RISKIQ_API_KEY": API_KEY, "RISKIQ_API_BASE_URL": url}


def test_a_check_of_valid_settings_ends_with_0_without_registering_or_searching(
    service: PassiveTotal, account: dict[str, str]
) -> None:
    platform = OpenCTI(pycti.__version__)
    with serving(opencti_app(platform)) as url:
        ended = run("check", environment=settings(url, platform.token, account["RISKIQ_API_BASE_URL"]))
    assert (ended.returncode, ended.stderr) == (0, "")
    subjects = [line.split()[:2] for line in ended.stdout.splitlines()]
    assert subjects == [
        ["✓", "settings"],
        ["✓", "OpenCTI"],
        ["✓", "token"],
        ["✓", "markings"],
        ["✓", "callback"],
        ["✓", "broker"],
        ["✓", "PassiveTotal"],
        ["✓", "PassiveTotal"],
        ["✓", "PassiveTotal"],
        ["-", "cache"],
    ]
    assert platform.link.registered is None
    assert service.searches == []


def test_a_check_continues_after_a_failure_and_ends_with_1(account: dict[str, str]) -> None:
    with serving(opencti_app(OpenCTI(pycti.__version__))) as url:
        environment = settings(url, "wrong", account["RISKIQ_API_BASE_URL"])
        ended = run("check", environment=environment | {"PYTHONIOENCODING": "ascii"})
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "x OpenCTI" in ended.stdout
    assert "+ PassiveTotal" in ended.stdout
    assert "wrong" not in ended.stdout


def test_without_opencti_settings_the_sources_are_still_checked(account: dict[str, str]) -> None:
    ended = run("check", environment=account)
    assert ended.returncode == 1
    assert "OPENCTI_URL (config.yml: opencti.url) is missing." in ended.stdout
    assert "- OpenCTI            not checked: the settings are invalid" in ended.stdout
    assert "✓ PassiveTotal" in ended.stdout


def test_without_settings_a_check_lists_the_missing_ones() -> None:
    ended = run("check", environment={})
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "PDNS_SOURCES (config.yml: pdns.sources) is missing." in ended.stdout
    assert "- sources            not checked: the settings are invalid" in ended.stdout


def test_the_findings_can_be_printed_as_json(account: dict[str, str]) -> None:
    ended = run("check", "--json", environment=account)
    report = json.loads(ended.stdout)
    assert report["good"] is False
    assert {finding["subject"]: finding["state"] for finding in report["findings"]} == {
        "settings": "bad",
        "OpenCTI": "unknown",
        "PassiveTotal": "good",
        "cache": "unknown",
    }


def test_each_source_has_its_own_line_and_an_unreachable_one_ends_the_check_with_1(
    account: dict[str, str],
) -> None:
    second = {"PDNS_SOURCES": "riskiq,otx", "OTX_API_KEY": "secret", "OTX_API_BASE_URL": "http://127.0.0.1:9"}
    with serving(opencti_app(platform := OpenCTI(pycti.__version__))) as url:
        environment = settings(url, platform.token, account["RISKIQ_API_BASE_URL"])
        ended = run("check", environment=environment | second)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "✓ PassiveTotal       " in ended.stdout
    assert (
        "✗ AlienVault OTX     http://127.0.0.1:9: AlienVault OTX cannot be reached: the connection is refused; check "
        "that it runs there, and OTX_API_BASE_URL.\n" in ended.stdout
    )
    assert "secret" not in ended.stdout
