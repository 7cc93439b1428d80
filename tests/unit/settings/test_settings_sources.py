"""Several sources: which are queried, in which order, with which limits and warnings."""

from datetime import timedelta

import pytest
from isodate import Duration

from passivedns.sources import SOURCES
from tests.helpers.settings_loader import REQUIRED, Load, complaint

KEYS = tuple(SOURCES)
WITHOUT_ACCOUNT = {"RISKIQ_USERNAME": None, "RISKIQ_API_KEY": None}


# Which sources are queried


@pytest.mark.parametrize(
    ("written", "sources"),
    [
        ("robtex,riskiq,mnemonic", ["robtex", "riskiq", "mnemonic"]),
        (" Mnemonic , , ROBTEX,", ["mnemonic", "robtex"]),
        ("robtex,riskiq,robtex", ["robtex", "riskiq"]),
    ],
)
def test_sources_keep_their_order_and_ignore_spaces_case_and_repetition(
    load: Load, written: str, sources: list[str]
) -> None:
    lookup = load(PDNS_SOURCES=written).lookup

    assert list(lookup.pdns.sources) == sources
    assert list(lookup.sources) == sources


@pytest.mark.parametrize("config", ["[otx, ' Robtex ', null]", "\n    - otx\n    - robtex"])
def test_sources_can_be_a_list(load: Load, config: str) -> None:
    assert list(load(f"pdns:\n  sources: {config}", OTX_API_KEY="key").lookup.sources) == ["otx", "robtex"]


def test_an_unknown_source_is_refused_with_a_list_of_all_sources(load: Load) -> None:
    text = complaint(load, PDNS_SOURCES="riskiq, circle, whois")

    assert text == (
        "The connector cannot start: 1 setting needs correcting.\n"
        "  PDNS_SOURCES (config.yml: pdns.sources) is 'riskiq, circle, whois', of which 'circle' and 'whois' cannot be "
        f"queried. Accepted values: one or more of {', '.join(KEYS)}, separated by commas."
    )


@pytest.mark.parametrize("bad", ["','", "[]", "5", "{otx: riskiq}", "[[otx]]"])
def test_at_least_one_source_is_required(load: Load, bad: str) -> None:
    assert "PDNS_SOURCES (config.yml: pdns.sources) is " in complaint(load, f"pdns: {{sources: {bad}}}")


def test_a_key_in_the_environment_does_not_enable_its_source(load: Load) -> None:
    settings = load("dnsdb: {api_key: key}", VIRUSTOTAL_API_KEY="key", OTX_API_KEY="key")

    assert list(settings.lookup.sources) == ["riskiq"]


# Only the listed ones must be complete


def test_a_source_that_is_not_listed_needs_no_settings(load: Load) -> None:
    assert list(load(PDNS_SOURCES="robtex", **WITHOUT_ACCOUNT).lookup.sources) == ["robtex"]


def test_a_source_that_is_not_listed_may_be_invalid(load: Load) -> None:
    settings = load(
        "riskiq: {username: ChangeMe, quota_reserve: -1}",
        PDNS_SOURCES="robtex",
        OTX_API_BASE_URL="ftp://otx",
        VIRUSTOTAL_MAX_TLP="ChangeMe",
        **WITHOUT_ACCOUNT,
    )

    assert list(settings.lookup.sources) == ["robtex"]


def test_the_errors_of_all_listed_sources_are_reported_at_once(load: Load) -> None:
    assert complaint(load, PDNS_SOURCES="otx,dnsdb,cof,riskiq", RISKIQ_QUOTA_RESERVE="-1", OTX_API_KEY="ChangeMe") == (
        "The connector cannot start: 4 settings need correcting.\n"
        "  OTX_API_KEY (config.yml: otx.api_key) is still ChangeMe. Accepted values: the API key of the OTX account.\n"
        "  DNSDB_API_KEY (config.yml: dnsdb.api_key) is missing. Accepted values: the API key of DNSDB.\n"
        "  COF_URL (config.yml: cof.url) is missing."
        " Accepted values: an http:// or https:// URL without user name or fragment.\n"
        "  RISKIQ_QUOTA_RESERVE (config.yml: riskiq.quota_reserve) is '-1'. Accepted values: a whole number."
    )


@pytest.mark.parametrize("name", ["PDNS_MAX_RETRIES", "PDNS_MAX_TLP"])
def test_the_listed_sources_are_validated_even_if_another_setting_of_the_section_pdns_is_invalid(
    load: Load, name: str
) -> None:
    text = complaint(load, **{"PDNS_SOURCES": "otx", name: "?"})

    assert text.startswith("The connector cannot start: 2 settings need correcting.\n")
    assert "\n  OTX_API_KEY (config.yml: otx.api_key) is missing. " in text


def test_the_default_sources_are_validated_if_pdns_sources_is_still_the_placeholder(load: Load) -> None:
    text = complaint(load, PDNS_SOURCES="ChangeMe", PDNS_MAX_RETRIES="?", RISKIQ_API_KEY=None)

    assert text.startswith("The connector cannot start: 2 settings need correcting.\n")
    assert "\n  RISKIQ_API_KEY (config.yml: riskiq.api_key) is missing. " in text


def test_a_maximum_tlp_still_set_to_the_placeholder_is_refused_for_every_source(load: Load) -> None:
    names = [f"{key}_MAX_TLP".upper() for key in KEYS]

    text = complaint(load, PDNS_SOURCES=",".join(KEYS), **dict.fromkeys(names, "ChangeMe"))

    for key, name in zip(KEYS, names, strict=True):
        assert f"\n  {name} (config.yml: {key}.max_tlp) is still ChangeMe. " in text


# Limits of a source


def test_the_limits_of_a_source_override_those_of_the_section_pdns(load: Load) -> None:
    lookup = load(
        "mnemonic: {max_tlp: green, import_last_seen_time_window: P6M}",
        PDNS_SOURCES="mnemonic,robtex",
        PDNS_MAX_TLP="AMBER",
        PDNS_IMPORT_LAST_SEEN_TIME_WINDOW="P7D",
    ).lookup

    assert lookup.max_tlp("mnemonic") == ("TLP:GREEN", "MNEMONIC_MAX_TLP")
    assert lookup.max_tlp("robtex") == ("TLP:AMBER", "PDNS_MAX_TLP")
    assert lookup.window("mnemonic") == (Duration(months=6), "MNEMONIC_IMPORT_LAST_SEEN_TIME_WINDOW")
    assert lookup.window("robtex") == (timedelta(days=7), "PDNS_IMPORT_LAST_SEEN_TIME_WINDOW")


@pytest.mark.parametrize(
    ("key", "bad", "accepted"),
    [
        (
            "max_tlp",
            "PURPLE",
            "TLP:CLEAR, TLP:WHITE, TLP:GREEN, TLP:AMBER, TLP:AMBER+STRICT or TLP:RED, or empty for PDNS_MAX_TLP",
        ),
        (
            "import_last_seen_time_window",
            "P0D",
            "a positive ISO 8601 duration, such as P30D, P6M (calendar months) or PT12H, or empty for "
            "PDNS_IMPORT_LAST_SEEN_TIME_WINDOW",
        ),
    ],
)
def test_the_limits_of_a_source_are_validated(load: Load, key: str, bad: str, accepted: str) -> None:
    text = complaint(load, f"robtex: {{{key}: {bad}}}", PDNS_SOURCES="robtex")

    assert f"\n  ROBTEX_{key.upper()} (config.yml: robtex.{key}) is '{bad}'" in text
    assert text.endswith(f". Accepted values: {accepted}.")


def test_the_settings_of_the_original_connector_keep_their_meaning(load: Load) -> None:
    lookup = load(RISKIQ_MAX_TLP="TLP:AMBER", RISKIQ_IMPORT_LAST_SEEN_TIME_WINDOW="P90D").lookup

    assert list(lookup.sources) == ["riskiq"]
    assert lookup.max_tlp("riskiq") == ("TLP:AMBER", "RISKIQ_MAX_TLP")
    assert lookup.window("riskiq") == (timedelta(days=90), "RISKIQ_IMPORT_LAST_SEEN_TIME_WINDOW")
    assert lookup.warnings() == []


def test_a_setting_of_the_section_pdns_in_the_section_of_a_source_is_refused_with_the_same_hint(load: Load) -> None:
    assert complaint(load, "riskiq: {record_types: A}").endswith(
        "\n  config.yml: riskiq.record_types is not a setting; did you mean PDNS_RECORD_TYPES "
        "(config.yml: pdns.record_types)?"
    )


# Warnings about a source


def test_the_sources_without_a_tlp_limit_are_named(load: Load) -> None:
    settings = load(PDNS_SOURCES="robtex,riskiq,mnemonic", PDNS_MAX_TLP="none", RISKIQ_MAX_TLP="AMBER")

    assert settings.warnings() == [
        "PDNS_MAX_TLP is none: observables of any TLP, including TLP:RED, are sent to Robtex and mnemonic."
    ]


def test_every_source_with_an_unencrypted_url_is_named(load: Load) -> None:
    settings = load(
        PDNS_SOURCES="riskiq,cof,robtex",
        RISKIQ_API_BASE_URL="http://pt.example/pt",
        COF_URL="http://cof.example:8400/query",
    )

    assert settings.warnings() == [
        "RISKIQ_API_BASE_URL is not https: queries and credentials are sent unencrypted to pt.example.",
        "COF_URL is not https: queries and credentials are sent unencrypted to cof.example.",
    ]


def test_an_unencrypted_sign_in_url_is_named(load: Load) -> None:
    settings = load(
        **dict.fromkeys(["RISKIQ_USERNAME", "RISKIQ_API_KEY", "RISKIQ_API_BASE_URL"]),
        PDNS_SOURCES="defender",
        DEFENDER_TENANT_ID="tenant.example",
        DEFENDER_CLIENT_ID="client",
        DEFENDER_CLIENT_SECRET="secret",
        DEFENDER_LOGIN_BASE_URL="http://login.example",
    )

    assert settings.warnings() == [
        "DEFENDER_LOGIN_BASE_URL is not https: queries and credentials are sent unencrypted to login.example."
    ]


def test_the_required_settings_are_those_of_the_default_source() -> None:
    assert [name for name in REQUIRED if not name.startswith(("OPENCTI", "CONNECTOR"))] == list(WITHOUT_ACCOUNT)
