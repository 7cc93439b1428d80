"""A look-up as a table in the terminal, with one bar a row from first to last seen; readable without colour."""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

from passivedns.model import Relation
from passivedns.report.rows import Lookup, Scale, Tick, scale
from passivedns.wording import named

_NARROWEST = 16
"""Characters that a timeline takes at least."""


def report(lookup: Lookup) -> RenderableType:
    """A look-up with its heading, its table, and what was counted."""
    shown = lookup.relations
    heading = Text.assemble((lookup.entity.value, "bold"), f"  {lookup.entity.type}, {lookup.period}")
    several = len(lookup.publisher.names) > 1
    table = Group("", _table(shown, several), "") if shown else Group()
    return Group(heading, table, Text(lookup.summary), *([Text(f"Sources: {lookup.sources}")] if several else []))


def _table(shown: list[Relation], several: bool) -> Table:
    """The relations; `several` says that more than one source was asked, so that each is named."""
    common = scale(shown)
    sources = [Column("sources", overflow="fold", max_width=24)] if several else []
    table = Table(
        Column("type", overflow="fold"),
        Column("value", overflow="fold"),
        Column("first seen", no_wrap=True),
        Column("last seen", no_wrap=True),
        *sources,
        Column(_Timeline(common) if common else "", min_width=_NARROWEST, ratio=1, no_wrap=True),
        box=SIMPLE_HEAD,
        padding=0,
        show_edge=False,
        expand=True,
    )
    for relation in shown:
        days = [f"{moment:%Y-%m-%d}" if moment else "unknown" for moment in (relation.first_seen, relation.last_seen)]
        line = _Timeline(common, relation) if common else ""
        keys = [Text(", ".join(key for key, _ in relation.sources))] if several else []
        table.add_row(Text(named(relation.record_types)), Text(relation.value), *days, *keys, line)
    return table


class _Signs(NamedTuple):
    line: str
    point: str
    grid: str


_UNICODE = _Signs("━", "●", "┊")
_ASCII = _Signs("=", "*", ".")


class _Timeline:
    """A cell on the common scale; it takes the width that the other columns leave."""

    def __init__(self, common: Scale, relation: Relation | None = None) -> None:
        """Without a relation it is the scale itself."""
        self._scale = common
        self._relation = relation

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(_NARROWEST, options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        width = options.max_width
        ticks = _ticks(self._scale, width)
        if self._relation:
            yield _bar(self._scale.bar(self._relation), ticks, width, _ASCII if options.ascii_only else _UNICODE)
        else:
            yield _labels(ticks, width)


# Every row asks for the same.
_ticks = lru_cache(maxsize=8)(Scale.ticks)


def _labels(ticks: list[Tick], width: int) -> Text:
    """The round dates, each above its place; the last one moves to the left where it would not fit."""
    line = ""
    for position, label in ticks:
        start = min(_cell(position, width), width - len(label))
        if not line or start > len(line):
            line = line.ljust(start) + label
    return Text(line)


def _bar(ends: tuple[float, float] | None, ticks: list[Tick], width: int, signs: _Signs) -> Text:
    """When a row was seen, over the grid of the round dates."""
    cells = [" "] * width
    for tick in ticks:
        cells[_cell(tick.position, width)] = signs.grid
    line = Text("".join(cells), "dim")
    if ends is None:
        return line
    first, last = (_cell(end, width) for end in ends)
    sign = signs.line if last > first else signs.point
    return Text.assemble(line[:first], (sign * (last - first + 1), "cyan"), line[last + 1 :])


def _cell(position: float, width: int) -> int:
    return min(int(position * width), width - 1)
