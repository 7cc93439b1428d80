"""Where the nodes of the graph lie."""

from datetime import UTC, datetime
from itertools import pairwise
from math import dist, hypot

import pytest

from passivedns.model import Relation
from passivedns.report.graph import MOST_NODES, graph


def relation(number: int, *record_types: str) -> Relation:
    seen = datetime(2026, 1, 1, tzinfo=UTC)
    value, types = f"host{number}.example.org", record_types or ("A",)
    return Relation("resolves-to", value, "Domain-Name", False, types, (("riskiq", ()),), seen, seen)


@pytest.mark.parametrize("number", [1, 2, 40, 1000])
def test_the_nodes_lie_on_a_ring_with_room_for_a_line_of_text_between_two(number: int) -> None:
    drawn = graph([relation(place, *[("A",), ("NS",), ("MX", "NS")][place % 3]) for place in range(number)])
    nodes = [node for sector in drawn.sectors for node in sector.nodes]
    assert len(nodes) == min(number, MOST_NODES)
    assert all(hypot(node.x, node.y) == pytest.approx(drawn.radius) for node in nodes)
    places = [(node.x, node.y) for node in nodes]
    assert all(dist(first, second) > 12 for first, second in pairwise(places))


def test_the_same_record_types_lie_side_by_side_and_each_node_knows_its_relation() -> None:
    drawn = graph([relation(0, "NS"), relation(1, "A"), relation(2, "NS"), relation(3, "A")])
    assert [(sector.record_types, [node.row for node in sector.nodes]) for sector in drawn.sectors] == [
        (("A",), [1, 3]),
        (("NS",), [0, 2]),
    ]


def test_of_too_many_rows_the_first_are_drawn() -> None:
    drawn = graph([relation(number) for number in range(MOST_NODES + 1)])
    assert max(node.row for sector in drawn.sectors for node in sector.nodes) == MOST_NODES - 1


def test_a_long_value_is_cut_and_fits_into_the_drawing() -> None:
    drawn = graph([relation(0)._replace(value="a" * 200)])
    (node,) = drawn.sectors[0].nodes
    assert node.label == "a" * 33 + "…"
    assert drawn.reach > drawn.radius + 34 * 6


def test_without_rows_there_is_nothing_to_draw() -> None:
    assert graph([]).sectors == []
