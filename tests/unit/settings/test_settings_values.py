"""What each setting accepts, and what it is then."""

from datetime import UTC, datetime, timedelta

import pytest
from isodate import Duration, parse_duration

from passivedns.converter import RECORD_TYPES
from passivedns.settings.model import PdnsSettings
from passivedns.settings.values import since
from tests.unit.settings_loader import Load, complaint


def pdns(load: Load, *files: str, **variables: str | None) -> PdnsSettings:
    """The section pdns of these settings."""
    return load(*files, **variables).lookup.pdns


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


BASE_URLS = ["OPENCTI_URL", "RISKIQ_API_BASE_URL"]


@pytest.mark.parametrize("name", BASE_URLS)
@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("http://host", "http://host"),
        ("https://host:8443/pt//", "https://host:8443/pt"),
        ("HTTPS://Host.Example/PT", "https://host.example/PT"),
        ("http://[2001:db8::1]:8080/x", "http://[2001:db8::1]:8080/x"),
        ("http://opencti_platform:8080", "http://opencti_platform:8080"),
    ],
)
def test_an_address_is_kept_without_its_last_slash(load: Load, name: str, written: str, kept: str) -> None:
    settings = load(**{name: written})

    section = settings.opencti if name == "OPENCTI_URL" else settings.lookup.sources["riskiq"]
    assert section.model_dump()[name.partition("_")[2].lower()] == kept


@pytest.mark.parametrize("name", BASE_URLS)
@pytest.mark.parametrize(
    "bad",
    [
        "host:8080",
        "ftp://host",
        "http://",
        "http://me:pw@host",
        "http://host/?",
        "http://host/#top",
    ],
)
def test_an_address_is_an_http_url_and_nothing_more(load: Load, name: str, bad: str) -> None:
    assert f"{name} (config.yml: " in complaint(load, **{name: bad})


@pytest.mark.parametrize("name", ["OPENCTI_TOKEN", "RISKIQ_USERNAME", "CIRCL_TOKEN"])
@pytest.mark.parametrize("bad", ["two\nlines", "caf\u00e9"])
def test_a_secret_that_http_cannot_carry_is_refused_at_the_start(load: Load, name: str, bad: str) -> None:
    text = complaint(load, **{"PDNS_SOURCES": "riskiq,circl", name: bad})

    assert f"{name} (config.yml: " in text
    assert "is '****', with a character that is not printable ASCII." in text


@pytest.mark.parametrize("good", ["3f0b6e0a-6f4e-4ad1-9a65-0d1c2b3a4f5e", "3F0B6E0A-6F4E-4AD1-9A65-0D1C2B3A4F5E"])
def test_the_id_is_kept_as_it_is_spelt(load: Load, good: str) -> None:
    assert load(CONNECTOR_ID=good).connector.id == good


@pytest.mark.parametrize(
    "bad",
    [
        "3f0b6e0a6f4e4ad19a650d1c2b3a4f5e",
        "3f0b6e0a-6f4e-1ad1-9a65-0d1c2b3a4f5e",
        "00000000-0000-0000-0000-000000000000",
    ],
)
def test_the_id_is_a_uuid_of_version_4(load: Load, bad: str) -> None:
    assert "CONNECTOR_ID (config.yml: connector.id) is " in complaint(load, CONNECTOR_ID=bad)


def test_the_type_is_internal_enrichment(load: Load) -> None:
    text = complaint(load, CONNECTOR_TYPE="EXTERNAL_IMPORT")

    assert "CONNECTOR_TYPE (config.yml: connector.type) is 'EXTERNAL_IMPORT'." in text


@pytest.mark.parametrize(
    ("written", "scope"),
    [
        ("IPv4-Addr,Domain-Name", ("IPv4-Addr", "Domain-Name")),
        (" ipv4-ADDR , , domain-name,", ("IPv4-Addr", "Domain-Name")),
        ("hostname", ("Hostname",)),
        ("IPv6-Addr,ipv6-addr,IPv6-Addr", ("IPv6-Addr",)),
    ],
)
def test_the_scope_forgives_blanks_case_and_repetition(load: Load, written: str, scope: tuple[str, ...]) -> None:
    assert load(CONNECTOR_SCOPE=written).connector.scope == scope


@pytest.mark.parametrize("config", ["[ipv4-addr, ' Hostname ', null]", "\n    - IPv4-Addr\n    - Hostname"])
def test_the_scope_may_be_a_list(load: Load, config: str) -> None:
    assert load(f"connector:\n  scope: {config}").connector.scope == ("IPv4-Addr", "Hostname")


def test_a_type_that_cannot_be_enriched_is_named(load: Load) -> None:
    text = complaint(load, CONNECTOR_SCOPE="IPv4-Addr, Indicator, domain")

    assert "where 'Indicator' and 'domain' cannot be enriched. Accepted values: one or more of IPv4-Addr," in text


@pytest.mark.parametrize("bad", ["','", "[]", "5", "{IPv4-Addr: Hostname}", "[1]"])
def test_the_scope_names_at_least_one_type(load: Load, bad: str) -> None:
    assert "CONNECTOR_SCOPE (config.yml: connector.scope) is " in complaint(load, f"connector: {{scope: {bad}}}")


@pytest.mark.parametrize("level", ["debug", "warn", "warning"])
def test_the_level_of_logging_may_be_in_any_case(load: Load, level: str) -> None:
    assert load(CONNECTOR_LOG_LEVEL=level.upper()).connector.log_level == level


@pytest.mark.parametrize("bad", ["critical", "10"])
def test_another_level_of_logging_is_refused(load: Load, bad: str) -> None:
    assert "Accepted values: debug, info, warn, warning or error." in complaint(
        load, f"connector: {{log_level: {bad}}}"
    )


@pytest.mark.parametrize(("written", "auto"), [("yes", True), ("TRUE", True), ("No", False), ("0", False)])
def test_auto_is_spelt_in_many_ways(load: Load, written: str, auto: bool) -> None:
    assert load(CONNECTOR_AUTO=written).connector.auto is auto
    assert load(f"connector: {{auto: {written}}}", CONNECTOR_AUTO=None).connector.auto is auto


def test_auto_is_yes_or_no(load: Load) -> None:
    assert "CONNECTOR_AUTO (config.yml: connector.auto) is 'perhaps'." in complaint(load, CONNECTOR_AUTO="perhaps")


@pytest.mark.parametrize("level", ["CLEAR", "WHITE", "GREEN", "AMBER", "AMBER+STRICT", "RED"])
def test_the_limit_of_tlp_may_be_spelt_with_or_without_its_prefix(load: Load, level: str) -> None:
    for written in (level, level.lower(), f"TLP:{level}", f" tlp:{level.lower()} "):
        assert pdns(load, PDNS_MAX_TLP=written).max_tlp == f"TLP:{level}"


@pytest.mark.parametrize("bad", ["'TLP:'", "TLP:TLP:RED", "none", "'AMBER # limit'", "5", "no", "[RED]"])
def test_no_other_limit_of_tlp_is_taken_for_none(load: Load, bad: str) -> None:
    text = complaint(load, f"pdns: {{max_tlp: {bad}}}")

    assert "PDNS_MAX_TLP (config.yml: pdns.max_tlp) is " in text


@pytest.mark.parametrize(
    ("written", "window"),
    [
        ("P2W", timedelta(weeks=2)),
        ("P1DT12H", timedelta(days=1.5)),
        ("P1Y2M3D", Duration(years=1, months=2, days=3)),
        ("P100Y", Duration(years=100)),
        ("P0001-06-01T00:00:00", Duration(years=1, months=6, days=1)),
    ],
)
def test_the_window_is_an_iso_8601_duration(load: Load, written: str, window: timedelta | Duration) -> None:
    assert pdns(load, PDNS_IMPORT_LAST_SEEN_TIME_WINDOW=written).import_last_seen_time_window == window


@pytest.mark.parametrize(
    "bad",
    [
        *("30 days", "P", "PT", "P0.5M", "true", "[P1D]"),
        *("-P30D", "-P1M", "0", "P0D", "PT0.0000001S"),
        *("P9999Y", "P9999999999D", f"P{'9' * 400}Y"),
    ],
)
def test_a_window_that_leads_to_no_moment_in_the_past_is_refused(load: Load, bad: str) -> None:
    text = complaint(load, f"pdns: {{import_last_seen_time_window: {bad}}}")

    assert "PDNS_IMPORT_LAST_SEEN_TIME_WINDOW (config.yml: pdns.import_last_seen_time_window) is " in text
    assert "which leads to no moment in the past. Accepted values: a positive ISO 8601 duration, such as P30D" in text


@pytest.mark.parametrize("bad", ["30", "'30'"])
def test_a_window_without_a_unit_is_refused_with_the_right_spelling(load: Load, bad: str) -> None:
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
def test_months_and_years_go_by_the_calendar(window: str, now: str, start: str) -> None:
    assert since(parse_duration(window), at(now)) == at(start)


@pytest.mark.parametrize("good", ["0.5", "3600"])
def test_the_timeout_is_a_number_of_seconds(load: Load, good: str) -> None:
    assert pdns(load, PDNS_REQUEST_TIMEOUT=good).request_timeout == float(good)


@pytest.mark.parametrize("bad", ["0", "3601", ".inf", ".nan", "60s", "true"])
def test_a_timeout_that_never_or_always_ends_a_request_is_refused(load: Load, bad: str) -> None:
    text = complaint(load, f"pdns: {{request_timeout: {bad}}}")

    assert "PDNS_REQUEST_TIMEOUT (config.yml: pdns.request_timeout) is " in text


@pytest.mark.parametrize("good", ["0", "100"])
def test_the_number_of_retries_may_be_none(load: Load, good: str) -> None:
    assert pdns(load, PDNS_MAX_RETRIES=good).max_retries == int(good)


@pytest.mark.parametrize("bad", ["-1", "1.5", "101", "true", f"0x{'f' * 5000}"])
def test_the_number_of_retries_is_whole(load: Load, bad: str) -> None:
    text = complaint(load, f"pdns: {{max_retries: {bad}}}")

    assert "PDNS_MAX_RETRIES (config.yml: pdns.max_retries) is " in text


@pytest.mark.parametrize("good", ["0", "3600"])
def test_the_wait_before_a_retry_may_be_none(load: Load, good: str) -> None:
    assert pdns(load, PDNS_RETRY_BACKOFF=good).retry_backoff == float(good)


@pytest.mark.parametrize("bad", ["-0.1", "3601", ".nan", "yes"])
def test_the_wait_before_a_retry_has_an_end(load: Load, bad: str) -> None:
    text = complaint(load, f"pdns: {{retry_backoff: {bad}}}")

    assert "PDNS_RETRY_BACKOFF (config.yml: pdns.retry_backoff) is " in text


@pytest.mark.parametrize(
    ("written", "types"),
    [("A", ("A",)), (" mx , , Aaaa,", ("MX", "AAAA")), ("ns,NS", ("NS",)), ("[soa, Cname]", ("SOA", "CNAME"))],
)
def test_record_types_forgive_blanks_case_and_repetition(load: Load, written: str, types: tuple[str, ...]) -> None:
    config = written if written.startswith("[") else repr(written)

    assert pdns(load, f"pdns: {{record_types: {config}}}").record_types == types


def test_the_record_types_are_those_of_the_mapping(load: Load) -> None:
    assert sorted(pdns(load).record_types) == sorted(RECORD_TYPES)


def test_a_record_type_that_is_not_imported_is_named(load: Load) -> None:
    text = complaint(load, PDNS_RECORD_TYPES="A, TXT, PTR")

    assert "PDNS_RECORD_TYPES (config.yml: pdns.record_types) is " in text
    assert (
        "where 'TXT' and 'PTR' cannot be imported. Accepted values: one or more of A, AAAA, CNAME, MX, NS, SOA," in text
    )


@pytest.mark.parametrize("bad", ["','", "[]", "{A: NS}", "[[A]]"])
def test_at_least_one_record_type_is_imported(load: Load, bad: str) -> None:
    assert "PDNS_RECORD_TYPES (config.yml: pdns.record_types) is " in complaint(load, f"pdns: {{record_types: {bad}}}")


@pytest.mark.parametrize("name", ["RISKIQ_QUOTA_RESERVE", "PDNS_MAX_RELATIONSHIPS"])
@pytest.mark.parametrize("bad", ["-1", "1.5", "true", f"0x{'f' * 5000}"])
def test_a_quantity_is_whole_and_not_negative(load: Load, name: str, bad: str) -> None:
    section, _, key = name.lower().partition("_")

    assert f"{name} (config.yml: {section}.{key}) is " in complaint(load, f"{section}: {{{key}: {bad}}}")


@pytest.mark.parametrize("spelling", ["memory", " MEMORY "])
def test_the_cache_may_be_in_memory(load: Load, spelling: str) -> None:
    assert pdns(load, PDNS_CACHE=spelling).cache == "memory"


@pytest.mark.parametrize(
    "good",
    [
        "/var/cache/answers.db",
        "~/a b.sqlite3",
        "redis://redis",
        "redis://redis_1:6379/0",
        "redis://:p%40ss@redis.example:6379/12",
        "rediss://me:secret@[2001:db8::1]:6380/",
    ],
)
def test_the_cache_may_be_a_file_or_a_redis(load: Load, good: str) -> None:
    assert pdns(load, PDNS_CACHE=good).cache == good


@pytest.mark.parametrize(
    "bad",
    [
        *("none", "/var/cache", "answers.txt", "redis:6379"),
        *("REDIS://redis", "redis://", "redis://redis/zero", "redis://redis?db=1", "redis://redis/0#a"),
        *("redis://redis:99999", "http://redis:6379"),
    ],
)
def test_the_cache_is_nothing_else(load: Load, bad: str) -> None:
    assert "PDNS_CACHE (config.yml: pdns.cache) is " in complaint(load, PDNS_CACHE=bad)


@pytest.mark.parametrize(
    "bad", ["redis://:secret@redis:99999", "redis://me:secret@", "redis://:secret@redis/0?a=secret"]
)
def test_a_bad_cache_is_told_without_its_password(load: Load, bad: str) -> None:
    assert "secret" not in complaint(load, PDNS_CACHE=bad)


@pytest.mark.parametrize(
    ("written", "ttl"),
    [
        ("PT24H", timedelta(hours=24)),
        ("P2W", timedelta(weeks=2)),
        ("P1M", Duration(months=1)),
        *((nothing, timedelta(0)) for nothing in ("PT0S", "P0M", "PT0.0000001S")),
    ],
)
def test_the_cache_may_keep_answers_for_a_while_or_not_at_all(
    load: Load, written: str, ttl: timedelta | Duration
) -> None:
    assert pdns(load, PDNS_CACHE_TTL=written).cache_ttl == ttl


@pytest.mark.parametrize("bad", ["24 hours", "0", "-PT1H", "P9999Y"])
def test_the_cache_keeps_answers_for_an_iso_8601_duration(load: Load, bad: str) -> None:
    text = complaint(load, PDNS_CACHE_TTL=bad)

    assert "PDNS_CACHE_TTL (config.yml: pdns.cache_ttl) is " in text
    assert "such as PT24H or P1M (calendar months); PT0S keeps none." in text


@pytest.mark.parametrize("written", ["yes", "TRUE"])
def test_to_skip_the_own_is_spelt_in_many_ways(load: Load, written: str) -> None:
    assert pdns(load, PDNS_SKIP_OWN=written).skip_own is True


@pytest.mark.parametrize("source", ["CIRCL", "MNEMONIC", "COF"])
@pytest.mark.parametrize("written", ["GREEN", " tlp:green "])
def test_the_marking_of_results_forgives_its_spelling(load: Load, source: str, written: str) -> None:
    settings = load(
        PDNS_SOURCES=source,
        CIRCL_TOKEN="token",
        COF_URL="https://cof.example/query",
        **{f"{source}_RESULTS_TLP": written},
    )

    assert settings.lookup.sources[source.lower()].model_dump()["results_tlp"] == "TLP:GREEN"


@pytest.mark.parametrize("bad", ["none", "[RED]"])
def test_results_get_a_marking_of_tlp(load: Load, bad: str) -> None:
    text = complaint(load, f"circl: {{token: x, results_tlp: {bad}}}", PDNS_SOURCES="circl")

    assert "CIRCL_RESULTS_TLP (config.yml: circl.results_tlp) is " in text
    assert text.endswith("Accepted values: TLP:CLEAR, TLP:WHITE, TLP:GREEN, TLP:AMBER, TLP:AMBER+STRICT or TLP:RED.")
