"""pycti's helper with what this connector needs; the only module that relies on internals of pycti.

`tests/unit/opencti/test_helper.py` pins them.
"""

import copy
import inspect
import logging
import socket
from collections.abc import Callable
from typing import Any

import pika
from pika.exceptions import AMQPConnectionError
from pycti import OpenCTIApiClient, OpenCTIConnectorHelper
from pycti.connector.opencti_connector_helper import ListenQueue
from typing_extensions import override

from passivedns.delivery.delivery import Delivery, Postponed
from passivedns.delivery.delivery_log import DeliveryLog
from passivedns.delivery.retry import Retrier, raise_if_away
from passivedns.opencti import broker
from passivedns.opencti.chunks import RoutedChannel
from passivedns.opencti.playbooks import Playbooks
from passivedns.opencti.works import Works

log = logging.getLogger(__name__)

Callback = Callable[[dict[str, Any]], str]
"""Answers a message and returns the text of its work."""


class Helper(OpenCTIConnectorHelper):  # type: ignore[misc]  # pycti is untyped
    """pycti's helper."""

    retrier: Retrier
    """Retries calls, in a copy for one message."""

    def __init__(self, config: dict[str, Any], deliveries: DeliveryLog) -> None:
        """Register the connector; `deliveries` remembers its messages across processes."""
        super().__init__(config, playbook_compatible=True)
        self.deliveries = deliveries
        self.api.session.hooks["response"].append(raise_if_away)

    def for_message(self, delivery: Delivery) -> "Helper":
        """A copy that retries its calls, and in which pycti keeps the state of this message apart from others."""
        helper = copy.copy(self)
        helper.retrier = Retrier(delivery, self.api)
        helper.api = _client(self.api, helper.retrier)
        helper.api.work = Works(helper.api, helper.retrier, self.deliveries)
        helper.api.playbook = Playbooks(helper.retrier, self.deliveries)
        return helper

    def handle(self, callback: Callback) -> None:
        """Let pycti read the entity of this copy's message, call back, and close the work.

        Raises:
            Postponed: the message is left to its next delivery.
        """
        delivery = self.retrier.delivery
        try:
            _Handler(self, callback)._data_handler(delivery.message)
        except Exception:  # pycti 6.3 stumbles over some messages once more when it reports the error
            log.exception("pycti cannot process %s.", delivery)
        if delivery.was_postponed:  # pycti 6.3 may swallow it
            raise Postponed

    def send(self, text: str, *, is_chunk: bool = False) -> None:
        """Send a bundle once; pycti must not split a chunk.

        Raises:
            BrokerUnavailable: pycti cannot connect to RabbitMQ.
        """
        options = {"work_id": self.work_id} | ({"no_split": True} if is_chunk else {})
        connection = getattr(self.listen_queue, "connection", None)
        if is_chunk and self.enrichment_shared_organizations is None and connection:
            # pycti opens a connection for each bundle, which takes longer than the rest of a cached enrichment.
            options |= {"sequence": 1, "draft_id": self.draft_id}
            self.listen_queue.in_connection(lambda: self._send_bundle(self.listen_queue.channel, text, **options))
            return
        try:
            self.send_stix2_bundle(text, cleanup_inconsistent_bundle=True, **options)
        except (AMQPConnectionError, ConnectionError, TimeoutError, socket.gaierror) as error:
            raise broker.BrokerUnavailable(error, self.broker_parameters()) from error

    @override
    def _send_bundle(self, channel: Any, bundle: str, **options: Any) -> None:
        super()._send_bundle(RoutedChannel(channel), bundle, **options)

    def broker_parameters(self) -> pika.ConnectionParameters:
        """How to connect to RabbitMQ, as pycti does."""
        limits = {"heartbeat": 10, "blocked_connection_timeout": 30}
        return broker.parameters(self.config, self.connector_config["connection"], **limits)


class CallbackServer(ListenQueue):  # type: ignore[misc]  # pycti is untyped
    """pycti's HTTP server, a thread; if `receive` raises an Exception, it responds with 500, otherwise with 202."""

    def __init__(self, helper: Helper, receive: Callable[[Any], None]) -> None:
        # They differ between versions, and each is an attribute of the helper.
        named = set(inspect.signature(ListenQueue.__init__).parameters) - {"self", "helper", "callback"}
        super().__init__(helper=helper, callback=receive, **{name: getattr(helper, name) for name in named})

    @override
    def _data_handler(self, json_data: Any) -> None:
        self.callback(json_data)


class _Handler(ListenQueue):  # type: ignore[misc]  # pycti is untyped
    """pycti's handler of one message, without its thread and its connection."""

    def __init__(self, helper: Helper, callback: Callback) -> None:
        self.helper, self.callback, self.connector_applicant_id = helper, callback, helper.applicant_id


def _client(api: OpenCTIApiClient, retrier: Retrier) -> OpenCTIApiClient:
    """A copy of the client that retries its queries; its parts refer to it, as `opencti` or `api`."""
    client = copy.copy(api)
    client.query = retrier.query
    for name, part in vars(api).items():
        for reference in ("opencti", "api"):
            if getattr(part, reference, None) is api:
                setattr(client, name, copy.copy(part))
                setattr(getattr(client, name), reference, client)
    return client
