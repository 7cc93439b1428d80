"""Defaults, which place wins, what must be set, secrets and warnings."""

import subprocess
import sys
from dataclasses import FrozenInstanceError
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from passivedns.errors import SettingsError
from passivedns.settings.loading import load_lookup_settings, load_settings
from passivedns.settings.model import PdnsSettings
from passivedns.settings.table import DECLARED, PROJECT_ROOT, SECTIONS
from passivedns.settings.wording import allowed_values
from tests.unit.settings_loader import LIVING, REQUIRED, Load, complaint

SECRETS = ("token-of-the-platform", "key-of-the-account", "analyst@example.org")
ENCRYPTED = {"PDNS_MAX_TLP": "RED"}
"""Settings of which nothing is to be warned."""

# What is set where, and which wins


@pytest.mark.parametrize(
    ("key", "default"),
    [
        ("type", "INTERNAL_ENRICHMENT"),
        ("name", "Passive DNS"),
        ("scope", ("IPv4-Addr", "Domain-Name")),
        ("log_level", "info"),
        ("auto", False),
    ],
)
def test_what_the_connector_is_not_told_has_its_default(load: Load, key: str, default: object) -> None:
    assert getattr(load().connector, key) == default


@pytest.mark.parametrize(
    ("key", "default"),
    [
        ("sources", ("riskiq",)),
        ("max_tlp", None),
        ("import_last_seen_time_window", timedelta(days=30)),
        ("record_types", ("A", "AAAA", "CNAME", "MX", "NS", "SOA")),
        ("max_relationships", 0),
        ("skip_own", None),
        ("summary_note", False),
        ("cache", "passive-dns.sqlite"),
        ("cache_ttl", timedelta(hours=24)),
        ("request_timeout", 60),
        ("max_retries", 4),
        ("retry_backoff", 2),
        ("start_timeout", 300),
        ("stop_grace", 30),
    ],
)
def test_what_the_section_pdns_does_not_say_has_its_default(load: Load, key: str, default: object) -> None:
    assert getattr(load().lookup.pdns, key) == default


@pytest.mark.parametrize(
    ("key", "default"),
    [
        ("max_tlp", None),
        ("import_last_seen_time_window", None),
        ("quota_reserve", 0),
        ("api_base_url", "https://api.riskiq.net/pt"),
    ],
)
def test_what_the_section_of_a_source_does_not_say_has_its_default(load: Load, key: str, default: object) -> None:
    assert getattr(load(RISKIQ_API_BASE_URL=None).lookup.sources["riskiq"], key) == default


def test_a_default_passes_the_check_of_its_own_setting(load: Load) -> None:
    written = {
        "CONNECTOR_SCOPE": "IPv4-Addr,Domain-Name",
        "PDNS_SOURCES": "riskiq",
        "PDNS_IMPORT_LAST_SEEN_TIME_WINDOW": "P30D",
        "PDNS_RECORD_TYPES": "A,AAAA,CNAME,MX,NS,SOA",
        "PDNS_MAX_RELATIONSHIPS": "0",
        "PDNS_CACHE": "passive-dns.sqlite",
        "PDNS_CACHE_TTL": "PT24H",
        "PDNS_REQUEST_TIMEOUT": "60",
        "PDNS_MAX_RETRIES": "4",
        "PDNS_RETRY_BACKOFF": "2",
        "RISKIQ_QUOTA_RESERVE": "0",
        "RISKIQ_API_BASE_URL": "https://api.riskiq.net/pt",
    }

    assert load(**written) == load(RISKIQ_API_BASE_URL=None)


def test_every_setting_can_come_from_the_file(load: Load) -> None:
    config = """
    opencti: {url: "https://platform.example:8443", token: from-the-file}
    connector: {id: 0bb2ac3f-bd64-4d3c-8b8e-7a7f3a1d2c4b, type: INTERNAL_ENRICHMENT, name: From the file,
                scope: [Hostname], log_level: debug, auto: yes}
    pdns: {sources: [riskiq], max_tlp: TLP:GREEN, import_last_seen_time_window: P1W, record_types: [A, NS],
           max_relationships: 500, skip_own: yes, summary_note: yes, cache: memory, cache_ttl: P1W,
           request_timeout: 1.5, max_retries: 0, retry_backoff: 0, start_timeout: 0, stop_grace: 10}
    riskiq: {username: me, api_key: mine, max_tlp: TLP:RED, import_last_seen_time_window: P2W, quota_reserve: 100,
             api_base_url: "http://127.0.0.1:8000"}
    """

    settings = load(config, **dict.fromkeys((*REQUIRED, *LIVING)))

    assert settings.opencti.url == "https://platform.example:8443"
    assert settings.opencti.token.get_secret_value() == "from-the-file"
    assert settings.connector.model_dump(exclude_none=True) == {
        "id": "0bb2ac3f-bd64-4d3c-8b8e-7a7f3a1d2c4b",
        "type": "INTERNAL_ENRICHMENT",
        "name": "From the file",
        "scope": ("Hostname",),
        "log_level": "debug",
        "auto": True,
    }
    assert settings.lookup.pdns.model_dump() == {
        "sources": ("riskiq",),
        "max_tlp": "TLP:GREEN",
        "import_last_seen_time_window": "P7D",
        "record_types": ("A", "NS"),
        "max_relationships": 500,
        "skip_own": True,
        "summary_note": True,
        "cache": "memory",
        "cache_ttl": "P7D",
        "request_timeout": 1.5,
        "max_retries": 0,
        "retry_backoff": 0,
        "start_timeout": 0,
        "stop_grace": 10,
    }
    riskiq = settings.lookup.sources["riskiq"].model_dump()
    assert (riskiq.pop("username").get_secret_value(), riskiq.pop("api_key").get_secret_value()) == ("me", "mine")
    assert riskiq == {
        "max_tlp": "TLP:RED",
        "import_last_seen_time_window": "P14D",
        "quota_reserve": 100,
        "api_base_url": "http://127.0.0.1:8000",
    }


def test_the_environment_wins_over_both_files(load: Load) -> None:
    settings = load("connector: {name: Root}", "connector: {name: Source}", CONNECTOR_NAME="Environment")

    assert settings.connector.name == "Environment"


def test_the_file_beside_the_sources_wins_over_the_one_at_the_root(load: Load) -> None:
    assert load("connector: {name: Root}", "connector: {name: Source}").connector.name == "Source"


def test_the_files_are_merged_key_by_key(load: Load) -> None:
    settings = load("connector: {name: Root, log_level: debug}", "connector: {name: Source}")

    assert (settings.connector.name, settings.connector.log_level) == ("Source", "debug")


def test_the_name_of_a_variable_may_be_in_any_case(load: Load) -> None:
    assert load(connector_name="lower case").connector.name == "lower case"


def test_a_variable_named_like_a_section_belongs_to_somebody_else(load: Load) -> None:
    settings = load(RISKIQ="1.2.3", PDNS="on", OPENCTI='{"url": "x"}', MQ="yes", PDNS_MAX_TLP="RED")

    assert settings.lookup.pdns.max_tlp == "TLP:RED"


@pytest.mark.parametrize("nothing", ["", "  ", "ChangeMe", "changeme", " CHANGEME "])
def test_an_empty_variable_leaves_the_setting_to_the_file(load: Load, nothing: str) -> None:
    assert load("connector: {name: Root}", CONNECTOR_NAME=nothing).connector.name == "Root"


@pytest.mark.parametrize("nothing", ["", "null", "~", "'  '", "ChangeMe", "CHANGEME"])
def test_an_empty_key_leaves_the_setting_to_the_other_file(load: Load, nothing: str) -> None:
    assert load("connector: {name: Root}", f"connector:\n  name: {nothing}").connector.name == "Root"


@pytest.mark.parametrize("nothing", ["", "ChangeMe"])
def test_an_optional_setting_that_is_empty_has_its_default(load: Load, nothing: str) -> None:
    assert load(PDNS_MAX_RETRIES=nothing).lookup.pdns.max_retries == 4


@pytest.mark.parametrize("section", ["pdns", "riskiq"])
@pytest.mark.parametrize("placeholder", ["ChangeMe", "changeme", " CHANGEME "])
def test_a_maximum_tlp_that_was_never_chosen_is_not_read_as_no_limit(
    load: Load, section: str, placeholder: str
) -> None:
    name = f"{section}_MAX_TLP".upper()

    for text in (
        complaint(load, **{name: placeholder}),
        complaint(load, f"{section}: {{max_tlp: {placeholder}}}", **{name: ""}),
    ):
        assert f"{name} (config.yml: {section}.max_tlp) is still ChangeMe. Accepted values: TLP:CLEAR, " in text


def test_the_maximum_tlp_of_a_source_does_not_replace_that_of_the_others_that_was_never_chosen(load: Load) -> None:
    assert "PDNS_MAX_TLP (config.yml: pdns.max_tlp) is still ChangeMe." in complaint(
        load, PDNS_MAX_TLP="ChangeMe", RISKIQ_MAX_TLP="GREEN"
    )


@pytest.mark.parametrize("section", ["pdns", "riskiq"])
def test_the_placeholder_of_the_maximum_tlp_counts_as_missing_where_it_is_set_elsewhere(
    load: Load, section: str
) -> None:
    name = f"{section}_MAX_TLP".upper()

    for settings in (
        load(f"{section}: {{max_tlp: ChangeMe}}", **{name: "GREEN"}),
        load(f"{section}: {{max_tlp: GREEN}}", **{name: "ChangeMe"}),
    ):
        assert settings.lookup.max_tlp("riskiq") == ("TLP:GREEN", name)


@pytest.mark.parametrize("section", ["opencti", "connector", "mq", "s3"])
def test_a_section_without_a_maximum_tlp_may_hold_anything_under_that_name(load: Load, section: str) -> None:
    assert load(f"{section}: {{max_tlp: ChangeMe}}").lookup.pdns.max_tlp is None


@pytest.mark.parametrize("name", REQUIRED)
def test_a_required_setting_must_be_there(load: Load, name: str) -> None:
    assert f"\n  {name} (config.yml: " in complaint(load, **{name: None})


@pytest.mark.parametrize("name", REQUIRED)
def test_a_required_setting_must_not_be_the_placeholder(load: Load, name: str) -> None:
    assert f"\n  {name} (config.yml: " in complaint(load, **{name: "ChangeMe"})


def test_blanks_around_a_value_mean_nothing(load: Load) -> None:
    riskiq = load(RISKIQ_API_KEY=" key\n").lookup.sources["riskiq"]

    assert riskiq.model_dump()["api_key"].get_secret_value() == "key"


def test_settings_do_not_change_after_the_start(load: Load) -> None:
    settings = load()

    with pytest.raises(ValidationError, match="frozen"):
        settings.lookup.pdns.max_tlp = None  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        settings.lookup.sources["riskiq"].max_tlp = None  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        settings.lookup.pdns = PdnsSettings()  # type: ignore[misc]


def test_settings_are_checked_without_waiting_for_pycti() -> None:
    probe = "import sys, passivedns.settings.loading; sys.exit('pycti' in sys.modules)"

    subprocess.run([sys.executable, "-c", probe], cwd=PROJECT_ROOT / "src", check=True)


# What documents are made from


def test_every_setting_says_what_it_is_and_which_values_it_accepts() -> None:
    assert len(DECLARED) > 40
    assert [setting for setting, field in DECLARED.items() if not (field.description and allowed_values(field))] == []


def test_the_settings_give_a_json_schema() -> None:
    pdns, riskiq = (SECTIONS[name].model_json_schema()["properties"] for name in ("pdns", "riskiq"))

    assert riskiq["api_key"]["writeOnly"] is True
    assert pdns["import_last_seen_time_window"]["default"] == "P30D"
    assert pdns["cache_ttl"]["default"] == "PT24H"
    assert pdns["max_retries"]["allowed"] == "a whole number from 0 to 100"


# Secrets


def test_no_secret_can_be_read_off_the_settings(load: Load) -> None:
    settings = load(
        "mq: {pass: hidden-1}\ns3: {secret_key: hidden-2}\nconnector: {listen_protocol_api_ssl_passphrase: hidden-3}",
        OPENCTI_ADMIN_PASSWORD="hidden-4",
        MQ_PASS="hidden-5",
        RISKIQ_APIKEY="hidden-6",
        PDNS_CACHE="redis://:hidden-7@redis:6379/0",
        PDNS_SOURCES="riskiq,circl,dnsdb",
        CIRCL_USERNAME="hidden-8",
        CIRCL_PASSWORD="hidden-9",
        DNSDB_API_KEY="hidden-10",
    )

    sections = [repr(settings.lookup.pdns), *map(repr, settings.lookup.sources.values())]
    for text in (repr(settings), str(settings), *sections, *settings.warnings()):
        assert not any(secret in text for secret in (*SECRETS, "hidden"))


# Warnings


def test_settings_that_leave_no_doubt_are_passed_in_silence(load: Load) -> None:
    assert load(PDNS_MAX_TLP="AMBER").warnings() == []


def test_the_operator_is_warned_that_nothing_limits_the_tlp(load: Load) -> None:
    assert load().warnings() == [
        "PDNS_MAX_TLP is not set: observables of any TLP, TLP:RED included, are sent to PassiveTotal."
    ]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://pt.example:8000/pt", "pt.example"),
        ("http://192.0.2.1", "192.0.2.1"),
        ("http://[2001:db8::1]/pt", "2001:db8::1"),
    ],
)
def test_the_operator_is_warned_of_a_key_that_travels_unencrypted(load: Load, url: str, host: str) -> None:
    assert load(**ENCRYPTED, RISKIQ_API_BASE_URL=url).warnings() == [
        f"RISKIQ_API_BASE_URL is not https: questions and credentials travel unencrypted to {host}."
    ]


@pytest.mark.parametrize("host", ["localhost:8000", "pt.localhost", "127.0.0.1:8000", "127.1.2.3", "[::1]:8000"])
def test_a_key_that_stays_on_the_machine_gives_no_warning(load: Load, host: str) -> None:
    assert load(**ENCRYPTED, RISKIQ_API_BASE_URL=f"http://{host}/pt").warnings() == []


def test_a_misspelt_variable_is_a_warning_that_names_the_nearest(load: Load) -> None:
    assert load(**ENCRYPTED, RISKIQ_USER="x").warnings() == [
        "RISKIQ_USER is not a setting and is ignored; did you mean RISKIQ_USERNAME (config.yml: riskiq.username)?"
    ]


def test_variables_that_kubernetes_makes_of_a_service_do_not_stop_the_start(load: Load) -> None:
    assert load(**ENCRYPTED, RISKIQ_PORT_80_TCP="tcp://10.0.0.1:80").warnings() == [
        "RISKIQ_PORT_80_TCP is not a setting and is ignored."
    ]


@pytest.mark.parametrize(
    ("auto", "written", "skip_own"),
    [
        ("true", None, True),
        ("false", None, False),
        ("true", "false", False),
        ("false", "true", True),
        ("true", "ChangeMe", True),
    ],
)
def test_automatic_enrichment_skips_what_the_connector_added_unless_the_settings_say_otherwise(
    load: Load, auto: str, written: str | None, skip_own: bool
) -> None:
    assert load(CONNECTOR_AUTO=auto, PDNS_SKIP_OWN=written).skip_own is skip_own


def test_the_operator_is_warned_of_automatic_enrichments_without_end(load: Load) -> None:
    assert load(**ENCRYPTED, CONNECTOR_AUTO="true", PDNS_SKIP_OWN="false").warnings() == [
        "CONNECTOR_AUTO is on and PDNS_SKIP_OWN is off: OpenCTI enriches what enrichments add, without end."
    ]


@pytest.mark.parametrize(("auto", "skip_own"), [("true", None), ("true", "true"), ("false", "false")])
def test_automatic_enrichments_that_end_give_no_warning(load: Load, auto: str, skip_own: str | None) -> None:
    assert load(**ENCRYPTED, CONNECTOR_AUTO=auto, PDNS_SKIP_OWN=skip_own).warnings() == []


@pytest.mark.usefixtures("required")
def test_no_file_is_needed(tmp_path: Path) -> None:
    assert load_settings(tmp_path).connector.name == "Passive DNS"


SHUT = (
    "Microsoft has shut the PassiveTotal API down. Point RISKIQ_API_BASE_URL to a service that speaks the same API, or "
    "set PDNS_SOURCES to other sources: mnemonic and robtex need no account, circl, virustotal and otx only a free one."
)


def test_the_operator_is_warned_that_nobody_answers_at_a_default_address(load: Load) -> None:
    assert SHUT in load(RISKIQ_API_BASE_URL=None).warnings()
    assert SHUT not in load().warnings()


def test_missing_credentials_of_a_service_that_is_shut_come_with_the_same_advice(load: Load) -> None:
    assert complaint(load, RISKIQ_API_BASE_URL=None, RISKIQ_API_KEY=None).splitlines()[-1] == SHUT
    assert SHUT not in complaint(load, RISKIQ_API_KEY=None)


def test_a_look_up_that_lacks_settings_speaks_of_the_look_up(tmp_path: Path, load: Load) -> None:
    load()
    with pytest.raises(SettingsError, match=r"^Nothing can be looked up: 1 setting needs correcting\.\n"):
        load_lookup_settings(tmp_path, sources=["cof"])
