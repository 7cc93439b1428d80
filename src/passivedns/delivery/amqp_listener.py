"""Takes messages from RabbitMQ and acknowledges each once it is answered, so that no outage, restart or crash loses it.

pycti acknowledges a message before it processes it. Here the broker keeps it until its work is closed or its playbook
has its bundle. Meanwhile the connection is served, and while OpenCTI is away the message waits. A message that OpenCTI
does not let the connector answer goes to the end of the queue, so that others are answered.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from functools import partial
from typing import Any

from pika.exceptions import AMQPConnectionError, AMQPError
from typing_extensions import override

from passivedns.delivery.answerer import Answerer
from passivedns.delivery.delivery import Delivery, Postponed, from_broker
from passivedns.opencti.broker import connect
from passivedns.opencti.helper import Callback, Helper
from passivedns.opencti.registration import growing_pauses

log = logging.getLogger(__name__)

MAX_RETURNS = 2
"""Returns after which a message of a quorum queue is sent anew, far below RabbitMQ's limit (20 by default)."""
MAX_GIVEN_BACK = 24 * 3600.0
"""Seconds for which a message whose work OpenCTI refuses to close is given back to its queue."""
MAX_GIVE_BACK_PAUSE = 10.0
"""The longest pause before a message is given back, in seconds."""
FIRST_PAUSE = 1.0
"""The pause before the first attempt to connect again, in seconds; each is twice as long as the one before."""
MAX_PAUSE = 10.0
"""The longest pause between two attempts to connect, in seconds."""
INTERNAL_ERROR = "The connector failed on this message; see its log."
"""The text of a work after an internal error."""


class AmqpListener(threading.Thread):
    """Consumes the connector's queue until it is told to finish."""

    def __init__(self, helper: Helper, callback: Callback) -> None:
        super().__init__()
        self.connection: Any = None
        self.channel: Any = None
        self.thread: threading.Thread | None = None
        """Processes the last message."""
        self._helper, self._answerer = helper, Answerer(helper, callback)
        self._deliveries = helper.deliveries
        self.queue_name: str = helper.connector_config["listen"]

    @property
    def is_connected(self) -> bool:
        """Whether the broker delivers messages: it cancels the consumer if the queue was deleted."""
        return self.channel is not None and self.channel.is_open and bool(self.channel.consumer_tags)

    @override
    def run(self) -> None:
        threading.Thread(target=self._answerer.ping_works, daemon=True).start()
        pauses = growing_pauses(FIRST_PAUSE, MAX_PAUSE)
        while not self._answerer.stopping.is_set():
            try:
                self._connect()
                pauses = growing_pauses(FIRST_PAUSE, MAX_PAUSE)
                self.channel.start_consuming()
            except Exception as error:
                self._helper.connector_logger.error(type(error).__name__, {"reason": str(error)})
            with suppress(Exception):
                self.connection.close()
            self._answerer.stopping.wait(next(pauses))

    def _connect(self) -> None:
        self.connection = connect(self._helper.broker_parameters())
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        self.channel.basic_qos(prefetch_count=1)
        self.channel.basic_consume(self.queue_name, self.receive)

    def receive(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        """Start processing a message and return, so that the connection is served meanwhile."""
        if self._answerer.stopping.is_set():
            return  # The broker requeues it when the channel closes.
        delivery = from_broker(body, method.redelivered, properties)
        if not isinstance(delivery.message, dict) and not delivery.work_id:
            log.error("Dropped a message that is not a JSON object: %r", body[:200])
            channel.basic_ack(method.delivery_tag)
            return
        delivery.receive(channel, method.delivery_tag)
        if delivery.returns >= MAX_RETURNS:
            delivery.move_to_the_end(self.queue_name)
        elif not self._is_continued(delivery.key, channel, method.delivery_tag):
            self._start(delivery)

    def _is_continued(self, key: str, channel: Any, tag: int) -> bool:
        """Whether this is the message under way, which goes on."""
        previous = self._answerer.under_way
        if previous and previous.key == key and previous.receive(channel, tag):
            return True
        if previous:
            # With a prefetch of one, another message comes only if the broker requeued the previous one.
            previous.requeue()
        return False

    def _start(self, delivery: Delivery) -> None:
        thread = threading.Thread(target=self._process, args=[delivery], daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the limit of processes
            log.error(
                "%s cannot be processed now (%s); reconnecting to the broker, which delivers it again.", delivery, error
            )
            raise
        self._answerer.under_way, self.thread = delivery, thread

    def _process(self, delivery: Delivery) -> None:
        with self._answerer.turn:
            delivery.is_known = not delivery.redelivered or self._deliveries.was_begun(delivery.key)
            try:
                self._answerer.answer(delivery)
            except Postponed:
                log.info("%s was requeued; its next delivery will be answered.", delivery)
                delivery.done()
                self._give_back(delivery)
                return
            except Exception:
                # Acknowledged, since it would fail again.
                log.exception("%s could not be processed.", delivery)
                with suppress(Exception, Postponed):
                    self._answerer.end(delivery, INTERNAL_ERROR)
            delivery.done()
            with suppress(AMQPError):  # then the broker redelivers it, and it counts as answered
                self.in_connection(delivery.acknowledge)

    def _give_back(self, delivery: Delivery) -> None:
        """Move a message that this process still holds to the end of its queue, so that the others come first."""
        if not delivery.is_held:
            return
        seconds = self._deliveries.give_back(delivery.key)
        self._answerer.stopping.wait(min(1 + seconds, MAX_GIVE_BACK_PAUSE))
        with suppress(AMQPError):  # then the broker redelivers it
            if seconds > MAX_GIVEN_BACK:
                log.error("%s could not be answered for %d hours and is given up.", delivery, seconds // 3600)
                self.in_connection(delivery.acknowledge)
            else:
                self.in_connection(partial(delivery.move_to_the_end, self.queue_name))

    def in_connection(self, call: Callable[[], object]) -> None:
        """Call in the thread of the broker connection, since pika is not thread-safe, and wait for the end.

        Raises:
            AMQPError: the connection is lost.
        """
        ended, connection = Future[None](), self.connection

        def run() -> None:
            try:
                call()
                ended.set_result(None)
            except Exception as error:
                ended.set_exception(error)

        connection.add_callback_threadsafe(run)
        while not ended.done() and connection.is_open:
            wait([ended], timeout=1)
        if not ended.done():
            raise AMQPConnectionError
        ended.result()

    def finish(self, grace: float) -> bool:
        """As `Answerer.finish`."""
        if not self._answerer.finish(grace):
            return False
        if self.channel:
            with suppress(AMQPError):
                # The broker confirms this, and with it the last acknowledgement.
                self.in_connection(lambda: self.channel.close())
        return True
