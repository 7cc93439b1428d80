"""Loads the settings: reads them, validates them, and reports all problems at once."""

import os
from collections.abc import Iterable, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from passivedns.errors import SettingsError
from passivedns.settings import model, reading, without_effect
from passivedns.settings.model import CHECKED, PLATFORM, SECTIONS, LookupSettings, Settings
from passivedns.settings.problems import invalid_settings, title
from passivedns.settings.reading import PROJECT_ROOT, Configured, Values, is_missing
from passivedns.settings.without_effect import Remarks
from passivedns.sources import SOURCES
from passivedns.text import and_list, quantity

_MAXIMA = ("max_tlp", "max_pap")
"""Settings that are invalid while they are still ChangeMe, since their default may be laxer than what was meant."""


def load_settings(root: Path = PROJECT_ROOT) -> Settings:
    """Read `root`/config.yml, `root`/src/config.yml and the environment; the later takes precedence, key by key.

    Raises:
        SettingsError: the text lists all errors.
    """
    sections, notices = _load(root, PLATFORM, None, "The connector cannot start")
    platform = {name: sections.pop(name) for name in PLATFORM}
    return Settings(**platform, lookup=LookupSettings(sections.pop("pdns"), sections), notices=notices)


def load_lookup_settings(root: Path = PROJECT_ROOT, sources: Sequence[str] | None = None) -> LookupSettings:
    """Read only the settings of a look-up; OpenCTI's may be missing or invalid.

    `sources` override PDNS_SOURCES; the sections of other sources are ignored.

    Raises:
        SettingsError: the text lists all errors.
    """
    sections, _ = _load(root, (), sources, "Nothing can be looked up")
    return LookupSettings(sections.pop("pdns"), sections)


def _load(
    root: Path, platform: Iterable[str], chosen: Sequence[str] | None, consequence: str
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The sections by name, first those of the platform, and notices about settings without effect."""
    configured = reading.read(root)
    if chosen is not None:
        configured.values["pdns"].pop("sources", None)
    listed = _listed_sources(configured.values) if chosen is None else chosen
    sections, invalid = _validate(configured, [*platform, "pdns", *listed])
    unlisted = _unlisted_sources(configured, listed) if chosen is None else Remarks([], [])
    unknown = without_effect.unknown_settings(configured, listed)
    if problems := [*configured.problems(listed), *unlisted.problems, *unknown.problems, *invalid]:
        # What is without effect may be why a setting is missing.
        notices = [*unknown.notices, *(() if listed else unlisted.notices)]
        incomplete = {key: configured.values[key].get(SOURCES[key].address) for key in listed if key not in sections}
        notices += [model.shut_notice(key, address) for key, address in incomplete.items()]
        count = f"{quantity(len(problems), 'setting')} {'need' if problems[1:] else 'needs'} correcting."
        lines = "\n  ".join([f"{consequence}: {count}", *problems])
        raise SettingsError("\n".join([lines, *filter(None, notices)]))
    return sections, (*unknown.notices, *unlisted.notices)


def _listed_sources(values: Values) -> tuple[str, ...]:
    """The configured sources, even if another setting in the section pdns is invalid; none if they are invalid.

    Without a list, that of the original connector, if it is configured: any other needs to be listed.
    """
    sources = values["pdns"].get("sources")
    if is_missing(sources):
        return tuple(key for key, name in model.DEFAULTS.items() if not is_missing(values[key].get(name)))
    try:
        return model.PdnsSettings.model_validate({"sources": sources}).sources
    except ValidationError:
        return ()


def _validate(configured: Configured, names: Iterable[str]) -> tuple[dict[str, Any], list[str]]:
    """The valid sections of these as their models, and a sentence for each problem of the others."""
    valid: dict[str, Any] = {}
    problems: list[str] = []
    for name in names:
        section, values = SECTIONS[name], configured.values[name]
        try:
            valid[name] = section.model_validate(
                {key: value for key, value in values.items() if key in _MAXIMA or not is_missing(value)}
            )
        except ValidationError as error:
            problems += invalid_settings(error, name, section.model_fields, values, all_read=configured.is_complete)
    return valid, problems


def _unlisted_sources(configured: Configured, listed: Sequence[str]) -> Remarks:
    """What is configured of sources that are not listed, and that none is listed; nothing if the list is invalid."""
    if not (listed or is_missing(configured.values["pdns"].get("sources"))):
        return Remarks([], [])
    found = without_effect.unlisted_sources(configured.values, listed)
    if listed or not configured.is_complete:
        return found
    free = [key for key, source in SOURCES.items() if source.account == "none"]
    missing = (
        f"{title(('pdns', 'sources'))} is missing. {and_list(free)} need no account: set "
        f"PDNS_SOURCES={','.join(free)}, or for one look-up use --sources {','.join(free)}."
    )
    return Remarks([missing, *found.problems], found.notices)


def helper_config(settings: Settings, environ: MutableMapping[str, str] = os.environ) -> dict[str, dict[str, Any]]:
    """The configuration for OpenCTIConnectorHelper: validated settings and other pycti options.

    pycti prefers `environ` to its argument and is less tolerant. Variables of validated settings are therefore
    removed there, as are those that are empty or ChangeMe.
    """
    for name in list(environ):
        section, _, key = name.lower().partition("_")
        if section in PLATFORM and ((section, key) in CHECKED or is_missing(environ[name])):
            del environ[name]
    return {
        name: {key: _plain(value) for key, value in getattr(settings, name) if value is not None} for name in PLATFORM
    }


def _plain(value: object) -> object:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return ",".join(value) if isinstance(value, tuple) else value
