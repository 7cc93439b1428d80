"""Renders look-ups as one self-contained HTML page: no server, no network, and readable without its script."""

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from passivedns.report.lookup import Lookup
from passivedns.report.timeline import Scale, Tick, scale
from passivedns.stix.builder import seen_by
from passivedns.text import and_list, comma_list, day

_FOLDER = Path(__file__).parent
_LABELS = 60
"""Characters of labels above a timeline."""


def page(lookups: Sequence[Lookup], made: datetime) -> str:
    """The page, with a section per look-up; `made` is the time of the look-ups (UTC).

    Values are escaped by the template, and a content security policy forbids every script but the page's own.
    """
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"day": day, "comma_list": comma_list, "seen_by": seen_by}
    script = (_FOLDER / "page.js").read_text(encoding="utf-8")
    return environment.get_template("page.html").render(
        sections=[_section(lookup, made) for lookup in lookups],
        sources=and_list(list(lookups[0].publisher.names.values())),
        made=made,
        style=Markup((_FOLDER / "page.css").read_text(encoding="utf-8")),  # noqa: S704  # a file of ours
        script=Markup(script),  # noqa: S704  # a file of ours
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _section(lookup: Lookup, made: datetime) -> dict[str, object]:
    """One look-up with its time scale, on which `today` is the position of `made`."""
    relations = lookup.relations
    common = scale(relations, until=made)
    today = common.position(made) if common else 0
    ticks = _ticks(common, today) if common else []
    return {"lookup": lookup, "relations": relations, "scale": common, "today": today, "ticks": ticks}


def _ticks(common: Scale, today: float) -> list[Tick]:
    """The ticks, without labels that would overlap `today`, whose label ends at its position."""
    return [
        tick._replace(label="") if -1 < (today - tick.position) * _LABELS < len(f"{tick.label} today") else tick
        for tick in common.ticks(_LABELS)
    ]
