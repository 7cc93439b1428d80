"""Parses pycti's GraphQL queries and words OpenCTI's errors.

It reads only the root field of a query and its variables; it is not a general GraphQL server.
"""

import re
from dataclasses import KW_ONLY, dataclass
from typing import Any

Answer = dict[str, Any]

# keyword, variables; { root field (arguments) { first field below
_QUERY = re.compile(r"(?P<keyword>\w*)[^{]*\{\s*(?P<root>\w+)\s*(?:\([^)]*\))?\s*(?:\{\s*(?P<below>\w+))?")


class Refused(Exception):
    """An error response of OpenCTI: its code, and its message as ``str``."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


@dataclass(frozen=True)
class Call:
    """One GraphQL call as received."""

    field: str
    """The root field, such as ``workEdit``."""
    variables: dict[str, Any]
    _: KW_ONLY
    below: str = ""
    """The first field below the root, such as ``toProcessed``."""
    query: str = ""
    user_agent: str = ""

    @property
    def is_read(self) -> bool:
        """Whether it reads one entity by id, as pycti's read methods do."""
        return not self.query.lstrip().startswith("mutation") and self.variables.keys() == {"id"}


def parse(body: dict[str, Any], user_agent: str) -> Call:
    """Parse the body of a request; the field is empty if no query is found."""
    query = body.get("query") or ""
    found = _QUERY.search(query)
    root, below = (found["root"], found["below"] or "") if found else ("", "")
    return Call(root, body.get("variables") or {}, below=below, query=query, user_agent=user_agent)


def errors(code: str, words: str) -> Answer:
    """Return an error response in OpenCTI's form."""
    return {"errors": [{"message": words, "name": code, "extensions": {"code": code, "data": {}}}]}


def version_of(text: str) -> tuple[int, ...]:
    """Parse a version such as ``7.261026.0`` for comparison."""
    return tuple(int(part) for part in re.findall(r"\d+", text))
