"""Startup: messages and exit codes."""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pycti
import pytest

from sandbox.api import opencti_app
from sandbox.daemon import ROOT, daemon, free_port, inherited, settings
from sandbox.opencti import OpenCTI
from sandbox.server import serving
from tests.helpers.world import WAIT, World
from tests.integration.conftest import needs_http_protocols


def start(environment: Mapping[str, str], root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run `python3 src/main.py` with these variables until it exits."""
    command = [sys.executable, str(root / "src" / "main.py")]
    return subprocess.run(
        command, env={**inherited(), **environment}, capture_output=True, text=True, timeout=WAIT, check=False
    )


def test_invalid_settings_exit_with_2_and_one_list_without_a_traceback() -> None:
    ended = start({"RISKIQ_USERNAME": "me", "RISKIQ_MAX_TLP": "PURPLE", "RISKIQ_API_KEY": "ChangeMe"})
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    for expected in ("OPENCTI_URL", "CONNECTOR_ID", "RISKIQ_API_KEY (config.yml: riskiq.api_key)", "'PURPLE'"):
        assert expected in ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize(
    ("name", "value"), [("CONNECTOR_METRICS_PORT", "ninety"), ("CONNECTOR_LISTEN_PROTOCOL", "HTTP")]
)
def test_an_invalid_pycti_option_is_reported_like_an_invalid_setting(name: str, value: str) -> None:
    ended = start(settings("http://127.0.0.1:9", "token", "http://127.0.0.1:9") | {name: value})
    assert ended.returncode == 2
    assert f"{name} (config.yml: connector.{name.removeprefix('CONNECTOR_').lower()}) is '{value}'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_metrics_port_in_use_exits_at_once_with_1_and_a_message() -> None:
    platform = OpenCTI(pycti.__version__)
    with serving(opencti_app(platform)) as url:
        taken = url.rpartition(":")[2]
        served = {"CONNECTOR_EXPOSE_METRICS": "true", "CONNECTOR_METRICS_PORT": taken}
        ended = start(settings(url, platform.token, "http://127.0.0.1:9") | served)
    assert ended.returncode == 1
    assert "pycti cannot start: [Errno 98] Address already in use" in ended.stderr
    assert "is not up yet" not in ended.stderr


def test_a_missing_ca_file_exits_at_once_with_1_and_a_message() -> None:
    ended = start(settings("https://127.0.0.1:9", "token", "http://127.0.0.1:9") | {"OPENCTI_SSL_VERIFY": "/no/ca.pem"})
    assert ended.returncode == 1
    assert "pycti cannot start: Could not find a suitable TLS CA certificate bundle" in ended.stderr
    assert "is not up yet" not in ended.stderr


def test_a_maximum_tlp_that_is_still_changeme_exits_with_2() -> None:
    ended = start(settings("http://127.0.0.1:9", "token", "http://127.0.0.1:9") | {"RISKIQ_MAX_TLP": "CHANGEME"})
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [
        "The connector cannot start: 1 setting needs correcting.",
        "  RISKIQ_MAX_TLP (config.yml: riskiq.max_tlp) is still ChangeMe. Accepted values: TLP:CLEAR, TLP:WHITE, "
        "TLP:GREEN, TLP:AMBER, TLP:AMBER+STRICT or TLP:RED, or empty for PDNS_MAX_TLP.",
    ]


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_settings_that_protect_less_than_they_seem_to_are_named_at_every_log_level(level: str) -> None:
    chosen = {
        "PDNS_SOURCES": "robtex",
        "PDNS_MAX_TLP": "none",
        "PDNS_MAX_PAP": "none",
        "PASSIVEDNS_MAX_TLP": "TLP:GREEN",
    }
    least = {"RISKIQ_MAX_TLP": "", "RISKIQ_IMPORT_LAST_SEEN_TIME_WINDOW": "P7D", "CONNECTOR_LOG_LEVEL": level}
    environment = settings("http://127.0.0.1:9", "token", "http://127.0.0.1:9") | {"PDNS_START_TIMEOUT": "0"}
    ended = start(environment | chosen | least)
    assert ended.returncode == 1
    for told in (
        "PASSIVEDNS_MAX_TLP is not a setting and is ignored; did you mean PDNS_MAX_TLP (config.yml: pdns.max_tlp)?",
        "RISKIQ_USERNAME, RISKIQ_API_KEY and RISKIQ_API_BASE_URL are set, but PDNS_SOURCES does not list riskiq: add "
        "it, or remove the settings.",
        "RISKIQ_IMPORT_LAST_SEEN_TIME_WINDOW limits only riskiq, which PDNS_SOURCES does not list; set "
        "PDNS_IMPORT_LAST_SEEN_TIME_WINDOW.",
        "PDNS_MAX_TLP is none: observables of any TLP, including TLP:RED, are sent to Robtex.",
        "PDNS_MAX_PAP is none: observables of any PAP, including PAP:RED, are sent to Robtex.",
    ):
        assert ended.stderr.splitlines().count(told) == 1


def test_a_limit_of_a_source_that_is_not_listed_exits_with_2_if_it_is_stricter() -> None:
    environment = settings("http://127.0.0.1:9", "token", "http://127.0.0.1:9")
    ended = start(environment | {"PDNS_SOURCES": "mnemonic,robtex", "RISKIQ_MAX_TLP": "TLP:GREEN"})
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[1:] == [
        "  RISKIQ_MAX_TLP limits only riskiq, which PDNS_SOURCES does not list; set PDNS_MAX_TLP, since mnemonic "
        "and robtex get up to TLP:AMBER."
    ]


def test_an_opencti_that_does_not_come_up_exits_with_1_after_a_quiet_wait() -> None:
    ended = start(settings("http://127.0.0.1:9", "token", "http://127.0.0.1:9") | {"PDNS_START_TIMEOUT": "2"})
    assert ended.returncode == 1
    assert "OpenCTI at http://127.0.0.1:9 did not come up within 2 s" in ended.stderr
    assert ended.stderr.count("is not up yet") == 2
    assert "Traceback" not in ended.stderr


def test_an_earlier_run_does_not_make_the_connector_healthy_before_it_is_registered(tmp_path: Path) -> None:
    environment = settings("http://127.0.0.1:9", "token", "http://127.0.0.1:9") | {"TMPDIR": str(tmp_path)}
    left_behind = tmp_path / f"opencti-passive-dns-{environment['CONNECTOR_ID']}.health"
    left_behind.touch()
    with daemon(environment) as running:
        while "is not up yet" not in running.log:
            time.sleep(0.1)
    assert not left_behind.exists()


@needs_http_protocols
def test_the_connector_waits_for_an_opencti_that_comes_up_late() -> None:
    platform, port = OpenCTI(pycti.__version__), free_port()
    with daemon(settings(f"http://127.0.0.1:{port}", platform.token, "http://127.0.0.1:9")) as running:
        while "is not up yet" not in running.log:
            time.sleep(0.1)
        with serving(opencti_app(platform), port):
            platform.wait_registered(WAIT)


def test_a_wrong_token_exits_at_once_with_1_and_a_message() -> None:
    platform = OpenCTI(pycti.__version__)
    with serving(opencti_app(platform)) as url:
        ended = start(settings(url, "wrong", "http://127.0.0.1:9"))
    assert ended.returncode == 1
    assert f"OpenCTI at {url} rejected the token; set OPENCTI_TOKEN to" in ended.stderr
    assert "Traceback" not in ended.stderr


@needs_http_protocols
@pytest.mark.parametrize("version", ["6.5.0", "7.260817.0"])
def test_a_refused_pycti_exits_at_once_and_names_the_versions(version: str) -> None:
    platform = OpenCTI(version)
    with serving(opencti_app(platform)) as url:
        ended = start(settings(url, platform.token, "http://127.0.0.1:9"))
    assert ended.returncode == 1
    assert (
        f"OpenCTI {version} at {url} rejected pycti {pycti.__version__}; install the pycti of the platform"
        in ended.stderr
    )
    assert f"pip install pycti=={version}" in ended.stderr


def test_another_refusal_exits_at_once_with_the_message_of_opencti() -> None:
    platform = OpenCTI(pycti.__version__)
    platform.fail("registerConnector", how="refused")
    with serving(opencti_app(platform)) as url:
        ended = start(settings(url, platform.token, "http://127.0.0.1:9"))
    assert ended.returncode == 1
    assert f"OpenCTI at {url} rejected the connector (FUNCTIONAL_ERROR). It says: Business validation" in ended.stderr
    assert "is not up yet" not in ended.stderr


@needs_http_protocols
def test_the_connector_waits_for_an_opencti_whose_database_is_down() -> None:
    platform = OpenCTI(pycti.__version__)
    platform.fail("registerConnector", times=1, how="database")
    with serving(opencti_app(platform)) as url, daemon(settings(url, platform.token, "http://127.0.0.1:9")) as running:
        platform.wait_registered(WAIT)
        assert "is not up yet (it says: Engine execution fail, some shards are not available" in running.log


def test_the_log_says_why_opencti_is_not_up() -> None:
    with daemon(settings("http://opencti.invalid", "token", "http://127.0.0.1:9")) as running:
        while "is not up yet" not in running.log:
            time.sleep(0.1)
        assert (
            "OpenCTI at http://opencti.invalid is not up yet (its host name does not resolve; check the network and "
            "OPENCTI_URL); next attempt in 1 s."
        ) in running.log


def test_the_log_says_why_the_broker_cannot_be_used() -> None:
    platform = OpenCTI(pycti.__version__)
    broker = {"CONNECTOR_LISTEN_PROTOCOL": "AMQP", "MQ_HOST": "127.0.0.1", "MQ_PORT": "9"}
    with (
        serving(opencti_app(platform)) as url,
        daemon(settings(url, platform.token, "http://127.0.0.1:9") | broker) as running,
    ):
        while "BrokerUnavailable" not in running.log:
            time.sleep(0.1)
        refused = "the connection is refused; check that it runs there, and MQ_HOST and MQ_PORT"
        assert f"cannot be used: {refused}" in running.log


def test_a_stop_while_waiting_for_opencti_exits_with_0() -> None:
    with daemon(settings("http://127.0.0.1:9", "token", "http://127.0.0.1:9")) as running:
        while "is not up yet" not in running.log:
            time.sleep(0.1)
        running.process.terminate()
        assert running.process.wait(WAIT) == 0


def test_a_stop_during_the_imports_exits_with_0(tmp_path: Path) -> None:
    (tmp_path / "pycti.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    command = [sys.executable, str(ROOT / "src" / "main.py")]
    environment = inherited() | {"PYTHONPATH": str(tmp_path)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "importing\n"
        process.terminate()
        assert process.wait(WAIT) == 0


def test_an_unexpected_error_ends_the_start_with_1_and_a_traceback() -> None:
    # Once pycti has registered, its hook handles what nobody caught.
    broken = (
        "import runpy, sys, passivedns.commands.cli as cli\n"
        "from pycti.connector.opencti_connector_helper import killProgramHook\n"
        "sys.excepthook, cli.main = killProgramHook, lambda: 1 / 0\n"
        "runpy.run_path(sys.argv[1], run_name='__main__')"
    )
    command = [sys.executable, "-c", broken, str(ROOT / "src" / "main.py")]
    environment = inherited() | {"PYTHONPATH": str(ROOT / "src")}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=WAIT, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("Traceback (most recent call last):")
    assert ended.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_without_its_dependencies_the_start_says_what_to_install() -> None:
    # Without the module site, Python finds its own library only.
    command = [sys.executable, "-S", str(ROOT / "src" / "main.py")]
    ended = subprocess.run(command, env=inherited(), capture_output=True, text=True, timeout=WAIT, check=False)
    assert ended.returncode == 1
    assert re.fullmatch(
        r"The Python module \w+ is missing; install what the connector needs: "
        r"python3 -m pip install -r requirements\.txt\n",
        ended.stderr,
    )


@pytest.mark.parametrize("place", ["config.yml", "src/config.yml"])
def test_the_settings_can_be_in_a_file(tmp_path: Path, place: str) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "config.yml"))
    (tmp_path / place).write_text("opencti:\n  url: http://127.0.0.1:9\n  token: in the file\n")
    ended = start({}, tmp_path)
    assert ended.returncode == 2
    assert "OPENCTI_URL" not in ended.stderr
    assert "CONNECTOR_ID" in ended.stderr


def test_the_start_registers_the_connector_as_the_settings_say(world: World) -> None:
    registered = world.platform.link.reachable().input
    assert registered["name"] == "Passive DNS"
    assert registered["type"] == "INTERNAL_ENRICHMENT"
    assert registered["scope"] == ["IPv4-Addr", "Domain-Name", "IPv6-Addr", "Hostname"]
    assert registered["auto"] is False
    assert registered["playbook_compatible"] is True
