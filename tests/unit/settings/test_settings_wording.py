"""What is wrong, in the operator's words and without secrets."""

from typing import Self

import pytest
from pydantic import Field, ValidationError, model_validator

from passivedns.errors import SettingsError
from passivedns.settings.sections import Section, allowed
from passivedns.settings.values import Secret
from passivedns.settings.wording import invalid_settings
from tests.unit.settings_loader import REQUIRED, Load, complaint


def test_all_that_is_wrong_is_said_at_once(load: Load) -> None:
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


def test_a_single_setting_is_counted_in_the_singular(load: Load) -> None:
    assert complaint(load, PDNS_MAX_TLP="x").startswith("The connector cannot start: 1 setting needs correcting.\n")


def test_where_nothing_is_set_all_that_is_required_is_missing(load: Load) -> None:
    text = complaint(load, **dict.fromkeys(REQUIRED))

    assert text.startswith("The connector cannot start: 5 settings need correcting.")
    assert text.count(" is missing. Accepted values: ") == 5


@pytest.mark.parametrize("config", ["riskiq: {api_key: changeme}", ""])
def test_a_placeholder_is_told_from_what_is_missing(load: Load, config: str) -> None:
    variables = {"RISKIQ_API_KEY": None if config else "ChangeMe"}

    text = complaint(load, config, **variables)

    assert "riskiq.api_key) is still ChangeMe. Accepted values: the API key of the PassiveTotal account." in text


@pytest.mark.parametrize("name", ["OPENCTI_TOKEN", "RISKIQ_USERNAME", "RISKIQ_API_KEY", "CIRCL_TOKEN"])
def test_a_secret_is_masked_whole(load: Load, name: str) -> None:
    text = complaint(load, **{"PDNS_SOURCES": "riskiq,circl", name: "geheim\x07geheim"})

    assert f"{name} (config.yml: " in text
    assert " is '****'" in text
    assert "geh" not in text


@pytest.mark.parametrize("value", ["12345678", "2024-01-31", "yes", "1.5", "{a: 12345678}"])
def test_a_secret_that_yaml_does_not_read_as_text_belongs_in_quotes(load: Load, value: str) -> None:
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
def test_a_password_in_an_address_is_masked(load: Load, written: str, shown: str) -> None:
    text = complaint(load, RISKIQ_API_BASE_URL=written)

    assert f"riskiq.api_base_url) is {shown}" in text
    assert "geheim" not in text


def test_a_comment_that_went_into_the_value_is_shown(load: Load) -> None:
    assert ") is 'AMBER # our limit'. Accepted" in complaint(load, PDNS_MAX_TLP="AMBER # our limit")


@pytest.mark.parametrize(
    ("config", "shown"),
    [
        ("{api_key: geheim}", "a mapping"),
        ("[geheim]", "a list"),
        ("2024-01-31", "a value of another kind"),
        ("true", "True"),
        ("1.5", "1.5"),
        ("7", "7"),
        (f"0x{'f' * 5000}", "a huge number"),
    ],
)
def test_a_value_that_is_not_text_is_shown_without_what_is_inside(load: Load, config: str, shown: str) -> None:
    assert f"pdns.max_tlp) is {shown}. Accepted values: " in complaint(load, f"pdns: {{max_tlp: {config}}}")


def test_a_long_value_is_shortened(load: Load) -> None:
    text = complaint(load, PDNS_MAX_TLP="x" * 100_000)

    assert "xxx...xxx" in text
    assert len(text) < 400


def test_control_characters_do_not_reach_the_terminal(load: Load) -> None:
    text = complaint(load, PDNS_MAX_TLP="\x1b[31mRED\r\n\u202e")

    assert r"pdns.max_tlp) is '\x1b[31mRED\r\n\u202e'" in text


@pytest.mark.parametrize(
    ("section", "key", "meant"),
    [
        ("riskiq", "maxtlp", "RISKIQ_MAX_TLP (config.yml: riskiq.max_tlp)"),
        ("riskiq", "user_name", "RISKIQ_USERNAME (config.yml: riskiq.username)"),
        (
            "riskiq",
            "import_last_seen",
            "RISKIQ_IMPORT_LAST_SEEN_TIME_WINDOW (config.yml: riskiq.import_last_seen_time_window)",
        ),
        ("pdns", "MAX_TLP", "PDNS_MAX_TLP (config.yml: pdns.max_tlp)"),
        ("pdns", "source", "PDNS_SOURCES (config.yml: pdns.sources)"),
        ("otx", "apikey", "OTX_API_KEY (config.yml: otx.api_key)"),
        ("opencti", "tokens", "OPENCTI_TOKEN (config.yml: opencti.token)"),
        ("connector", "log-level", "CONNECTOR_LOG_LEVEL (config.yml: connector.log_level)"),
    ],
)
def test_a_misspelt_key_is_refused_with_the_nearest(load: Load, section: str, key: str, meant: str) -> None:
    assert complaint(load, f"{section}: {{{key}: geheim}}") == (
        "The connector cannot start: 1 setting needs correcting.\n"
        f"  config.yml: {section}.{key} is not a setting; did you mean {meant}?"
    )


@pytest.mark.parametrize("key", ["colour", "1", "null", "2024-01-31"])
@pytest.mark.parametrize("section", ["pdns", "riskiq", "robtex"])
def test_a_key_that_resembles_none_is_refused(load: Load, section: str, key: str) -> None:
    assert complaint(load, "", f"{section}: {{{key}: x}}").endswith(" is not a setting.")


def test_a_key_that_took_its_secret_along_is_cut(load: Load) -> None:
    text = complaint(load, "riskiq: {api_key:geheim}")

    assert "config.yml: riskiq.api_key... is not a setting; did you mean RISKIQ_API_KEY" in text
    assert "geheim" not in text


def test_no_traceback_leads_to_the_values(load: Load) -> None:
    with pytest.raises(SettingsError) as caught:
        load(PDNS_MAX_TLP="PURPLE", RISKIQ_MAX_TLP="PURPLE", CONNECTOR_AUTO="?")

    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


# What several settings of a section say together


class Club(Section):
    """A section that takes one of two ways to log in."""

    password: Secret | None = Field(default=None, json_schema_extra=allowed("the password"))
    token: Secret | None = Field(default=None, json_schema_extra=allowed("the token"))

    @model_validator(mode="after")
    def _check_way_in(self) -> Self:
        if not (self.password or self.token):
            raise ValueError("Set either CLUB_PASSWORD or CLUB_TOKEN.")
        return self


def sentences(values: dict[str, object], *, all_read: bool = True) -> list[str]:
    with pytest.raises(ValidationError) as error:
        Club.model_validate(values)
    return list(invalid_settings(error.value, "club", Club.model_fields, values, all_read=all_read))


def test_what_settings_say_only_together_is_refused_in_the_words_of_their_section() -> None:
    assert sentences({}) == ["Set either CLUB_PASSWORD or CLUB_TOKEN."]


def test_what_is_missing_is_not_complained_of_where_a_file_could_not_be_used() -> None:
    assert sentences({}, all_read=False) == []


def test_a_setting_is_corrected_before_what_it_says_together_with_others() -> None:
    assert sentences({"token": 5}) == [
        "CLUB_TOKEN (config.yml: club.token) is '****', which YAML does not read as text (put it in quotes)."
        " Accepted values: the token."
    ]


def test_an_account_that_is_not_complete_stops_the_start_with_the_ways_to_log_in(load: Load) -> None:
    assert complaint(load, PDNS_SOURCES="circl", CIRCL_USERNAME="me") == (
        "The connector cannot start: 1 setting needs correcting.\n"
        "  Set either CIRCL_USERNAME and CIRCL_PASSWORD, or CIRCL_TOKEN."
    )
