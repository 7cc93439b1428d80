"""The settings of a look-up: pdns and the sources, without OpenCTI."""

from pathlib import Path

import pytest

from passivedns.errors import SettingsError
from passivedns.settings.loading import load_lookup_settings
from tests.helpers.settings_loader import loader


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Set only the account of the default source."""
    loader(monkeypatch, tmp_path)
    monkeypatch.setenv("RISKIQ_USERNAME", "analyst@example.org")
    monkeypatch.setenv("RISKIQ_API_KEY", "key-of-the-account")


def test_opencti_settings_may_be_missing(tmp_path: Path) -> None:
    section = load_lookup_settings(tmp_path).sources["riskiq"].model_dump()

    assert section["username"].get_secret_value() == "analyst@example.org"
    assert section["api_base_url"] == "https://api.riskiq.net/pt"


def test_opencti_settings_may_be_invalid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTOR_ID", "none")
    (tmp_path / "config.yml").write_text("opencti:\n  url: ChangeMe\npdns:\n  max_retries: 7\n")

    assert load_lookup_settings(tmp_path).pdns.max_retries == 7


def test_the_text_of_an_error_is_about_the_look_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RISKIQ_API_KEY")
    monkeypatch.setenv("PDNS_MAX_RETRIES", "many")

    with pytest.raises(SettingsError) as error:
        load_lookup_settings(tmp_path)

    assert str(error.value).startswith("Nothing can be looked up: 2 settings need correcting.\n")
    assert "\n  RISKIQ_API_KEY (config.yml: riskiq.api_key) is missing. " in str(error.value)
    assert "\n  PDNS_MAX_RETRIES (config.yml: pdns.max_retries) is 'many'. " in str(error.value)


@pytest.mark.parametrize("configured", ["riskiq", "unknown"])
def test_chosen_sources_replace_the_configured_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configured: str
) -> None:
    monkeypatch.delenv("RISKIQ_API_KEY")
    monkeypatch.setenv("PDNS_SOURCES", configured)

    assert list(load_lookup_settings(tmp_path, ["robtex", "mnemonic"]).sources) == ["robtex", "mnemonic"]


def test_chosen_sources_must_be_complete(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r": 1 setting .*\n  OTX_API_KEY \(config\.yml: otx\.api_key\) is missing\. "
    ):
        load_lookup_settings(tmp_path, ["riskiq", "otx"])


def test_without_sources_only_the_section_pdns_must_be_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RISKIQ_API_KEY")
    monkeypatch.setenv("PDNS_RECORD_TYPES", "a")

    assert load_lookup_settings(tmp_path, []).pdns.record_types == ("A",)

    monkeypatch.setenv("PDNS_RECORD_TYPES", "none")
    with pytest.raises(SettingsError, match=r": 1 setting .*\n  PDNS_RECORD_TYPES "):
        load_lookup_settings(tmp_path, [])


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text("riskiq: {")

    with pytest.raises(SettingsError, match=r"config\.yml: not valid YAML"):
        load_lookup_settings(tmp_path)
