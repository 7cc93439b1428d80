"""The dashboard in docs/grafana.json queries all metrics of the connector, and only those."""

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from passivedns import metrics
from passivedns.model import Allowance, Quota

DASHBOARD: dict[str, Any] = json.loads(Path("docs/grafana.json").read_text(encoding="utf-8"))
QUERIES = [(panel["title"], target) for panel in DASHBOARD["panels"] for target in panel["targets"]]
# Labels that Prometheus adds when it scrapes.
SCRAPED = {"instance", "job"}


@pytest.fixture(scope="module")
def served() -> dict[str, set[str]]:
    """The labels of each of the connector's series."""
    metrics.count_records({"A": 1}, {"TXT": 1})
    metrics.show_quota("riskiq", Quota((Allowance("user", 1, 2, ""),)))
    metrics.expect("riskiq")
    metrics.REQUESTS.labels("riskiq", "search")
    metrics.WAITING.labels("riskiq", "search")
    samples = [sample for family in REGISTRY.collect() for sample in family.samples]
    return {
        sample.name: set(sample.labels)
        for sample in samples
        if sample.name.startswith("pdns_") and not sample.name.endswith("_created")
    }


def asked(query: str) -> set[str]:
    return set(re.findall(r"pdns_\w+", query))


def labels(target: dict[str, Any]) -> set[str]:
    """The labels that a query selects or groups by, and the labels of its legend."""
    selected = re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", target["expr"])
    grouped = [name for group in re.findall(r"by \(([^)]*)\)", target["expr"]) for name in group.split(", ")]
    return {*selected, *grouped, *re.findall(r"{{(\w+)}}", target["legendFormat"])}


@pytest.mark.parametrize(("title", "target"), QUERIES)
def test_every_panel_queries_existing_series_and_labels(
    served: dict[str, set[str]], title: str, target: dict[str, Any]
) -> None:
    names = asked(target["expr"])
    assert names
    assert names <= served.keys(), title
    assert labels(target) <= SCRAPED.union(*[served[name] for name in names]), title


def test_every_metric_is_shown(served: dict[str, set[str]]) -> None:
    def base(name: str) -> str:
        return re.sub(r"_(bucket|count|sum)$", "", name)

    shown = {base(name) for _, target in QUERIES for name in asked(target["expr"])}
    assert shown == {base(name) for name in served}


def test_it_can_be_imported_anywhere() -> None:
    """It names no data source of one installation; one is selected on import."""
    assert "id" not in DASHBOARD
    assert set(data_sources(DASHBOARD)) == {"${datasource}"}
    assert [variable["name"] for variable in DASHBOARD["templating"]["list"]] == ["datasource", "instance", "source"]


def test_series_by_source_are_filtered_by_the_selected_sources(served: dict[str, set[str]]) -> None:
    for title, target in QUERIES:
        for name, selection in re.findall(r"(pdns_\w+)({[^}]*})", target["expr"]):
            assert ('source=~"$source"' in selection) is ("source" in served[name]), title


def data_sources(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("datasource"), dict):
            yield part["datasource"]["uid"]
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from data_sources(inner)


def test_the_panels_do_not_overlap() -> None:
    for one, other in combinations([panel["gridPos"] for panel in DASHBOARD["panels"]], 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_x or apart_y
