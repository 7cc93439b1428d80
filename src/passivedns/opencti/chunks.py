"""Cuts a bundle into chunks that OpenCTI's workers import whole.

By default pycti publishes a bundle object by object, which takes most of the time of a large enrichment. Since 7.260401
it can publish a bundle as one message; the worker then reports each of its objects. Older versions ignore the option.
"""

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
import pycti
from pika.exceptions import AMQPError, NackError, UnroutableError
from pycti import OpenCTIConnectorHelper

from passivedns.stix.objects import StixObject

MAX_CHUNK = 250
"""Relationships in a chunk: several workers share a large answer, and a chunk has about 250 kB, far below
RabbitMQ's limit of 16 MiB.
"""

_NO_SPLIT_SINCE = (7, 260401)
_REFERENCES = ("created_by_ref", "x_opencti_created_by_ref", "source_ref", "target_ref")


def has_no_split() -> bool:
    """True if this pycti can publish a bundle as one message."""
    return tuple(map(int, pycti.__version__.split(".")[:2])) >= _NO_SPLIT_SINCE


def can_send(helper: OpenCTIConnectorHelper) -> bool:
    """True if chunks are possible: playbooks, workbenches, drafts, directories and buckets need one piece."""
    return (
        has_no_split()
        and helper.playbook is None
        and helper.queue_protocol == "amqp"
        and helper.bundle_send_to_queue
        and not helper.bundle_send_to_directory
        and not helper.bundle_send_to_s3
        and not helper.connect_validate_before_import
        and not getattr(helper, "force_validation", False)  # not in every version of pycti
    )


def chunks(objects: Sequence[StixObject], size: int = MAX_CHUNK) -> Iterator[list[StixObject]]:
    """Yield the relationships and the note, `size` at a time, each chunk beginning with all that they refer to."""
    known = {item["id"]: item for item in objects}
    referring = [item for item in objects if item["type"] in ("relationship", "note")]
    for begin in range(0, len(referring), size):
        chunk: dict[str, StixObject] = {}
        for item in referring[begin : begin + size]:
            _add(item, known, chunk)
        yield list(chunk.values())


class NoQueue(AMQPError):  # type: ignore[misc]  # pika is untyped
    """The broker takes no bundle: its queue is missing until OpenCTI recreates it at the next ping, or it is full."""

    def __str__(self) -> str:
        return "the queue for bundles is missing or full; OpenCTI recreates it at the next ping of the connector"


class RoutedChannel:
    """A channel on which a message that reaches no queue is an error.

    pycti publishes without `mandatory`, so such a bundle is lost; and what it does on an error, to sleep and to try
    again for ever, would stop the thread that serves the connection.
    """

    def __init__(self, channel: Any) -> None:
        self._channel = channel

    def basic_publish(self, **message: Any) -> None:
        """Publish, and wait until the broker confirms.

        Raises:
            NoQueue: no queue takes the message.
        """
        try:
            self._channel.basic_publish(**message, mandatory=True)
        except (UnroutableError, NackError) as error:
            raise NoQueue from error


def in_json(objects: list[StixObject]) -> str:
    """Return a bundle of these objects as JSON."""
    bundle: dict[str, Any] = {"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": objects}
    return orjson.dumps(bundle).decode()


def _add(item: StixObject, known: dict[str, StixObject], chunk: dict[str, StixObject]) -> None:
    for ref in [*map(item.get, _REFERENCES), *item.get("object_marking_refs", ()), *item.get("object_refs", ())]:
        if ref not in chunk and ref in known:
            _add(known[ref], known, chunk)
    chunk[item["id"]] = item
