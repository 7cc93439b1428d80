"""Loads and validates the settings, and reports all errors at once."""

import os
from collections.abc import Iterator, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from passivedns.errors import SettingsError
from passivedns.settings import model, reading
from passivedns.settings.model import CHECKED, DECLARED, PLATFORM, SECTIONS, LookupSettings, Settings
from passivedns.settings.reading import PROJECT_ROOT, Values, is_missing
from passivedns.settings.wording import invalid_settings, nearest, readable_name, title
from passivedns.sources import SOURCES


class _Loading:
    """Configured values, the sections that they make, and their errors."""

    def __init__(self, root: Path) -> None:
        read = [reading.from_file(path) for path in reading.config_files(root)]
        environment, unreadable = reading.from_environment()
        files = [values for values, _ in read]
        self.values = reading.merged([*files, environment])
        self.problems = [problem for _, problems in read for problem in problems]
        self.all_read = not self.problems
        self.problems += unreadable
        self.problems += [
            f"config.yml: {section}.{key} is not a setting{hint}"
            for values in files
            for section, key, hint in _unknown(values)
        ]
        self.notices = [
            f"{section}_{key}".upper() + f" is not a setting and is ignored{hint}"
            for section, key, hint in _unknown(environment)
        ]
        self.shut: list[str] = []

    def section(self, name: str) -> Any:
        """A section as its model, or None after recording its errors."""
        section = SECTIONS[name]
        try:
            return section.model_validate(self._set_in(name))
        except ValidationError as error:
            self.problems += invalid_settings(
                error, name, section.model_fields, self.values[name], all_read=self.all_read
            )
            return None

    def _set_in(self, name: str) -> dict[str, Any]:
        # A setting that is still ChangeMe has its default, but max_tlp is invalid: its default means no limit.
        return {key: value for key, value in self.values[name].items() if key == "max_tlp" or not is_missing(value)}

    def lookup(self, chosen: Sequence[str] | None = None) -> LookupSettings:
        """The sections for a look-up; only the selected sources must be complete."""
        if chosen is not None:
            self.values["pdns"].pop("sources", None)
        pdns = self.section("pdns")
        sources = {key: self.section(key) for key in (self._sources() if chosen is None else chosen)}
        incomplete = [key for key, section in sources.items() if section is None]
        self.shut = [model.shut_notice(key, self.values[key].get(SOURCES[key].address)) for key in incomplete]
        return LookupSettings(pdns, sources)

    def _sources(self) -> tuple[str, ...]:
        """The configured sources, even if another setting in the section pdns is invalid; none if they are invalid."""
        named = {key: value for key, value in self._set_in("pdns").items() if key == "sources"}
        try:
            return model.PdnsSettings.model_validate(named).sources
        except ValidationError:
            return ()

    def check(self, consequence: str) -> None:
        """Raise a SettingsError with the consequence and all errors, if any."""
        if self.problems:
            count = "1 setting needs" if len(self.problems) == 1 else f"{len(self.problems)} settings need"
            lines = "\n  ".join([f"{consequence}: {count} correcting.", *self.problems])
            # A misspelt variable may be why a setting is missing.
            raise SettingsError("\n".join([lines, *self.notices, *filter(None, self.shut)]))


def load_settings(root: Path = PROJECT_ROOT) -> Settings:
    """Read `root`/config.yml, `root`/src/config.yml and the environment; the later takes precedence, key by key.

    Raises:
        SettingsError: the text lists all errors.
    """
    loading = _Loading(root)
    platform = {name: loading.section(name) for name in PLATFORM}
    lookup = loading.lookup()
    loading.check("The connector cannot start")
    return Settings(**platform, lookup=lookup, notices=tuple(loading.notices))


def load_lookup_settings(root: Path = PROJECT_ROOT, sources: Sequence[str] | None = None) -> LookupSettings:
    """Read only the settings of a look-up; OpenCTI's may be missing or invalid.

    `sources` override PDNS_SOURCES; the sections of other sources are ignored.

    Raises:
        SettingsError: the text lists all errors.
    """
    loading = _Loading(root)
    lookup = loading.lookup(sources)
    loading.check("Nothing can be looked up")
    return lookup


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


def _unknown(values: Values) -> Iterator[tuple[str, str, str]]:
    """Section, key and hint of each unknown setting; pycti has many more options, so there only near misses count."""
    for section, settings in values.items():
        own = [key for name, key in DECLARED if name == section]
        for key in settings:
            meant = nearest(key, own, cutoff=0.85 if section in PLATFORM else 0.6)
            if (section, key) in CHECKED or (section in PLATFORM and not meant):
                continue
            setting = ("pdns", key) if ("pdns", key) in DECLARED else meant and (section, meant)
            yield section, readable_name(key), f"; did you mean {title(setting)}?" if setting else "."
