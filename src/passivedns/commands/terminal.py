"""Prints messages, with lines that fit the terminal."""

import shutil
import sys
import textwrap
from typing import TextIO

from passivedns.text import printable


def say(text: str) -> None:
    """Print a message on stderr."""
    print(wrap(text, sys.stderr), file=sys.stderr)


def wrap(text: str, stream: TextIO) -> str:
    """Printable text; if the stream is a terminal, long lines continue two characters further in."""
    text = printable(text)
    if not stream.isatty():
        return text
    width = shutil.get_terminal_size().columns
    return "\n".join(_filled(line, width) for line in text.splitlines())


def _filled(line: str, width: int) -> str:
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.fill(line, width, subsequent_indent=f"{indent}  ", break_long_words=False, break_on_hyphens=False)
