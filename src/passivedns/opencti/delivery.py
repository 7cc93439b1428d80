"""How a message comes in, and when it is acknowledged: once it is answered, so that none is lost.

pycti acknowledges a message before it works on it, reads the entity once and closes the work once: whatever goes away
in between costs the message. Here its listener differs in these points:

- Over AMQP a message is acknowledged when its work is closed or its playbook has its bundle. Until then the broker
  keeps it, and gives it to the next process should this one end.
- While OpenCTI is away, the message waits (see `outage`) and the connection to the broker is served. A broker takes a
  message back after its `consumer_timeout`, 30 minutes by default, and when the connection is lost. It comes again, and
  the enrichment goes on where it was, in this process if it comes here.
- Over HTTP the platform's worker waits for the answer, for 300 seconds. Any status but 202 makes it try again later.
- A message that ended the process three times is answered with an error (see `crashes`).
- One message at a time: pycti takes the next one when the connection was lost while the last one still runs.
"""

import json
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from hashlib import blake2b
from typing import Any

from pika.exceptions import ConnectionWrongStateError
from pycti import OpenCTIConnectorHelper
from pycti.connector import opencti_connector_helper
from pycti.connector.opencti_connector_helper import ListenQueue
from typing_extensions import override

from passivedns.opencti.crashes import Crashes
from passivedns.opencti.errand import Errand, Postponed
from passivedns.opencti.outage import errand_here, make_patient, on_errand
from passivedns.opencti.registration import version_of
from passivedns.opencti.works import Works

log = logging.getLogger(__name__)

MOST_CRASHES = 3
"""How often a message may end the process before it is answered with an error."""
HTTP_PATIENCE = 60.0
"""Seconds that a message which came over HTTP waits for OpenCTI; the platform's worker waits 300 for the answer."""
PING = 300.0
"""Seconds after which OpenCTI is told that a work is still under way."""
_MOST_OUTCOMES = 1_000


def listen(helper: OpenCTIConnectorHelper, callback: Callable[[dict[str, Any]], str], crashes: Crashes) -> None:
    """Listen as `helper.listen` does, and acknowledge a message when it is answered.

    The callback is told in `data["mode"]` what caused the message: `manual` where a person asked, `playbook` where a
    playbook did, `auto` where OpenCTI did so by itself, and None where OpenCTI does not say, which it does since 6.8.
    """
    helper.api.work = Works(make_patient(helper))
    opencti_connector_helper.ListenQueue = partial(Listener, crashes=crashes)
    helper.listen(callback)


class Listener(ListenQueue):  # type: ignore[misc]  # pycti is untyped
    """pycti's listener; `helper.listen_queue` once it listens."""

    callback: Callable[[dict[str, Any]], str]

    def __init__(self, *arguments: Any, crashes: Crashes, **named: Any) -> None:
        """But for `crashes` as pycti has it in each of its versions."""
        super().__init__(*arguments, **named)
        self._ask = self.callback
        self.callback = self._ask_once
        self._crashes = crashes
        self._errand: Errand | None = None
        self._one_at_a_time = threading.Lock()
        self._outcomes: dict[str, str | Exception] = {}
        self._stopping = threading.Event()
        self._wound_up = threading.Event()

    @override
    def run(self) -> None:
        threading.Thread(target=self._keep_alive, daemon=True).start()
        super().run()

    # The broker's side. All but `_carry_out` runs in the thread that serves the connection.

    @override
    def _process_message(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        """Begin with a message, and return at once, so that the connection is served meanwhile."""
        if self._stopping.is_set():
            return  # It goes back to the queue with the end of the connection.
        message = _parsed(body)
        if message is None:
            log.error("A message is dropped, since it is not a JSON object: %r", body[:200])
            channel.basic_ack(method.delivery_tag)
            return
        key, errand = _key(body), self._errand
        if errand and errand.key == key and errand.hold(channel, method.delivery_tag):
            return
        if errand:
            # While it runs, another message can only come when its own went back to the queue.
            errand.withdraw()
        self._errand = Errand(key, message, method.redelivered)
        self._errand.hold(channel, method.delivery_tag)
        self.thread = threading.Thread(target=self._carry_out, args=[self._errand], daemon=True)
        self.thread.start()

    def _carry_out(self, errand: Errand) -> None:
        try:
            with self._one_at_a_time:
                self._answer(errand)
        except Postponed:
            log.info("%s is left to its next delivery.", errand)
            errand.end(answered=False)
            return
        except Exception:
            # Delivered again, it would fail again.
            log.exception("%s could not be answered.", errand)
        errand.end(answered=True)
        with suppress(ConnectionWrongStateError):
            self.pika_connection.add_callback_threadsafe(partial(_acknowledge, errand))

    def _wind_up(self) -> None:
        """Take no more, finish what is under way, and see to it that the broker knows."""
        self.channel.stop_consuming()
        while self._is_busy:
            self.pika_connection.sleep(0.02)
        if self._errand:
            _acknowledge(self._errand)
        # Its confirmation says that the acknowledgement arrived.
        self.channel.close()
        self._wound_up.set()

    # The way of one message.

    @override
    def _data_handler(self, json_data: Any) -> None:
        """What pycti calls over HTTP; an exception makes it answer 500, and the platform's worker try again later."""
        if self._stopping.is_set():
            raise RuntimeError("the connector is stopping")
        errand = Errand(_key(json.dumps(json_data).encode()), json_data, redelivered=True, patience=HTTP_PATIENCE)
        with self._one_at_a_time:
            self._errand = errand
            try:
                self._answer(errand)
            except Postponed:
                raise RuntimeError("OpenCTI is away") from None
            finally:
                errand.end(answered=True)

    def _answer(self, errand: Errand) -> None:
        with on_errand(errand):
            if errand.redelivered and self._crashes.is_answered(errand.key):
                return
            # Whatever else it answers, it will answer to the next question too.
            with suppress(ValueError, LookupError, TypeError):
                version_of(self.helper.api)
            if errand.redelivered and errand.work_id and self.helper.api.work.is_closed(errand.work_id):
                return
            errand.is_begun = True
            crashes = self._crashes.begin(errand.key, is_new=not errand.redelivered)
            try:
                self._answer_after(crashes, errand)
                if errand.was_postponed:  # pycti 6.3 keeps that to itself.
                    raise Postponed
            except Postponed:
                self._crashes.let_go(errand.key)
                raise
            self._crashes.answer(errand.key)
            self._outcomes.pop(errand.key, None)

    def _answer_after(self, crashes: int, errand: Errand) -> None:
        if crashes >= MOST_CRASHES:
            self._refuse(errand)
            return
        _add_mode(errand.message)
        super()._data_handler(errand.message)
        if errand.playbook and not errand.was_read:
            log.warning("%s gets back what it sent: its entity could not be read.", errand)
            self._send_back(errand)

    def _ask_once(self, data: dict[str, Any]) -> str:
        """The outcome, which is kept until it is told: one bundle is sent for a message, however often it comes."""
        errand = errand_here()
        if errand is None:
            return self._ask(data)
        key, errand.was_read = errand.key, True
        if key not in self._outcomes:
            try:
                self._outcomes[key] = self._ask(data)
            except Exception as error:
                self._outcomes[key] = error
        if len(self._outcomes) > _MOST_OUTCOMES:
            del self._outcomes[next(iter(self._outcomes))]
        outcome = self._outcomes[key]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _refuse(self, errand: Errand) -> None:
        text = f"The connector ended unexpectedly {MOST_CRASHES} times on this message and gives it up; see its log."
        log.error("%s: %s", errand, text)
        if errand.work_id:
            self.helper.api.work.to_processed(errand.work_id, text, in_error=True)
        self._send_back(errand)

    def _send_back(self, errand: Errand) -> None:
        """A playbook goes on with what it sent; nothing happens where there is none."""
        if errand.playbook:
            bundle = json.dumps(errand.message["event"]["bundle"])
            step = errand.playbook | {"execution_start": self.helper.date_now(), "previous_bundle": bundle}
            self.helper.api.playbook.playbook_step_execution(step, bundle)

    # The end, and signs of life.

    def finish(self, grace: float) -> bool:
        """Take no more, and whether what is under way ended in that many seconds.

        What did not end is delivered again: to the next process over AMQP, by the platform's worker over HTTP.
        """
        deadline = time.monotonic() + grace
        self._stopping.set()
        # No new connection, should this one be lost now.
        self.exit_event.set()
        if self._is_connected:
            with suppress(ConnectionWrongStateError):
                self.pika_connection.add_callback_threadsafe(self._wind_up)
        while self._is_busy or (self._is_connected and not self._wound_up.is_set()):
            self._let_go_of_what_cannot_end()
            if time.monotonic() > deadline:
                if self._errand:
                    self._crashes.let_go(self._errand.key)
                return False
            time.sleep(0.02)
        if self.pika_connection is None and self._errand:
            time.sleep(0.2)  # Over HTTP the answer is on its way.
        return True

    def _let_go_of_what_cannot_end(self) -> None:
        if (errand := self._errand) and not (errand.is_begun and errand.is_held):
            errand.withdraw()

    @property
    def _is_busy(self) -> bool:
        return self._errand is not None and not self._errand.is_ended

    @property
    def _is_connected(self) -> bool:
        return self.pika_connection is not None and self.pika_connection.is_open

    def _keep_alive(self) -> None:
        while not self.exit_event.wait(PING):
            errand = self._errand
            if errand and errand.work_id and self._is_busy:
                with suppress(Exception):
                    self.helper.api.work.ping(errand.work_id)


def _acknowledge(errand: Errand) -> None:
    if errand.is_answered and errand.is_held:
        errand.is_answered = False
        errand.channel.basic_ack(errand.tag)


def _parsed(body: bytes) -> dict[str, Any] | None:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def _key(body: bytes) -> str:
    """What tells a message from all others: they hold ids and times of their own."""
    return blake2b(body, digest_size=16).hexdigest()


def _add_mode(message: Any) -> None:
    """pycti hands over the event only, so the mode goes with it."""
    match message:
        case {"event": dict() as event, "internal": dict() as internal}:
            event["mode"] = "playbook" if "playbook" in internal else internal.get("mode")
