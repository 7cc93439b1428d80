"""Runs commands of `main.py` to their end."""

import subprocess
import sys
from collections.abc import Mapping

from sandbox.daemon import ROOT, inherited
from tests.helpers.world import WAIT

MAIN = [sys.executable, str(ROOT / "src" / "main.py")]


def run(
    *arguments: str, environment: Mapping[str, str], stdin: str = "", stderr: int = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    """Run `python3 src/main.py` with these arguments, and with no settings but these variables."""
    return subprocess.run(
        [*MAIN, *arguments],
        env={**inherited(), **environment},
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        timeout=WAIT,
        check=False,
    )
