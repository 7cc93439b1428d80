"""The graph of a look-up as a drawing: the observable in the middle, what it is related to on a ring around it."""

from itertools import groupby
from math import cos, degrees, pi, sin
from typing import NamedTuple

from riskiq.converter import Relation

MOST_NODES = 120
"""More would be unreadable."""

_SMALLEST_RADIUS = 170.0
_ARC = 13.0
"""Between two nodes; room for a line of text."""
_CHARACTER = 6.6
"""Room for a character of a label outside the ring."""
_LONGEST_LABEL = 34


class Node(NamedTuple):
    """One relationship; lengths and angles are those of SVG, with the observable at 0, 0."""

    row: int
    """The place of its row in the table, from 0."""
    label: str
    angle: float
    """Degrees, clockwise from the right."""
    x: float
    y: float
    bend_x: float
    bend_y: float
    """Where its line bends: towards the middle of its sector."""

    @property
    def is_left(self) -> bool:
        """Whether its label must be turned, so as not to stand on its head."""
        return 90 < self.angle < 270


class Sector(NamedTuple):
    """The nodes of the same record types."""

    record_types: tuple[str, ...]
    x: float
    y: float
    nodes: list[Node]


class Graph(NamedTuple):
    """All sectors; the drawing reaches from -`reach` to `reach` in both directions."""

    sectors: list[Sector]
    radius: float
    reach: float


def graph(relations: list[Relation]) -> Graph:
    """The drawing of the first `MOST_NODES` relations."""
    numbered = sorted(enumerate(relations[:MOST_NODES]), key=lambda item: item[1].record_types)
    groups = [(types, list(group)) for types, group in groupby(numbered, key=lambda item: item[1].record_types)]
    # One place stays empty between two sectors.
    places = len(numbered) + len(groups)
    radius = max(_SMALLEST_RADIUS, places * _ARC / (2 * pi))
    sectors, place = [], 0
    for types, group in groups:
        sectors.append(_sector(types, group, place, places, radius))
        place += len(group) + 1
    longest = max((len(node.label) for sector in sectors for node in sector.nodes), default=0)
    return Graph(sectors, radius, radius + 20 + longest * _CHARACTER)


def _sector(
    types: tuple[str, ...], group: list[tuple[int, Relation]], place: int, places: int, radius: float
) -> Sector:
    turn = 2 * pi / places
    middle = (place + len(group) / 2) * turn
    nodes = []
    for position, (number, relation) in enumerate(group, start=place):
        angle = (position + 0.5) * turn
        bend = _point((angle + middle) / 2, radius / 2)
        nodes.append(Node(number, _short(relation.value), degrees(angle), *_point(angle, radius), *bend))
    return Sector(types, *_point(middle, radius * 0.62), nodes)


def _point(angle: float, distance: float) -> tuple[float, float]:
    return distance * cos(angle), distance * sin(angle)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_LABEL else f"{text[: _LONGEST_LABEL - 1]}…"
