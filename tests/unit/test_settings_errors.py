import pytest
from settings_loader import REQUIRED, Load, complaint, loader

from passivedns.errors import SettingsError


@pytest.fixture
def load(monkeypatch, tmp_path) -> Load:
    return loader(monkeypatch, tmp_path)


def test_all_that_is_wrong_is_said_at_once(load):
    text = complaint(load, "riskiq: {max_retries: -1}", RISKIQ_API_KEY=None, RISKIQ_MAX_TLP="PURPLE")

    assert text == (
        "The connector cannot start: 3 settings need correcting.\n"
        "  RISKIQ_API_KEY (config.yml: riskiq.api_key): missing;"
        " it may hold the API key of the PassiveTotal account.\n"
        "  RISKIQ_MAX_TLP (config.yml: riskiq.max_tlp): holds 'PURPLE'; it may hold TLP:CLEAR, TLP:WHITE,"
        " TLP:GREEN, TLP:AMBER, TLP:AMBER+STRICT or TLP:RED, or nothing for no limit.\n"
        "  PDNS_MAX_RETRIES (config.yml: riskiq.max_retries): holds -1; it may hold a whole number from 0 to 100."
    )


def test_a_single_setting_is_counted_in_the_singular(load):
    assert complaint(load, RISKIQ_MAX_TLP="x").startswith("The connector cannot start: 1 setting needs correcting.\n")


def test_where_nothing_is_set_all_that_is_required_is_missing(load):
    text = complaint(load, **dict.fromkeys(REQUIRED))

    assert text.startswith("The connector cannot start: 5 settings need correcting.")
    assert text.count("missing;") == 5


@pytest.mark.parametrize("config", ["riskiq: {api_key: changeme}", ""])
def test_a_placeholder_is_told_from_what_is_missing(load, config):
    variables = {"RISKIQ_API_KEY": None if config else "ChangeMe"}

    assert "riskiq.api_key): still holds ChangeMe; it may hold the API key" in complaint(load, config, **variables)


@pytest.mark.parametrize("name", ["OPENCTI_TOKEN", "RISKIQ_USERNAME", "RISKIQ_API_KEY"])
def test_a_secret_is_masked_whole(load, name):
    text = complaint(load, **{name: "geheim\x07geheim"})

    assert "holds '****'" in text
    assert "geh" not in text


@pytest.mark.parametrize("value", ["12345678", "2024-01-31", "yes", "1.5", "{a: 12345678}"])
def test_a_secret_that_yaml_does_not_read_as_text_belongs_in_quotes(load, value):
    text = complaint(load, f"riskiq: {{api_key: {value}}}", RISKIQ_API_KEY=None)

    assert "holds '****', which YAML does not read as text (put it in quotes); it may hold the API key" in text
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
def test_a_password_in_an_address_is_masked(load, written, shown):
    text = complaint(load, RISKIQ_API_BASE_URL=written)

    assert f"riskiq.api_base_url): holds {shown}" in text
    assert "geheim" not in text


def test_a_comment_that_went_into_the_value_is_shown(load):
    assert "holds 'AMBER # our limit';" in complaint(load, RISKIQ_MAX_TLP="AMBER # our limit")


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
def test_a_value_that_is_no_text_is_shown_without_what_is_inside(load, config, shown):
    assert f"riskiq.max_tlp): holds {shown}; it may" in complaint(load, f"riskiq: {{max_tlp: {config}}}")


def test_a_long_value_is_shortened(load):
    text = complaint(load, RISKIQ_MAX_TLP="x" * 100_000)

    assert "xxx...xxx" in text
    assert len(text) < 400


def test_control_characters_do_not_reach_the_terminal(load):
    text = complaint(load, RISKIQ_MAX_TLP="\x1b[31mRED\r\n\u202e")

    assert r"holds '\x1b[31mRED\r\n\u202e'" in text


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("maxtlp", "RISKIQ_MAX_TLP (config.yml: riskiq.max_tlp)"),
        ("MAX_TLP", "RISKIQ_MAX_TLP (config.yml: riskiq.max_tlp)"),
        ("user_name", "RISKIQ_USERNAME (config.yml: riskiq.username)"),
        ("import_last_seen", "RISKIQ_IMPORT_LAST_SEEN_TIME_WINDOW (config.yml: riskiq.import_last_seen_time_window)"),
    ],
)
def test_a_misspelt_key_is_refused_with_the_nearest(load, key, meant):
    text = complaint(load, f"riskiq: {{{key}: geheim}}")

    assert text.endswith(f"\n  config.yml: riskiq.{key} is not a setting; did you mean {meant}?")


@pytest.mark.parametrize("key", ["colour", "1", "null", "2024-01-31"])
def test_a_key_that_resembles_none_is_refused(load, key):
    assert complaint(load, "", f"riskiq: {{{key}: x}}").endswith(" is not a setting.")


def test_a_key_that_took_its_secret_along_is_cut(load):
    text = complaint(load, "riskiq: {api_key:geheim}")

    assert "config.yml: riskiq.api_key... is not a setting; did you mean RISKIQ_API_KEY" in text
    assert "geheim" not in text


def test_no_traceback_leads_to_the_values(load):
    with pytest.raises(SettingsError) as caught:
        load(RISKIQ_MAX_TLP="PURPLE")

    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
