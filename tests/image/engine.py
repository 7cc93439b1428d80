"""Runs containers of the connector with the docker command."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sandbox.daemon import ROOT

IMAGE = "opencti/connector-riskiq-passive-total:latest"
WAIT = 60
"""Seconds within which a container must reach a state."""

# The sandbox and its broker listen on the loopback interface.
LOCKED_DOWN = ("--network=host", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
OFTEN_CHECKED = ("--health-interval=1s", "--health-retries=2")


def run(*command: str, code: int = 0) -> str:
    """Run a command that must exit with ``code``; return its stdout and stderr."""
    ran = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert ran.returncode == code, f"{' '.join(command)} ended with {ran.returncode}:\n{ran.stdout[-4000:]}"
    return ran.stdout.strip()


def docker(*arguments: str, code: int = 0) -> str:
    return run("docker", *arguments, code=code)


def build(image: str, *options: str) -> str:
    """Build the image from this checkout, and return its name."""
    docker("build", "--network=host", *options, "--tag", image, ".")
    return image


def inspect(thing: str) -> Any:
    """Return what ``docker inspect`` shows of an image or a container."""
    return json.loads(docker("inspect", thing))[0]


def in_image(image: str, script: str, *options: str) -> str:
    """Run a shell script in the image instead of the connector, and return its output."""
    return docker("run", "--rm", "--entrypoint=sh", *options, image, "-c", script)


@dataclass
class Container:
    """A running container."""

    id: str

    def log(self) -> str:
        return docker("logs", self.id)

    def health(self) -> str:
        return str(inspect(self.id)["State"]["Health"]["Status"])

    def wait_for(self, health: str) -> None:
        """Wait until the container is ``healthy`` or ``unhealthy``."""
        wait_until(lambda: self.health() == health, lambda: f"still {self.health()}:\n{self.log()[-4000:]}")


def wait_until(condition: Callable[[], bool], otherwise: Callable[[], str]) -> None:
    """Wait up to `WAIT` seconds for a condition; ``otherwise`` returns the message of the failure."""
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.2)


@contextmanager
def container(image: str, environment: Mapping[str, str], *options: str) -> Iterator[Container]:
    """Run a container with minimal rights; it is removed on exit."""
    variables = [f"--env={name}={value}" for name, value in environment.items()]
    started = Container(docker("run", "--detach", *LOCKED_DOWN, *OFTEN_CHECKED, *variables, *options, image))
    try:
        yield started
    finally:
        docker("rm", "--force", started.id)


def compose(*arguments: str) -> str:
    """Run docker-compose if it is installed, or else the compose plug-in of docker."""
    return run(*(["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]), *arguments)


@contextmanager
def composed(file: str, override: Path) -> Iterator[Callable[[], str]]:
    """Run the services of a compose file that an override names, without dependencies; yield their log."""
    services = yaml.safe_load(override.read_text())["services"]
    project = ["--project-name=image-test", f"--project-directory={ROOT}", f"--file={file}", f"--file={override}"]
    try:
        compose(*project, "up", "--detach", "--no-deps", *services)
        yield lambda: compose(*project, "logs", "--no-color")
    finally:
        compose(*project, "down", "--timeout=45")
