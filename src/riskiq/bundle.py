"""The bundle that answers an enrichment: which objects go into it, and in which form."""

from collections.abc import Iterable
from typing import Any

from riskiq import stix


def bundled(received: list[stix.StixObject], additions: Iterable[stix.StixObject]) -> list[stix.StixObject]:
    """What was received and each addition once, but none that was received: what came stays as it came."""
    ids = {item["id"] for item in received}
    return [
        *received,
        *(item for item_id, item in {item["id"]: item for item in additions}.items() if item_id not in ids),
    ]


def stub(entity: dict[str, Any]) -> stix.StixObject:
    """The entity bare, since what is sent of it overwrites what analysts wrote."""
    return {key: entity[key] for key in ("type", "spec_version", "id", "value")}
