"""Reading of files and variables, readable or not."""

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from passivedns.errors import SettingsError
from passivedns.settings.loading import load_settings
from passivedns.settings.model import DECLARED, SECTIONS, Settings
from passivedns.settings.problems import variable
from tests.helpers.settings_loader import Load, complaint


@pytest.mark.usefixtures("required")
def test_no_file_is_needed(tmp_path: Path) -> None:
    assert load_settings(tmp_path).connector.name == "Passive DNS"


@pytest.mark.usefixtures("required")
def test_a_file_named_src_counts_as_no_folder(tmp_path: Path) -> None:
    (tmp_path / "src").touch()

    assert load_settings(tmp_path).connector.name == "Passive DNS"


def test_a_file_or_section_can_be_empty(load: Load) -> None:
    for config in ("", "---\n", "null", "pdns:\n", "pdns: {}"):
        assert load(config).lookup.pdns.max_retries == 4


@pytest.mark.usefixtures("required")
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_can_come_from_windows(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "config.yml").write_bytes("connector: {name: Réseau}\r\n".encode(encoding))

    assert load_settings(tmp_path).connector.name == "Réseau"


@pytest.mark.usefixtures("required")
def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "config.yml").mkdir()
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "config.yml").symlink_to("config.yml")

    with pytest.raises(SettingsError) as error:
        load_settings(tmp_path)

    assert str(error.value) == (
        "The connector cannot start: 2 settings need correcting.\n"
        f"  {tmp_path}/config.yml: cannot be read (Is a directory).\n"
        f"  {tmp_path}/src/config.yml: cannot be read (Too many levels of symbolic links)."
    )


def test_invalid_yaml_is_named_with_its_position(load: Load, tmp_path: Path) -> None:
    text = complaint(load, "riskiq:\n  username: me\n  api_key: *geheim\n")

    assert text == (
        "The connector cannot start: 1 setting needs correcting.\n"
        f"  {tmp_path / 'config.yml'}: not valid YAML (line 3, column 12);"
        " put text with special characters in quotes."
    )


@pytest.mark.parametrize(
    "config",
    [
        *("riskiq: [", "riskiq: {a: 1}\n---\nmq: {}", "? [a]\n: b", "riskiq: '\x07'"),
        *("riskiq: {username: 2024-13-45}", "riskiq: !geheim x", "riskiq: !!bool geheim", "riskiq: !!timestamp geheim"),
        "[" * 1000,
    ],
    ids=range(9),
)
def test_invalid_yaml_never_causes_another_error(load: Load, config: str) -> None:
    text = complaint(load, config)

    assert "config.yml: not valid YAML" in text
    assert "geheim" not in text


@pytest.mark.parametrize("config", ["geheim", "- riskiq", "''"])
def test_a_file_must_consist_of_sections(load: Load, config: str) -> None:
    text = complaint(load, config)

    assert "config.yml: must contain sections such as pdns, each with its settings indented below it." in text
    assert "geheim" not in text


def test_a_section_must_consist_of_settings(load: Load) -> None:
    text = complaint(load, "opencti: geheim\npdns: [geheim]\notx: ChangeMe\nmq: 5\n")

    assert text.startswith("The connector cannot start: 4 settings need correcting.")
    for section in ("opencti", "pdns", "otx", "mq"):
        assert f"config.yml: the settings of {section} must be indented below it, one per line." in text
    assert "geheim" not in text


def test_settings_are_not_reported_as_missing_if_a_file_cannot_be_read(load: Load) -> None:
    text = complaint(
        load, "riskiq: [", "opencti: 5", RISKIQ_API_KEY=None, RISKIQ_MAX_TLP="PURPLE", PDNS_SOURCES="riskiq,circl"
    )

    assert text.startswith("The connector cannot start: 3 settings need correcting.")
    assert "config.yml: not valid YAML" in text
    assert "config.yml: the settings of opencti must be" in text
    assert "RISKIQ_MAX_TLP" in text


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        *(("RiskIQ", "riskiq"), ("connectors", "connector"), ("pnds", "pdns"), ("PDNS", "pdns")),
        *(("passivedns", "pdns"), ("passive-dns", "pdns"), ("Passive_DNS", "pdns"), ("virus_total", "virustotal")),
    ],
)
def test_a_misspelt_section_is_refused(load: Load, name: str, meant: str) -> None:
    assert f"config.yml: {name} is not a section; did you mean {meant}?" in complaint(load, f"{name}: {{a: b}}")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("PDNS_MAX_TLP", "max_tlp, indented below pdns"),
        ("pdns-max-tlp", "max_tlp, indented below pdns"),
        ("max_tlp", "max_tlp, indented below pdns"),
        ("RISKIQ_API_KEY", "api_key, indented below riskiq"),
        ("opencti.token", "token, indented below opencti"),
    ],
)
def test_a_setting_outside_its_section_is_refused(load: Load, name: str, meant: str) -> None:
    text = complaint(load, f"{name}: geheim")

    assert f"config.yml: {name} must be written as {meant}." in text
    assert "geheim" not in text


def test_unrelated_sections_are_ignored(load: Load) -> None:
    assert load("x-common: {a: b}\n5: x\nversion: 3\n_env_file: /etc/passwd\n") == load()


# Precedence


def test_the_environment_takes_precedence_over_both_files(load: Load) -> None:
    settings = load("connector: {name: Root}", "connector: {name: Source}", CONNECTOR_NAME="Environment")

    assert settings.connector.name == "Environment"


def test_the_file_in_src_takes_precedence_over_the_one_in_the_root_key_by_key(load: Load) -> None:
    settings = load("connector: {name: Root, log_level: debug}", "connector: {name: Source}")

    assert (settings.connector.name, settings.connector.log_level) == ("Source", "debug")


def test_the_name_of_a_variable_can_be_in_any_case(load: Load) -> None:
    assert load(connector_name="lower case").connector.name == "lower case"


def test_a_variable_named_like_a_section_is_ignored(load: Load) -> None:
    settings = load(RISKIQ="1.2.3", PDNS="on", OPENCTI='{"url": "x"}', MQ="yes", PDNS_MAX_TLP="RED")

    assert settings.lookup.pdns.max_tlp == "TLP:RED"


@pytest.mark.parametrize("nothing", ["", "  ", " CHANGEME "])
def test_an_empty_variable_leaves_the_setting_to_the_file(load: Load, nothing: str) -> None:
    assert load("connector: {name: Root}", CONNECTOR_NAME=nothing).connector.name == "Root"


@pytest.mark.parametrize("nothing", ["", "~", "'  '", "ChangeMe"])
def test_an_empty_key_leaves_the_setting_to_the_other_file(load: Load, nothing: str) -> None:
    assert load("connector: {name: Root}", f"connector:\n  name: {nothing}").connector.name == "Root"


@pytest.mark.parametrize("nothing", ["", "ChangeMe"])
def test_an_empty_optional_setting_has_its_default(load: Load, nothing: str) -> None:
    assert load(PDNS_MAX_RETRIES=nothing).lookup.pdns.max_retries == 4


def test_spaces_around_a_value_are_ignored(load: Load) -> None:
    riskiq = load(RISKIQ_API_KEY=" key\n").lookup.sources["riskiq"]

    assert riskiq.model_dump()["api_key"].get_secret_value() == "key"


# Any input


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["ChangeMe", "P1M", "RED"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
keys = st.sampled_from([key for _, key in DECLARED])


def outcome(root: Path) -> Settings | str:
    try:
        return load_settings(root)
    except SettingsError as error:
        return str(error)


robust = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.usefixtures("required")
@robust
@given(text=st.binary(max_size=60) | st.text("[]{}:&*!%@`'\"|>-#?, \n\trisk1", max_size=60).map(str.encode))
def test_any_bytes_in_a_file_give_settings_or_a_readable_error(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "config.yml").write_bytes(text)

    assert outcome(tmp_path)


@pytest.mark.usefixtures("required")
@robust
@given(
    content=st.dictionaries(
        st.sampled_from(list(SECTIONS)), st.dictionaries(keys | st.text(max_size=8), json, max_size=3), max_size=4
    )
)
def test_any_values_in_a_file_give_settings_or_a_readable_error(
    tmp_path: Path, content: dict[str, dict[str, object]]
) -> None:
    (tmp_path / "config.yml").write_text(yaml.safe_dump(content, allow_unicode=True))

    assert outcome(tmp_path)


@pytest.mark.usefixtures("required")
@robust
@given(
    variables=st.dictionaries(
        st.sampled_from([variable(setting) for setting in DECLARED]) | st.text("PDNS_").map("PDNS{}".format),
        st.sampled_from(["ChangeMe", "circl,riskiq,otx", "RED"])
        | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    )
)
def test_any_values_in_the_environment_give_settings_or_a_readable_error(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        assert outcome(tmp_path)
