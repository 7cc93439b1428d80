"""Removes the settings of this machine."""

from pathlib import Path

import pytest

from tests.helpers.settings_loader import LIVING, REQUIRED, Load, loader


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Load:
    return loader(monkeypatch, tmp_path)


@pytest.fixture
def required(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Set only the required variables."""
    loader(monkeypatch, tmp_path)
    for name, value in (REQUIRED | LIVING).items():
        monkeypatch.setenv(name, value)
