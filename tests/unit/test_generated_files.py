import json
import re
import shutil

import jsonschema
import pydantic
import pytest

from docs.generate import documents, main, stale
from docs.settings_reference import schema
from passivedns.settings import DECLARED, PROJECT_ROOT
from passivedns.settings_errors import variable

VARIABLES = [variable(setting) for setting in DECLARED]
SCHEMA = "__metadata__/connector_config_schema.json"
PINS = (PROJECT_ROOT / "requirements.txt").read_text()


@pytest.fixture
def tree(tmp_path):
    """A copy of the files that are made from the settings."""
    for name in documents(PROJECT_ROOT):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(PROJECT_ROOT / name, tmp_path / name)
    main([], tmp_path)
    return tmp_path


# The command


@pytest.mark.skipif(
    f"pydantic=={pydantic.VERSION}\n" not in PINS,
    reason="another pydantic than that of requirements.txt says the same schema in other words",
)
def test_no_file_of_the_project_is_stale():
    assert list(stale(PROJECT_ROOT)) == []


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("README.md", "| `riskiq.max_tlp` |", "| `riskiq.maximum` |"),
        ("config.yml.sample", "max_tlp: TLP:AMBER", "max_tlp: TLP:RED"),
        ("docker-compose.yml", "RISKIQ_MAX_TLP=TLP:AMBER", "RISKIQ_MAX_TLP=TLP:RED"),
        (SCHEMA, '"format": "password"', '"format": "uri"'),
        ("__metadata__/CONNECTOR_CONFIG_DOC.md", "| RISKIQ_MAX_TLP |", "| MAX_TLP |"),
    ],
)
def test_a_stale_file_is_named_left_alone_by_the_check_and_then_mended(tree, capsys, name, old, new):
    right = (tree / name).read_text()
    wrong = right.replace(old, new)
    (tree / name).write_text(wrong)

    assert main(["--check"], tree) == 1
    assert capsys.readouterr().err == f"{name} is stale: run `make docs`.\n"
    assert (tree / name).read_text() == wrong

    assert main([], tree) == 0
    assert (tree / name).read_text() == right
    assert main(["--check"], tree) == 0


def test_a_file_that_is_missing_is_stale(tree, capsys):
    (tree / "config.yml.sample").unlink()

    assert main(["--check"], tree) == 1
    assert capsys.readouterr().err == "config.yml.sample is stale: run `make docs`.\n"


def test_what_stands_around_the_table_in_the_readme_is_kept(tree):
    (tree / "README.md").write_text(
        "above\n<!-- settings: made by make docs -->\nbefore\n<!-- end of settings -->\nbelow\n"
    )

    main([], tree)

    text = (tree / "README.md").read_text()
    assert text.startswith("above\n<!-- settings: made by make docs -->\n\n| Variable |")
    assert text.endswith("|\n\n<!-- end of settings -->\nbelow\n")
    assert "\nbefore\n" not in text


@pytest.mark.parametrize("marker", ["settings: made by make docs", "end of settings"])
@pytest.mark.parametrize("name", ["README.md", "docker-compose.yml"])
def test_a_file_without_a_marker_is_refused_with_a_sentence(tree, name, marker):
    (tree / name).write_text((tree / name).read_text().replace(marker, ""))

    with pytest.raises(SystemExit, match=f"^{re.escape(name)} must hold the line '.*' and, below it, '.*'\\.$"):
        main([], tree)


def test_a_project_without_a_readme_is_refused_with_a_sentence(tree):
    (tree / "README.md").unlink()

    with pytest.raises(SystemExit, match=r"^README\.md must hold the line"):
        main(["--check"], tree)


# What it writes


def test_the_table_of_the_readme_lists_every_setting_in_order(tree):
    assert re.findall(r"^\| `([A-Z0-9_]+)` \|", (tree / "README.md").read_text(), re.MULTILINE) == VARIABLES


def test_the_table_of_the_readme_tells_the_default_or_that_there_must_be_a_value(tree):
    cells = [line.split(" | ") for line in (tree / "README.md").read_text().splitlines() if line.startswith("| `")]
    defaults = {row[0].strip("|` "): row[2] for row in cells}

    assert defaults["RISKIQ_API_KEY"] == "**required**"
    assert defaults["RISKIQ_MAX_TLP"] == "none"
    assert defaults["RISKIQ_IMPORT_LAST_SEEN_TIME_WINDOW"] == "`P30D`"
    assert defaults["PDNS_REQUEST_TIMEOUT"] == "`60`"
    assert defaults["CONNECTOR_SCOPE"] == "`IPv4-Addr,Domain-Name`"
    assert defaults["CONNECTOR_AUTO"] == "`false`"


def test_the_document_of_the_schema_lists_what_the_schema_does(tree):
    text = (tree / "__metadata__/CONNECTOR_CONFIG_DOC.md").read_text()

    assert re.findall(r"^\| ([A-Z0-9_]+) \|", text, re.MULTILINE) == list(schema()["properties"])


# The schema that OpenCTI's connector manager reads


def test_the_schema_is_a_json_schema(tree):
    written = json.loads((tree / SCHEMA).read_text())

    jsonschema.Draft202012Validator.check_schema(written)
    assert written["$schema"] == jsonschema.Draft202012Validator.META_SCHEMA["$id"]


def test_the_schema_lists_every_setting_but_the_id_that_the_manager_makes():
    assert list(schema()["properties"]) == [name for name in VARIABLES if name != "CONNECTOR_ID"]


def test_the_schema_requires_what_has_no_default():
    assert schema()["required"] == ["OPENCTI_URL", "OPENCTI_TOKEN", "RISKIQ_USERNAME", "RISKIQ_API_KEY"]


@pytest.mark.parametrize("name", ["OPENCTI_TOKEN", "RISKIQ_USERNAME", "RISKIQ_API_KEY"])
def test_the_manager_hides_secrets(name):
    secret = schema()["properties"][name]

    assert (secret["type"], secret["format"], secret["writeOnly"]) == ("string", "password", True)


def test_every_property_has_a_description_and_a_type_that_the_form_of_the_manager_shows():
    for property_ in schema()["properties"].values():
        assert property_["description"].endswith(".")
        assert property_["type"] in ("string", "integer", "number", "boolean", "array")


def test_no_property_has_what_the_validator_of_the_manager_refuses():
    # It runs Ajv in strict mode, which knows no other keywords than JSON Schema's, with these formats.
    known = {"password", "uri", "duration", "email", "date-time", "date"}

    for property_ in schema()["properties"].values():
        assert property_.get("format") in known | {None}
        assert property_.keys().isdisjoint({"title", "may_hold", "anyOf", "$ref"})


def test_every_default_is_accepted_by_the_schema():
    defaults = {name: item["default"] for name, item in schema()["properties"].items() if "default" in item}

    jsonschema.validate(defaults, schema() | {"required": []}, cls=jsonschema.Draft202012Validator)
    assert defaults["RISKIQ_IMPORT_LAST_SEEN_TIME_WINDOW"] == "P30D"
    assert "RISKIQ_MAX_TLP" not in defaults


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONNECTOR_TYPE", "STREAM"),
        ("CONNECTOR_SCOPE", []),
        ("CONNECTOR_SCOPE", ["Url"]),
        ("CONNECTOR_LOG_LEVEL", "loud"),
        ("RISKIQ_MAX_TLP", "TLP:PURPLE"),
        ("PDNS_REQUEST_TIMEOUT", 0),
        ("PDNS_MAX_RETRIES", 1.5),
    ],
)
def test_the_schema_refuses_what_the_settings_refuse(name, value):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(value, schema()["properties"][name], cls=jsonschema.Draft202012Validator)
