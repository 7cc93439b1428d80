"""Loads and validates the settings, and reports all errors at once."""

import os
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from passivedns.errors import SettingsError
from passivedns.settings import misplaced, model, reading
from passivedns.settings.model import CHECKED, PLATFORM, SECTIONS, LookupSettings, Settings
from passivedns.settings.problems import invalid_settings, readable_name, title
from passivedns.settings.reading import PROJECT_ROOT, is_missing
from passivedns.sources import SOURCES
from passivedns.text import and_list


class _Loading:
    """Configured values, the sections that they make, and their errors."""

    def __init__(self, root: Path, chosen: Sequence[str] | None = None) -> None:
        """`chosen` are sources that replace the configured ones."""
        files, environment = [*map(reading.from_file, reading.config_files(root))], reading.from_environment()
        self.values = reading.merge([*(file.values for file in files), environment.values])
        self.all_read = not any(file.unusable for file in files)
        self.problems = [problem for file in files for problem in (*file.unusable, *file.repeated)]
        self.shut: list[str] = []
        if chosen is not None:
            self.values["pdns"].pop("sources", None)
        self.listed = self._sources() if chosen is None else chosen
        self.problems += [why for section, why in environment.problems if section not in SOURCES.keys() - self.listed]
        self.problems += [
            f"config.yml: {section}.{readable_name(key)} is not a setting{misplaced.hint(meant)}"
            for file in files
            for section, key, meant in misplaced.unknown(file.values)
        ]
        unknown = misplaced.unknown_variables(environment.values, self.listed)
        unlisted = misplaced.Found([], [])
        if chosen is None and (self.listed or is_missing(self.values["pdns"].get("sources"))):
            unlisted = misplaced.unlisted_sources(self.values, self.listed)
        self.problems += unknown.problems + unlisted.problems
        self.notices = [*unknown.notices, *misplaced.misspelt_variables(os.environ)]
        self.unlisted = unlisted.notices

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
        # A setting that is still ChangeMe has its default, but a maximum is invalid: its default may be laxer.
        limits = ("max_tlp", "max_pap")
        return {key: value for key, value in self.values[name].items() if key in limits or not is_missing(value)}

    def lookup(self) -> LookupSettings:
        """The sections for a look-up; only the queried sources must be complete."""
        pdns = self.section("pdns")
        sources = {key: self.section(key) for key in self.listed}
        incomplete = [key for key, section in sources.items() if section is None]
        self.shut = [model.shut_notice(key, self.values[key].get(SOURCES[key].address)) for key in incomplete]
        return LookupSettings(pdns, sources)

    def _sources(self) -> tuple[str, ...]:
        """The configured sources, even if another setting in the section pdns is invalid; none if they are invalid."""
        if is_missing(self.values["pdns"].get("sources")):
            return self._default_sources()
        try:
            return model.PdnsSettings.model_validate({"sources": self.values["pdns"]["sources"]}).sources
        except ValidationError:
            return ()

    def _default_sources(self) -> tuple[str, ...]:
        """That of the original connector, if it is configured: any other needs to be listed."""
        found = tuple(key for key, name in model.DEFAULTS.items() if not is_missing(self.values[key].get(name)))
        if self.all_read and not found:
            free = [key for key, source in SOURCES.items() if source.account == "none"]
            self.problems.append(
                f"{title(('pdns', 'sources'))} is missing. {and_list(free)} need no account: set "
                f"PDNS_SOURCES={','.join(free)}, or for one look-up use --sources {','.join(free)}."
            )
        return found

    def check(self, consequence: str) -> None:
        """Raise a SettingsError with the consequence and all errors, if any."""
        if self.problems:
            count = "1 setting needs" if len(self.problems) == 1 else f"{len(self.problems)} settings need"
            lines = "\n  ".join([f"{consequence}: {count} correcting.", *self.problems])
            # What is misplaced may be why a setting is missing.
            notices = [*self.notices, *(() if self.listed else self.unlisted)]
            raise SettingsError("\n".join([lines, *notices, *filter(None, self.shut)]))


def load_settings(root: Path = PROJECT_ROOT) -> Settings:
    """Read `root`/config.yml, `root`/src/config.yml and the environment; the later takes precedence, key by key.

    Raises:
        SettingsError: the text lists all errors.
    """
    loading = _Loading(root)
    platform = {name: loading.section(name) for name in PLATFORM}
    lookup = loading.lookup()
    loading.check("The connector cannot start")
    return Settings(**platform, lookup=lookup, notices=(*loading.notices, *loading.unlisted))


def load_lookup_settings(root: Path = PROJECT_ROOT, sources: Sequence[str] | None = None) -> LookupSettings:
    """Read only the settings of a look-up; OpenCTI's may be missing or invalid.

    `sources` override PDNS_SOURCES; the sections of other sources are ignored.

    Raises:
        SettingsError: the text lists all errors.
    """
    loading = _Loading(root, sources)
    lookup = loading.lookup()
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
