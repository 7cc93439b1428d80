"""The settings of PassiveTotal without those of OpenCTI."""

from pathlib import Path

import pytest

from passivedns.account import load_account
from passivedns.errors import SettingsError
from tests.unit.settings_loader import loader


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The machine of a test sets the account alone."""
    loader(monkeypatch, tmp_path)
    monkeypatch.setenv("RISKIQ_USERNAME", "analyst@example.org")
    monkeypatch.setenv("RISKIQ_API_KEY", "key-of-the-account")


def test_the_settings_of_opencti_may_be_missing(tmp_path: Path) -> None:
    account = load_account(tmp_path)
    assert account.username.get_secret_value() == "analyst@example.org"
    assert account.api_base_url == "https://api.riskiq.net/pt"


def test_the_settings_of_opencti_may_be_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTOR_ID", "none")
    (tmp_path / "config.yml").write_text("opencti:\n  url: ChangeMe\nriskiq:\n  max_retries: 7\n")
    assert load_account(tmp_path).max_retries == 7


def test_its_own_must_be_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RISKIQ_API_KEY")
    monkeypatch.setenv("PDNS_MAX_RETRIES", "many")
    with pytest.raises(SettingsError) as error:
        load_account(tmp_path)
    assert "RISKIQ_API_KEY (config.yml: riskiq.api_key): missing" in str(error.value)
    assert "PDNS_MAX_RETRIES (config.yml: riskiq.max_retries): holds 'many'" in str(error.value)


def test_where_nothing_is_asked_the_credentials_may_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RISKIQ_USERNAME")
    monkeypatch.setenv("RISKIQ_API_KEY", "ChangeMe")
    monkeypatch.setenv("PDNS_MAX_RELATIONSHIPS", "3")
    assert load_account(tmp_path, with_credentials=False).max_relationships == 3


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text("riskiq: {")
    with pytest.raises(SettingsError, match=r"config\.yml: not valid YAML"):
        load_account(tmp_path)
