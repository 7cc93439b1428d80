"""The log of an enrichment: structured fields, one line at info, one line per step at debug."""

import json
from typing import Any

import pytest

from sandbox.sources.riskiq_data import DOMAIN
from sandbox.works import Work
from tests.helpers.world import World
from tests.integration.conftest import needs_http_protocols

pytestmark = needs_http_protocols


def lines(world: World, work: Work) -> list[dict[str, Any]]:
    """Return the connector's own log lines about a work."""
    read = [json.loads(line) for line in world.daemon.log.splitlines() if work.id in line and line.startswith("{")]
    about = [line | line.pop("attributes") for line in read if "attributes" in line]
    return [line for line in about if "entity_type" in line and "seconds" in line]


def test_one_line_at_info_summarizes_an_enrichment(world: World) -> None:
    work = world.enrich("Domain-Name", DOMAIN)
    (line,) = [line for line in lines(world, work) if line["level"] == "INFO"]
    assert line["message"] == "Enrichment ended"
    assert line.pop("seconds") > 0
    assert 0 < line.pop("quota_left")["riskiq"] < 2000
    assert {key: line[key] for key in line.keys() - {"timestamp", "level", "name", "message", "work_id"}} == {
        "entity_id": work.entity.standard_id,
        "entity_type": "Domain-Name",
        "outcome": "added",
        "records": 16,
        "observables": 12,
        "relationships": 12,
        "left_out": 2,
        "cached": False,
        "sources": {"riskiq": "16"},
        "objects": 28,
        "text": work.message,
    }


def test_at_debug_each_step_has_a_line(world: World) -> None:
    work = world.enrich("Domain-Name", DOMAIN)
    steps = [line["message"] for line in lines(world, work)]
    assert steps == ["Begun", "Answered", "Converted", "Sent", "Enrichment ended"]


@pytest.mark.parametrize(
    ("entity_type", "value", "outcome"),
    [
        ("Domain-Name", "nobody-knows.example", "nothing_known"),
        ("Email-Addr", "someone@example.org", "out_of_scope"),
        ("IPv4-Addr", "192.0.2.0/24", "no_observable"),
    ],
)
def test_the_outcome_says_why_nothing_was_added(world: World, entity_type: str, value: str, outcome: str) -> None:
    work = world.enrich(entity_type, value)
    assert [line["outcome"] for line in lines(world, work) if line["level"] == "INFO"] == [outcome]


def test_a_failure_is_a_warning_with_its_kind_and_the_text_of_the_work(fresh_world: World) -> None:
    fresh_world.service.fail("401", on="search")
    work = fresh_world.enrich("Domain-Name", "refused.example")
    (line,) = [line for line in lines(fresh_world, work) if line["level"] == "WARNING"]
    assert (line["message"], line["outcome"], line["text"]) == (
        "Enrichment failed",
        "credentials_refused",
        work.message,
    )


def test_no_line_lists_the_observables(world: World) -> None:
    work = world.enrich("Domain-Name", DOMAIN)
    assert all(len(json.dumps(line)) < 1_000 and "192.0.2.11" not in json.dumps(line) for line in lines(world, work))
