"""Answers one message at a time, whether it came over AMQP or HTTP.

A message is answered once its work is closed or its playbook has its bundle. A message that crashed the process three
times is answered with an error.
"""

import logging
import threading
import time
from contextlib import suppress
from typing import Any

from passivedns.delivery.delivery import Delivery, Postponed
from passivedns.opencti.helper import Callback, Helper
from passivedns.opencti.registration import version_of
from passivedns.opencti.works import NOT_UNDERSTOOD
from passivedns.text import one_line

log = logging.getLogger(__name__)

MAX_CRASHES = 3
"""Crashes after which a message is answered with an error."""
PING_INTERVAL = 300.0
"""Seconds between pings of a work in progress."""
MAX_ANSWER_AGE = 1.0
"""Seconds for which an answer to the last message shows that OpenCTI is up."""


class Answerer:
    """Lets pycti and the callback answer messages, and remembers across processes what became of each."""

    def __init__(self, helper: Helper, callback: Callback) -> None:
        """`callback` gets what pycti passes to it, and `mode` (see `Delivery.mode`) and `helper`, of this message."""
        self.stopping = threading.Event()
        self.turn = threading.Lock()
        """Held while a message is processed."""
        self.under_way: Delivery | None = None
        """The message that was begun last."""
        self._helper, self._callback = helper, callback
        self._deliveries = helper.deliveries
        self._answered_at = float("-inf")

    def answer(self, delivery: Delivery) -> None:
        """Answer a message, unless it needs no answer.

        Raises:
            Postponed: it is left to its next delivery.
        """
        helper = self._helper.for_message(delivery)
        if self._needs_no_answer(delivery, helper):
            return
        self._wait_for_opencti(helper)
        delivery.was_given_back = delivery.redelivered and self._deliveries.was_given_back(delivery.key)
        crashes = self._deliveries.begin(delivery.key, is_new=not delivery.redelivered)
        try:
            self._answer_after(crashes, delivery, helper)
        except Postponed:
            self._deliveries.let_go(delivery.key)
            raise
        self._deliveries.answer(delivery.key)
        self._answered_at = time.monotonic()

    def end(self, delivery: Delivery, text: str) -> None:
        """Close the work of a message as an error, or let its playbook continue."""
        api = self._helper.for_message(delivery).api
        if delivery.work_id:
            api.work.close(delivery.work_id, text, in_error=True)
        api.playbook.send_back(self._helper.date_now())

    def ping_works(self) -> None:
        """Tell OpenCTI at times that a long enrichment goes on, until the connector stops."""
        while not self.stopping.wait(PING_INTERVAL):
            if self.under_way and self.under_way.work_id and self.turn.locked():
                with suppress(Exception):
                    self._helper.api.work.ping(self.under_way.work_id)

    def finish(self, grace: float) -> bool:
        """Begin no more messages, and wait up to `grace` seconds for the current one. Return whether it ended.

        If it did not, it is delivered again: by the broker to the next process, or by OpenCTI's worker over HTTP.
        """
        self.stopping.set()
        if self.under_way:
            self.under_way.stop_waiting()
        # Never released, so that nothing else begins.
        is_ended = self.turn.acquire(timeout=grace)
        if not is_ended and self.under_way:
            self._deliveries.let_go(self.under_way.key)
        return is_ended

    def _needs_no_answer(self, delivery: Delivery, helper: Helper) -> bool:
        """Whether the message was answered, or its work deleted, which is how people cancel enrichments that wait."""
        is_remembered = delivery.redelivered and self._deliveries.is_answered(delivery.key)
        return is_remembered or bool(delivery.work_id and helper.api.work.is_closed(delivery.work_id))

    def _wait_for_opencti(self, helper: Helper) -> None:
        if time.monotonic() - self._answered_at > MAX_ANSWER_AGE:
            with suppress(ValueError, LookupError, TypeError):  # which come again, and are then reported
                version_of(helper.api)

    def _answer_after(self, crashes: int, delivery: Delivery, helper: Helper) -> None:
        text = self._deliveries.left_open(delivery.key) if delivery.redelivered else None
        if text and delivery.work_id:
            helper.api.work.close(delivery.work_id, text, in_error=False)
            return
        if crashes >= MAX_CRASHES:
            text = f"The connector crashed {MAX_CRASHES} times on this message and gave it up; see the connector log."
            log.error("%s: %s", delivery, text)
            self.end(delivery, text)
            return

        def call_back(data: dict[str, Any]) -> str:
            delivery.was_read = True
            return self._callback(data | {"mode": delivery.mode, "helper": helper})

        delivery.read_at, delivery.failure = time.monotonic(), None
        helper.handle(call_back)
        self._answer_instead(delivery, helper)

    def _answer_instead(self, delivery: Delivery, helper: Helper) -> None:
        """Answer what pycti left unanswered, since it could not read the message or its entity."""
        if delivery.playbook and not delivery.was_sent:
            log.warning("The entity of %s cannot be read; its bundle is returned unchanged.", delivery)
            helper.api.playbook.send_back(helper.date_now())
        elif delivery.work_id and not delivery.was_closed:
            text = NOT_UNDERSTOOD.format(reason="it lacks a part")
            helper.api.work.close(delivery.work_id, text, in_error=True)
        elif not delivery.work_id and not delivery.was_sent:
            log.error("Dropped a message of neither a work nor a playbook: %s", one_line(str(delivery.message)))
