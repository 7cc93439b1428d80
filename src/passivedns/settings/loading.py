"""Reads the settings from files and the environment, and reports all that is wrong with them at once."""

import os
from collections.abc import Collection, Iterable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo

from passivedns.errors import SettingsError
from passivedns.settings.files import document
from passivedns.settings.model import (
    ConnectorSettings,
    LookupSettings,
    MqOptions,
    OpenCTISettings,
    PdnsSettings,
    S3Options,
    Settings,
)
from passivedns.settings.sections import Section
from passivedns.settings.wording import (
    Setting,
    invalid_settings,
    is_secret,
    listed,
    nearest,
    readable_name,
    still_a_placeholder,
    title,
    variable,
)
from passivedns.sources import SOURCES

PROJECT_ROOT = Path(__file__).resolve().parents[3]

PLATFORM: Mapping[str, type[Section]] = {
    "opencti": OpenCTISettings,
    "connector": ConnectorSettings,
    "mq": MqOptions,
    "s3": S3Options,
}
"""The sections that pycti reads too."""
SECTIONS: Mapping[str, type[Section]] = {
    **PLATFORM,
    "pdns": PdnsSettings,
    **{key: source.settings for key, source in SOURCES.items()},
}
"""The model of every section."""

_CHECKED: Mapping[Setting, FieldInfo] = {
    (section, key): field for section, model in SECTIONS.items() for key, field in model.model_fields.items()
}
DECLARED: Mapping[Setting, FieldInfo] = {setting: field for setting, field in _CHECKED.items() if field.description}
"""Every setting of the connector's own, in the order of the documents; options of pycti have no description."""

Values = dict[str, dict[str, Any]]
"""What the operator wrote, by section and key."""


class _Written:
    """What the files and the environment say, and what is wrong with them."""

    def __init__(self, root: Path) -> None:
        files = [from_file(path) for path in config_files(root)]
        environment, unreadable = from_environment()
        sources = [*(source for source, _ in files), environment]
        self.values = _merged(sources)
        self.problems = [*(problem for _, problems in files for problem in problems), *unreadable]
        self.all_read = not any(problems for _, problems in files)
        self.placeholders = _placeholders(sources)
        self.problems += [_misspelt(*setting) for source, _ in files for setting in _unknown(source)]
        self.notices = [_ignored(*setting) for setting in _unknown(environment)]

    def section(self, name: str) -> Any:
        """A section as its model, or None, with what is wrong noted."""
        self.problems += [
            still_a_placeholder((name, key), _CHECKED[name, key])
            for key in ("max_tlp",)
            if key in SECTIONS[name].model_fields and (name, key) in self.placeholders and key not in self.values[name]
        ]
        try:
            return SECTIONS[name].model_validate(self.values[name])
        except ValidationError as error:
            self.problems += invalid_settings(
                error, name, _CHECKED, self.values[name], self.placeholders, all_read=self.all_read
            )
            return None

    def lookup(self) -> LookupSettings | None:
        """The sections that a look-up needs; of the sources, only those to ask must be complete."""
        pdns = self.section("pdns")
        sources = {key: self.section(key) for key in (pdns.sources if pdns else self._sources())}
        return LookupSettings(pdns, sources) if pdns and all(sources.values()) else None

    def _sources(self) -> tuple[str, ...]:
        """The sources to ask where something else in the section pdns is wrong; none where they are."""
        named = {key: value for key, value in self.values["pdns"].items() if key == "sources"}
        try:
            return PdnsSettings.model_validate(named).sources
        except ValidationError:
            return ()


def load_settings(root: Path = PROJECT_ROOT) -> Settings:
    """Read `root`/config.yml, `root`/src/config.yml and the environment; the later wins, key by key.

    Raises:
        SettingsError: the text lists all that is wrong.
    """
    written = _Written(root)
    platform = {name: written.section(name) for name in PLATFORM}
    lookup = written.lookup()
    if written.problems or lookup is None:
        raise SettingsError(listed(written.problems))
    return Settings(**platform, lookup=lookup, notices=tuple(written.notices))


def load_lookup_settings(root: Path = PROJECT_ROOT, sources: Sequence[str] = ()) -> LookupSettings:
    """Read the same, but only what a look-up needs; the settings of OpenCTI may be missing or wrong.

    `sources` are asked in place of those of the settings.

    Raises:
        SettingsError: the text lists all that is wrong.
    """
    written = _Written(root)
    if sources:
        written.values["pdns"]["sources"] = list(sources)
    lookup = written.lookup()
    if written.problems or lookup is None:
        raise SettingsError(listed(written.problems))
    return lookup


def load_pdns_settings(root: Path = PROJECT_ROOT) -> PdnsSettings:
    """Read the same, but only the section pdns; those of the sources may be missing or wrong.

    Raises:
        SettingsError: the text lists all that is wrong.
    """
    written = _Written(root)
    pdns: PdnsSettings | None = written.section("pdns")
    if written.problems or pdns is None:
        raise SettingsError(listed(written.problems))
    return pdns


def helper_config(settings: Settings, environ: MutableMapping[str, str] = os.environ) -> dict[str, dict[str, Any]]:
    """The configuration for OpenCTIConnectorHelper: what was validated, and whatever else pycti reads.

    pycti prefers `environ` to its argument and forgives less than these settings do. Variables of validated
    settings are therefore rewritten there, and those that are empty or ChangeMe are removed.
    """
    config = {
        name: {key: _plain(value) for key, value in getattr(settings, name) if value is not None} for name in PLATFORM
    }
    for name in [name for name, value in environ.items() if is_missing(value)]:
        if name.split("_")[0].lower() in PLATFORM:
            del environ[name]
    for section, key in _CHECKED:
        if section in PLATFORM and (name := variable((section, key))) in environ:
            value = config[section][key]
            environ[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return config


def _plain(value: object) -> object:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return ",".join(value) if isinstance(value, tuple) else value


def config_files(root: Path) -> tuple[Path, Path]:
    """Where the settings may be, the stronger one last."""
    return root / "config.yml", root / "src" / "config.yml"


def from_environment() -> tuple[Values, list[str]]:
    """The variables that start with the name of a section, in any case, and a sentence for each file not readable.

    A variable such as OPENCTI_TOKEN_FILE names a file that holds the secret, as Docker and Kubernetes mount them; it
    wins over OPENCTI_TOKEN.
    """
    values: Values = {}
    problems = []
    for name, value in sorted(os.environ.items(), key=lambda variable: variable[0].lower().endswith("_file")):
        section, _, key = name.lower().partition("_")
        if section not in SECTIONS or not key or not value:
            continue
        if _is_secret(section, key.removesuffix("_file")) and key.endswith("_file"):
            key = key.removesuffix("_file")
            try:
                value = Path(value).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or "it is not text"
                problems.append(f"{name}: {value} cannot be read ({reason}).")
                value = "unread"  # so that the secret is not called missing, too
        values.setdefault(section, {})[key] = value
    return values, problems


def _is_secret(section: str, key: str) -> bool:
    field = _CHECKED.get((section, key))
    return field is not None and is_secret(field)


def from_file(path: Path) -> tuple[Values, list[str]]:
    """The sections of a YAML file, and a sentence about each part of it that cannot be used."""
    content, problems = document(path)
    return ({}, problems) if problems else _known_sections(path, content)


def _known_sections(path: Path, content: dict[Any, Any]) -> tuple[Values, list[str]]:
    values: Values = {}
    problems: list[str] = []
    for name, settings in content.items():
        if name not in SECTIONS:
            if meant := nearest(str(name), SECTIONS, cutoff=0.75):
                problems.append(f"{path}: {readable_name(str(name))} is not a section; did you mean {meant}?")
        elif isinstance(settings, dict):
            values[name] = {str(key): value for key, value in settings.items()}
        elif settings is not None:
            problems.append(f"{path}: the settings of {name} must be indented below it, one per line.")
    return values, problems


def _merged(sources: Iterable[Values]) -> Values:
    """All in one, key by key; the later wins, where it has a value at all."""
    result: Values = {section: {} for section in SECTIONS}
    for source in sources:
        for section, values in source.items():
            result[section].update({key: value for key, value in values.items() if not is_missing(value)})
    return result


def is_missing(value: object) -> bool:
    """Whether a value is as good as none: null, blank, or the placeholder of the samples."""
    return value is None or _is_placeholder(value) or (isinstance(value, str) and not value.strip())


def _placeholders(sources: Iterable[Values]) -> set[Setting]:
    """The settings that are the placeholder of the samples in at least one place."""
    return {
        (section, key)
        for source in sources
        for section, values in source.items()
        for key, value in values.items()
        if _is_placeholder(value)
    }


def _is_placeholder(value: object) -> bool:
    return isinstance(value, str) and value.strip().lower() == "changeme"


def _unknown(source: Values) -> list[Setting]:
    """What is written and is not a setting; pycti knows many more in its sections, so only slips count there."""
    return [
        (section, key)
        for section, values in source.items()
        for key in values
        if (section, key) not in _CHECKED and (section not in PLATFORM or nearest(key, _own(section), cutoff=0.85))
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
