"""Secrets in files, as Docker and Kubernetes mount them."""

from pathlib import Path

import pytest

from passivedns.settings.loading import helper_config
from passivedns.settings.table import DECLARED
from passivedns.settings.wording import is_secret, variable
from tests.unit.settings_loader import Load, complaint

NEEDED = {"PDNS_SOURCES": "riskiq,circl,mnemonic,dnsdb,virustotal,otx", "CIRCL_USERNAME": "me", "CIRCL_PASSWORD": "pw"}
NEEDED |= dict.fromkeys(("MNEMONIC_API_KEY", "DNSDB_API_KEY", "VIRUSTOTAL_API_KEY", "OTX_API_KEY"), "key")
SECRETS = [variable(setting) for setting, field in DECLARED.items() if is_secret(field)]


def secret_file(folder: Path, text: str) -> str:
    path = folder / "secret.txt"
    path.write_text(text)
    return str(path)


def test_every_password_key_and_token_is_a_secret() -> None:
    assert set(SECRETS) == {
        *("OPENCTI_TOKEN", "RISKIQ_USERNAME", "RISKIQ_API_KEY", "MNEMONIC_API_KEY", "DNSDB_API_KEY"),
        *("CIRCL_USERNAME", "CIRCL_PASSWORD", "CIRCL_TOKEN", "COF_USERNAME", "COF_PASSWORD", "COF_TOKEN"),
        *("VIRUSTOTAL_API_KEY", "OTX_API_KEY", "DEFENDER_CLIENT_SECRET"),
    }


@pytest.mark.parametrize(
    "name",
    ["RISKIQ_USERNAME", "RISKIQ_API_KEY", "CIRCL_PASSWORD", "MNEMONIC_API_KEY", "DNSDB_API_KEY", "OTX_API_KEY"],
)
def test_a_secret_of_a_source_is_read_from_the_file_that_its_variable_names(
    load: Load, tmp_path: Path, name: str
) -> None:
    section, _, key = name.lower().partition("_")

    settings = load(**(NEEDED | {name: None, f"{name}_FILE": secret_file(tmp_path, "from-the-file\n")}))

    assert settings.lookup.sources[section].model_dump()[key].get_secret_value() == "from-the-file"


def test_the_token_of_the_platform_is_read_from_a_file_and_handed_to_pycti(load: Load, tmp_path: Path) -> None:
    settings = load(OPENCTI_TOKEN=None, OPENCTI_TOKEN_FILE=secret_file(tmp_path, "from-the-file\n"))

    assert settings.opencti.token.get_secret_value() == "from-the-file"
    assert helper_config(settings, {})["opencti"]["token"] == "from-the-file"


@pytest.mark.parametrize("other", ["in-the-variable", "ChangeMe", ""])
@pytest.mark.parametrize("first", ["RISKIQ_API_KEY", "RISKIQ_API_KEY_FILE"])
def test_the_file_wins_over_the_variable_whichever_is_set_first(
    load: Load, tmp_path: Path, other: str, first: str
) -> None:
    both = {"RISKIQ_API_KEY": other, "RISKIQ_API_KEY_FILE": secret_file(tmp_path, "from-the-file")}
    in_order = {first: both.pop(first), **both}

    settings = load(RISKIQ_USERNAME="me", **in_order)

    assert settings.lookup.sources["riskiq"].model_dump()["api_key"].get_secret_value() == "from-the-file"


def test_pycti_gets_the_token_of_the_file_although_a_variable_has_another(load: Load, tmp_path: Path) -> None:
    environ = {"OPENCTI_TOKEN": "in-the-variable"}
    settings = load(**environ, OPENCTI_TOKEN_FILE=secret_file(tmp_path, "from-the-file"))

    helper_config(settings, environ)

    assert environ == {"OPENCTI_TOKEN": "from-the-file"}


def test_a_variable_that_names_no_file_means_nothing(load: Load) -> None:
    settings = load(RISKIQ_API_KEY="in-the-variable", RISKIQ_API_KEY_FILE="")

    assert settings.lookup.sources["riskiq"].model_dump()["api_key"].get_secret_value() == "in-the-variable"


def test_the_variable_may_be_in_any_case(load: Load, tmp_path: Path) -> None:
    settings = load(RISKIQ_API_KEY=None, riskiq_api_key_file=secret_file(tmp_path, "from-the-file"))

    assert settings.lookup.sources["riskiq"].model_dump()["api_key"].get_secret_value() == "from-the-file"


def test_an_empty_file_leaves_the_secret_missing(load: Load, tmp_path: Path) -> None:
    text = complaint(load, RISKIQ_API_KEY=None, RISKIQ_API_KEY_FILE=secret_file(tmp_path, "\n"))

    assert "RISKIQ_API_KEY (config.yml: riskiq.api_key) is missing." in text


def test_a_file_that_cannot_be_read_is_named_with_all_else_that_is_wrong(load: Load, tmp_path: Path) -> None:
    missing = tmp_path / "none"

    text = complaint(load, RISKIQ_API_KEY=None, RISKIQ_API_KEY_FILE=str(missing), RISKIQ_USERNAME=None)

    assert text == (
        "The connector cannot start: 2 settings need correcting.\n"
        f"  RISKIQ_API_KEY_FILE: {missing} cannot be read (No such file or directory).\n"
        "  RISKIQ_USERNAME (config.yml: riskiq.username) is missing. Accepted values: the user name of the "
        "PassiveTotal account, usually an e-mail address."
    )


def test_a_directory_is_not_a_secret(load: Load, tmp_path: Path) -> None:
    text = complaint(load, OPENCTI_TOKEN=None, OPENCTI_TOKEN_FILE=str(tmp_path))

    assert f"\n  OPENCTI_TOKEN_FILE: {tmp_path} cannot be read (Is a directory)." in text


def test_a_file_that_is_not_text_is_refused_without_its_bytes(load: Load, tmp_path: Path) -> None:
    path = tmp_path / "secret.bin"
    path.write_bytes(b"geheim\xff\xfe")

    text = complaint(load, RISKIQ_API_KEY=None, RISKIQ_API_KEY_FILE=str(path))

    assert text.endswith(f"\n  RISKIQ_API_KEY_FILE: {path} cannot be read (it is not text).")
    assert "geheim" not in text


def test_a_secret_in_a_file_that_http_cannot_carry_is_masked(load: Load, tmp_path: Path) -> None:
    text = complaint(load, RISKIQ_API_KEY=None, RISKIQ_API_KEY_FILE=secret_file(tmp_path, "geheim\nlines"))

    assert "riskiq.api_key) is '****', with a character that is not printable ASCII." in text
    assert "geheim" not in text


def test_what_is_not_a_secret_is_not_read_from_a_file(load: Load, tmp_path: Path) -> None:
    settings = load(PDNS_MAX_TLP="RED", PDNS_MAX_RETRIES_FILE=secret_file(tmp_path, "7"))

    assert settings.lookup.pdns.max_retries == 4
    assert settings.warnings() == [
        "PDNS_MAX_RETRIES_FILE is not a setting and is ignored; did you mean PDNS_MAX_RETRIES "
        "(config.yml: pdns.max_retries)?"
    ]
