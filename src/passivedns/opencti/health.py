"""Whether the daemon does its work: `python3 -m passivedns.opencti.health` tells a container's health check.

The daemon writes what it finds about itself into a file, and the check reads it: no call to OpenCTI, none to
a source. The file is in the directory for temporary files (TMPDIR); the image makes that /dev/shm, which is private
to a container and can be written to when the root file system cannot. It is named after the connector's id, so that
several connectors can share the directory.
"""

import os
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # Takes seconds to import, and the check has no use for it.
    from pycti import OpenCTIConnectorHelper

INTERVAL = 5
"""Seconds between two looks of the daemon at itself."""
STALE = 30
"""Seconds after which what the daemon found last says nothing any more."""

_ROOT = Path(__file__).resolve().parents[3]


class Heartbeat(threading.Thread):
    """Writes down every few seconds what keeps the daemon from its work, until the process ends."""

    def __init__(self, helper: "OpenCTIConnectorHelper") -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._helper = helper

    def run(self) -> None:
        while True:
            beat(self._helper)
            time.sleep(INTERVAL)


def beat(helper: "OpenCTIConnectorHelper") -> None:
    """Write down once what keeps the daemon from its work, if anything does."""
    # With no place to write to, the check finds no heartbeat and says so.
    with suppress(OSError):
        file = _file(helper.connect_id)
        new = file.with_suffix(".new")
        new.write_text(fault(helper), encoding="utf-8")
        # Replaced as a whole, so that the check never reads half a sentence.
        new.replace(file)


def forget(connector_id: str) -> None:
    """Remove what an earlier run of the connector wrote down; it says nothing about this one."""
    with suppress(OSError):
        _file(connector_id).unlink()


def fault(helper: "OpenCTIConnectorHelper") -> str:
    """What keeps a registered connector from its work, in a sentence; empty when nothing does.

    pycti pings every 40 seconds and waits up to 300 for the answer: that late it notices an OpenCTI that is gone.
    """
    # pycti makes the attribute together with the thread, and its settings can turn both off.
    ping = getattr(helper, "ping", None)
    if ping is None or not ping.is_alive():
        return "The connector does not ping OpenCTI any more."
    if ping.in_error:
        return "OpenCTI does not answer the connector's ping."
    queue = helper.listen_queue
    if queue is None or not queue.is_alive():
        return "The connector does not listen for messages."
    # Over HTTP pycti holds no connection that could be looked at; before 6.5 it knows only AMQP.
    if getattr(queue, "listen_protocol", "AMQP") == "AMQP" and not _consumes(queue.channel):
        return "The connector is not connected to the message broker."
    return ""


def verdict(root: Path = _ROOT) -> tuple[bool, str]:
    """Whether the daemon of the settings beside this process does its work, and a sentence about it."""
    connector_id = _connector_id(root)
    if not connector_id:
        return False, "CONNECTOR_ID is set nowhere, so the health check does not know the connector."
    try:
        file = _file(connector_id)
        age, found = time.time() - file.stat().st_mtime, file.read_text(encoding="utf-8")
    except OSError:
        return False, "The connector is not registered with OpenCTI yet."
    if age > STALE:
        return False, f"The connector gave its last sign of life {age:.0f} seconds ago."
    return not found, found or "The connector is registered with OpenCTI and takes messages."


def main() -> int:
    """Print the verdict; 0 when it is good, else 1."""
    healthy, sentence = verdict()
    print(sentence)
    return 0 if healthy else 1


def _connector_id(root: Path) -> str:
    """As the settings have it; to load all of them for it would take too long, and too much of the machine."""
    variables = {name.upper(): value.strip() for name, value in os.environ.items()}
    named = variables.get("CONNECTOR_ID", "")
    return named if named.lower() not in ("", "changeme") else _connector_id_of_files(root)


def _connector_id_of_files(root: Path) -> str:
    # Its libraries take a while to load, and most connectors are set by variables.
    from passivedns.settings.reading import config_files, from_file, is_missing

    named = [from_file(path)[0].get("connector", {}).get("id") for path in config_files(root)]
    return str(next((name for name in reversed(named) if not is_missing(name)), "")).strip()


def _file(connector_id: str) -> Path:
    return Path(tempfile.gettempdir(), f"opencti-passive-dns-{connector_id}.health")


def _consumes(channel: Any) -> bool:
    """pika's consumer is gone with the channel, or when the broker cancels it because its queue is gone."""
    return channel is not None and channel.is_open and bool(channel.consumer_tags)


if __name__ == "__main__":
    sys.exit(main())
