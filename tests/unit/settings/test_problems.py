"""Error messages: complete, readable and without secrets."""

from typing import Self

import pytest
from pydantic import Field, ValidationError, model_validator

from passivedns.errors import SettingsError
from passivedns.settings.problems import invalid_settings
from passivedns.settings.values import Secret, Section, allowed
from tests.helpers.settings_loader import Load, complaint


def test_all_errors_are_reported_at_once(load: Load) -> None:
    text = complaint(load, "pdns: {max_retries: -1}", RISKIQ_API_KEY=None, RISKIQ_MAX_TLP="PURPLE", CONNECTOR_AUTO="?")

    assert text == (
        "The connector cannot start: 4 settings need correcting.\n"
        "  CONNECTOR_AUTO (config.yml: connector.auto) is '?'. Accepted values: true or false.\n"
        "  PDNS_MAX_RETRIES (config.yml: pdns.max_retries) is -1. Accepted values: a whole number from 0 to 100.\n"
        "  RISKIQ_MAX_TLP (config.yml: riskiq.max_tlp) is 'PURPLE'. Accepted values: TLP:CLEAR, TLP:WHITE,"
        " TLP:GREEN, TLP:AMBER, TLP:AMBER+STRICT or TLP:RED, or empty for PDNS_MAX_TLP.\n"
        "  RISKIQ_API_KEY (config.yml: riskiq.api_key) is missing."
        " Accepted values: the API key of the PassiveTotal account."
    )


def test_a_single_error_is_counted_in_the_singular(load: Load) -> None:
    assert complaint(load, PDNS_MAX_TLP="x").startswith("The connector cannot start: 1 setting needs correcting.\n")


def test_a_placeholder_in_a_file_is_reported_as_such(load: Load) -> None:
    text = complaint(load, "riskiq: {api_key: changeme}", RISKIQ_API_KEY=None)

    assert "riskiq.api_key) is still ChangeMe. Accepted values: the API key of the PassiveTotal account." in text


@pytest.mark.parametrize("name", ["RISKIQ_API_KEY", "CIRCL_TOKEN"])
def test_a_secret_is_masked_completely(load: Load, name: str) -> None:
    text = complaint(load, **{"PDNS_SOURCES": "riskiq,circl", name: "geheim\x07geheim"})

    assert f"{name} (config.yml: " in text
    assert " is '****'" in text
    assert "geh" not in text


@pytest.mark.parametrize("value", ["12345678", "2024-01-31", "yes", "{a: 12345678}"])
def test_a_secret_that_yaml_does_not_read_as_text_must_be_in_quotes(load: Load, value: str) -> None:
    text = complaint(load, f"riskiq: {{api_key: {value}}}", RISKIQ_API_KEY=None)

    assert " is '****', which YAML does not read as text (put it in quotes). Accepted values: the API key" in text
    assert "1234" not in text


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("https://me:geheim@api.example/pt", "'****@api.example/pt'"),
        ("https://me:ge@heim?geheim#geheim@api.example", "'****@api.example'"),
        ("https://me:geheim\n@api.example", "'****@api.example'"),
        ("https//api.example?key=geheim", "'https//api.example?****'"),
        ("https://api.example#geheim", "'https://api.example#****'"),
    ],
)
def test_credentials_in_a_url_are_masked(load: Load, written: str, shown: str) -> None:
    text = complaint(load, RISKIQ_API_BASE_URL=written)

    assert f"riskiq.api_base_url) is {shown}" in text
    assert "geheim" not in text


def test_a_comment_that_became_part_of_the_value_is_shown(load: Load) -> None:
    assert ") is 'AMBER # our limit'. Accepted" in complaint(load, PDNS_MAX_TLP="AMBER # our limit")


@pytest.mark.parametrize(
    ("config", "shown"),
    [
        ("{api_key: geheim}", "a mapping"),
        ("[geheim]", "a list"),
        ("2024-01-31", "a value of the wrong type"),
        ("true", "True"),
        ("1.5", "1.5"),
        ("9" * 4000, "a huge number"),
    ],
)
def test_the_contents_of_a_value_that_is_not_text_are_not_shown(load: Load, config: str, shown: str) -> None:
    assert f"pdns.max_tlp) is {shown}. Accepted values: " in complaint(load, f"pdns: {{max_tlp: {config}}}")


def test_a_long_value_is_shortened(load: Load) -> None:
    text = complaint(load, PDNS_MAX_TLP="x" * 100_000)

    assert "xxx...xxx" in text
    assert len(text) < 400


def test_control_characters_do_not_reach_the_terminal(load: Load) -> None:
    text = complaint(load, PDNS_MAX_TLP="\x1b[31mRED\r\n\u202e")

    assert r"pdns.max_tlp) is '\x1b[31mRED\r\n\u202e'" in text


def test_a_misspelt_key_of_any_section_is_refused_with_the_nearest_name(load: Load) -> None:
    assert complaint(
        load,
        "riskiq: {maxtlp: geheim, user_name: geheim, import_last_seen: geheim}\n"
        "pdns: {MAX_TLP: geheim, source: geheim}\n"
        "otx: {apikey: geheim}\n"
        "opencti: {tokens: geheim}\n"
        "connector: {log-level: geheim}\n",
    ) == (
        "The connector cannot start: 8 settings need correcting.\n"
        "  config.yml: riskiq.maxtlp is not a setting; did you mean RISKIQ_MAX_TLP (config.yml: riskiq.max_tlp)?\n"
        "  config.yml: riskiq.user_name is not a setting; did you mean RISKIQ_USERNAME (config.yml: riskiq.username)?\n"
        "  config.yml: riskiq.import_last_seen is not a setting; did you mean RISKIQ_IMPORT_LAST_SEEN_TIME_WINDOW "
        "(config.yml: riskiq.import_last_seen_time_window)?\n"
        "  config.yml: pdns.MAX_TLP is not a setting; did you mean PDNS_MAX_TLP (config.yml: pdns.max_tlp)?\n"
        "  config.yml: pdns.source is not a setting; did you mean PDNS_SOURCES (config.yml: pdns.sources)?\n"
        "  config.yml: otx.apikey is not a setting; did you mean OTX_API_KEY (config.yml: otx.api_key)?\n"
        "  config.yml: opencti.tokens is not a setting; did you mean OPENCTI_TOKEN (config.yml: opencti.token)?\n"
        "  config.yml: connector.log-level is not a setting; did you mean CONNECTOR_LOG_LEVEL (config.yml: "
        "connector.log_level)?"
    )


@pytest.mark.parametrize("key", ["colour", "null", "2024-01-31"])
def test_an_unknown_key_is_refused(load: Load, key: str) -> None:
    text = complaint(load, "", "\n".join(f"{section}: {{{key}: x}}" for section in ("pdns", "riskiq", "robtex")))

    assert text.startswith("The connector cannot start: 3 settings need correcting.\n")
    assert text.count(" is not a setting.") == 3


def test_a_key_that_contains_a_secret_is_cut(load: Load) -> None:
    text = complaint(load, "riskiq: {api_key:geheim}")

    assert "config.yml: riskiq.api_key... is not a setting; did you mean RISKIQ_API_KEY" in text
    assert "geheim" not in text


def test_no_traceback_shows_the_values(load: Load) -> None:
    with pytest.raises(SettingsError) as caught:
        load(PDNS_MAX_TLP="PURPLE", RISKIQ_MAX_TLP="PURPLE", CONNECTOR_AUTO="?")

    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


# Combinations of settings


class Club(Section):
    """A section with two ways to log in."""

    password: Secret | None = Field(default=None, json_schema_extra=allowed("the password"))
    token: Secret | None = Field(default=None, json_schema_extra=allowed("the token"))

    @model_validator(mode="after")
    def _check_credentials(self) -> Self:
        if not (self.password or self.token):
            raise ValueError("Set either CLUB_PASSWORD or CLUB_TOKEN.")
        return self


def sentences(values: dict[str, object], *, all_read: bool = True) -> list[str]:
    with pytest.raises(ValidationError) as error:
        Club.model_validate(values)
    return list(invalid_settings(error.value, "club", Club.model_fields, values, all_read=all_read))


def test_an_invalid_combination_is_reported_in_the_words_of_its_section() -> None:
    assert sentences({}) == ["Set either CLUB_PASSWORD or CLUB_TOKEN."]


def test_an_incomplete_combination_is_not_reported_if_a_file_cannot_be_read() -> None:
    assert sentences({}, all_read=False) == []


def test_an_invalid_setting_is_reported_before_its_combination_with_others() -> None:
    assert sentences({"token": 5}) == [
        "CLUB_TOKEN (config.yml: club.token) is '****', which YAML does not read as text (put it in quotes)."
        " Accepted values: the token."
    ]


def test_incomplete_credentials_are_reported_with_the_ways_to_log_in(load: Load) -> None:
    assert complaint(load, PDNS_SOURCES="circl", CIRCL_USERNAME="me") == (
        "The connector cannot start: 1 setting needs correcting.\n"
        "  Set either CIRCL_USERNAME and CIRCL_PASSWORD, or CIRCL_TOKEN."
    )
