"""Reads unvalidated settings from two config.yml files and the environment."""

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from passivedns.settings.model import CHECKED, SECTIONS
from passivedns.settings.problems import is_placeholder, is_secret, nearest_section, readable_name, variable
from passivedns.sources import SOURCES
from passivedns.text import and_list

PROJECT_ROOT = Path(__file__).resolve().parents[3]

Values = dict[str, dict[str, Any]]
"""Configured values by section and key."""

_VARIABLES = {variable(setting): setting for setting in CHECKED}
# Without its section, a setting of pdns can only be meant for it.
_VARIABLES |= {setting[1].upper(): setting for setting in CHECKED if setting[0] == "pdns"}
_SECRET_FILES = {f"{variable(setting)}_FILE": setting for setting, field in CHECKED.items() if is_secret(field)}


class File(NamedTuple):
    """The content of a config.yml."""

    values: Values
    unusable: Sequence[str] = ()
    """A sentence for each part that could not be read."""
    repeated: Sequence[str] = ()
    """A sentence for each section or key that occurs more than once."""


class Environment(NamedTuple):
    """The variables of this connector and of pycti."""

    values: Values
    problems: list[tuple[str, str]]
    """The section of each unusable variable, and a sentence about it."""


class Configured(NamedTuple):
    """Everything that is configured."""

    values: Values
    """As they count: the environment precedes the files."""
    files: Sequence[File]
    environment: Environment

    @property
    def is_complete(self) -> bool:
        """Whether every file could be read, so that what is not there is missing."""
        return not any(file.unusable for file in self.files)

    def problems(self, listed: Collection[str]) -> list[str]:
        """A sentence for each part that could not be read; `listed` are the sources whose variables matter."""
        in_files = [problem for file in self.files for problem in (*file.unusable, *file.repeated)]
        others = SOURCES.keys() - listed
        return [*in_files, *(problem for section, problem in self.environment.problems if section not in others)]


def read(root: Path) -> Configured:
    """The settings in the files below `root` and in the environment."""
    files, environment = [*map(from_file, config_files(root))], from_environment()
    return Configured(merge([*(file.values for file in files), environment.values]), files, environment)


def config_files(root: Path) -> tuple[Path, Path]:
    """Locations of config.yml; the last one takes precedence."""
    return root / "config.yml", root / "src" / "config.yml"


def from_environment() -> Environment:
    """Variables with a section's prefix, in any case.

    A variable such as OPENCTI_TOKEN_FILE names a file with the secret, as mounted by Docker and Kubernetes; it
    takes precedence over OPENCTI_TOKEN.
    """
    variables: dict[str, str] = {}
    found = Environment({section: {} for section in SECTIONS}, [])
    for name, value in os.environ.items():
        section, _, key = name.upper().partition("_")
        is_ours = value and key and section.lower() in SECTIONS
        if is_ours and value != variables.setdefault(name.upper(), value):
            why = f"{name.upper()} is set more than once, in different case and with different values: keep one."
            found.problems.append((section.lower(), why))
    for name in [*(name for name in variables if name not in _SECRET_FILES), *filter(variables.get, _SECRET_FILES)]:
        section, _, key = name.lower().partition("_")
        text, problems = _without_quotes(name, variables[name])
        if name in _SECRET_FILES:
            key = _SECRET_FILES[name][1]
            text, unreadable = _content(name, text)
            problems += unreadable
        found.values[section][key] = text
        found.problems.extend((section, problem) for problem in problems)
    return found


def _without_quotes(name: str, value: str) -> tuple[str, list[str]]:
    """The value; quotes around it are a problem, since env files of Docker keep them."""
    bare = value.strip()
    if len(bare) < 2 or bare[0] != bare[-1] or bare[0] not in "\"'":
        return value, []
    elsewhere = f", or put a value that has them into a file ({name}_FILE)" if f"{name}_FILE" in _SECRET_FILES else ""
    return bare[1:-1], [f"{name} is in quotes, which count as part of the value: remove them{elsewhere}."]


def _content(name: str, path: str) -> tuple[str, list[str]]:
    try:
        return Path(path).read_text(encoding="utf-8"), []
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        # A text, so that it is not reported as missing, too.
        return "unread", [f"{name}: {path} cannot be read ({reason})."]


def from_file(path: Path) -> File:
    """The sections of a YAML file.

    A missing file is empty. YAML's error messages are not repeated, since they quote passwords.
    """
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return File({})
    except OSError as error:
        return File({}, [f"{path}: cannot be read ({error.strerror})."])
    from passivedns.settings import strict_yaml  # YAML takes a while, and most connectors have no file

    try:
        content, repeated = strict_yaml.load(text)
    except Exception as error:
        mark = getattr(error, "problem_mark", None)
        position = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        indented = "indent with spaces, since YAML allows no tabs there"
        remedy = indented if strict_yaml.says_tab(error, text) else "put text with special characters in quotes"
        return File({}, [f"{path}: not valid YAML{position}; {remedy}."])
    if content is None:
        return File({})
    if not isinstance(content, dict):
        return File({}, [f"{path}: must contain sections such as pdns, each with its settings indented below it."])
    return File(*_known_sections(path, content), list(_repetitions(path, repeated)))


def _repetitions(path: Path, repeated: Mapping[tuple[str, ...], Sequence[int]]) -> Iterator[str]:
    for keys, lines in repeated.items():
        if keys[0] in SECTIONS:
            places = f"lines {and_list([str(line) for line in lines])}"
            remedy = "keep one" if keys[1:] else "make them one section"
            yield f"{path}: {'.'.join(map(readable_name, keys))} occurs more than once ({places}); {remedy}."


def _known_sections(path: Path, content: dict[Any, Any]) -> tuple[Values, list[str]]:
    values: Values = {}
    problems: list[str] = []
    for name, settings in content.items():
        if name not in SECTIONS:
            if setting := _VARIABLES.get(re.sub("[-. ]", "_", str(name)).upper()):
                problems.append(f"{path}: {name} must be written as {setting[1]}, indented below {setting[0]}.")
            elif meant := nearest_section(str(name), SECTIONS):
                problems.append(f"{path}: {readable_name(str(name))} is not a section; did you mean {meant}?")
        elif isinstance(settings, dict):
            values[name] = {str(key): value for key, value in settings.items()}
        elif settings is not None:
            problems.append(f"{path}: the settings of {name} must be indented below it, one per line.")
    return values, problems


def merge(sources: Iterable[Values]) -> Values:
    """Merges key by key; a later value takes precedence, but a placeholder over nothing and an empty value never."""
    result: Values = {section: {} for section in SECTIONS}
    for source in sources:
        for section, values in source.items():
            for key, value in values.items():
                if not is_missing(value):
                    result[section][key] = value
                elif is_placeholder(value):
                    result[section].setdefault(key, value)
    return result


def is_missing(value: object) -> bool:
    """Whether a value is null, blank or the placeholder of the samples."""
    return value is None or is_placeholder(value) or (isinstance(value, str) and not value.strip())
