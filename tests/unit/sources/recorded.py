"""Answers that the sources really gave; they are not part of this project, and lie beside its checkout."""

from pathlib import Path

import pytest

_DATA = Path(__file__).resolve().parents[4] / "shared/data"


def recorded_lines(source: str, file: str) -> bytes:
    """The bytes of an answer; skips the test where the folder is not there."""
    if not _DATA.is_dir():
        pytest.skip(f"the recorded answers are not at {_DATA}")
    return (_DATA / source / file).read_bytes()
