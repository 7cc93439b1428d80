"""Cuts a bundle into chunks that OpenCTI's workers import whole.

pycti publishes a bundle object by object, which takes most of the time of a large enrichment. Since 7.260401 it sends
a bundle in one message when asked to; the worker then reports each of its objects. Older versions ignore that.
"""

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
import pycti
from pycti import OpenCTIConnectorHelper

from passivedns.stix.objects import StixObject

RELATIONSHIPS = 250
"""In one chunk at most. Several workers share a large answer; a chunk is about 250 kB, far below RabbitMQ's 16 MiB."""

_SINCE = (7, 260401)
_REFERENCE = ("created_by_ref", "x_opencti_created_by_ref", "source_ref", "target_ref")
_SENT_FOR_THEMSELVES = ("relationship", "note")


def has_no_split() -> bool:
    """Whether this pycti publishes a bundle in one message when asked to."""
    return tuple(map(int, pycti.__version__.split(".")[:2])) >= _SINCE


def can_send(helper: OpenCTIConnectorHelper) -> bool:
    """Whether pycti publishes chunks as they are, and nothing but the queue is to get the bundle.

    Playbooks, workbenches, drafts for validation, directories and buckets take a bundle in one piece.
    """
    return (
        has_no_split()
        and helper.playbook is None
        and helper.queue_protocol == "amqp"
        and helper.bundle_send_to_queue
        and not helper.bundle_send_to_directory
        and not helper.bundle_send_to_s3
        and not helper.connect_validate_before_import
    )


def chunks(objects: Sequence[StixObject], size: int = RELATIONSHIPS) -> Iterator[list[StixObject]]:
    """The relationships and the note, so many at a time, each time with all that they refer to, which comes first."""
    known = {item["id"]: item for item in objects}
    sent = [item for item in objects if item["type"] in _SENT_FOR_THEMSELVES]
    for begin in range(0, len(sent), size):
        chunk: dict[str, StixObject] = {}
        for item in sent[begin : begin + size]:
            _add(item, known, chunk)
        yield list(chunk.values())


def in_json(objects: list[StixObject]) -> str:
    """A bundle of these objects."""
    bundle: dict[str, Any] = {"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": objects}
    return orjson.dumps(bundle).decode()


def _add(item: StixObject, known: dict[str, StixObject], chunk: dict[str, StixObject]) -> None:
    for ref in _references(item):
        if ref not in chunk and ref in known:
            _add(known[ref], known, chunk)
    chunk[item["id"]] = item


def _references(item: StixObject) -> list[str]:
    single = [item[key] for key in _REFERENCE if key in item]
    return [*single, *item.get("object_marking_refs", []), *item.get("object_refs", [])]
