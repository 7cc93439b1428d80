"""Builds the sources with their clients and limits, and what they share, from the settings."""

from functools import partial
from pathlib import Path

from pydantic import SecretStr

from passivedns import metrics
from passivedns.delivery.delivery_log import DeliveryLog
from passivedns.enrichment import Enricher
from passivedns.query.all_sources import ConfiguredSource
from passivedns.query.cache import Cache
from passivedns.query.outcome import EVERYTHING
from passivedns.query.quota import QuotaMeter
from passivedns.query.rate_limit import RateLimit
from passivedns.settings.model import LookupSettings
from passivedns.settings.values import since
from passivedns.sources import SOURCES
from passivedns.sources.source import Client, SourceSettings
from passivedns.stix.builder import Publisher
from passivedns.transport.http import Http
from passivedns.transport.retry import RetryPolicy

_WITHOUT_EFFECT = {
    *SourceSettings.model_fields,
    "quota_reserve",
    "results_tlp",
    "special_use",
    "pace",
    "ignore_time_window",
}
"""Source settings that do not affect answers. If one is missing here, changing it only empties the cache."""


def enricher_of(settings: LookupSettings) -> Enricher:
    """The enricher, with one session per source and one shared cache."""
    pdns = settings.pdns
    cache = Cache(pdns.cache, pdns.cache_ttl) if pdns.cache_ttl else None
    return Enricher(
        sources=[_configured_source(key, settings, cache) for key in settings.sources],
        publisher=publisher_of(settings),
        record_types=pdns.record_types,
        max_relationships=pdns.max_relationships,
        with_note=pdns.summary_note,
    )


def _configured_source(key: str, settings: LookupSettings, cache: Cache | None) -> ConfiguredSource:
    source, section, pdns = SOURCES[key], settings.sources[key], settings.pdns
    rates = source.rate(section)
    rate_limit = RateLimit(source.title, rates, pdns.request_timeout, _redis_url(settings)) if rates else None
    meter = QuotaMeter(source, getattr(section, "quota_reserve", 0), rate_limit)
    retries = RetryPolicy(timeout=pdns.request_timeout, max_retries=pdns.max_retries, backoff=pdns.retry_backoff)
    window, window_setting = settings.window(key)
    max_tlp, max_tlp_setting = settings.max_tlp(key)
    metrics.expect(key)
    return ConfiguredSource(
        source=source,
        client=client_of(key, settings, retries, meter),
        meter=meter,
        since=partial(since, window) if window else lambda _: EVERYTHING,
        window_setting=window_setting,
        max_tlp=max_tlp,
        max_tlp_setting=max_tlp_setting,
        max_pap=settings.max_pap,
        is_local=getattr(section, "special_use", False),
        cache=cache,
        identity=identity_of(section),
    )


def client_of(key: str, settings: LookupSettings, retries: RetryPolicy, meter: QuotaMeter) -> Client:
    """The client of a source, whose requests `meter` counts and may prevent."""
    source, section, cool_down = SOURCES[key], settings.sources[key], meter.cool_down
    url = str(getattr(section, source.address))
    http = Http(source, url, retries, spend=meter.spend, obey=cool_down.obey, is_ill=cool_down.is_ill)
    return source.client(section, http)


def publisher_of(settings: LookupSettings) -> Publisher:
    """The names and markings of the sources."""
    tlps = {key: getattr(section, "results_tlp", SOURCES[key].tlp) for key, section in settings.sources.items()}
    return Publisher(
        names={key: SOURCES[key].organization for key in settings.sources},
        # The setting also accepts the older name of TLP:CLEAR.
        tlps={key: tlp.replace("WHITE", "CLEAR") for key, tlp in tlps.items()},
    )


def delivery_log_of(settings: LookupSettings) -> DeliveryLog:
    """The store of messages under way: the Redis in `PDNS_CACHE`, or a file next to the cache file."""
    return DeliveryLog(_redis_url(settings) or str(Path(settings.pdns.cache).with_name("deliveries.sqlite")))


def _redis_url(settings: LookupSettings) -> str:
    """The URL of the Redis in `PDNS_CACHE`, whether or not answers are cached; empty if there is none."""
    return settings.pdns.cache if "://" in settings.pdns.cache else ""


def identity_of(section: SourceSettings) -> str:
    """What the answers of a source depend on, without anything from which a password, key or token could be tested."""
    values = {key: getattr(section, key) for key in type(section).model_fields if key not in _WITHOUT_EFFECT}
    return repr({key: _public_part(key, value) for key, value in values.items()})


def _public_part(key: str, value: object) -> object:
    """A user name names an account; of any other secret only whether it is set."""
    if not isinstance(value, SecretStr):
        return value
    return value.get_secret_value() if key == "username" else "set"
