"""Where settings come from: the files and the environment, as text that nobody has judged yet."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource
from typing_extensions import override

from riskiq.settings_errors import Setting, nearest, readable_name

Source = dict[str, dict[str, Any]]
"""Values by section and key."""

_TO_BE_CHOSEN = {("riskiq", "max_tlp")}
"""Settings of which a placeholder must not become the default: without a maximum even TLP:RED is sent."""


class _Environment(EnvSettingsSource):
    """Variables of single settings; one that is named like a section (RISKIQ) is somebody else's."""

    @override
    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, True


def from_environment(settings: type[BaseSettings]) -> Source:
    """The variables that start with the name of a section of `settings`, in any case."""
    return _Environment(settings)()


def from_file(path: Path, sections: Collection[str]) -> tuple[Source, list[str]]:
    """The sections of a YAML file, and a sentence about each part of it that cannot be used.

    A file that is not there is empty. What YAML says of bad text is kept back: it quotes passwords.
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
        return {}, [f"{path}: must hold sections such as riskiq, each with its settings indented below it."]
    return _known_sections(path, content, sections)


def merged(sources: Iterable[Source], sections: Collection[str]) -> Source:
    """One source of them all, key by key; the later wins, where it holds a value at all.

    The placeholder of a setting that must be chosen stays where no source holds a value, and is refused later.
    """
    result: Source = {section: {} for section in sections}
    for source in sources:
        for section, values in source.items():
            for key, value in values.items():
                if not is_missing(value):
                    result[section][key] = value
                elif _is_placeholder(value) and (section, key) in _TO_BE_CHOSEN:
                    result[section].setdefault(key, value)
    return result


def is_missing(value: object) -> bool:
    """Whether a value is as good as none: null, blank, or the placeholder of the samples."""
    return value is None or _is_placeholder(value) or (isinstance(value, str) and not value.strip())


def left_in_place(sources: Iterable[Source]) -> set[Setting]:
    """The settings that hold the placeholder of the samples in at least one source."""
    return {
        (section, key)
        for source in sources
        for section, values in source.items()
        for key, value in values.items()
        if _is_placeholder(value)
    }


def _is_placeholder(value: object) -> bool:
    return isinstance(value, str) and value.strip().lower() == "changeme"


def _position(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""


def _known_sections(path: Path, content: dict[Any, Any], sections: Collection[str]) -> tuple[Source, list[str]]:
    source: Source = {}
    problems: list[str] = []
    for name, values in content.items():
        if name not in sections:
            if meant := nearest(str(name), sections, cutoff=0.75):
                problems.append(f"{path}: {readable_name(str(name))} is no section; did you mean {meant}?")
        elif isinstance(values, dict):
            source[name] = {str(key): value for key, value in values.items()}
        elif values is not None:
            problems.append(f"{path}: {name} must have its settings indented below it, one a line.")
    return source, problems
