"""The example of docs/stix-mapping.md matches the connector, and OpenCTI accepts it."""

import json
import re

import pytest
import stix2

from docs import example
from passivedns.settings.reading import PROJECT_ROOT
from passivedns.stix.objects import StixObject
from sandbox import import_rules
from tests.helpers.world import HAS_HTTP_PROTOCOLS, new_world

MAPPING = (PROJECT_ROOT / "docs/stix-mapping.md").read_text(encoding="utf-8")


def test_the_bundle_of_the_example_is_up_to_date() -> None:
    assert (PROJECT_ROOT / "docs/example-bundle.json").read_text(encoding="utf-8") == example.bundle()


def test_the_graph_of_the_example_shows_the_bundle() -> None:
    assert example.graph() in MAPPING


def test_the_objects_in_the_mapping_are_those_of_the_bundle() -> None:
    shown = [json.loads(text) for text in re.findall(r"```json\n(.+?)```", MAPPING, re.DOTALL)]
    assert shown
    assert [item for item in shown if item not in example.objects()] == []


def test_the_table_of_the_example_shows_the_answer() -> None:
    rows = [
        f"| {record['recordType']} | {record['resolve']} | {record['firstSeen']} | {record['lastSeen']} | "
        f"{', '.join(record['source'])} |"
        for record in json.loads(example.ANSWER.read_bytes())["results"]
    ]
    assert "\n".join(rows) in MAPPING


def test_the_bundle_of_the_example_is_valid_stix_that_opencti_accepts() -> None:
    known = {item["id"]: item for item in example.objects()}
    assert [import_rules.refusal(item, known.get) for item in known.values()] == [None] * 12
    assert stix2.parse(example.bundle(), allow_custom=True)["type"] == "bundle"


@pytest.mark.skipif(not HAS_HTTP_PROTOCOLS, reason="this pycti lacks the HTTP protocols, which came with 6.5")
def test_the_connector_sends_the_example_with_the_quoted_text() -> None:
    answer = json.loads(example.ANSWER.read_bytes())
    with new_world(RISKIQ_IMPORT_LAST_SEEN_TIME_WINDOW="P30Y") as world:
        world.service.answers[answer["queryValue"]] = answer["results"]
        entity = world.entity("Domain-Name", answer["queryValue"], markings=("TLP:AMBER",))
        work = world.platform.enrich(entity).wait(60)
        arrived = [undated(item) for item in world.platform.relationships()]
    assert f"```\n{work.message}\n```" in MAPPING
    assert arrived == [undated(item) for item in example.objects() if item["type"] == "relationship"]


def undated(item: StixObject) -> StixObject:
    return {key: value for key, value in item.items() if key not in ("created", "modified")}
