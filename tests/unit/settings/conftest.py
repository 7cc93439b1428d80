"""Every test of the settings runs as on a machine that sets none of them."""

from pathlib import Path

import pytest

from tests.unit.settings_loader import LIVING, REQUIRED, Load, loader


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Load:
    return loader(monkeypatch, tmp_path)


@pytest.fixture
def required(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Variables for all that must be set, and for nothing else."""
    loader(monkeypatch, tmp_path)
    for name, value in (REQUIRED | LIVING).items():
        monkeypatch.setenv(name, value)
