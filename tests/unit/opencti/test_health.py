"""The daemon writes its status, and the health check reads it."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from passivedns.opencti import health
from passivedns.opencti.health import MAX_AGE, beat, fault, forget
from sandbox.daemon import inherited

SRC = Path(health.__file__).parents[2]
ID = "3f0b6e0a-6f4e-4ad1-9a65-0d1c2b3a4f5e"


class Idle(threading.Thread):
    """A thread that is alive until it is ended, with the attributes of pycti's `PingAlive` or of our listeners."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(daemon=True)
        self.ended = threading.Event()
        vars(self).update(attributes)
        self.start()

    def run(self) -> None:
        self.ended.wait()

    def end(self) -> None:
        self.ended.set()
        self.join()


class Helper:
    """Our helper once it is registered and listens."""

    def __init__(self, connect_id: str = ID) -> None:
        self.connect_id = connect_id
        self.ping: Any = Idle(in_error=False)
        self.listen_queue: Any = Idle(is_connected=True)


@pytest.fixture
def helper() -> Iterator[Helper]:
    made = Helper()
    threads = [made.ping, made.listen_queue]
    yield made
    for thread in threads:
        thread.end()


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def check(directory: Path, src: Path = SRC, **variables: str) -> tuple[int, str]:
    """The health check as a container runs it: exit code and what it printed."""
    command = [sys.executable, "-m", "passivedns.opencti.health"]
    environment = inherited() | {"TMPDIR": str(directory)} | (variables or {"CONNECTOR_ID": ID})
    ran = subprocess.run(command, cwd=src, env=environment, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout + ran.stderr


def test_a_connector_that_pings_and_consumes_is_healthy(helper: Helper) -> None:
    assert fault(helper) == ""


def test_a_failed_ping_is_a_fault(helper: Helper) -> None:
    helper.ping.in_error = True

    assert fault(helper) == "OpenCTI does not answer the connector's ping."


def test_a_ping_thread_that_died_is_a_fault(helper: Helper) -> None:
    helper.ping.end()

    assert fault(helper) == "The connector no longer pings OpenCTI."


def test_a_ping_thread_that_was_never_started_is_a_fault(helper: Helper) -> None:
    del helper.ping

    assert fault(helper) == "The connector no longer pings OpenCTI."


def test_a_listener_that_has_not_started_is_a_fault(helper: Helper) -> None:
    helper.listen_queue = None

    assert fault(helper) == "The connector does not listen for messages."


def test_a_listener_that_died_is_a_fault(helper: Helper) -> None:
    helper.listen_queue.end()

    assert fault(helper) == "The connector does not listen for messages."


def test_a_consumer_without_the_broker_is_a_fault(helper: Helper) -> None:
    helper.listen_queue.is_connected = False

    assert fault(helper) == "The connector is not connected to the message broker."


def test_the_check_passes_while_the_status_is_updated(helper: Helper, tmp_path: Path) -> None:
    beat(helper)

    assert check(tmp_path) == (0, "The connector is registered with OpenCTI and takes messages.\n")


def test_the_check_fails_with_the_fault_in_the_status(helper: Helper, tmp_path: Path) -> None:
    helper.ping.in_error = True
    beat(helper)

    assert check(tmp_path) == (1, "OpenCTI does not answer the connector's ping.\n")


def test_the_check_fails_before_the_first_status(tmp_path: Path) -> None:
    assert check(tmp_path) == (1, "The connector is not registered with OpenCTI yet.\n")


def test_the_check_fails_once_the_status_is_outdated(helper: Helper, tmp_path: Path) -> None:
    beat(helper)
    long_ago = time.time() - MAX_AGE - 10
    for file in tmp_path.glob("*.health"):
        os.utime(file, (long_ago, long_ago))

    code, sentence = check(tmp_path)
    assert code == 1
    # The check itself takes a moment, and more of them on a busy machine.
    assert re.fullmatch(r"The last heartbeat of the connector was 4\d seconds ago\.\n", sentence)


def test_a_status_that_cannot_be_written_fails_only_the_check(helper: Helper, tmp_path: Path) -> None:
    (tmp_path / f"opencti-passive-dns-{ID}.new").mkdir()

    beat(helper)

    assert check(tmp_path) == (1, "The connector is not registered with OpenCTI yet.\n")


def test_connectors_that_share_a_directory_have_a_status_each(helper: Helper, tmp_path: Path) -> None:
    beat(helper)

    assert check(tmp_path, CONNECTOR_ID=ID.replace("3f", "4f"))[0] == 1
    assert check(tmp_path)[0] == 0


def test_the_status_of_an_earlier_run_is_removed(helper: Helper, tmp_path: Path) -> None:
    beat(helper)

    forget(ID)

    assert check(tmp_path) == (1, "The connector is not registered with OpenCTI yet.\n")


def test_removing_a_missing_status_is_not_an_error() -> None:
    forget(ID)


@pytest.mark.parametrize("place", ["config.yml", "src/config.yml"])
@pytest.mark.parametrize("variables", [{"HOME": "/"}, {"CONNECTOR_ID": ""}, {"CONNECTOR_ID": "ChangeMe"}])
def test_the_check_finds_the_id_in_the_files(
    helper: Helper, tmp_path: Path, place: str, variables: dict[str, str]
) -> None:
    beat(helper)
    shutil.copytree(SRC, tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "config.yml"))
    (tmp_path / place).write_text(f"connector:\n  id: {ID}\n")

    assert check(tmp_path, tmp_path / "src", **variables)[0] == 0


def test_the_variable_wins_over_the_files_in_any_case(helper: Helper, tmp_path: Path) -> None:
    beat(helper)
    shutil.copytree(SRC, tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "config.yml"))
    (tmp_path / "config.yml").write_text("connector:\n  id: another\n")

    assert check(tmp_path, tmp_path / "src", connector_id=f" {ID} ")[0] == 0


def test_a_check_without_an_id_says_so(tmp_path: Path) -> None:
    shutil.copytree(SRC, tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "config.yml"))

    sentence = "CONNECTOR_ID is not set, so the health check cannot find the connector.\n"
    assert check(tmp_path, tmp_path / "src", HOME="/") == (1, sentence)


def test_with_the_id_in_a_variable_the_check_imports_no_library() -> None:
    program = (
        "import sys; from passivedns.opencti import health; health.verdict(); "
        "print({'pycti', 'pydantic', 'yaml', 'requests'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", program]
    ran = subprocess.run(command, cwd=SRC, env=inherited() | {"CONNECTOR_ID": ID}, capture_output=True, text=True)

    assert ran.stdout == "set()\n"
