"""Loads settings from the files and variables of a test, as on a machine that sets none of its own."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from passivedns.errors import SettingsError
from passivedns.settings.loading import load_settings
from passivedns.settings.model import Settings
from passivedns.settings.table import SECTIONS

REQUIRED = {
    "OPENCTI_URL": "http://opencti:8080",
    "OPENCTI_TOKEN": "token-of-the-platform",
    "CONNECTOR_ID": "3f0b6e0a-6f4e-4ad1-9a65-0d1c2b3a4f5e",
    "RISKIQ_USERNAME": "analyst@example.org",
    "RISKIQ_API_KEY": "key-of-the-account",
}
"""What must be set for the source that is asked by default."""
LIVING = {"RISKIQ_API_BASE_URL": "https://passivetotal.example.org"}
"""An address for that source at which somebody still answers, so that nothing warns of it."""

Load = Callable[..., Settings]


def loader(monkeypatch: pytest.MonkeyPatch, root: Path) -> Load:
    """What loads settings from `root`; the variables of the machine that would set any are gone until the test ends."""
    for name in list(os.environ):
        if name.partition("_")[0].lower() in SECTIONS:
            monkeypatch.delenv(name)

    def load(config: str = "", src_config: str = "", **variables: str | None) -> Settings:
        """`config` and `src_config` are YAML; a variable given as None is not set."""
        (root / "src").mkdir(exist_ok=True)
        (root / "config.yml").write_text(config)
        (root / "src" / "config.yml").write_text(src_config)
        for name, value in {**REQUIRED, **LIVING, **variables}.items():
            monkeypatch.delenv(name, raising=False)
            if value is not None:
                monkeypatch.setenv(name, value)
        return load_settings(root)

    return load


def complaint(load: Load, *files: str, **variables: str | None) -> str:
    """The text of the error that these settings end in."""
    with pytest.raises(SettingsError) as error:
        load(*files, **variables)
    return str(error.value)
