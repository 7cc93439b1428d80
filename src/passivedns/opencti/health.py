"""Reports whether the daemon works: `python3 -m passivedns.opencti.health` is a container's health check.

The daemon writes its status to a file, and the check reads it without any request. The file is in the directory for
temporary files (TMPDIR), for which the image uses /dev/shm: private to a container, and writable even if the root file
system is not. The connector's id is in its name, so that several connectors can share the directory.
"""

import os
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Takes most of a second to import, and the check does not need it.
    from pycti import OpenCTIConnectorHelper

INTERVAL = 5
"""Seconds between updates of the status."""
MAX_AGE = 30
"""Seconds after which the status is outdated."""

_ROOT = Path(__file__).resolve().parents[3]


def beat(helper: "OpenCTIConnectorHelper") -> None:
    """Update the status once. If it cannot be written, the check reports a missing heartbeat."""
    with suppress(OSError):
        file = _file(helper.connect_id)
        new = file.with_suffix(".new")
        new.write_text(fault(helper), encoding="utf-8")
        # Atomic, so that the check never reads half a sentence.
        new.replace(file)


def forget(connector_id: str) -> None:
    """Remove the status of an earlier run."""
    with suppress(OSError):
        _file(connector_id).unlink()


def fault(helper: "OpenCTIConnectorHelper") -> str:
    """Return what is wrong with a registered connector, or an empty text.

    pycti pings every 40 seconds and waits up to 300 for the response, so it notices an outage that late.
    """
    # Settings of pycti can turn the ping off, and the attribute with it.
    ping = getattr(helper, "ping", None)
    if ping is None or not ping.is_alive():
        return "The connector no longer pings OpenCTI."
    if ping.in_error:
        return "OpenCTI does not answer the connector's ping."
    queue = helper.listen_queue
    if queue is None or not queue.is_alive():
        return "The connector does not listen for messages."
    if not queue.is_connected:
        return "The connector is not connected to the message broker."
    return ""


def verdict(root: Path = _ROOT) -> tuple[bool, str]:
    """Return whether the daemon with the same settings as this process works, and a sentence about it."""
    connector_id = _connector_id(root)
    if not connector_id:
        return False, "CONNECTOR_ID is not set, so the health check cannot find the connector."
    try:
        file = _file(connector_id)
        age, found = time.time() - file.stat().st_mtime, file.read_text(encoding="utf-8")
    except OSError:
        return False, "The connector is not registered with OpenCTI yet."
    if age > MAX_AGE:
        return False, f"The last heartbeat of the connector was {age:.0f} seconds ago."
    return not found, found or "The connector is registered with OpenCTI and takes messages."


def main() -> int:
    """Print the verdict; return 0 if it is good, else 1."""
    healthy, sentence = verdict()
    print(sentence)
    return 0 if healthy else 1


def _connector_id(root: Path) -> str:
    """Read only this setting, since the check must be quick."""
    named = {name.upper(): value.strip() for name, value in os.environ.items()}.get("CONNECTOR_ID", "")
    if named.lower() not in ("", "changeme"):
        return named
    # Imports YAML and more, which most connectors do not need.
    from passivedns.settings.reading import config_files, from_file, is_missing

    in_files = [from_file(path)[0].get("connector", {}).get("id") for path in config_files(root)]
    return str(next((name for name in reversed(in_files) if not is_missing(name)), "")).strip()


def _file(connector_id: str) -> Path:
    return Path(tempfile.gettempdir(), f"opencti-passive-dns-{connector_id}.health")


if __name__ == "__main__":
    sys.exit(main())
