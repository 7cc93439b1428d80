"""A look-up as a table in the terminal, with one bar a row from first to last seen; readable without colour."""

from collections.abc import Iterator, Mapping, Sequence
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
_WIDE = {"value": 40, "sources": 24}
"""With so much for these columns the timeline has its place beside them."""
_LEAST = {"value": 40, "sources": 11}
"""What these columns keep where they can: an address, and the key of a source with its comma."""


def report(lookup: Lookup) -> RenderableType:
    """A look-up with its heading, its table, and what was counted."""
    shown = lookup.relations
    heading = Text.assemble((lookup.entity.value, "bold"), f"  {lookup.entity.type}, {lookup.period}")
    several = len(lookup.publisher.names) > 1
    table = Group("", _Table(shown, several), "") if shown else Group()
    return Group(heading, table, Text(lookup.summary), *([Text(f"Sources: {lookup.sources}")] if several else []))


class _Table:
    """The relations, in the columns that fit: the timeline, which repeats dates, steps back before a value is broken.

    `several` says that more than one source was asked, so that each is named.
    """

    def __init__(self, shown: list[Relation], several: bool) -> None:
        names = ("type", "value", "first seen", "last seen", *(["sources"] if several else []))
        self._shown = shown
        self._rows = [_cells(relation, several) for relation in shown]
        self._columns = dict(zip(names, zip(names, *self._rows, strict=True), strict=True))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table]:
        common = scale(self._shown) if self._takes(_WIDE) + _NARROWEST <= options.max_width else None
        kept = _LEAST["value"] if self._takes(_LEAST) <= options.max_width + 1 else None
        columns = [_column(name, min(_longest(cells), kept) if kept else None) for name, cells in self._columns.items()]
        table = Table(*columns, box=SIMPLE_HEAD, padding=0, show_edge=False, expand=bool(common))
        if common:
            table.add_column(_Timeline(common), min_width=_NARROWEST, ratio=1, no_wrap=True)
        for relation, cells in zip(self._shown, self._rows, strict=True):
            table.add_row(*map(Text, cells), *([_Timeline(common, relation)] if common else []))
        yield table

    def _takes(self, most: Mapping[str, int]) -> int:
        """The characters of all columns, each as wide as its longest cell or as `most` says, with a space behind it."""
        return sum(min(_longest(cells), most.get(name, 99)) + 1 for name, cells in self._columns.items())


def _cells(relation: Relation, several: bool) -> list[str]:
    days = [f"{moment:%Y-%m-%d}" if moment else "unknown" for moment in (relation.first_seen, relation.last_seen)]
    keys = [", ".join(key for key, _ in relation.sources)] if several else []
    return [named(relation.record_types), relation.value, *days, *keys]


def _longest(cells: Sequence[str]) -> int:
    return max(map(len, cells))


def _column(name: str, width: int | None) -> Column:
    """A column; `width` holds for that of the values and, if it is None, follows from the others."""
    if name == "value":
        return Column(name, overflow="fold", width=width)
    return Column(name, overflow="fold", no_wrap=name.endswith("seen"))


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
