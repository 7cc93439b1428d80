"""Defaults, required settings, secrets and warnings."""

import subprocess
import sys
from dataclasses import FrozenInstanceError
from datetime import timedelta

import pytest
from pydantic import ValidationError

from passivedns.settings.model import DECLARED, SECTIONS, PdnsSettings
from passivedns.settings.problems import allowed_values
from passivedns.settings.reading import PROJECT_ROOT
from tests.helpers.settings_loader import LIVING, REQUIRED, Load, complaint

SECRETS = ("token-of-the-platform", "key-of-the-account", "analyst@example.org")
DEFAULT_PDNS = {
    "sources": (),
    "max_tlp": "TLP:AMBER",
    "max_pap": "PAP:AMBER",
    "import_last_seen_time_window": timedelta(days=30),
    "record_types": ("A", "AAAA", "CNAME", "MX", "NS", "SOA"),
    "max_relationships": 500,
    "skip_own": None,
    "summary_note": False,
    "cache": "passive-dns.sqlite",
    "cache_ttl": timedelta(hours=24),
    "request_timeout": 60,
    "max_retries": 4,
    "retry_backoff": 2,
    "start_timeout": 300,
    "stop_grace": 30,
}


# Defaults


def test_the_defaults_of_the_connector(load: Load) -> None:
    assert load().connector.model_dump(exclude_none=True) == {
        "id": REQUIRED["CONNECTOR_ID"],
        "type": "INTERNAL_ENRICHMENT",
        "name": "Passive DNS",
        "scope": ("IPv4-Addr", "Domain-Name"),
        "log_level": "info",
        "auto": False,
    }


def test_the_defaults_of_the_section_pdns(load: Load) -> None:
    assert dict(load().lookup.pdns) == DEFAULT_PDNS


def test_the_defaults_of_a_source(load: Load) -> None:
    riskiq = dict(load(RISKIQ_API_BASE_URL=None).lookup.sources["riskiq"])

    assert {key: value for key, value in riskiq.items() if key not in ("username", "api_key")} == {
        "max_tlp": None,
        "import_last_seen_time_window": None,
        "quota_reserve": 0,
        "api_base_url": "https://api.riskiq.net/pt",
    }


def test_each_default_is_valid(load: Load) -> None:
    written = {
        "CONNECTOR_SCOPE": "IPv4-Addr,Domain-Name",
        "PDNS_MAX_TLP": "TLP:AMBER",
        "PDNS_MAX_PAP": "PAP:AMBER",
        "PDNS_IMPORT_LAST_SEEN_TIME_WINDOW": "P30D",
        "PDNS_RECORD_TYPES": "A,AAAA,CNAME,MX,NS,SOA",
        "PDNS_MAX_RELATIONSHIPS": "500",
        "PDNS_CACHE": "passive-dns.sqlite",
        "PDNS_CACHE_TTL": "PT24H",
        "PDNS_REQUEST_TIMEOUT": "60",
        "PDNS_MAX_RETRIES": "4",
        "PDNS_RETRY_BACKOFF": "2",
        "RISKIQ_QUOTA_RESERVE": "0",
        "RISKIQ_API_BASE_URL": "https://api.riskiq.net/pt",
    }

    assert load(**written) == load(RISKIQ_API_BASE_URL=None)


def test_every_setting_can_come_from_a_file(load: Load) -> None:
    config = """
    opencti: {url: "https://platform.example:8443", token: from-the-file}
    connector: {id: 0bb2ac3f-bd64-4d3c-8b8e-7a7f3a1d2c4b, type: INTERNAL_ENRICHMENT, name: From the file,
                scope: [Hostname], log_level: debug, auto: yes}
    pdns: {sources: [riskiq], max_tlp: TLP:GREEN, max_pap: PAP:RED, import_last_seen_time_window: P1W,
           record_types: [A, NS],
           max_relationships: 50, skip_own: yes, summary_note: yes, cache: memory, cache_ttl: P1W,
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
        "max_pap": "PAP:RED",
        "import_last_seen_time_window": "P7D",
        "record_types": ("A", "NS"),
        "max_relationships": 50,
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


# Required settings and placeholders


@pytest.mark.parametrize(("value", "fault"), [(None, "is missing"), ("ChangeMe", "is still ChangeMe")])
def test_every_required_setting_is_named(load: Load, value: str | None, fault: str) -> None:
    text = complaint(load, PDNS_SOURCES="riskiq", **dict.fromkeys(REQUIRED, value))

    assert text.startswith("The connector cannot start: 5 settings need correcting.")
    for name in REQUIRED:
        assert f"\n  {name} (config.yml: {name.lower().replace('_', '.', 1)}) {fault}. Accepted values: " in text


@pytest.mark.parametrize("name", ["PDNS_MAX_TLP", "RISKIQ_MAX_TLP"])
@pytest.mark.parametrize("placeholder", ["ChangeMe", " CHANGEME "])
def test_a_maximum_tlp_still_set_to_the_placeholder_does_not_mean_no_limit(
    load: Load, name: str, placeholder: str
) -> None:
    section = name.partition("_")[0].lower()

    for text in (
        complaint(load, **{name: placeholder}),
        complaint(load, f"{section}: {{max_tlp: {placeholder}}}", **{name: ""}),
    ):
        assert f"{name} (config.yml: {section}.max_tlp) is still ChangeMe. Accepted values: TLP:CLEAR, " in text


def test_the_maximum_tlp_of_a_source_does_not_replace_a_placeholder_in_the_section_pdns(load: Load) -> None:
    assert "PDNS_MAX_TLP (config.yml: pdns.max_tlp) is still ChangeMe." in complaint(
        load, PDNS_MAX_TLP="ChangeMe", RISKIQ_MAX_TLP="GREEN"
    )


@pytest.mark.parametrize("name", ["PDNS_MAX_TLP", "RISKIQ_MAX_TLP"])
def test_a_maximum_tlp_set_elsewhere_replaces_the_placeholder(load: Load, name: str) -> None:
    section = name.partition("_")[0].lower()

    for settings in (
        load(f"{section}: {{max_tlp: ChangeMe}}", **{name: "GREEN"}),
        load(f"{section}: {{max_tlp: GREEN}}", **{name: "ChangeMe"}),
    ):
        assert settings.lookup.max_tlp("riskiq") == ("TLP:GREEN", name)


def test_a_section_without_a_maximum_tlp_ignores_that_name(load: Load) -> None:
    config = "\n".join(f"{section}: {{max_tlp: ChangeMe}}" for section in ("opencti", "connector", "mq", "s3"))

    assert load(config).lookup.pdns.max_tlp == "TLP:AMBER"


def test_settings_are_immutable(load: Load) -> None:
    settings = load()

    with pytest.raises(ValidationError, match="frozen"):
        settings.lookup.pdns.max_tlp = "none"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        settings.lookup.sources["riskiq"].max_tlp = None  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        settings.lookup.pdns = PdnsSettings()  # type: ignore[misc]


def test_settings_are_validated_without_importing_pycti() -> None:
    probe = "import sys, passivedns.settings.loading; sys.exit('pycti' in sys.modules)"

    subprocess.run([sys.executable, "-c", probe], cwd=PROJECT_ROOT / "src", check=True)


# Documents


def test_every_setting_has_a_description_and_accepted_values() -> None:
    assert len(DECLARED) > 40
    assert [setting for setting, field in DECLARED.items() if not (field.description and allowed_values(field))] == []


def test_the_sections_have_a_json_schema() -> None:
    pdns, riskiq = (SECTIONS[name].model_json_schema()["properties"] for name in ("pdns", "riskiq"))

    assert riskiq["api_key"]["writeOnly"] is True
    assert pdns["import_last_seen_time_window"]["default"] == "P30D"
    assert pdns["cache_ttl"]["default"] == "PT24H"
    assert pdns["max_retries"]["allowed"] == "a whole number from 0 to 100"


# Secrets


def test_no_secret_appears_in_the_settings_as_text(load: Load) -> None:
    settings = load(
        "mq: {pass: hidden-1}\ns3: {secret_key: hidden-2}\nconnector: {listen_protocol_api_ssl_passphrase: hidden-3}",
        OPENCTI_ADMIN_PASSWORD="hidden-4",
        MQ_PASS="hidden-5",
        DNSDB_SERVER="hidden-6",
        PASSIVEDNS_CACHE="redis://:hidden-11@redis:6379/0",
        VIRUSTOTAL_API_KEY="hidden-12",
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


def test_safe_settings_cause_no_warning(load: Load) -> None:
    assert load().warnings() == []


@pytest.mark.parametrize("scale", ["TLP", "PAP"])
@pytest.mark.parametrize("written", ["none", " NONE "])
def test_a_lifted_limit_causes_a_warning(load: Load, scale: str, written: str) -> None:
    assert load(**{f"PDNS_MAX_{scale}": written}).warnings() == [
        f"PDNS_MAX_{scale} is none: observables of any {scale}, including {scale}:RED, are sent to PassiveTotal."
    ]


@pytest.mark.parametrize("ssl_verify", [None, "", "false", "no", "False"])
def test_an_unverified_certificate_of_opencti_causes_a_warning(load: Load, ssl_verify: str | None) -> None:
    settings = load(OPENCTI_URL="https://opencti.example", OPENCTI_SSL_VERIFY=ssl_verify)

    assert settings.warnings() == [
        "OPENCTI_SSL_VERIFY is off, so the TLS certificate of https://opencti.example is not verified: set it to true, "
        "or to the file of a private CA."
    ]


@pytest.mark.parametrize(
    ("url", "ssl_verify"),
    [("https://opencti.example", "true"), ("https://opencti.example", "/ca.pem"), ("http://opencti:8080", None)],
)
def test_a_verified_or_absent_certificate_of_opencti_causes_none(load: Load, url: str, ssl_verify: str | None) -> None:
    assert load(OPENCTI_URL=url, OPENCTI_SSL_VERIFY=ssl_verify).warnings() == []


def test_a_certificate_that_config_yml_leaves_unverified_causes_the_same_warning(load: Load) -> None:
    on, off = (
        load(f"opencti: {{ssl_verify: {on}}}", OPENCTI_URL="https://opencti.example") for on in ("true", "false")
    )

    assert (len(on.warnings()), len(off.warnings())) == (0, 1)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://pt.example:8000/pt", "pt.example"),
        ("http://[2001:db8::1]/pt", "2001:db8::1"),
    ],
)
def test_an_unencrypted_url_causes_a_warning(load: Load, url: str, host: str) -> None:
    assert load(RISKIQ_API_BASE_URL=url).warnings() == [
        f"RISKIQ_API_BASE_URL is not https: queries and credentials are sent unencrypted to {host}."
    ]


def test_an_unencrypted_url_of_this_machine_causes_no_warning(load: Load) -> None:
    for host in ("localhost:8000", "pt.localhost", "127.1.2.3", "[::1]:8000"):
        assert load(RISKIQ_API_BASE_URL=f"http://{host}/pt").warnings() == []


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
def test_automatic_enrichment_skips_the_connectors_own_results_unless_configured_otherwise(
    load: Load, auto: str, written: str | None, skip_own: bool
) -> None:
    assert load(CONNECTOR_AUTO=auto, PDNS_SKIP_OWN=written).skip_own is skip_own


def test_endless_automatic_enrichment_causes_a_warning(load: Load) -> None:
    assert load(CONNECTOR_AUTO="true", PDNS_SKIP_OWN="false").warnings() == [
        "CONNECTOR_AUTO is on and PDNS_SKIP_OWN is off: OpenCTI enriches the results of enrichments endlessly."
    ]


@pytest.mark.parametrize(("auto", "skip_own"), [("true", None), ("false", "false")])
def test_automatic_enrichment_that_ends_causes_no_warning(load: Load, auto: str, skip_own: str | None) -> None:
    assert load(CONNECTOR_AUTO=auto, PDNS_SKIP_OWN=skip_own).warnings() == []


SHUT = (
    "Microsoft has shut the PassiveTotal API down. Point RISKIQ_API_BASE_URL to a service that speaks the same API, or "
    "set PDNS_SOURCES to other sources: mnemonic and robtex need no account, otx needs a free account, virustotal "
    "needs an account that is free for non-commercial use only, circl needs a free account after vetting."
)


def test_the_url_of_a_shut_down_service_causes_a_warning(load: Load) -> None:
    assert SHUT in load(RISKIQ_API_BASE_URL=None).warnings()
    assert SHUT not in load().warnings()


def test_missing_credentials_of_a_shut_down_service_come_with_the_same_advice(load: Load) -> None:
    assert complaint(load, RISKIQ_API_BASE_URL=None, RISKIQ_API_KEY=None).splitlines()[-1] == SHUT
    assert SHUT not in complaint(load, RISKIQ_API_KEY=None)
