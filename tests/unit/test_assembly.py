"""Clients, cache and limits follow the settings."""

import os
import subprocess
import sys
import uuid
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from redis import Redis

from passivedns.assembly import client_of, delivery_log_of, enricher_of, identity_of, publisher_of
from passivedns.enrichment import Enricher
from passivedns.errors import RateLimited
from passivedns.query.all_sources import ConfiguredSource
from passivedns.query.outcome import EVERYTHING
from passivedns.query.quota import QuotaMeter
from passivedns.settings.model import LookupSettings, PdnsSettings
from passivedns.settings.reading import PROJECT_ROOT
from passivedns.sources import SOURCES
from passivedns.sources.otx import OtxClient
from passivedns.sources.riskiq import RiskIQClient
from passivedns.sources.virustotal import VirusTotalClient
from passivedns.transport.retry import RetryPolicy
from tests.helpers.redis_server import running_redis

SRC = PROJECT_ROOT / "src"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ACCOUNTS = {
    "riskiq": {"username": "analyst@example.org", "api_key": "key-of-riskiq"},
    "virustotal": {"api_key": "key-of-virustotal"},
    "otx": {"api_key": "key-of-otx"},
    "dnsdb": {"api_key": "key-of-dnsdb"},
}


def settings(*keys: str, pdns: dict[str, Any] | None = None, **sections: dict[str, Any]) -> LookupSettings:
    """Settings of these sources with an account, and with more in their sections."""
    own = {key: SOURCES[key].settings(**ACCOUNTS[key] | sections.get(key, {})) for key in keys}
    return LookupSettings(PdnsSettings(**{"sources": keys, "cache": "memory"} | (pdns or {})), own)


def configured(enricher: Enricher) -> ConfiguredSource:
    (only,) = enricher.sources
    return only


def identity(**section: Any) -> str:
    return configured(enricher_of(settings("riskiq", riskiq=section))).identity


def test_the_sources_keep_the_order_of_the_settings() -> None:
    sources = enricher_of(settings("otx", "riskiq", "virustotal")).sources
    assert [configured.source.key for configured in sources] == ["otx", "riskiq", "virustotal"]
    assert [type(configured.client) for configured in sources] == [OtxClient, RiskIQClient, VirusTotalClient]


def test_the_settings_determine_what_is_imported() -> None:
    pdns = {"record_types": "A,MX", "max_relationships": 7, "summary_note": True}
    enricher = enricher_of(settings("riskiq", pdns=pdns))
    assert (enricher.record_types, enricher.max_relationships, enricher.with_note) == (("A", "MX"), 7, True)


# Names and markings


def test_objects_name_the_configured_sources() -> None:
    assert publisher_of(settings("riskiq", "otx")).names == {"riskiq": "RiskIQ PassiveTotal", "otx": "AlienVault OTX"}


def test_results_of_public_sources_are_tlp_clear_and_others_as_configured() -> None:
    tlps = publisher_of(settings("riskiq", "dnsdb", dnsdb={"results_tlp": "TLP:GREEN"})).tlps
    assert tlps == {"riskiq": "TLP:CLEAR", "dnsdb": "TLP:GREEN"}


def test_results_configured_as_tlp_white_are_tlp_clear() -> None:
    assert publisher_of(settings("dnsdb", dnsdb={"results_tlp": "TLP:WHITE"})).tlps == {"dnsdb": "TLP:CLEAR"}


# The limits of each source


def test_the_maximum_tlp_of_a_source_overrides_the_common_one() -> None:
    sources = enricher_of(
        settings("riskiq", "otx", pdns={"max_tlp": "TLP:GREEN"}, riskiq={"max_tlp": "TLP:RED"})
    ).sources
    assert [(configured.max_tlp, configured.max_tlp_setting) for configured in sources] == [
        ("TLP:RED", "RISKIQ_MAX_TLP"),
        ("TLP:GREEN", "PDNS_MAX_TLP"),
    ]


def test_the_time_window_of_a_source_overrides_the_common_one() -> None:
    window = {"import_last_seen_time_window": "P1D"}
    sources = enricher_of(settings("riskiq", "otx", otx=window)).sources
    assert [configured.since(NOW) for configured in sources] == [NOW - timedelta(days=30), NOW - timedelta(days=1)]


@pytest.mark.parametrize(
    ("section", "since"),
    [
        ({}, EVERYTHING),
        ({"ignore_time_window": False}, NOW - timedelta(days=30)),
        ({"import_last_seen_time_window": "P1D"}, NOW - timedelta(days=1)),
    ],
    ids=["by itself", "told not to", "with a window of its own"],
)
def test_a_source_that_does_not_update_dates_is_queried_for_records_of_any_age(
    section: dict[str, Any], since: datetime
) -> None:
    assert configured(enricher_of(settings("virustotal", virustotal=section))).since(NOW) == since


def test_a_source_waits_for_its_rate_limit_up_to_the_request_timeout() -> None:
    only = configured(enricher_of(settings("virustotal", pdns={"request_timeout": 1}, virustotal={"pace": "1/hour"})))
    only.meter.spend()
    with pytest.raises(RateLimited, match=r"^VirusTotal allows 1 request an hour; next try in 60 min\.$"):
        only.meter.spend()


def test_a_rate_limit_can_be_lifted() -> None:
    only = configured(enricher_of(settings("virustotal", pdns={"request_timeout": 1}, virustotal={"pace": "none"})))
    for _ in range(100):
        only.meter.spend()


def test_a_source_without_a_rate_limit_does_not_wait() -> None:
    only = configured(enricher_of(settings("riskiq", pdns={"request_timeout": 1})))
    for _ in range(100):
        only.meter.spend()


# The cache


def test_all_sources_share_one_cache() -> None:
    first, second = enricher_of(settings("riskiq", "otx")).sources
    assert first.cache is not None
    assert first.cache is second.cache


def test_a_lifetime_of_zero_turns_the_cache_off() -> None:
    assert configured(enricher_of(settings("riskiq", pdns={"cache_ttl": "PT0S"}))).cache is None


@pytest.mark.parametrize("other", [{"username": "other@example.org"}, {"api_base_url": "https://other.example/pt"}])
def test_another_account_or_address_does_not_share_answers(other: dict[str, str]) -> None:
    assert identity(**other) != identity()


@pytest.mark.parametrize(
    "other", [{"quota_reserve": 9}, {"max_tlp": "TLP:RED"}, {"import_last_seen_time_window": "P1D"}]
)
def test_settings_that_do_not_affect_answers_share_them(other: dict[str, Any]) -> None:
    assert identity(**other) == identity()


@pytest.mark.parametrize("other", [{"pace": "none"}, {"ignore_time_window": False}])
def test_rate_limits_and_time_windows_share_answers(other: dict[str, Any]) -> None:
    usual, changed = (configured(enricher_of(settings("virustotal", virustotal=section))) for section in ({}, other))
    assert usual.identity == changed.identity


SECRETS = [
    (key, name)
    for key, source in SOURCES.items()
    for name, field in source.settings.model_fields.items()
    if "SecretStr" in str(field.annotation) and name != "username"
]


@pytest.mark.parametrize(("key", "secret"), SECRETS)
def test_no_password_key_or_token_affects_the_key_of_an_answer(key: str, secret: str) -> None:
    """It could be guessed from the key of an answer, for as long as the cache keeps it."""
    kind: Any = SOURCES[key].settings
    unset = dict.fromkeys(kind.model_fields)
    one, other = (kind.model_construct(**unset | {secret: SecretStr(text)}) for text in ("first", "second"))
    assert identity_of(one) == identity_of(other)


def test_an_account_and_none_do_not_share_answers() -> None:
    without, with_key = (SOURCES["mnemonic"].settings(api_key=key) for key in (None, "key"))
    assert identity_of(without) != identity_of(with_key)


def test_options_that_affect_answers_do_not_share_them() -> None:
    one_page, two_pages = (
        configured(enricher_of(settings("virustotal", virustotal={"max_pages": count}))).identity for count in (1, 2)
    )
    assert one_page != two_pages


def test_the_repr_of_an_enricher_contains_no_secret() -> None:
    assert "key-of-riskiq" not in repr(enricher_of(settings("riskiq")))


def test_a_client_uses_the_address_in_its_section() -> None:
    made = settings("riskiq", riskiq={"api_base_url": "http://127.0.0.1:9/pt"})
    client = client_of("riskiq", made, RetryPolicy(timeout=1, max_retries=0, backoff=0), QuotaMeter(SOURCES["riskiq"]))
    assert isinstance(client, RiskIQClient)
    assert client._http.base_url == "http://127.0.0.1:9/pt"


@pytest.mark.parametrize(
    ("pdns", "loaded"), [({"cache_ttl": "PT0S"}, "set()"), ({"cache": "memory"}, "{'sqlite3'}")], ids=["off", "memory"]
)
def test_only_the_libraries_that_the_cache_needs_are_loaded(pdns: dict[str, str], loaded: str) -> None:
    probe = (
        "import sys\n"
        "from passivedns.assembly import enricher_of\n"
        "from passivedns.settings.model import LookupSettings, PdnsSettings\n"
        "from passivedns.sources import SOURCES\n"
        f"pdns = PdnsSettings(**{pdns})\n"
        "account = SOURCES['riskiq'].settings(username='me', api_key='key')\n"
        "enricher = enricher_of(LookupSettings(pdns, {'riskiq': account}))\n"
        "cache = enricher.sources[0].cache\n"
        "cache and cache.stock()\n"
        "print({'sqlite3', 'redis', 'limits'} & set(sys.modules))"
    )
    # Coverage would load sqlite3.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    command = [sys.executable, "-c", probe]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=SRC)
    assert found.stdout.strip() == loaded


# Messages under way


@pytest.mark.parametrize(
    ("cache", "ttl", "place"),
    [
        ("passive-dns.sqlite", "P1D", "{home}/opencti-passive-dns/deliveries.sqlite"),
        ("memory", "P1D", "{home}/opencti-passive-dns/deliveries.sqlite"),
        ("{home}/elsewhere/answers.db", "P1D", "{home}/elsewhere/deliveries.sqlite"),
        ("{home}/elsewhere/answers.db", "PT0S", "{home}/elsewhere/deliveries.sqlite"),
    ],
)
def test_messages_are_remembered_beside_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: str, ttl: str, place: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    pdns = {"cache": cache.format(home=tmp_path), "cache_ttl": ttl}
    delivery_log_of(settings("riskiq", pdns=pdns)).begin("key", is_new=True)
    assert Path(place.format(home=tmp_path)).is_file()


@pytest.mark.parametrize("ttl", ["P1D", "PT0S"])
def test_a_redis_shares_messages_and_rate_limits_whether_or_not_answers_are_cached(ttl: str) -> None:
    with running_redis() as url:
        pdns = {"cache": url, "cache_ttl": ttl, "request_timeout": 1}
        made = settings("virustotal", pdns=pdns, virustotal={"pace": "1/hour"})
        with closing(Redis.from_url(url)) as redis:
            for name in redis.scan_iter("LIMIT*"):
                redis.delete(name)
        one, other = (delivery_log_of(made) for _ in range(2))
        key = f"shared {uuid.uuid4()}"
        one.begin(key, is_new=True)
        assert other.begin(key, is_new=False) == 1
        configured(enricher_of(made)).meter.spend()
        with pytest.raises(RateLimited):
            configured(enricher_of(made)).meter.spend()
