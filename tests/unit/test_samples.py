"""The samples config.yml.sample and docker-compose.yml, and the entry in OpenCTI's catalogue."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from docs.settings_reference import SLUG, schema
from passivedns.query.cache import Cache
from passivedns.settings.model import DECLARED, SECTIONS, Settings
from passivedns.settings.problems import Setting, variable
from passivedns.settings.reading import PROJECT_ROOT
from passivedns.sources import SOURCES
from passivedns.sources.source import SourceSettings
from tests.helpers.settings_loader import REQUIRED, Load, complaint, loader

CONFIG = (PROJECT_ROOT / "config.yml.sample").read_text()
COMPOSE_TEXT = (PROJECT_ROOT / "docker-compose.yml").read_text()
COMPOSE = yaml.safe_load(COMPOSE_TEXT)
SERVICE = COMPOSE["services"]["connector-riskiq-passive-total"]
MANIFEST = json.loads((PROJECT_ROOT / "__metadata__/connector_manifest.json").read_text())

TO_FILL_IN = ["OPENCTI_TOKEN", "CONNECTOR_ID"]
SET = ["OPENCTI_URL", "OPENCTI_TOKEN", "CONNECTOR_ID", "PDNS_SOURCES"]
"""Settings that the samples set; all others are commented out."""
WITHOUT_ACCOUNT = "mnemonic,robtex"
"""The sources that the samples set."""


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Load:
    return loader(monkeypatch, tmp_path)


def config_with_comments() -> dict[str, dict[str, Any]]:
    """The sections of config.yml.sample, including commented-out settings."""
    entry = re.compile(r"^(?:# )?(  )?(?:# )?([a-z0-9_]+:(?: .*)?)$", re.MULTILINE)
    sections: dict[str, dict[str, Any]] = yaml.safe_load("\n".join("".join(found) for found in entry.findall(CONFIG)))
    return sections


def environment(*, with_comments: bool = False) -> dict[str, str]:
    """The variables of docker-compose.yml, optionally including commented-out ones."""
    settings = COMPOSE_TEXT.partition("# settings: made")[2].partition("# end of settings")[0]
    pattern = r"^ +(?:# )?- ([A-Z0-9_]+)=(.*)$" if with_comments else r"^ +- ([A-Z0-9_]+)=(.*)$"
    return dict(re.findall(pattern, settings, re.MULTILINE))


def filled_in(section: str, key: str, value: object) -> object:
    given = {**REQUIRED, "COF_URL": "https://cof.example"}
    return given.get(variable((section, key)), "key") if value == "ChangeMe" else value


def named(text: str) -> list[str]:
    return re.findall(r"^  (\w+) \(config\.yml", text, re.MULTILINE)


def in_samples() -> set[Setting]:
    """All settings; those that every source has appear only for the first source."""
    return {
        setting
        for setting in DECLARED
        if setting[0] in ("riskiq", *(SECTIONS.keys() - SOURCES)) or setting[1] not in SourceSettings.model_fields
    }


def equal_except_for_the_url(settings: Settings, others: Settings) -> bool:
    """Whether settings are equal except for the URL of OpenCTI and what is set for sources that are not listed."""
    opencti = others.opencti.model_copy(update={"url": settings.opencti.url})
    return settings == replace(others, opencti=opencti, notices=settings.notices)


# config.yml.sample


def test_the_config_sample_lists_every_setting_and_no_other() -> None:
    listed = [(section, key) for section, keys in config_with_comments().items() for key in keys]

    assert len(listed) == len(set(listed))
    assert set(listed) == in_samples()


def test_the_config_sample_lists_the_sections_in_the_order_of_the_settings() -> None:
    assert list(config_with_comments()) == list(dict.fromkeys(section for section, _ in DECLARED))


def test_the_config_sample_sets_only_required_settings_and_sources() -> None:
    sections = yaml.safe_load(CONFIG)

    assert [variable((section, key)) for section, keys in sections.items() for key in keys] == SET


def test_the_filled_in_config_sample_has_sources_without_account_and_else_the_defaults(load: Load) -> None:
    config = {
        section: {key: filled_in(section, key, value) for key, value in keys.items()}
        for section, keys in yaml.safe_load(CONFIG).items()
    }

    settings = load(yaml.safe_dump(config), **dict.fromkeys(REQUIRED))

    assert equal_except_for_the_url(settings, load(PDNS_SOURCES=WITHOUT_ACCOUNT))
    assert (settings.lookup.pdns.max_tlp, settings.lookup.pdns.max_relationships) == ("TLP:AMBER", 500)
    assert settings.opencti.url == "http://localhost"


def test_commented_out_values_in_the_config_sample_are_the_defaults(load: Load) -> None:
    sections = config_with_comments()
    config = {
        section: {key: filled_in(section, key, value) for key, value in keys.items()}
        for section, keys in sections.items()
    }
    config["circl"]["token"] = "token"
    sources = {"PDNS_SOURCES": ",".join(SOURCES)}
    required = {
        variable((section, key)): str(value)
        for section, keys in config.items()
        for key, value in keys.items()
        if section in SOURCES and (sections[section][key] == "ChangeMe" or (section, key) == ("circl", "token"))
    }

    settings = load(yaml.safe_dump(config), **dict.fromkeys(REQUIRED), **sources)

    assert equal_except_for_the_url(settings, load(**required | REQUIRED | sources))


def test_the_unedited_config_sample_is_refused_and_all_missing_values_are_named(load: Load) -> None:
    assert named(complaint(load, CONFIG, **dict.fromkeys(REQUIRED))) == TO_FILL_IN


@pytest.mark.parametrize("key", SOURCES)
def test_the_section_of_a_source_is_valid_once_uncommented(load: Load, key: str) -> None:
    section = re.search(rf"^# {key}:\n(?:#   .*\n)+", CONFIG, re.MULTILINE)
    assert section
    config = re.sub("^# ", "", section[0], flags=re.MULTILINE).replace("url: ChangeMe", "url: http://localhost:1")

    settings = load(config.replace("ChangeMe", "key"), PDNS_SOURCES=key, CIRCL_TOKEN="token")

    assert list(settings.lookup.sources) == [key]


# docker-compose.yml


def test_the_compose_file_lists_every_setting_and_no_other() -> None:
    assert set(environment(with_comments=True)) == {variable(setting) for setting in in_samples()}


def test_the_compose_file_sets_only_required_settings_and_sources() -> None:
    assert [line.partition("=")[0] for line in SERVICE["environment"]] == SET
    assert list(environment()) == SET


def test_the_samples_show_the_same_values() -> None:
    def written(value: object) -> str:
        return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)

    shown = {
        variable((section, key)): value
        for section, keys in config_with_comments().items()
        for key, value in keys.items()
    }

    assert environment(with_comments=True) == {name: written(value) for name, value in shown.items()}


def test_the_filled_in_compose_file_has_sources_without_account_and_else_the_defaults(load: Load) -> None:
    settings = load(**{name: REQUIRED[name] if value == "ChangeMe" else value for name, value in environment().items()})

    assert equal_except_for_the_url(settings, load(PDNS_SOURCES=WITHOUT_ACCOUNT))
    assert (settings.lookup.pdns.max_tlp, settings.lookup.pdns.max_relationships) == ("TLP:AMBER", 500)
    assert settings.opencti.url == "http://localhost"


def test_the_unedited_compose_file_is_refused_and_all_missing_values_are_named(load: Load) -> None:
    assert named(complaint(load, **environment())) == TO_FILL_IN


@pytest.mark.parametrize("with_comments", [False, True])
def test_the_schema_accepts_the_environment_of_the_compose_file(with_comments: bool) -> None:
    variables = _as_the_manager_reads(environment(with_comments=with_comments))

    jsonschema.validate(variables, schema(), cls=jsonschema.Draft202012Validator)


def _as_the_manager_reads(variables: dict[str, str]) -> dict[str, object]:
    types = {name: item["type"] for name, item in schema()["properties"].items()}
    parse: dict[str, Callable[[str], object]] = dict.fromkeys(("boolean", "integer", "number"), json.loads)
    parse["array"] = lambda text: text.split(",")
    return {name: parse.get(types.get(name, ""), str)(value) for name, value in variables.items() if value}


def test_compose_builds_the_image_even_though_another_has_the_same_name() -> None:
    assert SERVICE["image"] == "opencti/connector-riskiq-passive-total:latest"
    assert SERVICE["build"] == "."
    assert SERVICE["pull_policy"] == "build"


def test_compose_waits_longer_than_the_grace_period_of_the_connector() -> None:
    grace = environment(with_comments=True)["PDNS_STOP_GRACE"]

    assert int(SERVICE["stop_grace_period"].removesuffix("s")) > int(grace)


def test_compose_gives_the_connector_no_unnecessary_rights() -> None:
    assert SERVICE["read_only"] is True
    assert SERVICE["cap_drop"] == ["ALL"]
    assert SERVICE["security_opt"] == ["no-new-privileges:true"]


def test_the_cache_of_the_image_is_in_the_volume_of_the_compose_file(monkeypatch: pytest.MonkeyPatch) -> None:
    dockerfile = (PROJECT_ROOT / "Dockerfile").read_text()
    (folder,) = re.findall(r"XDG_CACHE_HOME=(\S+)", dockerfile)
    monkeypatch.setenv("XDG_CACHE_HOME", folder)
    (volume,) = SERVICE["volumes"]
    name, _, mounted = volume.partition(":")

    place = Path(Cache(environment(with_comments=True)["PDNS_CACHE"], timedelta(1)).place)

    assert str(place.parent) == mounted == "/var/cache/opencti-passive-dns"
    assert name in COMPOSE["volumes"]
    assert f"install -d -o 10001 -g 10001 {mounted}\n" in dockerfile


# OpenCTI's catalogue


def test_the_manifest_has_every_key_of_the_catalogue() -> None:
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


def test_the_manifest_agrees_with_the_other_files() -> None:
    assert MANIFEST["slug"] == SLUG
    assert MANIFEST["container_image"] == f"opencti/connector-{SLUG}" == SERVICE["image"].removesuffix(":latest")
    assert MANIFEST["container_type"] == environment(with_comments=True)["CONNECTOR_TYPE"]
    assert MANIFEST["title"] == environment(with_comments=True)["CONNECTOR_NAME"]
    assert MANIFEST["source_code"].endswith(f"/{SLUG}")


def test_the_manifest_says_that_the_connector_runs_in_playbooks_and_under_the_manager() -> None:
    assert MANIFEST["playbook_supported"] is True
    assert MANIFEST["manager_supported"] is True


def test_the_manifest_says_that_the_service_was_shut_down() -> None:
    assert "Microsoft has shut" in MANIFEST["description"]
    assert "Microsoft has shut" in MANIFEST["short_description"]


@pytest.mark.parametrize("key", SOURCES)
def test_the_manifest_names_every_source(key: str) -> None:
    assert key in MANIFEST["description"].lower()
