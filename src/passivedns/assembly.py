"""Builds the clients, cache and limits from the settings."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from passivedns import metrics
from passivedns.asking import EVERYTHING, Asker
from passivedns.enrichment import Enricher
from passivedns.meter import Meter
from passivedns.settings.model import LookupSettings
from passivedns.settings.sections import SourceSettings
from passivedns.settings.values import since
from passivedns.sources import SOURCES
from passivedns.sources.http import Http, Patience
from passivedns.sources.source import Client
from passivedns.stix.knowledge import Publisher

if TYPE_CHECKING:
    from passivedns.cache import Cache
    from passivedns.opencti.crashes import Crashes
    from passivedns.pace import Pace

SEVERAL = "Passive DNS"
"""The author of objects from several sources, since a merge is not the work of one of them."""


_WITHOUT_EFFECT = ("quota_reserve", "results_tlp", "pace", "ignore_time_window")
"""Source settings that do not affect answers."""


def enricher_of(settings: LookupSettings) -> Enricher:
    """The enricher, with one session per source and one shared cache."""
    pdns, cache = settings.pdns, cache_of(settings)
    return Enricher(
        [_asker(key, settings, cache) for key in settings.sources],
        publisher_of(settings),
        pdns.record_types,
        pdns.max_relationships,
        pdns.summary_note,
    )


def cache_of(settings: LookupSettings) -> Cache | None:
    """The cache of answers, unless it is off."""
    if not settings.pdns.cache_ttl:
        return None
    from passivedns.cache import Cache

    return Cache(settings.pdns.cache, settings.pdns.cache_ttl)


def crashes_of(settings: LookupSettings) -> Crashes:
    """What remembers the messages under way: in a file beside the cache, or in Redis where the cache is there."""
    from passivedns.opencti.crashes import Crashes

    place, name = settings.pdns.cache, "deliveries.sqlite"
    if "://" in place and settings.pdns.cache_ttl:
        return Crashes(place)
    is_file = place != "memory" and "://" not in place
    return Crashes(str(Path(place).with_name(name)) if is_file else name)


def client_of(key: str, settings: LookupSettings, patience: Patience, meter: Meter) -> Client:
    """The client of a source."""
    source, section = SOURCES[key], settings.sources[key]
    return source.client(section, Http(source, str(getattr(section, source.address)), patience, meter.spend))


def publisher_of(settings: LookupSettings) -> Publisher:
    """The author: the organization of the only source, or `SEVERAL`."""
    sources = [SOURCES[key] for key in settings.sources]
    organization = sources[0].organization if len(sources) == 1 else SEVERAL
    tlps = {key: str(getattr(section, "results_tlp", SOURCES[key].tlp)) for key, section in settings.sources.items()}
    return Publisher(organization, {source.key: source.organization for source in sources}, tlps)


def _asker(key: str, settings: LookupSettings, cache: Cache | None) -> Asker:
    section, pdns = settings.sources[key], settings.pdns
    patience = Patience(pdns.request_timeout, pdns.max_retries, pdns.retry_backoff)
    meter = Meter(SOURCES[key], getattr(section, "quota_reserve", 0), _pace(key, settings))
    max_tlp, max_tlp_setting = settings.max_tlp(key)
    metrics.expect(key)
    return Asker(
        SOURCES[key],
        client_of(key, settings, patience, meter),
        meter,
        (lambda _: EVERYTHING) if settings.is_timeless(key) else partial(since, settings.window(key)),
        max_tlp,
        max_tlp_setting,
        cache,
        _identity(section),
    )


def _pace(key: str, settings: LookupSettings) -> Pace | None:
    source, pdns = SOURCES[key], settings.pdns
    rates = source.pace_with(settings.sources[key])
    if not rates:
        return None
    from passivedns.pace import Pace  # its library takes a while to load

    redis_url = pdns.cache if "://" in pdns.cache and pdns.cache_ttl else ""
    return Pace(source.title, rates, pdns.request_timeout, redis_url)


def _identity(section: SourceSettings) -> str:
    """The settings that a source's answers depend on; those of every source do not affect them."""
    own = {key: getattr(section, key) for key in type(section).model_fields if key not in SourceSettings.model_fields}
    secrets = {key: value.get_secret_value() if isinstance(value, SecretStr) else value for key, value in own.items()}
    return repr(sorted((key, value) for key, value in secrets.items() if key not in _WITHOUT_EFFECT))
