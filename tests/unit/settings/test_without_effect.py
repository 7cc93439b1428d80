"""Settings without effect: unknown ones, those of sources that are not listed, and misspelt variables."""

from pathlib import Path

import pytest

from passivedns.errors import SettingsError
from passivedns.settings.loading import load_lookup_settings
from passivedns.sources import SOURCES
from tests.helpers.settings_loader import LIVING, REQUIRED, Load, complaint

OLD = {name: REQUIRED[name] for name in ("RISKIQ_USERNAME", "RISKIQ_API_KEY")}
"""The account of the original connector."""
NO_RISKIQ: dict[str, str | None] = dict.fromkeys([*OLD, *LIVING])
FREE = {"PDNS_SOURCES": "mnemonic,robtex"}


# Sources that are not listed


def test_the_account_of_a_source_that_is_not_listed_is_named(load: Load) -> None:
    settings = load(**NO_RISKIQ | FREE | {"CIRCL_USERNAME": "me", "CIRCL_PASSWORD": "geheim", "OTX_API_KEY": "geheim"})

    assert settings.warnings() == [
        "CIRCL_USERNAME and CIRCL_PASSWORD are set, but PDNS_SOURCES does not list circl: add it, or remove the "
        "settings.",
        "OTX_API_KEY is set, but PDNS_SOURCES does not list otx: add it, or remove the setting.",
    ]


@pytest.mark.parametrize("key", SOURCES)
def test_a_limit_of_any_source_that_is_not_listed_is_named(load: Load, key: str) -> None:
    listed = "robtex" if key == "mnemonic" else "mnemonic"
    settings = load(f"{key}: {{max_tlp: RED, import_last_seen_time_window: P7D}}", PDNS_SOURCES=listed, **NO_RISKIQ)

    limits = f"limits only {key}, which PDNS_SOURCES does not list; set"
    assert settings.warnings() == [
        f"{key.upper()}_MAX_TLP {limits} PDNS_MAX_TLP.",
        f"{key.upper()}_IMPORT_LAST_SEEN_TIME_WINDOW {limits} PDNS_IMPORT_LAST_SEEN_TIME_WINDOW.",
    ]


@pytest.mark.parametrize("written", ["GREEN", "tlp:green", " TLP:White ", "PURPLE"])
def test_a_limit_of_a_source_that_is_not_listed_stops_the_start_if_it_is_stricter_than_that_of_a_listed_one(
    load: Load, tmp_path: Path, written: str
) -> None:
    text = complaint(load, **NO_RISKIQ | FREE | {"RISKIQ_MAX_TLP": written})
    with pytest.raises(SettingsError) as in_lookup:
        load_lookup_settings(tmp_path)

    sentence = (
        "RISKIQ_MAX_TLP limits only riskiq, which PDNS_SOURCES does not list; set PDNS_MAX_TLP, since mnemonic and "
        "robtex get up to TLP:AMBER."
    )
    assert text == f"The connector cannot start: 1 setting needs correcting.\n  {sentence}"
    assert str(in_lookup.value) == f"Nothing can be looked up: 1 setting needs correcting.\n  {sentence}"


def test_the_listed_sources_with_a_laxer_limit_are_named_with_it(load: Load) -> None:
    text = complaint(
        load,
        PDNS_SOURCES="mnemonic,robtex,cof",
        COF_URL="https://cof.example",
        PDNS_MAX_TLP="none",
        COF_MAX_TLP="TLP:RED",
        MNEMONIC_MAX_TLP="clear",
        RISKIQ_MAX_TLP="TLP:AMBER",
    )

    assert "; set PDNS_MAX_TLP, since robtex gets any TLP and cof gets up to TLP:RED." in text


@pytest.mark.parametrize(("own", "common"), [("AMBER", None), ("RED", "GREEN"), ("WHITE", "CLEAR"), ("CLEAR", "WHITE")])
def test_a_limit_that_is_not_stricter_does_not_stop_the_start(load: Load, own: str, common: str | None) -> None:
    assert load(PDNS_SOURCES="robtex", PDNS_MAX_TLP=common, RISKIQ_MAX_TLP=own).lookup.max_tlp("robtex")[0] == (
        f"TLP:{common or 'AMBER'}"
    )


def test_sources_chosen_for_one_look_up_are_not_compared_with_others(load: Load, tmp_path: Path) -> None:
    load(RISKIQ_MAX_TLP="GREEN")

    assert list(load_lookup_settings(tmp_path, ["robtex"]).sources) == ["robtex"]


# No sources


NO_SOURCES = (
    "PDNS_SOURCES (config.yml: pdns.sources) is missing. mnemonic and robtex need no account: set "
    "PDNS_SOURCES=mnemonic,robtex, or for one look-up use --sources mnemonic,robtex."
)


def test_without_sources_the_original_connectors_is_queried_where_it_is_configured(load: Load) -> None:
    assert list(load().lookup.sources) == ["riskiq"]


@pytest.mark.parametrize("sources", [None, "", "ChangeMe"])
def test_without_any_source_those_without_account_are_named_and_those_that_are_configured(
    load: Load, tmp_path: Path, sources: str | None
) -> None:
    others = {"RISKIQ_API_KEY": "geheim", "VIRUSTOTAL_API_KEY": "geheim", "PDNS_SOURCES": sources}
    text = complaint(load, **NO_RISKIQ | others)
    with pytest.raises(SettingsError) as in_lookup:
        load_lookup_settings(tmp_path)

    assert (
        text.splitlines()[1:]
        == str(in_lookup.value).splitlines()[1:]
        == [
            f"  {NO_SOURCES}",
            "RISKIQ_API_KEY is set, but PDNS_SOURCES does not list riskiq: add it, or remove the setting.",
            "VIRUSTOTAL_API_KEY is set, but PDNS_SOURCES does not list virustotal: add it, or remove the setting.",
        ]
    )


def test_sources_are_not_missing_if_a_file_cannot_be_read(load: Load) -> None:
    assert "PDNS_SOURCES" not in complaint(load, "pdns: [", **NO_RISKIQ)


# Unknown variables


UNKNOWN = {
    "PDNS_SOURCE": "PDNS_SOURCES (config.yml: pdns.sources)",
    "PDNS_TLP_MAX": "PDNS_MAX_TLP (config.yml: pdns.max_tlp)",
    "PDNS_RECORDTYPES": "PDNS_RECORD_TYPES (config.yml: pdns.record_types)",
    "riskiq_tlp_max": "RISKIQ_MAX_TLP (config.yml: riskiq.max_tlp)",
    "RISKIQ_USER": "RISKIQ_USERNAME (config.yml: riskiq.username)",
    "RISKIQ_MAX_RELATIONSHIPS": "PDNS_MAX_RELATIONSHIPS (config.yml: pdns.max_relationships)",
    "RISKIQ_MAX_PAP": "PDNS_MAX_PAP (config.yml: pdns.max_pap)",
}


def test_unknown_variables_of_pdns_and_of_listed_sources_stop_the_start_and_are_all_named(load: Load) -> None:
    text = complaint(load, PDNS_COLOUR="geheim", RISKIQ_COLOUR="geheim", **dict.fromkeys(UNKNOWN, "geheim"))

    assert text.startswith(f"The connector cannot start: {len(UNKNOWN) + 2} settings need correcting.\n")
    for name, meant in UNKNOWN.items():
        assert f"\n  {name.upper()} is not a setting; did you mean {meant}?" in text
    assert "\n  PDNS_COLOUR is not a setting.\n" in text
    assert "\n  RISKIQ_COLOUR is not a setting." in text
    assert "geheim" not in text


@pytest.mark.parametrize("name", ["OTX_TLP_MAX", "OTX_MAXTLP", "CIRCL_TLP_MAX"])
def test_a_misspelt_limit_of_a_source_that_is_not_listed_stops_the_start(load: Load, name: str) -> None:
    assert f"\n  {name} is not a setting; did you mean {name.partition('_')[0]}_MAX_TLP (" in complaint(
        load, **{name: "GREEN"}
    )


def test_another_misspelt_variable_of_a_source_that_is_not_listed_is_named(load: Load) -> None:
    assert load(CIRCL_USER="x", OTX_KEY="x").warnings() == [
        "CIRCL_USER is not a setting and is ignored; did you mean CIRCL_USERNAME (config.yml: circl.username)?",
        "OTX_KEY is not a setting and is ignored; did you mean OTX_API_KEY (config.yml: otx.api_key)?",
    ]


def test_a_misspelt_variable_of_opencti_is_named(load: Load) -> None:
    assert load(OPENCTI_TOKENS="x", CONNECTOR_LOGLEVEL="x").warnings() == [
        "OPENCTI_TOKENS is not a setting and is ignored; did you mean OPENCTI_TOKEN (config.yml: opencti.token)?",
        "CONNECTOR_LOGLEVEL is not a setting and is ignored; did you mean CONNECTOR_LOG_LEVEL (config.yml: "
        "connector.log_level)?",
    ]


@pytest.mark.parametrize(
    "name",
    [
        *("OPENCTI_JSON_LOGGING", "CONNECTOR_QUEUE_THRESHOLD", "MQ_HOST", "S3_ENDPOINT", "OPENCTI_ADMIN_EMAIL"),
        *("RISKIQ_PORT_80_TCP", "PDNS_SERVICE_HOST", "PDNS_CACHE_PORT", "PDNS_CACHE_SERVICE_PORT_REDIS"),
        *("PDNS_PORT_53_UDP_ADDR", "DNSDB_SERVER", "CIRCL_AUTH", "OTX_HOME", "COF_WORKERS", "DNSDB_FORMAT"),
        *("CIRCLE_USERNAME", "DNS_SERVER", "CONF_URL", "TLP_MAX", "MAX_TLP", "VT_API_KEY", "OPENAI_API_KEY"),
        *("PASSIVE_DNS_HOME", "PDNSUTIL_CONFIG", "HTTPS_PROXY", "PATH_INFO"),
    ],
)
def test_a_variable_of_other_software_is_no_concern(load: Load, name: str) -> None:
    assert load(**{name: "x"}).warnings() == []


@pytest.mark.parametrize("name", ["DNSDB_SERVER", "CIRCL_SERVER", "CIRCL_AUTH"])
def test_a_variable_of_dnsdbq_does_not_stop_its_source(load: Load, name: str) -> None:
    settings = load(PDNS_SOURCES="riskiq,dnsdb,circl", DNSDB_API_KEY="x", CIRCL_TOKEN="x", **{name: "x"})

    assert settings.warnings() == [f"{name} is a variable of dnsdbq, and no setting of this connector."]


# Variables of no section


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("PASSIVEDNS_MAX_TLP", "PDNS_MAX_TLP"),
        ("PASSIVE_DNS_MAX_TLP", "PDNS_MAX_TLP"),
        ("PASSIVE_DNS_TLP_MAX", "PDNS_MAX_TLP"),
        ("passivedns_sources", "PDNS_SOURCES"),
        ("PASSIVE-DNS-MAX-PAP", "PDNS_MAX_PAP"),
        ("PDNS-MAX-TLP", "PDNS_MAX_TLP"),
        ("PDNS.MAX.TLP", "PDNS_MAX_TLP"),
        ("PNDS_MAX_TLP", "PDNS_MAX_TLP"),
        ("DPNS_MAX_TLP", "PDNS_MAX_TLP"),
        ("P_DNS_MAX_TLP", "PDNS_MAX_TLP"),
        ("RISK_IQ_MAX_TLP", "RISKIQ_MAX_TLP"),
        ("RISQIQ_MAX_TLP", "RISKIQ_MAX_TLP"),
        ("VIRUS_TOTAL_API_KEY", "VIRUSTOTAL_API_KEY"),
        ("DNS_DB_API_KEY", "DNSDB_API_KEY"),
    ],
)
def test_a_variable_that_resembles_a_setting_is_named_with_it(load: Load, name: str, meant: str) -> None:
    (warning,) = load(**{name: "geheim"}).warnings()

    start = name if "." not in name else "PDNS..."
    assert warning.startswith(f"{start} is not a setting and is ignored; did you mean {meant} (config.yml: ")


# One variable twice


def test_a_variable_set_twice_with_different_values_is_refused(load: Load) -> None:
    text = complaint(load, PDNS_MAX_TLP="GREEN", pdns_max_tlp="RED", riskiq_api_key="geheim", Connector_Name="a")

    assert text == (
        "The connector cannot start: 2 settings need correcting.\n"
        "  PDNS_MAX_TLP is set more than once, in different case and with different values: keep one.\n"
        "  RISKIQ_API_KEY is set more than once, in different case and with different values: keep one."
    )


def test_a_variable_set_twice_with_the_same_value_is_accepted(load: Load) -> None:
    assert load(PDNS_MAX_TLP="GREEN", pdns_max_tlp="GREEN").lookup.pdns.max_tlp == "TLP:GREEN"


# Quotes of env files


@pytest.mark.parametrize("quote", ['"', "'"])
def test_quotes_around_a_value_of_the_environment_are_refused_with_the_remedy(load: Load, quote: str) -> None:
    names = {
        "PDNS_MAX_TLP": "TLP:GREEN",
        "RISKIQ_API_KEY": "geheim",
        "CONNECTOR_LOG_LEVEL": "info",
        "MQ_PASS": "geheim",
    }
    text = complaint(load, **{name: f"{quote}{value}{quote}" for name, value in names.items()})

    quoted = "is in quotes, which count as part of the value: remove them"
    assert text.startswith("The connector cannot start: 4 settings need correcting.\n")
    assert f"\n  PDNS_MAX_TLP {quoted}." in text
    assert f"\n  CONNECTOR_LOG_LEVEL {quoted}." in text
    assert f"\n  MQ_PASS {quoted}." in text
    assert f"\n  RISKIQ_API_KEY {quoted}, or put a value that has them into a file (RISKIQ_API_KEY_FILE)." in text
    assert "geheim" not in text


def test_quotes_within_a_value_or_in_a_secret_file_belong_to_it(load: Load, tmp_path: Path) -> None:
    (tmp_path / "key").write_text('"key"')
    riskiq = load(RISKIQ_USERNAME='a"b', RISKIQ_API_KEY=None, RISKIQ_API_KEY_FILE=str(tmp_path / "key")).lookup.sources[
        "riskiq"
    ]

    assert [riskiq.model_dump()[name].get_secret_value() for name in ("username", "api_key")] == ['a"b', '"key"']


def test_quotes_around_a_value_of_a_source_that_is_not_listed_do_not_stop_the_start(load: Load) -> None:
    assert load(OTX_API_KEY='"key"').warnings() == [
        "OTX_API_KEY is set, but PDNS_SOURCES does not list otx: add it, or remove the setting."
    ]
