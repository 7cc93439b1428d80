"""Reads unvalidated settings from two config.yml files and the environment."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from passivedns.settings.model import CHECKED, SECTIONS
from passivedns.settings.wording import is_placeholder, is_secret, nearest, readable_name, variable

PROJECT_ROOT = Path(__file__).resolve().parents[3]

Values = dict[str, dict[str, Any]]
"""Configured values by section and key."""

_SECRET_FILES = {f"{variable(setting)}_FILE": setting for setting, field in CHECKED.items() if is_secret(field)}


def config_files(root: Path) -> tuple[Path, Path]:
    """Locations of config.yml; the last one takes precedence."""
    return root / "config.yml", root / "src" / "config.yml"


def from_environment() -> tuple[Values, list[str]]:
    """Variables with a section's prefix, in any case, and a sentence for each unreadable file.

    A variable such as OPENCTI_TOKEN_FILE names a file with the secret, as mounted by Docker and Kubernetes; it
    takes precedence over OPENCTI_TOKEN.
    """
    variables = {name.upper(): value for name, value in os.environ.items() if value}
    values: Values = {section: {} for section in SECTIONS}
    problems = []
    for name, value in variables.items():
        section, _, key = name.lower().partition("_")
        if section in SECTIONS and key and name not in _SECRET_FILES:
            values[section][key] = value
    for name, (section, key) in _SECRET_FILES.items():
        if path := variables.get(name):
            try:
                values[section][key] = Path(path).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "it is not text"
                problems.append(f"{name}: {path} cannot be read ({reason}).")
                values[section][key] = "unread"  # so that it is not reported as missing, too
    return values, problems


def from_file(path: Path) -> tuple[Values, list[str]]:
    """The sections of a YAML file, and a sentence for each unusable part.

    A missing file is empty. YAML's error messages are not repeated, since they quote passwords.
    """
    try:
        text = path.read_bytes()
        import yaml  # takes a while, and most connectors have no file

        content = yaml.safe_load(text)
    except (FileNotFoundError, NotADirectoryError):
        content = None
    except OSError as error:
        return {}, [f"{path}: cannot be read ({error.strerror})."]
    except Exception as error:  # PyYAML raises ValueError, KeyError and others for tags that do not match their text
        mark = getattr(error, "problem_mark", None)
        position = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        return {}, [f"{path}: not valid YAML{position}; put text with special characters in quotes."]
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


def merged(sources: Iterable[Values]) -> Values:
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
