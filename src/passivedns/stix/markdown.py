"""Keeps outside text from becoming links, images or tags in OpenCTI, which renders GitHub's Markdown."""

import re

# GitHub's Markdown links `www.`, `://` and `@` in any text, also where an entity or an escape hides them, and reads
# underscores at the ends of words as emphasis.
_HARMLESS = re.compile(r"(?:(?!www\.|://)(?:[^\W_]|[ ,:;()+/-])|(?<=[^\W_])_+(?=[^\W_])|\.(?!\w))*", re.IGNORECASE)
# They end a code span, a cell or an escape; pycti turns the HTML tag of code spans into backticks.
_UNSAFE = re.compile(r"[`|\\<]")


def code(text: str) -> str:
    """A code span, in which nothing is read as HTML, emphasis or a link."""
    return f"`{_UNSAFE.sub('?', ''.join(c if c.isprintable() else ' ' for c in text))}`"


def inert(text: str) -> str:
    """Plain words as they are, any other text as a code span."""
    return text if _HARMLESS.fullmatch(text) else code(text)
