"""Builds the clients, cache and limits from the settings."""

from functools import partial
from pathlib import Path

from pydantic import SecretStr

from passivedns import metrics
from passivedns.delivery.delivery_log import DeliveryLog
from passivedns.enrichment import Enricher
from passivedns.query.all_sources import EVERYTHING, ConfiguredSource
from passivedns.query.cache import Cache
from passivedns.query.quota import QuotaMeter
from passivedns.query.rate_limit import RateLimit
from passivedns.settings.model import LookupSettings
from passivedns.settings.values import since
from passivedns.sources import SOURCES
from passivedns.sources.source import Client, SourceSettings
from passivedns.stix.builder import Publisher
from passivedns.transport.http import Http, RetryPolicy

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
    pdns, cache = settings.pdns, cache_of(settings)
    return Enricher(
        [_configured(key, settings, cache) for key in settings.sources],
        publisher_of(settings),
        pdns.record_types,
        pdns.max_relationships,
        pdns.summary_note,
    )


def cache_of(settings: LookupSettings) -> Cache | None:
    """The cache of answers, unless it is off."""
    return Cache(settings.pdns.cache, settings.pdns.cache_ttl) if settings.pdns.cache_ttl else None


def delivery_log_of(settings: LookupSettings) -> DeliveryLog:
    """The store of messages under way: the Redis in `PDNS_CACHE`, or a file next to the cache file."""
    cache, file = settings.pdns.cache, "deliveries.sqlite"
    has_folder = cache != "memory" and "://" not in cache
    return DeliveryLog(_redis_of(settings) or (str(Path(cache).with_name(file)) if has_folder else file))


def _redis_of(settings: LookupSettings) -> str:
    """The URL of the Redis in `PDNS_CACHE`, whether or not answers are cached; empty if there is none."""
    return settings.pdns.cache if "://" in settings.pdns.cache else ""


def client_of(key: str, settings: LookupSettings, patience: RetryPolicy, meter: QuotaMeter) -> Client:
    """The client of a source."""
    source, section = SOURCES[key], settings.sources[key]
    url = str(getattr(section, source.address))
    cool_down = meter.cool_down
    return source.client(section, Http(source, url, patience, meter.spend, cool_down.obey, cool_down.is_ill))


def publisher_of(settings: LookupSettings) -> Publisher:
    """The names and markings of the sources."""
    tlps = {key: getattr(section, "results_tlp", SOURCES[key].tlp) for key, section in settings.sources.items()}
    # The setting also accepts the older name of TLP:CLEAR.
    tlps = {key: tlp.replace("WHITE", "CLEAR") for key, tlp in tlps.items()}
    return Publisher({key: SOURCES[key].organization for key in settings.sources}, tlps)


def _configured(key: str, settings: LookupSettings, cache: Cache | None) -> ConfiguredSource:
    source, section, pdns = SOURCES[key], settings.sources[key], settings.pdns
    rates = source.pace(section)
    pace = RateLimit(source.title, rates, pdns.request_timeout, _redis_of(settings)) if rates else None
    patience = RetryPolicy(pdns.request_timeout, pdns.max_retries, pdns.retry_backoff)
    meter = QuotaMeter(source, getattr(section, "quota_reserve", 0), pace)
    metrics.expect(key)
    window, window_setting = settings.window(key)
    max_tlp, max_tlp_setting = settings.max_tlp(key)
    return ConfiguredSource(
        source,
        client_of(key, settings, patience, meter),
        meter,
        since=partial(since, window) if window else lambda _: EVERYTHING,
        window_setting=window_setting,
        max_tlp=max_tlp,
        max_tlp_setting=max_tlp_setting,
        max_pap=settings.max_pap,
        is_local=getattr(section, "special_use", False),
        cache=cache,
        identity=identity_of(section),
    )


def identity_of(section: SourceSettings) -> str:
    """What the answers of a source depend on, without anything from which a password, key or token could be tested."""
    values = {key: getattr(section, key) for key in type(section).model_fields if key not in _WITHOUT_EFFECT}
    return repr({key: _unsecret(key, value) for key, value in values.items()})


def _unsecret(key: str, value: object) -> object:
    """A user name names an account; of any other secret only whether it is set."""
    if not isinstance(value, SecretStr):
        return value
    return value.get_secret_value() if key == "username" else "set"
