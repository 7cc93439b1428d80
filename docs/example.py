"""Builds the example of docs/stix-mapping.md from docs/example-answer.json."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from passivedns.converter import convert
from passivedns.model import Entity
from passivedns.sources.riskiq import RISKIQ
from passivedns.stix import objects as stix
from passivedns.stix.builder import Publisher, additions
from passivedns.stix.markings import TLP_MARKINGS
from passivedns.stix.objects import StixObject

ANSWER = Path(__file__).with_name("example-answer.json")
TLP_AMBER = TLP_MARKINGS["TLP:AMBER"]
CREATED = datetime(2026, 11, 24, 12, tzinfo=UTC)

_PUBLISHER = Publisher({RISKIQ.key: RISKIQ.organization}, {RISKIQ.key: RISKIQ.tlp})
_ENTITY = {
    "type": "domain-name",
    "spec_version": "2.1",
    "id": stix.observable_id("Domain-Name", "example.org"),
    "value": "example.org",
}
_NAMES = {"domain-name": "Domain-Name", "email-addr": "Email-Addr", "ipv4-addr": "IPv4-Addr", "ipv6-addr": "IPv6-Addr"}


def objects() -> list[StixObject]:
    """The objects sent when the domain of the answer, marked TLP:AMBER, is enriched manually."""
    entity = Entity(_ENTITY["id"], "Domain-Name", _ENTITY["value"], [TLP_AMBER["id"]], "TLP:AMBER")
    answer = RISKIQ.read(ANSWER.read_bytes(), entity.value)
    return [_ENTITY, *additions(entity, convert(entity, answer.records).relations, _PUBLISHER, CREATED), TLP_AMBER]


def bundle() -> str:
    """The text of docs/example-bundle.json; the id of a real bundle is random."""
    content = {"type": "bundle", "id": "bundle--2f1c7a0e-6c1b-4b1e-9a55-0f6d3c1b7e42", "objects": objects()}
    return json.dumps(content, indent=2) + "\n"


def graph() -> str:
    """The observables and relationships of the bundle as a Mermaid graph, fenced for Markdown."""
    nodes = {item["id"]: f"n{number}" for number, item in enumerate(_of_the_graph("value"))}
    lines = [f'{nodes[item["id"]]}["{_NAMES[item["type"]]}<br>{item["value"]}"]' for item in _of_the_graph("value")]
    for item in _of_the_graph("relationship_type"):
        lines.append(f'{nodes[item["source_ref"]]} -- "{_label(item)}" --> {nodes[item["target_ref"]]}')
    return "\n".join(["```mermaid", "graph LR", *(f"    {line}" for line in lines), "```", ""])


def _of_the_graph(key: str) -> list[StixObject]:
    return [item for item in objects() if key in item]


def _label(relationship: dict[str, Any]) -> str:
    days = " to ".join(relationship[time][:10] for time in ("start_time", "stop_time"))
    return "<br>".join([relationship["relationship_type"], relationship["description"], days])
