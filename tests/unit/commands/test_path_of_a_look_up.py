"""The path of a look-up through the code is short enough to be followed."""

import os
import threading
import traceback
from typing import Any

import pytest
import requests

from passivedns.commands import cli
from passivedns.settings.reading import PROJECT_ROOT
from sandbox.server import serving
from sandbox.sources.table import STAND_INS

OURS = f"{PROJECT_ROOT / 'src' / 'passivedns'}{os.sep}"


def own_frames() -> list[str]:
    """Return the functions of the connector that the current thread is in, the outermost first."""
    return [frame.name for frame in traceback.extract_stack() if frame.filename.startswith(OURS)]


MAX_FRAMES = {"defender": 12}
"""A request that renews a token goes through two functions more."""


@pytest.mark.parametrize("key", STAND_INS)
def test_few_frames_lie_between_the_command_line_and_the_request(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The frames up to the start of the worker thread, and those of this thread."""
    before_thread: list[list[str]] = []
    in_thread: list[list[str]] = []
    start, request = threading.Thread.start, requests.Session.request

    def started(thread: threading.Thread) -> None:
        if threading.current_thread() is threading.main_thread():
            before_thread.append(own_frames())
        start(thread)

    def requested(session: requests.Session, method: str, url: str, **how: Any) -> requests.Response:
        in_thread.append(own_frames())
        return request(session, method, url, **how)

    stand_in = STAND_INS[key]
    monkeypatch.setenv("PDNS_CACHE_TTL", "PT0S")
    with serving(stand_in.app(stand_in.make([]))) as url:
        for name, value in stand_in.variables(key, url).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(threading.Thread, "start", started)
        monkeypatch.setattr(requests.Session, "request", requested)
        cli.main(["lookup", "example.org", "--sources", key])
    (before,) = [frames for frames in before_thread if "query_all" in frames]
    path = before + max((frames for frames in in_thread if "look_up" in frames), key=len)
    assert len(path) <= MAX_FRAMES.get(key, 10), path
