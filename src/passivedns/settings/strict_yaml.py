"""Reads YAML without guessing: numbers only in plain decimal form, and no repeated key unnoticed.

YAML 1.1 reads 0100 as 64 and 1:30 as 90, and PyYAML lets the last of several equal keys win.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml

_NUMBERS = {
    "tag:yaml.org,2002:int": r"-?(?:0|[1-9][0-9]*)\Z",
    "tag:yaml.org,2002:float": r"-?(?:0|[1-9][0-9]*)\.[0-9]+\Z",
}


class _Loader(yaml.SafeLoader):
    """Leaves what is not a plain number as text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in resolvers if tag not in _NUMBERS]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _tag, _form in _NUMBERS.items():
    _Loader.add_implicit_resolver(_tag, re.compile(_form), list("-0123456789"))


def load(text: bytes) -> tuple[Any, dict[tuple[str, ...], list[int]]]:
    """The content of a document, and the lines of each key that occurs more than once, as a path of at most two keys.

    Raises:
        Exception: it is not valid YAML; PyYAML raises ValueError, KeyError and others for unsuitable tags.
    """
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None, {}
        repeated = dict(_repeated(node))  # first, since the construction merges mappings into each other
        return loader.construct_document(node), repeated
    finally:
        loader.dispose()


def _repeated(node: yaml.Node, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], list[int]]]:
    found: dict[str, list[yaml.Node]] = {}
    lines: dict[str, list[int]] = {}
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
            found.setdefault(key.value, []).append(value)
            lines.setdefault(key.value, []).append(key.start_mark.line + 1)
    for name, values in found.items():
        if len(values) > 1:
            yield (*above, name), lines[name]
        if not above:
            for value in values:
                yield from _repeated(value, (name,))


def says_tab(error: Exception, text: bytes) -> bool:
    """Whether a line up to the place of an error is indented with a tab, which YAML forbids."""
    mark = getattr(error, "problem_mark", None)
    lines = text.splitlines()[: mark.line + 1] if mark else []
    return any(re.match(rb" *\t", line) for line in lines)
