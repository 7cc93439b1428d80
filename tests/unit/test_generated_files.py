"""The files that `make docs` generates from the settings are correct and up to date."""

import json
import re
import shutil
from pathlib import Path

import jsonschema
import pydantic
import pytest

from docs.generate import documents, main, stale
from docs.settings_reference import schema
from passivedns.settings.model import DECLARED
from passivedns.settings.problems import is_secret, variable
from passivedns.settings.reading import PROJECT_ROOT
from passivedns.sources import SOURCES
from passivedns.sources.source import SourceSettings

VARIABLES = {variable(setting) for setting in DECLARED}
SHARED = {variable((source, key)) for source in SOURCES for key in SourceSettings.model_fields}
"""Settings that every source has, which tables for people show once."""
SHOWN = (VARIABLES - SHARED) | {"<KEY>_MAX_TLP", "<KEY>_IMPORT_LAST_SEEN_TIME_WINDOW"}
SCHEMA = "__metadata__/connector_config_schema.json"
PINS = (PROJECT_ROOT / "requirements.txt").read_text()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Freshly generated files."""
    root = tmp_path_factory.mktemp("made")
    for name in (*documents(PROJECT_ROOT), "docs/pictures/report-light.png", "docs/pictures/report-dark.png"):
        (root / name).parent.mkdir(exist_ok=True, parents=True)
        shutil.copy(PROJECT_ROOT / name, root / name)
    main([], root)
    return root


@pytest.fixture
def tree(made: Path, tmp_path: Path) -> Path:
    """A copy of the generated files."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


# The command


@pytest.mark.skipif(
    f"pydantic=={pydantic.VERSION}\n" not in PINS,
    reason="another version of pydantic words the same schema differently",
)
def test_no_file_of_the_project_is_stale() -> None:
    assert list(stale(PROJECT_ROOT)) == []


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("docs/settings.md", "| `PDNS_MAX_TLP` |", "| `PDNS_MAXIMUM` |"),
        ("config.yml.sample", "max_tlp: TLP:AMBER", "max_tlp: TLP:RED"),
        ("docker-compose.yml", "PDNS_MAX_TLP=TLP:AMBER", "PDNS_MAX_TLP=TLP:RED"),
        (SCHEMA, '"format": "password"', '"format": "uri"'),
    ],
)
def test_the_check_only_names_a_stale_file_and_the_command_updates_it(
    tree: Path, capsys: pytest.CaptureFixture[str], name: str, old: str, new: str
) -> None:
    right = (tree / name).read_text()
    wrong = right.replace(old, new)
    (tree / name).write_text(wrong)

    assert main(["--check"], tree) == 1
    assert capsys.readouterr().err == f"{name} is stale: run `make docs`.\n"
    assert (tree / name).read_text() == wrong

    assert main([], tree) == 0
    assert (tree / name).read_text() == right
    assert main(["--check"], tree) == 0


def test_a_missing_file_is_stale(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / "config.yml.sample").unlink()

    assert main(["--check"], tree) == 1
    assert capsys.readouterr().err == "config.yml.sample is stale: run `make docs`.\n"


def test_what_is_around_the_tables_of_the_settings_is_kept(tree: Path) -> None:
    (tree / "docs/settings.md").write_text(
        "above\n<!-- settings: made by make docs -->\nbefore\n<!-- end of settings -->\nbelow\n"
    )

    main([], tree)

    text = (tree / "docs/settings.md").read_text()
    assert text.startswith("above\n<!-- settings: made by make docs -->\n\n**`opencti`**: ")
    assert text.endswith("|\n\n<!-- end of settings -->\nbelow\n")
    assert "\nbefore\n" not in text


@pytest.mark.parametrize("marker", ["settings: made by make docs", "end of settings"])
@pytest.mark.parametrize("name", ["docs/settings.md", "docker-compose.yml"])
def test_a_file_without_a_marker_is_refused_with_a_sentence(tree: Path, name: str, marker: str) -> None:
    (tree / name).write_text((tree / name).read_text().replace(marker, ""))

    with pytest.raises(
        SystemExit, match=f"^{re.escape(Path(name).name)} must contain the line '.*' and, below it, '.*'\\.$"
    ):
        main([], tree)


def test_a_project_without_the_settings_is_refused_with_a_sentence(tree: Path) -> None:
    (tree / "docs/settings.md").unlink()

    with pytest.raises(SystemExit, match=r"^settings\.md must contain the line"):
        main(["--check"], tree)


# Output


def variables_of_the_settings(tree: Path) -> list[str]:
    return re.findall(r"^\| `([A-Z0-9_<>]+)` \|", (tree / "docs/settings.md").read_text(), re.MULTILINE)


def test_the_tables_of_the_settings_list_every_setting_once(tree: Path) -> None:
    listed = variables_of_the_settings(tree)

    assert len(listed) == len(set(listed))
    assert set(listed) == SHOWN


def test_the_tables_go_from_the_platform_to_the_sources(tree: Path) -> None:
    sections = [name.partition("_")[0] for name in variables_of_the_settings(tree)]

    assert list(dict.fromkeys(sections)) == ["OPENCTI", "CONNECTOR", "PDNS", "<KEY>", *map(str.upper, SOURCES)]


def test_the_settings_explain_the_key_of_a_source(tree: Path) -> None:
    assert "`<KEY>` is the key of a source, as in `RISKIQ_MAX_TLP`." in (tree / "docs/settings.md").read_text()


def test_the_tables_show_the_default_or_that_a_value_is_required(tree: Path) -> None:
    lines = (tree / "docs/settings.md").read_text().splitlines()
    cells = [line.split(" | ") for line in lines if line.startswith("| `")]
    defaults = {row[0].strip("|` "): row[1] for row in cells}

    assert defaults["RISKIQ_API_KEY"] == "**required**"
    assert defaults["PDNS_MAX_TLP"] == "`TLP:AMBER`"
    assert defaults["<KEY>_MAX_TLP"] == "empty"
    assert defaults["CIRCL_PASSWORD"] == "empty"
    assert defaults["PDNS_IMPORT_LAST_SEEN_TIME_WINDOW"] == "`P30D`"
    assert defaults["PDNS_REQUEST_TIMEOUT"] == "`60`"
    assert defaults["CONNECTOR_SCOPE"] == "`IPv4-Addr,Domain-Name`"
    assert defaults["CONNECTOR_AUTO"] == "`false`"


# The schema that OpenCTI's connector manager reads


def test_the_schema_is_a_json_schema(tree: Path) -> None:
    written = json.loads((tree / SCHEMA).read_text())

    jsonschema.Draft202012Validator.check_schema(written)
    assert written["$schema"] == jsonschema.Draft202012Validator.META_SCHEMA["$id"]


def test_the_schema_lists_every_setting_except_the_id_that_the_manager_generates() -> None:
    assert set(schema()["properties"]) == VARIABLES - {"CONNECTOR_ID"}


def test_the_schema_requires_no_settings_of_sources() -> None:
    assert schema()["required"] == ["OPENCTI_URL", "OPENCTI_TOKEN"]


@pytest.mark.parametrize(
    ("source", "name"), [("riskiq", "RISKIQ_USERNAME"), ("riskiq", "RISKIQ_API_KEY"), ("cof", "COF_URL")]
)
def test_the_description_says_what_a_source_requires(source: str, name: str) -> None:
    assert schema()["properties"][name]["description"].endswith(f" Required where PDNS_SOURCES contains {source}.")


@pytest.mark.parametrize("name", sorted(variable(setting) for setting, field in DECLARED.items() if is_secret(field)))
def test_the_manager_hides_secrets(name: str) -> None:
    secret = schema()["properties"][name]

    assert (secret["type"], secret["format"], secret["writeOnly"]) == ("string", "password", True)


def test_the_manager_offers_the_sources() -> None:
    assert schema()["properties"]["PDNS_SOURCES"]["items"] == {"enum": list(SOURCES), "type": "string"}


def test_every_property_has_a_description_and_a_type_that_the_manager_can_show() -> None:
    for property_ in schema()["properties"].values():
        assert property_["description"].endswith(".")
        assert property_["type"] in ("string", "integer", "number", "boolean", "array")


def test_no_property_uses_what_the_managers_validator_rejects() -> None:
    # It runs Ajv in strict mode, which accepts only the keywords of JSON Schema, and only these formats.
    known = {"password", "uri", "duration", "email", "date-time", "date"}

    for property_ in schema()["properties"].values():
        assert property_.get("format") in known | {None}
        assert property_.keys().isdisjoint({"title", "allowed", "anyOf", "$ref"})


def test_every_default_is_accepted_by_the_schema() -> None:
    defaults = {name: item["default"] for name, item in schema()["properties"].items() if "default" in item}

    jsonschema.validate(defaults, schema() | {"required": []}, cls=jsonschema.Draft202012Validator)
    assert defaults["PDNS_IMPORT_LAST_SEEN_TIME_WINDOW"] == "P30D"
    assert defaults["PDNS_MAX_TLP"] == "TLP:AMBER"
    assert not {"PDNS_SOURCES", "RISKIQ_MAX_TLP"} & defaults.keys()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONNECTOR_TYPE", "STREAM"),
        ("CONNECTOR_SCOPE", []),
        ("CONNECTOR_SCOPE", ["Url"]),
        ("CONNECTOR_LOG_LEVEL", "loud"),
        ("PDNS_SOURCES", ["whois"]),
        ("PDNS_SOURCES", []),
        ("RISKIQ_MAX_TLP", "TLP:PURPLE"),
        ("PDNS_REQUEST_TIMEOUT", 0),
        ("PDNS_MAX_RETRIES", 1.5),
    ],
)
def test_the_schema_refuses_what_the_settings_refuse(name: str, value: object) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(value, schema()["properties"][name], cls=jsonschema.Draft202012Validator)
