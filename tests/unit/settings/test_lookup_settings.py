"""The settings of a look-up: those of pdns and of the sources, without those of OpenCTI."""

from pathlib import Path

import pytest

from passivedns.errors import SettingsError
from passivedns.settings.loading import load_lookup_settings
from tests.unit.settings_loader import loader


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The machine of a test sets the account and nothing else."""
    loader(monkeypatch, tmp_path)
    monkeypatch.setenv("RISKIQ_USERNAME", "analyst@example.org")
    monkeypatch.setenv("RISKIQ_API_KEY", "key-of-the-account")


def test_the_settings_of_opencti_may_be_missing(tmp_path: Path) -> None:
    section = load_lookup_settings(tmp_path).sources["riskiq"].model_dump()

    assert section["username"].get_secret_value() == "analyst@example.org"
    assert section["api_base_url"] == "https://api.riskiq.net/pt"


def test_the_settings_of_opencti_may_be_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTOR_ID", "none")
    (tmp_path / "config.yml").write_text("opencti:\n  url: ChangeMe\npdns:\n  max_retries: 7\n")

    assert load_lookup_settings(tmp_path).pdns.max_retries == 7


def test_its_own_must_be_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RISKIQ_API_KEY")
    monkeypatch.setenv("PDNS_MAX_RETRIES", "many")

    with pytest.raises(SettingsError) as error:
        load_lookup_settings(tmp_path)

    assert "\n  RISKIQ_API_KEY (config.yml: riskiq.api_key) is missing. " in str(error.value)
    assert "\n  PDNS_MAX_RETRIES (config.yml: pdns.max_retries) is 'many'. " in str(error.value)


def test_the_sources_of_a_look_up_take_the_place_of_those_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RISKIQ_API_KEY")
    monkeypatch.setenv("PDNS_SOURCES", "riskiq")

    assert list(load_lookup_settings(tmp_path, ["robtex", "mnemonic"]).sources) == ["robtex", "mnemonic"]


def test_the_sources_of_a_look_up_must_be_complete(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"\n  OTX_API_KEY \(config\.yml: otx\.api_key\) is missing\. "):
        load_lookup_settings(tmp_path, ["riskiq", "otx"])


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text("riskiq: {")

    with pytest.raises(SettingsError, match=r"config\.yml: not valid YAML"):
        load_lookup_settings(tmp_path)
