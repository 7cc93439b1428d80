"""Acknowledges a message once it is answered, so that no outage, restart or crash loses it.

pycti acknowledges a message first, then reads the entity once and closes the work once. This listener differs:

- Over AMQP the broker keeps a message until its work is closed or its playbook has its bundle. Meanwhile the connection
  is served, and while OpenCTI is away the message waits.
- A message that OpenCTI does not let the connector answer goes to the end of the queue, so that others are answered.
- Over HTTP OpenCTI's worker waits up to 300 seconds, and sends a message again unless it gets status 202.
- A message that crashed the process three times is answered with an error.
- Messages are processed one at a time, even if the broker redelivers one that is still being processed.
"""

import json
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from functools import partial
from typing import Any

from pika.exceptions import AMQPConnectionError, AMQPError
from pycti import OpenCTIConnectorHelper
from pycti.connector import opencti_connector_helper
from pycti.connector.opencti_connector_helper import ListenQueue
from typing_extensions import override

from passivedns.delivery.delivery import Delivery, Postponed, add_mode, received
from passivedns.delivery.delivery_log import DeliveryLog
from passivedns.delivery.retry import current, processing, retry_queries
from passivedns.opencti.broker import explain_connections
from passivedns.opencti.playbooks import Playbooks
from passivedns.opencti.registration import version_of
from passivedns.opencti.works import NOT_UNDERSTOOD, Works
from passivedns.store import digest
from passivedns.text import one_line

log = logging.getLogger(__name__)

MOST_CRASHES = 3
"""DeliveryLog after which a message is answered with an error."""
MAX_RETURNS = 2
"""Returns after which a message of a quorum queue is sent anew, far below RabbitMQ's limit (20 by default)."""
MAX_GIVEN_BACK = 24 * 3600.0
"""Seconds for which a message whose work OpenCTI refuses to close is given back to its queue."""
INTERNAL = "The connector failed on this message; see its log."
"""The text of a work after an internal error of the listener."""
LONGEST_REST = 10.0
"""The longest pause before a message is given back, in seconds."""
HTTP_PATIENCE = 60.0
"""Seconds that a message received over HTTP waits for OpenCTI, whose worker waits 300 for the response."""
PING = 300.0
"""Seconds between pings of a work in progress."""
FRESH = 1.0
"""Seconds for which an answer to the last message shows that OpenCTI is up."""


def install(helper: OpenCTIConnectorHelper, crashes: DeliveryLog) -> None:
    """Let `helper.listen` acknowledge a message once it is answered.

    The callback finds in `data["mode"]` who requested the enrichment: `manual` for a person, `playbook`, `auto` for
    OpenCTI itself, or None if OpenCTI does not report it, as before 6.8.
    """
    retry_queries(helper.api)
    helper.api.work = Works(helper.api, crashes)
    helper.api.playbook = Playbooks(helper.api, crashes)
    explain_connections()
    opencti_connector_helper.ListenQueue = partial(Listener, crashes=crashes)


class Listener(ListenQueue):  # type: ignore[misc]  # pycti is untyped
    """Replaces pycti's listener; `helper.listen` assigns it to `helper.listen_queue`."""

    callback: Callable[[dict[str, Any]], str]

    def __init__(self, *arguments: Any, crashes: DeliveryLog, **named: Any) -> None:
        """Takes pycti's arguments, which differ between versions, and `crashes`."""
        super().__init__(*arguments, **named)
        self._process = self.callback
        self.callback = self._called_back
        self._crashes = crashes
        self._delivery: Delivery | None = None
        self._one_at_a_time = threading.Lock()
        self._answered_at = float("-inf")

    @override
    def run(self) -> None:
        threading.Thread(target=self._ping_work, daemon=True).start()
        super().run()

    # AMQP

    @override
    def _process_message(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        """Start processing a message and return, so that the connection is served meanwhile."""
        if self.exit_event.is_set():
            return  # The broker requeues it when the channel closes.
        delivery = received(body, method.redelivered, properties)
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
        previous = self._delivery
        if previous and previous.key == key and previous.receive(channel, tag):
            return True
        if previous:
            # With a prefetch of one, another message comes only if the broker requeued the previous one.
            previous.requeue()
        return False

    def _start(self, delivery: Delivery) -> None:
        thread = threading.Thread(target=self._run, args=[delivery], daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the limit of processes
            log.error(
                "%s cannot be processed now (%s); reconnecting to the broker, which delivers it again.", delivery, error
            )
            raise
        self._delivery, self.thread = delivery, thread

    def _run(self, delivery: Delivery) -> None:
        with self._one_at_a_time:
            delivery.is_known = not delivery.redelivered or self._crashes.was_begun(delivery.key)
            try:
                self._answer(delivery)
            except Postponed:
                log.info("%s was requeued; its next delivery will be answered.", delivery)
                delivery.done()
                self._give_back(delivery)
                return
            except Exception:
                # Acknowledged, since it would fail again.
                log.exception("%s could not be processed.", delivery)
                with suppress(Exception, Postponed), processing(delivery):
                    self._end(delivery, INTERNAL)
            delivery.done()
            with suppress(AMQPError):  # then the broker redelivers it, and it counts as answered
                self.in_connection(delivery.acknowledge)

    def _give_back(self, delivery: Delivery) -> None:
        """Move a message that this process still holds to the end of its queue, so that the others come first."""
        if not delivery.is_held:
            return
        seconds = self._crashes.give_back(delivery.key)
        self.exit_event.wait(min(1 + seconds, LONGEST_REST))
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
        ended, connection = Future[None](), self.pika_connection

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

    # HTTP

    @override
    def _data_handler(self, json_data: Any) -> None:
        """Answer a message; on an exception pycti responds with 500, and OpenCTI's worker sends it again."""
        if self.exit_event.is_set():
            raise RuntimeError("the connector is stopping")
        with self._one_at_a_time:
            key = digest(json.dumps(json_data).encode())
            delivery = self._delivery = Delivery(key, json_data, redelivered=True, patience=HTTP_PATIENCE)
            try:
                self._answer(delivery)
            except Postponed:
                self._crashes.give_back(key)
                raise RuntimeError("OpenCTI is unavailable") from None

    # Both

    def _answer(self, delivery: Delivery) -> None:
        with processing(delivery):
            if self._needs_no_answer(delivery):
                return
            self._wait_for_opencti()
            delivery.was_given_back = delivery.redelivered and self._crashes.was_given_back(delivery.key)
            crashes = self._crashes.begin(delivery.key, is_new=not delivery.redelivered)
            try:
                self._answer_after(crashes, delivery)
            except Postponed:
                self._crashes.let_go(delivery.key)
                raise
            self._crashes.answer(delivery.key)
            self._answered_at = time.monotonic()

    def _wait_for_opencti(self) -> None:
        if time.monotonic() - self._answered_at > FRESH:
            with suppress(ValueError, LookupError, TypeError):  # which come again, and are then reported
                version_of(self.helper.api)

    def _needs_no_answer(self, delivery: Delivery) -> bool:
        """Whether the message was answered, or its work deleted, which is how people cancel enrichments that wait."""
        is_remembered = delivery.redelivered and self._crashes.is_answered(delivery.key)
        return is_remembered or bool(delivery.work_id and self.helper.api.work.is_closed(delivery.work_id))

    def _answer_after(self, crashes: int, delivery: Delivery) -> None:
        text = self._crashes.left_open(delivery.key) if delivery.redelivered else None
        if text and delivery.work_id:
            self.helper.api.work.close(delivery.work_id, text, in_error=False)
            return
        if crashes >= MOST_CRASHES:
            self._give_up(delivery)
            return
        add_mode(delivery.message)
        delivery.read_at, delivery.failure = time.monotonic(), None
        try:
            super()._data_handler(delivery.message)
        except Exception:  # pycti 6.3 stumbles over some messages once more when it reports the error
            log.exception("pycti cannot process %s.", delivery)
        if delivery.was_postponed:
            raise Postponed
        self._answer_instead(delivery)

    def _answer_instead(self, delivery: Delivery) -> None:
        """Answer what pycti left unanswered, since it could not read the message or its entity."""
        if delivery.playbook and not delivery.was_sent:
            log.warning("The entity of %s cannot be read; its bundle is returned unchanged.", delivery)
            self.helper.api.playbook.send_back(delivery, self.helper.date_now())
        elif delivery.work_id and not delivery.was_closed:
            text = NOT_UNDERSTOOD.format(reason="it lacks a part")
            self.helper.api.work.close(delivery.work_id, text, in_error=True)
        elif not delivery.work_id and not delivery.was_sent:
            log.error("Dropped a message of neither a work nor a playbook: %s", one_line(str(delivery.message)))

    def _called_back(self, data: dict[str, Any]) -> str:
        if delivery := current.delivery:
            delivery.was_read = True
        return self._process(data)

    def _give_up(self, delivery: Delivery) -> None:
        text = f"The connector crashed {MOST_CRASHES} times on this message and gave it up; see the connector log."
        log.error("%s: %s", delivery, text)
        self._end(delivery, text)

    def _end(self, delivery: Delivery, text: str) -> None:
        """Close the work of a message as an error, or let its playbook continue."""
        if delivery.work_id:
            self.helper.api.work.close(delivery.work_id, text, in_error=True)
        self.helper.api.playbook.send_back(delivery, self.helper.date_now())

    def _ping_work(self) -> None:
        while not self.exit_event.wait(PING):
            if self._delivery and self._delivery.work_id and self._one_at_a_time.locked():
                with suppress(Exception):
                    self.helper.api.work.ping(self._delivery.work_id)

    # Shutdown

    def finish(self, grace: float) -> bool:
        """Take no more messages, and wait up to `grace` seconds for the current one. Return whether it ended.

        If it did not, it is delivered again: by the broker to the next process, or by OpenCTI's worker over HTTP.
        """
        self.exit_event.set()
        if self._delivery:
            self._delivery.stop_waiting()
        # Never released, so that nothing else begins.
        if not self._one_at_a_time.acquire(timeout=grace):
            if self._delivery:
                self._crashes.let_go(self._delivery.key)
            return False
        if self.pika_connection:
            with suppress(AMQPError):
                # The broker confirms this, and with it the last acknowledgement.
                self.in_connection(lambda: self.channel.close())
        elif self._delivery:
            time.sleep(0.2)  # for the last HTTP response
        return True
