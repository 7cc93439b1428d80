"""Whether this connector is the author of the observable in a message."""

from collections.abc import Iterator
from typing import Any

from riskiq import stix
from riskiq.converter import AUTHOR

_AUTHOR_ID = stix.organization(AUTHOR, created="")["id"]


def is_own(data: dict[str, Any]) -> bool:
    """Whether the entity of a message came from an enrichment by this connector, or turned up in one without an author.

    OpenCTI does not tell the two apart: it fills an empty author, and does not say who created an observable.
    """
    return _AUTHOR_ID in _authors(data)


def _authors(data: dict[str, Any]) -> Iterator[object]:
    """The author in each form in which it comes: read by pycti, exported by pycti, and in a playbook's bundle."""
    yield (data["enrichment_entity"].get("createdBy") or {}).get("standard_id")
    entity = data["stix_entity"]
    yield entity.get("created_by_ref")
    yield entity.get("x_opencti_created_by_ref")
    for extension in (entity.get("extensions") or {}).values():
        yield extension.get("created_by_ref")
