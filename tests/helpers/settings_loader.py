"""Loads settings from the files and variables of a test, without this machine's settings."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from passivedns.errors import SettingsError
from passivedns.settings.loading import load_settings
from passivedns.settings.model import SECTIONS, Settings

REQUIRED = {
    "OPENCTI_URL": "http://opencti:8080",
    "OPENCTI_TOKEN": "token-of-the-platform",
    "CONNECTOR_ID": "3f0b6e0a-6f4e-4ad1-9a65-0d1c2b3a4f5e",
    "RISKIQ_USERNAME": "analyst@example.org",
    "RISKIQ_API_KEY": "key-of-the-account",
}
"""The required settings, with the default sources."""
LIVING = {"RISKIQ_API_BASE_URL": "https://passivetotal.example.org"}
"""Another URL for the default source, whose own URL causes a warning because it was shut down."""

Load = Callable[..., Settings]


def loader(monkeypatch: pytest.MonkeyPatch, root: Path) -> Load:
    """A function that loads settings from `root`; this machine's own variables are removed until the test ends."""
    for name in list(os.environ):
        if name.partition("_")[0].lower() in SECTIONS:
            monkeypatch.delenv(name)

    def load(config: str = "", src_config: str = "", **variables: str | None) -> Settings:
        """`config` and `src_config` are YAML; None removes a variable."""
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
    """The text of the error that these settings cause."""
    with pytest.raises(SettingsError) as error:
        load(*files, **variables)
    return str(error.value)
