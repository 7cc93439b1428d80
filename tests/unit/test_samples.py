import json
import re

import jsonschema
import pytest
import yaml
from settings_loader import REQUIRED, Load, complaint, loader

from docs.settings_reference import SLUG, schema
from passivedns.settings import DECLARED, PROJECT_ROOT, Settings
from passivedns.settings_errors import variable

CONFIG = (PROJECT_ROOT / "config.yml.sample").read_text()
COMPOSE = yaml.safe_load((PROJECT_ROOT / "docker-compose.yml").read_text())
SERVICE = COMPOSE["services"]["connector-riskiq-passive-total"]
ENVIRONMENT = dict(line.split("=", 1) for line in SERVICE["environment"])
MANIFEST = json.loads((PROJECT_ROOT / "__metadata__/connector_manifest.json").read_text())

TO_FILL_IN = ["OPENCTI_TOKEN", "CONNECTOR_ID", "RISKIQ_USERNAME", "RISKIQ_API_KEY"]


@pytest.fixture
def load(monkeypatch, tmp_path) -> Load:
    return loader(monkeypatch, tmp_path)


def filled_in_config() -> str:
    sections = yaml.safe_load(CONFIG)
    for section, key in DECLARED:
        if sections[section][key] == "ChangeMe":
            sections[section][key] = REQUIRED[variable((section, key))]
    return yaml.safe_dump(sections)


def filled_in_environment() -> dict[str, str]:
    return {name: REQUIRED[name] if value == "ChangeMe" else value for name, value in ENVIRONMENT.items()}


def named(text: str) -> list[str]:
    return re.findall(r"^  (\w+) \(config\.yml", text, re.MULTILINE)


def but_for_max_tlp(settings: Settings) -> dict[str, object]:
    return settings.model_dump(exclude={"opencti": {"url"}, "riskiq": {"max_tlp"}})


# config.yml.sample


def test_the_config_sample_lists_every_setting_and_no_other():
    sections = yaml.safe_load(CONFIG)

    assert [(section, key) for section, keys in sections.items() for key in keys] == list(DECLARED)


def test_the_filled_in_config_sample_holds_the_defaults_and_a_maximum_tlp(load):
    settings = load(filled_in_config(), **dict.fromkeys(REQUIRED))

    assert but_for_max_tlp(settings) == but_for_max_tlp(load())
    assert settings.riskiq.max_tlp == "TLP:AMBER"
    assert settings.opencti.url == "http://localhost:8080"


def test_the_config_sample_is_refused_as_it_is_and_names_all_that_must_be_filled_in(load):
    assert named(complaint(load, CONFIG, **dict.fromkeys(REQUIRED))) == TO_FILL_IN


# docker-compose.yml


def test_the_compose_file_lists_every_setting_and_no_other():
    assert list(ENVIRONMENT) == [variable(setting) for setting in DECLARED]


def test_the_filled_in_compose_file_holds_the_defaults_and_a_maximum_tlp(load):
    settings = load(**filled_in_environment())

    assert but_for_max_tlp(settings) == but_for_max_tlp(load())
    assert settings.riskiq.max_tlp == "TLP:AMBER"
    assert settings.opencti.url == "http://opencti:8080"


def test_the_compose_file_is_refused_as_it_is_and_names_all_that_must_be_filled_in(load):
    assert named(complaint(load, **ENVIRONMENT)) == TO_FILL_IN


def test_the_schema_accepts_the_environment_of_the_compose_file():
    jsonschema.validate(_as_the_manager_reads(ENVIRONMENT), schema(), cls=jsonschema.Draft202012Validator)


def _as_the_manager_reads(environment: dict[str, str]) -> dict[str, object]:
    types = {name: item["type"] for name, item in schema()["properties"].items()}
    read = {"array": lambda text: text.split(","), "boolean": json.loads, "integer": json.loads, "number": json.loads}
    return {name: read.get(types.get(name), str)(value) for name, value in environment.items() if value}


def test_compose_builds_the_image_although_another_is_published_under_its_name():
    assert SERVICE["image"] == "opencti/connector-riskiq-passive-total:latest"
    assert SERVICE["build"] == "."
    assert SERVICE["pull_policy"] == "build"


def test_compose_gives_the_connector_longer_to_stop_than_it_takes():
    assert int(SERVICE["stop_grace_period"].removesuffix("s")) > int(ENVIRONMENT["PDNS_STOP_GRACE"])


def test_compose_gives_the_connector_no_rights_beyond_its_work():
    assert SERVICE["read_only"] is True
    assert SERVICE["cap_drop"] == ["ALL"]
    assert SERVICE["security_opt"] == ["no-new-privileges:true"]


# What OpenCTI's catalogue shows


def test_the_manifest_has_every_key_of_the_catalogue():
    text, optional_text, flag = {"type": "string", "minLength": 1}, {"type": ["string", "null"]}, {"type": "boolean"}
    some = {"type": "array", "items": text, "minItems": 1, "maxItems": 3, "uniqueItems": True}
    keys = {
        "title": text,
        "slug": {"pattern": "^[a-z0-9]+(-[a-z0-9]+)*$"},
        "description": text,
        "short_description": text | {"maxLength": 250},
        "logo": optional_text,
        "use_cases": some,
        "solution_categories": some,
        "license_type": {"enum": ["Free", "Commercial"]},
        "contact": optional_text,
        "verified": {"const": False},
        "last_verified_date": {"const": None},
        "playbook_supported": flag,
        "max_confidence_level": {"type": "integer", "minimum": 0, "maximum": 100},
        "support_version": {"pattern": r"^>=\d+\.\d+\.\d+$"},
        "subscription_link": optional_text,
        "source_code": {"pattern": "^https://"},
        "manager_supported": flag,
        "container_version": {"const": "rolling"},
        "container_image": text,
        "container_type": text,
    }

    jsonschema.validate(MANIFEST, {"properties": keys, "required": list(keys), "additionalProperties": False})


def test_the_manifest_fits_the_other_files():
    assert MANIFEST["slug"] == SLUG
    assert MANIFEST["container_image"] == f"opencti/connector-{SLUG}" == SERVICE["image"].removesuffix(":latest")
    assert MANIFEST["container_type"] == ENVIRONMENT["CONNECTOR_TYPE"]
    assert MANIFEST["title"] == ENVIRONMENT["CONNECTOR_NAME"]
    assert MANIFEST["source_code"].endswith(f"/{SLUG}")


def test_the_manifest_says_that_the_connector_runs_in_playbooks_and_under_the_manager():
    assert MANIFEST["playbook_supported"] is True
    assert MANIFEST["manager_supported"] is True


def test_the_manifest_says_that_the_service_is_shut():
    assert "Microsoft has shut" in MANIFEST["description"]
    assert "Microsoft has shut" in MANIFEST["short_description"]
