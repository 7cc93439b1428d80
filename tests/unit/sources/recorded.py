"""Answers that the sources really gave; they are not part of this project, and lie beside its checkout."""

from pathlib import Path

import pytest

from passivedns.settings.table import PROJECT_ROOT

_DATA = PROJECT_ROOT.parent / "shared" / "data"


def folder(source: str) -> Path:
    """Where the answers of a source are; skips the test where they are not."""
    if not _DATA.is_dir():
        pytest.skip(f"the recorded answers are not at {_DATA}")
    return _DATA / source


def recorded(source: str, file: str) -> bytes:
    """The bytes of an answer; skips the test where there are none."""
    return (folder(source) / file).read_bytes()
