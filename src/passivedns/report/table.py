"""Renders a look-up as a table for the terminal, with a bar from first to last seen; readable without colour."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import ConsoleOptions, Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from passivedns.model import Relation
from passivedns.report.lookup import Lookup
from passivedns.report.timeline import Tick, scale
from passivedns.text import comma_list, day

# Characters: the narrowest timeline, an IPv6 address, and the keys of two or three sources.
_TIMELINE, _ADDRESS, _SOURCES = 16, 40, 24
_UNICODE, _ASCII = ("━", "●", "┊"), ("=", "*", ".")
"""A line, a point and the grid."""


def table(lookup: Lookup, options: ConsoleOptions) -> RenderableType:
    """A look-up with heading, table and counts for a console with these options."""
    relations = lookup.relations
    several = len(lookup.publisher.names) > 1
    heading = Text.assemble((lookup.entity.value, "bold"), f"  {lookup.entity.type}, {lookup.period}")
    table: list[RenderableType] = ["", _table(relations, several, options), ""] if relations else []
    sources = [Text(f"Records by source: {lookup.sources}")] if several else []
    return Group(heading, *table, Text(lookup.summary), *sources)


def _table(relations: Sequence[Relation], several: bool, options: ConsoleOptions) -> Table:
    """The relations; `several` adds a column of sources."""
    names = ["type", "value", "first seen", "last seen", *(["sources"] if several else [])]
    rows = [_cells(relation, several) for relation in relations]
    longest = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
    common = scale(relations)
    widths, room = _layout(longest, options.max_width, common is not None)
    columns = [
        Column(name, width=width, overflow="fold", no_wrap=name.endswith("seen"))
        for name, width in zip(names, widths, strict=True)
    ]
    table = Table(*columns, box=SIMPLE_HEAD, padding=0, show_edge=False)
    if not (common and room):
        for cells in rows:
            table.add_row(*map(Text, cells))
        return table
    ticks = common.ticks(room)
    table.add_column(_labels(ticks, room), width=room, no_wrap=True)
    signs = _ASCII if options.ascii_only else _UNICODE
    for relation, cells in zip(relations, rows, strict=True):
        table.add_row(*map(Text, cells), _bar(common.bar(relation), ticks, room, signs))
    return table


def _cells(relation: Relation, several: bool) -> list[str]:
    keys = [", ".join(key for key, _ in relation.sources)] if several else []
    days = [day(relation.first_seen), day(relation.last_seen)]
    return [comma_list(relation.record_types), relation.value, *days, *keys]


def _layout(longest: Sequence[int], width: int, dated: bool) -> tuple[list[int], int]:
    """The widths of the columns and of the timeline, which is 0 if it does not fit beside addresses and sources."""
    kind, value, first, last, *keys = longest
    # One character separates columns.
    free = width - kind - first - last - 3
    folded = [min(key, max(_SOURCES, width // 4)) for key in keys]
    beside = sum(folded) + len(folded) + 1
    if dated and min(value, _ADDRESS) <= free - beside - _TIMELINE:
        value = min(value, max(_ADDRESS, free - beside - width // 3))
        return [kind, value, first, last, *folded], free - value - beside
    sources = sum(keys) + len(keys)
    value = min(value, max(free - sources, min(_ADDRESS, free - min(sources, _SOURCES // 2)), free // 2, 1))
    return [kind, value, first, last, *(max(1, min(key, free - value - 1)) for key in keys)], 0


def _labels(ticks: Sequence[Tick], width: int) -> Text:
    """The labels of the ticks; the last one moves left if it would not fit."""
    line = ""
    for position, label in ticks:
        start = min(_cell(position, width), width - len(label))
        if not line or start > len(line):
            line = line.ljust(start) + label
    return Text(line)


def _bar(ends: tuple[float, float] | None, ticks: Sequence[Tick], width: int, signs: tuple[str, str, str]) -> Text:
    """A bar over the grid of the ticks; only the grid without dates."""
    line, point, grid = signs
    cells = [" "] * width
    for tick in ticks:
        cells[_cell(tick.position, width)] = grid
    background = Text("".join(cells), "dim")
    if ends is None:
        return background
    first, last = (_cell(end, width) for end in ends)
    sign = line if last > first else point
    return Text.assemble(background[:first], (sign * (last - first + 1), "cyan"), background[last + 1 :])


def _cell(position: float, width: int) -> int:
    return min(int(position * width), width - 1)
