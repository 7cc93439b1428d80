"""Secrets in files, as Docker and Kubernetes mount them."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from passivedns.settings.loading import helper_config
from passivedns.settings.model import DECLARED
from passivedns.settings.problems import is_secret, variable
from passivedns.sources import SOURCES
from tests.helpers.settings_loader import Load, complaint

SECRETS = [setting for setting, field in DECLARED.items() if is_secret(field)]
NO_SECRETS = {
    "PDNS_SOURCES": ",".join(SOURCES),
    "COF_URL": "https://cof.example/query",
    "DEFENDER_TENANT_ID": "tenant.example",
    "DEFENDER_CLIENT_ID": "client",
}
"""All sources, and their required settings that are not secret."""


def secret_file(folder: Path, text: str, name: str = "secret.txt") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def api_key(load: Load, **variables: str | None) -> str:
    key: SecretStr = load(**variables).lookup.sources["riskiq"].model_dump()["api_key"]
    return key.get_secret_value()


def test_every_password_key_and_token_is_a_secret() -> None:
    assert {variable(setting) for setting in SECRETS} == {
        *("OPENCTI_TOKEN", "RISKIQ_USERNAME", "RISKIQ_API_KEY", "MNEMONIC_API_KEY", "DNSDB_API_KEY"),
        *("CIRCL_USERNAME", "CIRCL_PASSWORD", "CIRCL_TOKEN", "COF_USERNAME", "COF_PASSWORD", "COF_TOKEN"),
        *("VIRUSTOTAL_API_KEY", "OTX_API_KEY", "DEFENDER_CLIENT_SECRET"),
    }


def test_every_secret_can_come_from_a_file(load: Load, tmp_path: Path) -> None:
    names = [variable(setting) for setting in SECRETS if setting[1] != "token" or setting[0] == "opencti"]
    variables: dict[str, str | None] = dict.fromkeys(names)
    files = {f"{name}_FILE": secret_file(tmp_path, f"from {name}\n", name) for name in names}

    settings = load(**NO_SECRETS, **variables, **files)

    sections = {"opencti": settings.opencti, **settings.lookup.sources}
    read = {variable((section, key)): getattr(sections[section], key) for section, key in SECRETS}
    assert {name: read[name].get_secret_value() for name in names} == {name: f"from {name}" for name in names}


def test_a_token_can_come_from_a_file(load: Load, tmp_path: Path) -> None:
    settings = load(PDNS_SOURCES="circl", CIRCL_TOKEN_FILE=secret_file(tmp_path, "from-the-file"))

    assert settings.lookup.sources["circl"].model_dump()["token"].get_secret_value() == "from-the-file"


@pytest.mark.parametrize("variable_comes_first", [True, False])
def test_the_file_takes_precedence_over_the_variable(load: Load, tmp_path: Path, variable_comes_first: bool) -> None:
    both = {"RISKIQ_API_KEY_FILE": secret_file(tmp_path, "from-the-file"), "RISKIQ_API_KEY": "from-the-variable"}

    assert api_key(load, **dict(sorted(both.items(), reverse=not variable_comes_first))) == "from-the-file"


@pytest.mark.parametrize("nothing", ["ChangeMe", ""])
def test_the_file_takes_precedence_over_an_empty_variable(load: Load, tmp_path: Path, nothing: str) -> None:
    path = secret_file(tmp_path, "from-the-file")

    assert api_key(load, RISKIQ_API_KEY=nothing, RISKIQ_API_KEY_FILE=path) == "from-the-file"


def test_pycti_gets_the_token_of_the_file_even_if_the_variable_has_another(load: Load, tmp_path: Path) -> None:
    environ = {"OPENCTI_TOKEN": "from-the-variable"}
    settings = load(**environ, OPENCTI_TOKEN_FILE=secret_file(tmp_path, "from-the-file\n"))

    assert helper_config(settings, environ)["opencti"]["token"] == "from-the-file"
    assert environ == {}


def test_an_empty_path_is_ignored(load: Load) -> None:
    assert api_key(load, RISKIQ_API_KEY="from-the-variable", RISKIQ_API_KEY_FILE="") == "from-the-variable"


def test_the_variable_can_be_in_any_case(load: Load, tmp_path: Path) -> None:
    path = secret_file(tmp_path, "from-the-file")

    assert api_key(load, RISKIQ_API_KEY=None, riskiq_api_key_file=path) == "from-the-file"


def test_an_empty_file_leaves_the_secret_missing(load: Load, tmp_path: Path) -> None:
    text = complaint(load, RISKIQ_API_KEY=None, RISKIQ_API_KEY_FILE=secret_file(tmp_path, "\n"))

    assert "RISKIQ_API_KEY (config.yml: riskiq.api_key) is missing." in text


def test_an_unreadable_file_is_named_with_all_other_errors(load: Load, tmp_path: Path) -> None:
    missing = tmp_path / "none"

    text = complaint(
        load,
        PDNS_SOURCES="riskiq",
        RISKIQ_API_KEY=None,
        RISKIQ_API_KEY_FILE=str(missing),
        RISKIQ_USERNAME=None,
        OPENCTI_TOKEN=None,
        OPENCTI_TOKEN_FILE=str(tmp_path),
    )

    assert text == (
        "The connector cannot start: 3 settings need correcting.\n"
        f"  OPENCTI_TOKEN_FILE: {tmp_path} cannot be read (Is a directory).\n"
        f"  RISKIQ_API_KEY_FILE: {missing} cannot be read (No such file or directory).\n"
        "  RISKIQ_USERNAME (config.yml: riskiq.username) is missing. Accepted values: the user name of the "
        "PassiveTotal account, usually an e-mail address."
    )


def test_a_file_that_is_not_text_is_rejected_without_showing_its_bytes(load: Load, tmp_path: Path) -> None:
    path = tmp_path / "secret.bin"
    path.write_bytes(b"geheim\xff\xfe")

    text = complaint(load, RISKIQ_API_KEY=None, RISKIQ_API_KEY_FILE=str(path))

    assert text.endswith(f"\n  RISKIQ_API_KEY_FILE: {path} cannot be read (it is not text).")
    assert "geheim" not in text


def test_an_invalid_secret_in_a_file_is_masked(load: Load, tmp_path: Path) -> None:
    text = complaint(load, RISKIQ_API_KEY=None, RISKIQ_API_KEY_FILE=secret_file(tmp_path, "geheim\nlines"))

    assert "riskiq.api_key) is '****', with a character that is not printable ASCII." in text
    assert "geheim" not in text


def test_other_settings_are_not_read_from_files(load: Load, tmp_path: Path) -> None:
    text = complaint(load, PDNS_MAX_RETRIES_FILE=secret_file(tmp_path, "7"))

    assert text.endswith(
        "\n  PDNS_MAX_RETRIES_FILE is not a setting; did you mean PDNS_MAX_RETRIES (config.yml: pdns.max_retries)?"
    )
