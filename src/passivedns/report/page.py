"""Look-ups as one page of HTML that needs nothing beside itself: no server, no network, and no script to be read."""

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from passivedns.model import Relation
from passivedns.report.rows import Lookup, Scale, Tick, scale
from passivedns.wording import joined, named

_FOLDER = Path(__file__).parent
_LABELS = 60
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
    today: float
    """Where the moment of the look-up lies, in percent of the timeline."""


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
        sections=[_section(lookup, made) for lookup in lookups],
        sources=joined(list(lookups[0].publisher.names.values())),
        made=made,
        style=Markup((_FOLDER / "page.css").read_text(encoding="utf-8")),  # noqa: S704  # a file of ours
        script=Markup(script),  # noqa: S704  # a file of ours
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _section(lookup: Lookup, made: datetime) -> Section:
    shown = lookup.relations
    common = scale(shown, until=made)
    if not common:
        return Section(lookup, [Line(relation, 0, 0, dated=False) for relation in shown], [], 0)
    today = common.position(made)
    return Section(lookup, [_line(relation, common) for relation in shown], _ticks(common, today), 100 * today)


def _line(relation: Relation, common: Scale) -> Line:
    bar = common.bar(relation)
    start, end = bar or (0, 0)
    return Line(relation, 100 * start, 100 * (end - start), dated=bar is not None)


def _ticks(common: Scale, today: float) -> list[Tick]:
    """The ticks; what would be written across `today`, which ends at its place, is not written."""
    return [
        tick._replace(label="") if -1 < (today - tick.position) * _LABELS < len(f"{tick.label} today") else tick
        for tick in common.ticks(_LABELS)
    ]
