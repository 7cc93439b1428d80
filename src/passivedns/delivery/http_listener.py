"""Takes messages from OpenCTI's worker over HTTP, which sends a message again unless it gets status 202.

The worker waits up to 300 seconds for the response.
"""

import json
import threading
import time
from typing import Any

from typing_extensions import override

from passivedns.delivery.answerer import Answerer
from passivedns.delivery.delivery import Delivery, Postponed
from passivedns.opencti.helper import Callback, CallbackServer, Helper
from passivedns.store import digest

MAX_WAIT = 60.0
"""Seconds that a message waits for OpenCTI."""


class HttpListener(CallbackServer):
    """Answers the worker's requests until it is told to finish."""

    connection = None
    """There is none to the broker."""
    is_connected = True

    def __init__(self, helper: Helper, callback: Callback) -> None:
        super().__init__(helper, self.receive)
        self._answerer, self._deliveries = Answerer(helper, callback), helper.deliveries

    @override
    def run(self) -> None:
        threading.Thread(target=self._answerer.ping_works, daemon=True).start()
        super().run()

    def receive(self, message: Any) -> None:
        """Answer a message.

        Raises:
            RuntimeError: it must be sent again.
        """
        if self._answerer.stopping.is_set():
            raise RuntimeError("the connector is stopping")
        with self._answerer.turn:
            key = digest(json.dumps(message).encode())
            delivery = self._answerer.under_way = Delivery(key, message, redelivered=True, max_wait=MAX_WAIT)
            try:
                self._answerer.answer(delivery)
            except Postponed:
                self._deliveries.give_back(key)
                raise RuntimeError("OpenCTI is unavailable") from None

    def finish(self, grace: float) -> bool:
        """As `Answerer.finish`."""
        is_ended = self._answerer.finish(grace)
        if is_ended and self._answerer.under_way:
            time.sleep(0.2)  # for the last response
        return is_ended
