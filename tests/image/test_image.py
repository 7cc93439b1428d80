"""The image as operators run it: its content, requirements and health. Run with `make image-test`."""

import re
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.daemon import ROOT, free_port
from sandbox.rabbitmq import private_broker
from sandbox.server import serving
from sandbox.sources.history import history
from sandbox.sources.table import STAND_INS
from tests.image.conftest import Sandbox, new_sandbox
from tests.image.engine import (
    IMAGE,
    LOCKED_DOWN,
    Container,
    build,
    compose,
    composed,
    container,
    docker,
    in_image,
    inspect,
    wait_until,
)

BASE = "python:3.12-slim-bookworm"
HOME = "/opt/opencti-connector-riskiq-passive-total"
SERVICE = "connector-riskiq-passive-total"

# The first test builds the image.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_the_image_runs_as_a_numeric_user_that_is_not_root(image: str) -> None:
    user, _, group = inspect(image)["Config"]["User"].partition(":")

    assert int(user) > 0
    assert int(group) > 0
    assert in_image(image, "id -u") == user


def test_the_image_contains_only_the_code_and_the_manifest_of_the_checkout(image: str) -> None:
    found = in_image(image, f"cd {HOME} && find . -type f -not -name '*.pyc'").split()

    files = [path for path in (ROOT / "src").rglob("*.*") if path.suffix != ".pyc" and path.name != "config.yml"]
    sources = [f"./{path.relative_to(ROOT)}" for path in files]
    assert sorted(found) == sorted(["./__metadata__/connector_manifest.json", "./entrypoint.sh", *sources])


def test_the_image_contains_no_compiler_and_no_cache(image: str) -> None:
    compilers = "for tool in gcc cc g++ make; do command -v $tool; done"
    caches = r"find / -xdev \( -path '*/.cache/*' -o -name '*.deb' -o -path '/var/lib/apt/lists/*Packages*' \)"

    assert in_image(image, f"{compilers}; {caches}", "--user=0") == ""


def test_the_image_adds_less_than_150_megabytes_to_its_base(image: str, capsys: pytest.CaptureFixture[str]) -> None:
    size, base = inspect(image)["Size"], inspect(BASE)["Size"]
    with capsys.disabled():
        print(f"\n{image}: {size / 1e6:.0f} MB, of which {BASE} takes {base / 1e6:.0f} MB")

    assert size - base < 150e6


def test_the_image_has_the_labels_of_the_open_containers_initiative(image: str) -> None:
    labels = inspect(image)["Config"]["Labels"]

    named = [name for name, value in labels.items() if name.startswith("org.opencontainers.image.") and value]
    assert {name.rpartition(".")[2] for name in named} >= {"title", "description", "licenses", "source"}


def test_an_enrichment_works_without_capabilities_and_with_a_read_only_root_file_system(
    sandbox: Sandbox, connector: Container
) -> None:
    work = sandbox.enrich().wait(30)

    assert not work.in_error, work.message
    assert not work.errors
    assert len(sandbox.platform.relationships()) > 5
    assert "Read-only file system" in docker("exec", "--user=0", connector.id, "touch", "/written", code=1)


def test_health_is_starting_then_healthy_then_unhealthy_within_a_minute_of_an_outage(
    sandbox: Sandbox, connector: Container
) -> None:
    assert connector.health() == "starting"
    connector.wait_for("healthy")

    sandbox.take_platform_away()

    connector.wait_for("unhealthy")
    assert "OpenCTI does not answer the connector's ping." in str(inspect(connector.id)["State"]["Health"]["Log"])


def test_a_connector_is_unhealthy_while_the_broker_is_down(image: str) -> None:
    with (
        private_broker() as broker,
        new_sandbox(broker.url) as sandbox,
        container(image, sandbox.settings) as connector,
    ):
        connector.wait_for("healthy")

        broker.stop()
        connector.wait_for("unhealthy")

        broker.start()
        connector.wait_for("healthy")


def test_the_health_check_sends_no_request_to_passivetotal(sandbox: Sandbox, connector: Container) -> None:
    connector.wait_for("healthy")

    assert sandbox.service.requests == []


def test_on_sigterm_the_current_enrichment_finishes_and_the_exit_code_is_0(
    sandbox: Sandbox, connector: Container
) -> None:
    sandbox.service.latency = 3
    work = sandbox.enrich()
    wait_until(lambda: bool(sandbox.service.searches), lambda: f"no search:\n{connector.log()}")

    docker("stop", "--time=40", connector.id)

    assert inspect(connector.id)["State"]["ExitCode"] == 0, connector.log()
    assert not work.wait(10).in_error, work.message
    assert sandbox.platform.relationships()


def test_an_idle_connector_stops_within_seconds_of_sigterm(sandbox: Sandbox, connector: Container) -> None:
    sandbox.platform.wait_registered(30)
    began, patience = time.monotonic(), 40

    docker("stop", f"--time={patience}", connector.id)

    assert inspect(connector.id)["State"]["ExitCode"] == 0, connector.log()
    assert time.monotonic() - began < patience / 4


def test_secrets_are_read_from_files(image: str, sandbox: Sandbox, tmp_path: Path) -> None:
    environment = sandbox.settings.copy()
    for name in ("OPENCTI_TOKEN", "RISKIQ_USERNAME", "RISKIQ_API_KEY"):
        (tmp_path / name).write_text(environment.pop(name) + "\n")
        environment[f"{name}_FILE"] = f"/run/secrets/{name}"
    # Other users, such as the image's, cannot read pytest's folders.
    tmp_path.chmod(0o755)

    with container(image, environment, f"--volume={tmp_path}:/run/secrets:ro"):
        work = sandbox.enrich().wait(30)

    assert not work.in_error, work.message


def test_arguments_run_a_command_instead_of_the_connector(image: str) -> None:
    shown = docker("run", "--rm", *LOCKED_DOWN, image, "lookup", "--help")

    assert "usage: main.py lookup" in shown


def test_an_unreadable_secret_stops_the_start_with_a_message(image: str) -> None:
    secret = ("--env=PDNS_SOURCES=riskiq", "--env=RISKIQ_API_KEY_FILE=/run/secrets/none")
    said = docker("run", "--rm", *LOCKED_DOWN, *secret, image, code=2)

    assert "RISKIQ_API_KEY_FILE: /run/secrets/none cannot be read (No such file or directory)." in said
    assert "RISKIQ_API_KEY (config.yml" not in said


def test_missing_settings_stop_the_start(image: str) -> None:
    said = docker("run", "--rm", *LOCKED_DOWN, image, code=2)

    for missing in ("PDNS_SOURCES (config.yml: pdns.sources)", "OPENCTI_TOKEN (config.yml: opencti.token)"):
        assert f"{missing} is missing." in said
    assert "CONNECTOR_TYPE" not in said


@pytest.mark.parametrize("version", ["6.9.29", "6.3.5"])
def test_the_image_can_be_built_for_an_older_opencti(broker: str, version: str) -> None:
    image = build(f"{IMAGE.partition(':')[0]}:pycti-{version}", f"--build-arg=PYCTI_VERSION={version}")

    assert in_image(image, "python3 -c 'import pycti; print(pycti.__version__)'") == version
    with new_sandbox(broker, version=version) as sandbox, container(image, sandbox.settings) as connector:
        assert not sandbox.enrich().wait(30).in_error
        connector.wait_for("healthy")


@pytest.mark.parametrize("file", ["docker-compose.yml", "docker-compose.sandbox.yml"])
def test_the_compose_file_is_valid(file: str) -> None:
    compose("-f", file, "config", "--quiet")


@pytest.mark.usefixtures("image")
def test_the_compose_file_starts_the_connector_once_every_changeme_is_replaced(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    given = services("docker-compose.yml")[SERVICE]["environment"]
    to_replace = [name for name, _, value in (line.partition("=") for line in given) if value == "ChangeMe"]
    environment = {name: sandbox.settings[name] for name in [*to_replace, "OPENCTI_URL"]}

    with ExitStack() as stack:
        for key in ("mnemonic", "robtex"):
            source = STAND_INS[key]
            url = stack.enter_context(serving(source.app(source.make(history(datetime.now(UTC).date())))))
            environment |= source.variables(key, url)
        changes = override(tmp_path, {SERVICE: {"environment": environment}})
        stack.enter_context(composed("docker-compose.yml", changes))
        work = sandbox.enrich().wait(30)

    assert not work.in_error, work.message
    _, _, by_source = str(work.message).partition("records by source: ")
    assert re.search(r"\bmnemonic [1-9]", by_source)
    assert re.search(r"\bRobtex [1-9]", by_source)


@pytest.mark.usefixtures("image")
def test_the_sandbox_in_containers_shows_the_demo(broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RABBITMQ_URL", broker)
    port = free_port()
    command = [*services("docker-compose.sandbox.yml")["sandbox"]["command"], f"--port={port}"]
    url = f"http://127.0.0.1:{port}"
    environment = {"OPENCTI_URL": f"{url}/opencti", "RISKIQ_API_BASE_URL": f"{url}/passivetotal/pt"}
    changes = override(tmp_path, {"sandbox": {"command": command}, SERVICE: {"environment": environment}})

    with composed("docker-compose.sandbox.yml", changes) as log:
        wait_until(lambda: "The demo is done" in log(), log)
        shown = log()

    assert "IPv4-Addr 192.0.2.10" in shown
    assert re.search(r"resolves-to +→ 192\.0\.2\.10 .+ A records \(", shown)


def services(file: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / file).read_text())["services"]
    return found


def override(folder: Path, changes: dict[str, dict[str, Any]]) -> Path:
    """Write a compose file with changes to services, which use the host's network like the sandbox and its broker."""
    local = {"network_mode": "host", "build": {"context": str(ROOT), "network": "host"}}
    file = folder / "override.yml"
    file.write_text(yaml.safe_dump({"services": {name: local | change for name, change in changes.items()}}))
    return file
