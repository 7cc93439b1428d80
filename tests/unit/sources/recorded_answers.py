"""Answers that the sources really gave; they are not part of this project, and lie beside its checkout."""

from pathlib import Path

import pytest

_DATA = Path(__file__).parents[4] / "shared/data"


def recorded(source: str, name: str) -> bytes:
    """The bytes of an answer; skips the test where the folder is not there."""
    if not _DATA.is_dir():
        pytest.skip(f"the recorded answers are not at {_DATA}")
    return (_DATA / source / f"{name}.json").read_bytes()
