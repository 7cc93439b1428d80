import subprocess
import sys
from datetime import timedelta

import pytest
from pydantic import ValidationError
from settings_loader import REQUIRED, Load, complaint, loader

from passivedns.settings import DECLARED, PROJECT_ROOT, Settings
from passivedns.settings_errors import may_hold

SECRETS = ("token-of-the-platform", "key-of-the-account", "analyst@example.org")


@pytest.fixture
def load(monkeypatch, tmp_path) -> Load:
    return loader(monkeypatch, tmp_path)


# What is set where, and which wins


@pytest.mark.parametrize(
    ("section", "key", "default"),
    [
        ("connector", "type", "INTERNAL_ENRICHMENT"),
        ("connector", "name", "RiskIQ PassiveTotal"),
        ("connector", "scope", ("IPv4-Addr", "Domain-Name")),
        ("connector", "log_level", "info"),
        ("connector", "auto", False),
        ("riskiq", "max_tlp", None),
        ("riskiq", "import_last_seen_time_window", timedelta(days=30)),
        ("riskiq", "record_types", ("A", "AAAA", "CNAME", "MX", "NS", "SOA")),
        ("riskiq", "max_relationships", 0),
        ("riskiq", "skip_own", None),
        ("riskiq", "quota_reserve", 0),
        ("riskiq", "cache", "riskiq-passivetotal.sqlite"),
        ("riskiq", "cache_ttl", timedelta(hours=24)),
        ("riskiq", "api_base_url", "https://api.riskiq.net/pt"),
        ("riskiq", "request_timeout", 60),
        ("riskiq", "max_retries", 4),
        ("riskiq", "retry_backoff", 2),
    ],
)
def test_what_is_not_set_has_its_default(load, section, key, default):
    assert getattr(getattr(load(), section), key) == default


def test_a_default_passes_the_check_of_its_own_setting(load):
    written = {
        "CONNECTOR_SCOPE": "IPv4-Addr,Domain-Name",
        "RISKIQ_IMPORT_LAST_SEEN_TIME_WINDOW": "P30D",
        "PDNS_RECORD_TYPES": "A,AAAA,CNAME,MX,NS,SOA",
        "PDNS_MAX_RELATIONSHIPS": "0",
        "RISKIQ_QUOTA_RESERVE": "0",
        "PDNS_CACHE": "riskiq-passivetotal.sqlite",
        "PDNS_CACHE_TTL": "PT24H",
        "RISKIQ_API_BASE_URL": "https://api.riskiq.net/pt",
        "PDNS_REQUEST_TIMEOUT": "60",
        "PDNS_MAX_RETRIES": "4",
        "PDNS_RETRY_BACKOFF": "2",
    }

    assert load(**written) == load()


def test_every_setting_can_come_from_the_file(load):
    config = """
    opencti: {url: "https://platform.example:8443", token: from-the-file}
    connector: {id: 0bb2ac3f-bd64-4d3c-8b8e-7a7f3a1d2c4b, type: INTERNAL_ENRICHMENT, name: From the file,
                scope: [Hostname], log_level: debug, auto: yes}
    riskiq: {username: me, api_key: mine, max_tlp: TLP:GREEN, import_last_seen_time_window: P1W,
             record_types: [A, NS], max_relationships: 500, skip_own: yes,
             quota_reserve: 100, cache: memory, cache_ttl: P1W, api_base_url: "http://127.0.0.1:8000",
             request_timeout: 1.5, max_retries: 0, retry_backoff: 0, start_timeout: 0, stop_grace: 10}
    """

    settings = load(config, **dict.fromkeys(REQUIRED))

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
    assert settings.riskiq.username.get_secret_value() == "me"
    assert settings.riskiq.api_key.get_secret_value() == "mine"
    assert settings.riskiq.model_dump(exclude={"username", "api_key"}) == {
        "max_tlp": "TLP:GREEN",
        "import_last_seen_time_window": "P7D",
        "record_types": ("A", "NS"),
        "max_relationships": 500,
        "skip_own": True,
        "summary_note": False,
        "quota_reserve": 100,
        "cache": "memory",
        "cache_ttl": "P7D",
        "api_base_url": "http://127.0.0.1:8000",
        "request_timeout": 1.5,
        "max_retries": 0,
        "retry_backoff": 0,
        "start_timeout": 0,
        "stop_grace": 10,
    }


def test_the_environment_wins_over_both_files(load):
    settings = load("connector: {name: Root}", "connector: {name: Source}", CONNECTOR_NAME="Environment")

    assert settings.connector.name == "Environment"


def test_the_file_beside_the_sources_wins_over_the_one_at_the_root(load):
    assert load("connector: {name: Root}", "connector: {name: Source}").connector.name == "Source"


def test_the_files_are_merged_key_by_key(load):
    settings = load("connector: {name: Root, log_level: debug}", "connector: {name: Source}")

    assert (settings.connector.name, settings.connector.log_level) == ("Source", "debug")


def test_the_name_of_a_variable_may_be_in_any_case(load):
    assert load(connector_name="lower case").connector.name == "lower case"


def test_a_variable_named_like_a_section_is_somebody_elses(load):
    assert load(RISKIQ="1.2.3", OPENCTI='{"url": "x"}', MQ="yes", RISKIQ_MAX_TLP="RED").riskiq.max_tlp == "TLP:RED"


@pytest.mark.parametrize("nothing", ["", "  ", "ChangeMe", "changeme", " CHANGEME "])
def test_a_variable_that_holds_nothing_leaves_the_file_to_speak(load, nothing):
    assert load("connector: {name: Root}", CONNECTOR_NAME=nothing).connector.name == "Root"


@pytest.mark.parametrize("nothing", ["", "null", "~", "'  '", "ChangeMe", "CHANGEME"])
def test_a_key_that_holds_nothing_leaves_the_other_file_to_speak(load, nothing):
    assert load("connector: {name: Root}", f"connector:\n  name: {nothing}").connector.name == "Root"


@pytest.mark.parametrize("nothing", ["", "ChangeMe"])
def test_an_optional_setting_that_holds_nothing_has_its_default(load, nothing):
    assert load(PDNS_MAX_RETRIES=nothing).riskiq.max_retries == 4


@pytest.mark.parametrize("placeholder", ["ChangeMe", "changeme", " CHANGEME "])
def test_a_maximum_tlp_that_was_never_chosen_is_not_read_as_no_limit(load, placeholder):
    assert "RISKIQ_MAX_TLP (config.yml: riskiq.max_tlp): holds " in complaint(load, RISKIQ_MAX_TLP=placeholder)
    assert "riskiq.max_tlp): holds " in complaint(load, f"riskiq: {{max_tlp: {placeholder}}}", RISKIQ_MAX_TLP="")


def test_the_placeholder_of_the_maximum_tlp_counts_as_missing_where_another_source_holds_one(load):
    assert load("riskiq: {max_tlp: ChangeMe}", RISKIQ_MAX_TLP="GREEN").riskiq.max_tlp == "TLP:GREEN"
    assert load("riskiq: {max_tlp: GREEN}", RISKIQ_MAX_TLP="ChangeMe").riskiq.max_tlp == "TLP:GREEN"


@pytest.mark.parametrize("name", REQUIRED)
def test_a_required_setting_must_be_there(load, name):
    assert f"{name} (config.yml: " in complaint(load, **{name: None})


@pytest.mark.parametrize("name", REQUIRED)
def test_a_required_setting_must_not_hold_the_placeholder(load, name):
    assert f"{name} (config.yml: " in complaint(load, **{name: "ChangeMe"})


def test_blanks_around_a_value_mean_nothing(load):
    assert load(RISKIQ_API_KEY=" key\n").riskiq.api_key.get_secret_value() == "key"


def test_settings_do_not_change_after_the_start(load):
    settings = load()

    with pytest.raises(ValidationError, match="frozen"):
        settings.riskiq.max_tlp = None
    with pytest.raises(ValidationError, match="frozen"):
        settings.riskiq = None


def test_settings_are_checked_without_waiting_for_pycti():
    probe = "import sys, riskiq.settings; sys.exit('pycti' in sys.modules)"

    subprocess.run([sys.executable, "-c", probe], cwd=PROJECT_ROOT / "src", check=True)


# What documents are made from


def test_every_setting_says_what_it_is_and_what_it_may_hold():
    assert all(field.description and may_hold(field) for field in DECLARED.values())


def test_the_settings_give_a_json_schema():
    properties = Settings.model_json_schema()["$defs"]["RiskIQSettings"]["properties"]

    assert properties["api_key"]["writeOnly"] is True
    assert properties["import_last_seen_time_window"]["default"] == "P30D"
    assert properties["cache_ttl"]["default"] == "PT24H"
    assert properties["max_retries"]["may_hold"] == "a whole number from 0 to 100"


# Secrets


def test_no_secret_can_be_read_off_the_settings(load):
    settings = load(
        "mq: {pass: hidden-1}\ns3: {secret_key: hidden-2}\nconnector: {listen_protocol_api_ssl_passphrase: hidden-3}",
        OPENCTI_ADMIN_PASSWORD="hidden-4",
        MQ_PASS="hidden-5",
        RISKIQ_APIKEY="hidden-6",
        PDNS_CACHE="redis://:hidden-7@redis:6379/0",
    )

    for text in (repr(settings), str(settings), repr(settings.riskiq), *settings.warnings()):
        assert not any(secret in text for secret in (*SECRETS, "hidden"))


# Warnings


def test_settings_that_leave_no_doubt_are_passed_in_silence(load):
    assert load(RISKIQ_MAX_TLP="AMBER").warnings() == []


def test_the_operator_is_warned_that_nothing_limits_the_tlp(load):
    assert load().warnings() == [
        "RISKIQ_MAX_TLP is not set: observables of any TLP, TLP:RED included, are sent to PassiveTotal."
    ]


@pytest.mark.parametrize("url", ["http://pt.example:8000/pt", "http://192.0.2.1", "http://[2001:db8::1]/pt"])
def test_the_operator_is_warned_of_a_key_that_travels_unencrypted(load, url):
    (warning,) = load(RISKIQ_MAX_TLP="RED", RISKIQ_API_BASE_URL=url).warnings()

    assert warning.startswith("RISKIQ_API_BASE_URL is not https: the API key travels unencrypted to ")


@pytest.mark.parametrize("host", ["localhost:8000", "pt.localhost", "127.0.0.1:8000", "127.1.2.3", "[::1]:8000"])
def test_a_key_that_stays_on_the_machine_is_no_reason_to_warn(load, host):
    assert load(RISKIQ_MAX_TLP="RED", RISKIQ_API_BASE_URL=f"http://{host}/pt").warnings() == []


def test_a_misspelt_variable_is_a_warning_that_names_the_nearest(load):
    assert load(RISKIQ_MAX_TLP="RED", RISKIQ_USER="x").warnings() == [
        "RISKIQ_USER is not a setting and is ignored; did you mean RISKIQ_USERNAME (config.yml: riskiq.username)?"
    ]


def test_variables_that_kubernetes_makes_of_a_service_do_not_stop_the_start(load):
    assert load(RISKIQ_MAX_TLP="RED", RISKIQ_PORT_80_TCP="tcp://10.0.0.1:80").warnings() == [
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
def test_what_the_connector_added_is_skipped_where_openctis_enrichment_is_automatic_unless_it_is_said_otherwise(
    load, auto, written, skip_own
):
    assert load(CONNECTOR_AUTO=auto, PDNS_SKIP_OWN=written).skip_own is skip_own


def test_the_operator_is_warned_of_automatic_enrichments_without_end(load):
    assert load(RISKIQ_MAX_TLP="RED", CONNECTOR_AUTO="true", PDNS_SKIP_OWN="false").warnings() == [
        "CONNECTOR_AUTO is on and PDNS_SKIP_OWN is off: OpenCTI has what an enrichment adds enriched in turn, "
        "without end."
    ]


@pytest.mark.parametrize(("auto", "skip_own"), [("true", None), ("true", "true"), ("false", "false")])
def test_automatic_enrichments_that_end_are_no_reason_to_warn(load, auto, skip_own):
    assert load(RISKIQ_MAX_TLP="RED", CONNECTOR_AUTO=auto, PDNS_SKIP_OWN=skip_own).warnings() == []
