"""Look-ups as one page of HTML that needs nothing beside itself: no server, no network, and no script to be read."""

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from riskiq.converter import Relation
from riskiq.graph import MOST_NODES, Graph, graph
from riskiq.lookup import Lookup
from riskiq.timeline import Tick, newest_first, scale
from riskiq.wording import named

_FOLDER = Path(__file__).parent
_LABELS = 44
"""Characters of dates above a timeline."""


class Line(NamedTuple):
    """A row of the table."""

    relation: Relation
    left: float
    """Where its bar begins, in percent of the timeline."""
    width: float
    dated: bool


class Section(NamedTuple):
    """One look-up as the page shows it."""

    lookup: Lookup
    lines: list[Line]
    ticks: list[Tick]
    graph: Graph


def page(lookups: Sequence[Lookup], made: datetime) -> str:
    """The whole page, with a section a look-up; `made` is told in UTC.

    Values are escaped by the template, and a content security policy forbids every script but the page's own.
    """
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["named"] = named
    script = (_FOLDER / "page.js").read_text(encoding="utf-8")
    return environment.get_template("page.html").render(
        sections=[_section(lookup) for lookup in lookups],
        made=made,
        most_nodes=MOST_NODES,
        style=Markup((_FOLDER / "page.css").read_text(encoding="utf-8")),  # noqa: S704  # a file of ours
        script=Markup(script),  # noqa: S704  # a file of ours
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _section(lookup: Lookup) -> Section:
    shown = newest_first(lookup.enrichment.relations)
    common = scale(shown)
    lines = []
    for relation in shown:
        bar = common.bar(relation) if common else None
        start, end = bar or (0, 0)
        lines.append(Line(relation, 100 * start, 100 * (end - start), dated=bar is not None))
    return Section(lookup, lines, common.ticks(_LABELS) if common else [], graph(shown))
