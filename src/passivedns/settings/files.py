"""Reads config.yml; what YAML says of bad text is kept back, since it quotes passwords."""

from pathlib import Path
from typing import Any

import yaml


def document(path: Path) -> tuple[dict[Any, Any], list[str]]:
    """What a YAML file contains, and a sentence where it cannot be used; a file that is not there is empty."""
    try:
        content = yaml.safe_load(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        content = None
    except OSError as error:
        return {}, [f"{path}: cannot be read ({error.strerror})."]
    except Exception as error:  # PyYAML raises ValueError, KeyError and others for tags that their text does not fit
        return {}, [f"{path}: not valid YAML{_position(error)}; put text with special characters in quotes."]
    if content is not None and not isinstance(content, dict):
        return {}, [f"{path}: must contain sections such as pdns, each with its settings indented below it."]
    return content or {}, []


def _position(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
