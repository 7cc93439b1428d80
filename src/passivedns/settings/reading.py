"""Reads unvalidated settings from two config.yml files and the environment."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from passivedns.settings.table import CHECKED, SECTIONS, Values
from passivedns.settings.wording import Setting, is_secret, nearest, readable_name


def config_files(root: Path) -> tuple[Path, Path]:
    """Locations of config.yml; the last one takes precedence."""
    return root / "config.yml", root / "src" / "config.yml"


def from_environment() -> tuple[Values, list[str]]:
    """Variables with a section's prefix, in any case, and a sentence for each unreadable file.

    A variable such as OPENCTI_TOKEN_FILE names a file with the secret, as mounted by Docker and Kubernetes; it
    takes precedence over OPENCTI_TOKEN.
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
    field = CHECKED.get((section, key))
    return field is not None and is_secret(field)


def from_file(path: Path) -> tuple[Values, list[str]]:
    """The sections of a YAML file, and a sentence for each unusable part.

    A missing file is empty. YAML's error messages are not repeated, since they quote passwords.
    """
    try:
        content = yaml.safe_load(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        content = None
    except OSError as error:
        return {}, [f"{path}: cannot be read ({error.strerror})."]
    except Exception as error:  # PyYAML raises ValueError, KeyError and others for tags that their text does not fit
        return {}, [f"{path}: not valid YAML{_position(error)}; put text with special characters in quotes."]
    if content is None:
        return {}, []
    if not isinstance(content, dict):
        return {}, [f"{path}: must contain sections such as pdns, each with its settings indented below it."]
    return _known_sections(path, content)


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


def _position(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""


def merged(sources: Iterable[Values]) -> Values:
    """Merges key by key; a later value takes precedence unless it is empty."""
    result: Values = {section: {} for section in SECTIONS}
    for source in sources:
        for section, values in source.items():
            result[section].update({key: value for key, value in values.items() if not is_missing(value)})
    return result


def is_missing(value: object) -> bool:
    """Whether a value is null, blank or the samples' placeholder."""
    return value is None or _is_placeholder(value) or (isinstance(value, str) and not value.strip())


def placeholders(sources: Iterable[Values]) -> set[Setting]:
    """Settings that are still the samples' placeholder in at least one place."""
    return {
        (section, key)
        for source in sources
        for section, values in source.items()
        for key, value in values.items()
        if _is_placeholder(value)
    }


def _is_placeholder(value: object) -> bool:
    return isinstance(value, str) and value.strip().lower() == "changeme"
