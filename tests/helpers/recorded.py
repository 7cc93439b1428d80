"""Recorded answers of the sources, which are beside the checkout and not part of this project."""

from pathlib import Path

import pytest

from passivedns.settings.reading import PROJECT_ROOT

_DATA = PROJECT_ROOT.parent / "shared" / "data"


def folder(source: str) -> Path:
    """The folder with the answers of a source; skips the test if there is none."""
    if not _DATA.is_dir():
        pytest.skip(f"the recorded answers are not at {_DATA}")
    return _DATA / source


def recorded(source: str, file: str) -> bytes:
    """The bytes of an answer; skips the test if there is no folder."""
    return (folder(source) / file).read_bytes()
