"""Files and variables, readable or not."""

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from passivedns.errors import SettingsError
from passivedns.settings.loading import load_settings
from passivedns.settings.model import Settings
from passivedns.settings.table import DECLARED, SECTIONS
from passivedns.settings.wording import variable
from tests.unit.settings_loader import Load, complaint


@pytest.mark.usefixtures("required")
def test_a_file_in_the_place_of_the_source_folder_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / "src").touch()

    assert load_settings(tmp_path).connector.name == "Passive DNS"


@pytest.mark.parametrize("config", ["", "---\n", "# nothing\n", "null", "pdns:\n", "pdns: {}"])
def test_a_file_or_section_may_be_empty(load: Load, config: str) -> None:
    assert load(config).lookup.pdns.max_retries == 4


@pytest.mark.usefixtures("required")
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_may_come_from_windows(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "config.yml").write_bytes("connector: {name: Réseau}\r\n".encode(encoding))

    assert load_settings(tmp_path).connector.name == "Réseau"


@pytest.mark.usefixtures("required")
def test_a_directory_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.yml").mkdir()

    with pytest.raises(SettingsError, match=r"config\.yml: cannot be read \(Is a directory\)\."):
        load_settings(tmp_path)


@pytest.mark.usefixtures("required")
def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.yml").symlink_to("config.yml")

    with pytest.raises(SettingsError, match=r"config\.yml: cannot be read \(Too many levels of symbolic links\)\."):
        load_settings(tmp_path)


def test_bad_yaml_is_named_with_its_place(load: Load, tmp_path: Path) -> None:
    text = complaint(load, "riskiq:\n  username: me\n  api_key: *geheim\n")

    assert text == (
        "The connector cannot start: 1 setting needs correcting.\n"
        f"  {tmp_path / 'config.yml'}: not valid YAML (line 3, column 12);"
        " put text with special characters in quotes."
    )


@pytest.mark.parametrize(
    "config",
    [
        "riskiq: [",
        "riskiq: {a: 1}\n---\nmq: {}",
        "riskiq: {username: 2024-13-45}",
        "riskiq: !geheim x",
        "riskiq: !!bool geheim",
        "riskiq: !!timestamp geheim",
        "? [a]\n: b",
        "riskiq: '\x07'",
        "[" * 1000,
    ],
)
def test_bad_yaml_never_ends_in_another_error(load: Load, config: str) -> None:
    text = complaint(load, config)

    assert "config.yml: not valid YAML" in text
    assert "geheim" not in text


@pytest.mark.parametrize("config", ["geheim", "- riskiq", "5", "[]", "''"])
def test_a_file_consists_of_sections(load: Load, config: str) -> None:
    text = complaint(load, config)

    assert "config.yml: must contain sections such as pdns, each with its settings indented below it." in text
    assert "geheim" not in text


@pytest.mark.parametrize("section", ["opencti", "pdns", "otx", "mq"])
@pytest.mark.parametrize("value", ["geheim", "[geheim]", "ChangeMe"])
def test_a_section_consists_of_settings(load: Load, section: str, value: str) -> None:
    text = complaint(load, f"{section}: {value}")

    assert f"config.yml: the settings of {section} must be indented below it, one per line." in text
    assert "geheim" not in text


def test_what_may_be_in_a_file_that_cannot_be_used_is_not_called_missing(load: Load) -> None:
    text = complaint(
        load, "riskiq: [", "opencti: 5", RISKIQ_API_KEY=None, RISKIQ_MAX_TLP="PURPLE", PDNS_SOURCES="riskiq,circl"
    )

    assert text.startswith("The connector cannot start: 3 settings need correcting.")
    assert "config.yml: not valid YAML" in text
    assert "config.yml: the settings of opencti must be" in text
    assert "RISKIQ_MAX_TLP" in text


@pytest.mark.parametrize(
    ("name", "meant"), [("RiskIQ", "riskiq"), ("risqiq", "riskiq"), ("connectors", "connector"), ("pnds", "pdns")]
)
def test_a_misspelt_section_is_refused(load: Load, name: str, meant: str) -> None:
    assert f"config.yml: {name} is not a section; did you mean {meant}?" in complaint(load, f"{name}: {{a: b}}")


@pytest.mark.parametrize("config", ["x-common: {a: b}", "5: x", "version: 3", "_env_file: /etc/passwd"])
def test_a_section_that_belongs_to_others_is_left_to_them(load: Load, config: str) -> None:
    assert load(config) == load()


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


lively = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.usefixtures("required")
@lively
@given(text=st.binary(max_size=60) | st.text("[]{}:&*!%@`'\"|>-#?, \n\trisk1", max_size=60).map(str.encode))
def test_any_bytes_in_a_file_are_settings_or_a_readable_error(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "config.yml").write_bytes(text)

    assert outcome(tmp_path)


@pytest.mark.usefixtures("required")
@lively
@given(
    content=st.dictionaries(
        st.sampled_from(list(SECTIONS)), st.dictionaries(keys | st.text(max_size=8), json, max_size=3), max_size=4
    )
)
def test_any_values_in_a_file_are_settings_or_a_readable_error(
    tmp_path: Path, content: dict[str, dict[str, object]]
) -> None:
    (tmp_path / "config.yml").write_text(yaml.safe_dump(content, allow_unicode=True))

    assert outcome(tmp_path)


@pytest.mark.usefixtures("required")
@lively
@given(
    variables=st.dictionaries(
        st.sampled_from([variable(setting) for setting in DECLARED]) | st.text("PDNS_").map("PDNS{}".format),
        st.sampled_from(["ChangeMe", "circl,riskiq,otx", "RED"])
        | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    )
)
def test_any_values_in_the_environment_are_settings_or_a_readable_error(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        assert outcome(tmp_path)
