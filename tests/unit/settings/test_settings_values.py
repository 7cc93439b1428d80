"""The values that each setting accepts."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from isodate import Duration, parse_duration

from passivedns.model import RECORD_TYPES
from passivedns.settings.model import PdnsSettings
from passivedns.settings.values import since
from tests.helpers.settings_loader import Load, complaint


def pdns(load: Load, *files: str, **variables: str | None) -> PdnsSettings:
    """The section pdns of these settings."""
    return load(*files, **variables).lookup.pdns


def accepted(load: Load, name: str, *values: str, reason: str = "") -> list[str]:
    """Those of these values in config.yml that are not reported as the only error, with this reason."""
    section, key = name.lower().split("_", 1)
    pattern = (
        rf"The connector cannot start: 1 setting needs correcting\.\n  {name} \(config\.yml: {section}\.{key}\) is "
        rf".+{re.escape(reason)}. Accepted values: .+\."
    )
    texts = {value: complaint(load, f"{section}:\n  {key}: {value}\n", **{name: None}) for value in values}
    return [value for value, text in texts.items() if not re.fullmatch(pattern, text)]


# URLs, secrets and the id


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("https://host:8443/pt//", "https://host:8443/pt"),
        ("HTTPS://Host.Example/PT", "https://host.example/PT"),
        ("http://[2001:db8::1]:8080/x", "http://[2001:db8::1]:8080/x"),
        ("http://opencti_platform:8080", "http://opencti_platform:8080"),
    ],
)
def test_a_url_is_kept_without_its_last_slash(load: Load, written: str, kept: str) -> None:
    assert load(OPENCTI_URL=written).opencti.url == kept


def test_a_url_must_be_an_http_url(load: Load) -> None:
    assert accepted(load, "OPENCTI_URL", "host:8080", "ftp://host", "http://") == []


def test_a_url_must_have_no_user_name_query_or_fragment(load: Load) -> None:
    urls = ("http://me:pw@host", "http://host/?", "http://host/#top")

    assert accepted(load, "RISKIQ_API_BASE_URL", *urls, reason=", with a user name, a query or a fragment") == []


@pytest.mark.parametrize(("name", "bad"), [("OPENCTI_TOKEN", "two\nlines"), ("CIRCL_TOKEN", "caf\u00e9")])
def test_a_secret_that_http_cannot_carry_is_refused(load: Load, name: str, bad: str) -> None:
    text = complaint(load, **{"PDNS_SOURCES": "riskiq,circl", name: bad})

    assert f"{name} (config.yml: " in text
    assert "is '****', with a character that is not printable ASCII." in text


def test_the_id_keeps_its_spelling(load: Load) -> None:
    for good in ("3f0b6e0a-6f4e-4ad1-9a65-0d1c2b3a4f5e", "3F0B6E0A-6F4E-4AD1-BA65-0D1C2B3A4F5E"):
        assert load(CONNECTOR_ID=good).connector.id == good


def test_the_id_must_be_a_hyphenated_uuid_of_version_4(load: Load) -> None:
    bad = (
        "3f0b6e0a6f4e4ad19a650d1c2b3a4f5e",
        "3f0b6e0a-6f4e-1ad1-9a65-0d1c2b3a4f5e",
        "3f0b6e0a-6f4e-4ad1-ca65-0d1c2b3a4f5e",
        "3f0b6e0a-6f4e-4ad1-9a65-0d1c2b3a4f5e0",
        "00000000-0000-0000-0000-000000000000",
    )

    assert accepted(load, "CONNECTOR_ID", *bad) == []


# Lists


@pytest.mark.parametrize(
    ("yaml", "scope"),
    [
        ("' ipv4-ADDR , , domain-name,'", ("IPv4-Addr", "Domain-Name")),
        ("IPv6-Addr,ipv6-addr", ("IPv6-Addr",)),
        ("[ipv4-addr, ' Hostname ', null]", ("IPv4-Addr", "Hostname")),
    ],
)
def test_the_scope_ignores_spaces_case_and_repetition(load: Load, yaml: str, scope: tuple[str, ...]) -> None:
    assert load(f"connector:\n  scope: {yaml}").connector.scope == scope


def test_a_type_that_cannot_be_enriched_is_named(load: Load) -> None:
    text = complaint(load, CONNECTOR_SCOPE="IPv4-Addr, Indicator, domain")

    assert "of which 'Indicator' and 'domain' cannot be enriched. Accepted values: one or more of IPv4-Addr," in text


def test_the_scope_must_name_at_least_one_type(load: Load) -> None:
    assert accepted(load, "CONNECTOR_SCOPE", "','", "[]", "5", "{IPv4-Addr: Hostname}", "[1]") == []


@pytest.mark.parametrize(
    ("yaml", "types"), [("' mx , , Aaaa,'", ("MX", "AAAA")), ("'ns,NS'", ("NS",)), ("[soa, Cname]", ("SOA", "CNAME"))]
)
def test_record_types_ignore_spaces_case_and_repetition(load: Load, yaml: str, types: tuple[str, ...]) -> None:
    assert pdns(load, f"pdns: {{record_types: {yaml}}}").record_types == types


def test_the_record_types_are_those_of_the_converter(load: Load) -> None:
    assert sorted(pdns(load).record_types) == sorted(RECORD_TYPES)


def test_a_record_type_that_cannot_be_imported_is_named(load: Load) -> None:
    text = complaint(load, PDNS_RECORD_TYPES="A, TXT, PTR")

    assert "PDNS_RECORD_TYPES (config.yml: pdns.record_types) is " in text
    assert (
        "of which 'TXT' and 'PTR' cannot be imported. Accepted values: one or more of A, AAAA, CNAME, MX, NS, SOA,"
        in text
    )


def test_at_least_one_record_type_is_required(load: Load) -> None:
    assert accepted(load, "PDNS_RECORD_TYPES", "','", "[[A]]") == []


# Words


def test_the_type_must_be_internal_enrichment(load: Load) -> None:
    assert accepted(load, "CONNECTOR_TYPE", "EXTERNAL_IMPORT") == []


def test_the_log_level_can_be_in_any_case(load: Load) -> None:
    for level in ("debug", "info", "warn", "warning", "error"):
        assert load(CONNECTOR_LOG_LEVEL=level.upper()).connector.log_level == level


def test_another_log_level_is_refused(load: Load) -> None:
    assert accepted(load, "CONNECTOR_LOG_LEVEL", "critical", "10") == []


@pytest.mark.parametrize(("written", "flag"), [("yes", True), ("TRUE", True), ("No", False), ("0", False)])
def test_a_flag_accepts_the_usual_words(load: Load, written: str, flag: bool) -> None:
    assert load(CONNECTOR_AUTO=written).connector.auto is flag
    assert load(f"connector: {{auto: {written}}}", CONNECTOR_AUTO=None).connector.auto is flag
    assert pdns(load, PDNS_SKIP_OWN=written).skip_own is flag


def test_a_flag_must_be_true_or_false(load: Load) -> None:
    assert accepted(load, "CONNECTOR_AUTO", "perhaps") == []
    assert accepted(load, "PDNS_SKIP_OWN", "perhaps") == []


def test_a_tlp_can_be_in_any_case_with_or_without_prefix(load: Load) -> None:
    for level in ("CLEAR", "WHITE", "GREEN", "AMBER", "AMBER+STRICT", "RED"):
        for written in (level, level.lower(), f"TLP:{level}", f" tlp:{level.lower()} "):
            assert pdns(load, PDNS_MAX_TLP=written).max_tlp == f"TLP:{level}"


def test_an_unknown_maximum_tlp_does_not_mean_no_limit(load: Load) -> None:
    bad = ("'TLP:'", "TLP:TLP:RED", "nothing", "'AMBER # limit'", "5", "no", "[RED]")

    assert accepted(load, "PDNS_MAX_TLP", *bad) == []


@pytest.mark.parametrize("source", ["CIRCL", "MNEMONIC", "COF"])
def test_the_tlp_of_results_can_be_in_any_case(load: Load, source: str) -> None:
    variables = {"CIRCL_TOKEN": "token", "COF_URL": "https://cof.example/query", f"{source}_RESULTS_TLP": " tlp:green "}
    settings = load(PDNS_SOURCES=source, **variables)

    assert settings.lookup.sources[source.lower()].model_dump()["results_tlp"] == "TLP:GREEN"


def test_the_tlp_of_results_must_be_a_tlp(load: Load) -> None:
    text = complaint(load, PDNS_SOURCES="circl", CIRCL_TOKEN="x", CIRCL_RESULTS_TLP="none")

    assert "CIRCL_RESULTS_TLP (config.yml: circl.results_tlp) is " in text
    assert text.endswith("Accepted values: TLP:CLEAR, TLP:WHITE, TLP:GREEN, TLP:AMBER, TLP:AMBER+STRICT or TLP:RED.")


# Durations


@pytest.mark.parametrize(
    ("written", "window"),
    [
        ("P1DT12H", timedelta(days=1.5)),
        ("P1Y2M3D", Duration(years=1, months=2, days=3)),
        ("P100Y", Duration(years=100)),
        ("P0001-06-01T00:00:00", Duration(years=1, months=6, days=1)),
    ],
)
def test_the_time_window_is_an_iso_8601_duration(load: Load, written: str, window: timedelta | Duration) -> None:
    assert pdns(load, PDNS_IMPORT_LAST_SEEN_TIME_WINDOW=written).import_last_seen_time_window == window


def test_a_time_window_that_does_not_start_in_the_past_is_refused(load: Load) -> None:
    unreadable = ("30 days", "PT", "P0.5M", "true", "[P1D]")
    not_positive = ("-P1M", "P0D", "PT0.0000001S")
    too_long = ("P9999Y", "P9999999999D", f"P{'9' * 400}Y")
    reason = ", which is not a valid duration"

    assert (
        accepted(load, "PDNS_IMPORT_LAST_SEEN_TIME_WINDOW", *unreadable, *not_positive, *too_long, reason=reason) == []
    )


@pytest.mark.parametrize("bad", ["30", "'30'"])
def test_a_time_window_without_a_unit_is_refused_with_the_right_spelling(load: Load, bad: str) -> None:
    text = complaint(load, f"pdns: {{import_last_seen_time_window: {bad}}}")

    assert f") is {bad}, a number without a unit (write P30D for 30 days). Accepted" in text


@pytest.mark.parametrize(
    ("window", "now", "start"),
    [
        ("P30D", "2026-03-31T10:00", "2026-03-01T10:00"),
        ("P1M", "2026-03-31T10:00", "2026-02-28T10:00"),
        ("P1M", "2024-03-31T10:00", "2024-02-29T10:00"),
        ("P1M", "2026-01-15T10:00", "2025-12-15T10:00"),
        ("P1Y", "2024-02-29T10:00", "2023-02-28T10:00"),
        ("P1M1D", "2026-03-31T10:00", "2026-02-27T10:00"),
        ("PT12H", "2026-03-01T06:00", "2026-02-28T18:00"),
    ],
)
def test_months_and_years_follow_the_calendar(window: str, now: str, start: str) -> None:
    moments = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (now, start)]

    assert since(parse_duration(window), moments[0]) == moments[1]


@pytest.mark.parametrize(
    ("written", "ttl"),
    [
        ("PT24H", timedelta(hours=24)),
        ("P1M", Duration(months=1)),
        *((nothing, timedelta(0)) for nothing in ("PT0S", "P0M", "PT0.0000001S")),
    ],
)
def test_the_lifetime_of_the_cache_can_be_zero(load: Load, written: str, ttl: timedelta | Duration) -> None:
    assert pdns(load, PDNS_CACHE_TTL=written).cache_ttl == ttl


def test_the_lifetime_of_the_cache_must_be_an_iso_8601_duration(load: Load) -> None:
    reason = ", which is not a valid duration"

    assert accepted(load, "PDNS_CACHE_TTL", "24 hours", "0", "-PT1H", "P9999Y", reason=reason) == []


# Numbers


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("PDNS_REQUEST_TIMEOUT", "0.001", "3600"),
        ("PDNS_RETRY_BACKOFF", "0", "3600"),
        ("PDNS_MAX_RETRIES", "0", "100"),
        ("PDNS_MAX_RELATIONSHIPS", "0", "1000000000"),
    ],
)
def test_a_number_can_be_at_its_limits(load: Load, name: str, least: str, most: str) -> None:
    for written in (least, most):
        assert getattr(pdns(load, **{name: written}), name.partition("_")[2].lower()) == float(written)


@pytest.mark.parametrize(
    ("name", "beyond"),
    [
        ("PDNS_REQUEST_TIMEOUT", ("0", "3600.1", ".inf", ".nan", "60s", "true")),
        ("PDNS_RETRY_BACKOFF", ("-0.1", "3600.1", ".nan", "yes")),
        ("PDNS_MAX_RETRIES", ("-1", "101", "1.5", "true", f"0x{'f' * 5000}")),
        ("PDNS_MAX_RELATIONSHIPS", ("-1", "1000000001", "1.5", "true")),
        ("RISKIQ_QUOTA_RESERVE", ("-1", "1.5")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_number_beyond_its_limits_is_refused(load: Load, name: str, beyond: tuple[str, ...]) -> None:
    assert accepted(load, name, *beyond) == []


# The cache


def test_the_cache_can_be_in_memory_in_a_file_or_in_redis(load: Load) -> None:
    files = ("/var/cache/answers.db", "~/a b.sqlite3")
    redis = ("redis://redis_1:6379/0", "redis://:p%40ss@redis.example:65535/12", "rediss://me:secret@[2001:db8::1]/")

    for written in ("memory", *files, *redis):
        assert pdns(load, PDNS_CACHE=written).cache == written
    assert pdns(load, PDNS_CACHE=" MEMORY ").cache == "memory"


def test_the_cache_cannot_be_anywhere_else(load: Load) -> None:
    no_file = ("none", "answers.txt", "redis:6379")
    no_redis = ("REDIS://redis", "redis://", "redis://redis/zero", "redis://redis?db=1", "redis://redis/0#a")

    assert accepted(load, "PDNS_CACHE", *no_file, *no_redis, "redis://redis:65536", "http://redis:6379") == []


@pytest.mark.parametrize(
    "bad", ["redis://:secret@redis:99999", "redis://me:secret@", "redis://:secret@redis/0?a=secret"]
)
def test_an_invalid_cache_is_reported_without_its_password(load: Load, bad: str) -> None:
    assert "secret" not in complaint(load, PDNS_CACHE=bad)
