"""Loads and validates the settings, and reports all errors at once."""

import os
from collections.abc import Collection, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from passivedns.errors import SettingsError
from passivedns.settings.model import LookupSettings, PdnsSettings, Settings, shut_notice
from passivedns.settings.reading import config_files, from_environment, from_file, is_missing, merged, placeholders
from passivedns.settings.table import CHECKED, DECLARED, PLATFORM, PROJECT_ROOT, SECTIONS, Values
from passivedns.settings.wording import (
    Setting,
    invalid_settings,
    listed,
    nearest,
    readable_name,
    still_a_placeholder,
    title,
    variable,
)
from passivedns.sources import SOURCES

_NO_LOOKUP = "Nothing can be looked up"


class _Written:
    """Configured values and their errors."""

    def __init__(self, root: Path) -> None:
        files = [from_file(path) for path in config_files(root)]
        environment, unreadable = from_environment()
        sources = [*(source for source, _ in files), environment]
        self.values = merged(sources)
        self.problems = [*(problem for _, problems in files for problem in problems), *unreadable]
        self.all_read = not any(problems for _, problems in files)
        self.placeholders = placeholders(sources)
        self.problems += [_misspelt(*setting) for source, _ in files for setting in _unknown(source)]
        self.shut: list[str] = []
        self.notices = [_ignored(*setting) for setting in _unknown(environment)]

    def section(self, name: str) -> Any:
        """A section as its model, or None after recording its errors."""
        self.problems += [
            still_a_placeholder((name, key), CHECKED[name, key])
            for key in ("max_tlp",)
            if key in SECTIONS[name].model_fields and (name, key) in self.placeholders and key not in self.values[name]
        ]
        try:
            return SECTIONS[name].model_validate(self.values[name])
        except ValidationError as error:
            self.problems += invalid_settings(
                error, name, CHECKED, self.values[name], self.placeholders, all_read=self.all_read
            )
            return None

    def lookup(self) -> LookupSettings | None:
        """The sections for a look-up; only the selected sources must be complete."""
        pdns = self.section("pdns")
        sources = {key: self.section(key) for key in (pdns.sources if pdns else self._sources())}
        incomplete = [key for key, section in sources.items() if section is None]
        self.shut = [shut_notice(key, self.values[key].get(SOURCES[key].address)) for key in incomplete]
        return LookupSettings(pdns, sources) if pdns and all(sources.values()) else None

    def error(self, consequence: str) -> SettingsError:
        """All errors, below their consequence."""
        return SettingsError(listed(consequence, self.problems, filter(None, self.shut)))

    def _sources(self) -> tuple[str, ...]:
        """The selected sources if another setting in the section pdns is invalid; none if they are invalid."""
        named = {key: value for key, value in self.values["pdns"].items() if key == "sources"}
        try:
            return PdnsSettings.model_validate(named).sources
        except ValidationError:
            return ()


def load_settings(root: Path = PROJECT_ROOT) -> Settings:
    """Read `root`/config.yml, `root`/src/config.yml and the environment; the later takes precedence, key by key.

    Raises:
        SettingsError: the text lists all errors.
    """
    written = _Written(root)
    platform = {name: written.section(name) for name in PLATFORM}
    lookup = written.lookup()
    if written.problems or lookup is None:
        raise written.error("The connector cannot start")
    return Settings(**platform, lookup=lookup, notices=tuple(written.notices))


def load_lookup_settings(root: Path = PROJECT_ROOT, sources: Sequence[str] = ()) -> LookupSettings:
    """Read only the settings of a look-up; those of OpenCTI may be missing or invalid.

    `sources` override the configured ones.

    Raises:
        SettingsError: the text lists all errors.
    """
    written = _Written(root)
    if sources:
        written.values["pdns"]["sources"] = list(sources)
    lookup = written.lookup()
    if written.problems or lookup is None:
        raise written.error(_NO_LOOKUP)
    return lookup


def load_pdns_settings(root: Path = PROJECT_ROOT) -> PdnsSettings:
    """Read only the section pdns; those of the sources may be missing or invalid.

    Raises:
        SettingsError: the text lists all errors.
    """
    written = _Written(root)
    pdns: PdnsSettings | None = written.section("pdns")
    if written.problems or pdns is None:
        raise written.error(_NO_LOOKUP)
    return pdns


def helper_config(settings: Settings, environ: MutableMapping[str, str] = os.environ) -> dict[str, dict[str, Any]]:
    """The configuration for OpenCTIConnectorHelper: validated settings and other pycti options.

    pycti prefers `environ` to its argument and is less tolerant. Variables of validated settings are therefore
    rewritten there, and those that are empty or ChangeMe are removed.
    """
    config = {
        name: {key: _plain(value) for key, value in getattr(settings, name) if value is not None} for name in PLATFORM
    }
    for name in [name for name, value in environ.items() if is_missing(value)]:
        if name.split("_")[0].lower() in PLATFORM:
            del environ[name]
    for section, key in CHECKED:
        if section in PLATFORM and (name := variable((section, key))) in environ:
            value = config[section][key]
            environ[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return config


def _plain(value: object) -> object:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return ",".join(value) if isinstance(value, tuple) else value


def _unknown(source: Values) -> list[Setting]:
    """Unknown settings; pycti's sections have many more options, so only near misses count there."""
    return [
        (section, key)
        for section, values in source.items()
        for key in values
        if (section, key) not in CHECKED and (section not in PLATFORM or nearest(key, _own(section), cutoff=0.85))
    ]


def _own(section: str) -> Collection[str]:
    return [key for name, key in DECLARED if name == section]


def _misspelt(section: str, key: str) -> str:
    return f"config.yml: {section}.{readable_name(key)} is not a setting{_did_you_mean(section, key)}"


def _ignored(section: str, key: str) -> str:
    name = f"{section}_{readable_name(key)}".upper()
    return f"{name} is not a setting and is ignored{_did_you_mean(section, key)}"


def _did_you_mean(section: str, key: str) -> str:
    if key in _own("pdns"):
        return f"; did you mean {title(('pdns', key))}?"
    meant = nearest(key, _own(section))
    return f"; did you mean {title((section, meant))}?" if meant else "."
