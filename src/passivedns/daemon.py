"""The process: register, listen, and stop in good order."""

import logging
import os
import signal
import threading
import time
from types import FrameType
from typing import Any

from pycti import OpenCTIConnectorHelper

from passivedns.assembly import enricher_of
from passivedns.connector import RiskIQConnector
from passivedns.errors import PlatformError
from passivedns.opencti import health
from passivedns.opencti.delivery import listen
from passivedns.opencti.registration import register
from passivedns.settings.loading import helper_config
from passivedns.settings.model import Settings

log = logging.getLogger(__name__)

LAST_WORDS = 5
"""Seconds that OpenCTI has to take the errors of what is given up at the end of the grace."""


def run(settings: Settings) -> None:
    """Enrich until SIGTERM or SIGINT; a second signal ends the process at once.

    Raises:
        PlatformError: OpenCTI cannot be used, or listening to it ended by itself.
    """
    told_to_stop = threading.Event()
    _heed_signals(told_to_stop)
    health.forget(settings.connector.id)
    helper = register(helper_config(settings), settings.lookup.pdns.start_timeout, told_to_stop)
    if helper is None:
        return
    # With a CA of its own, pycti has put handlers in the place of these.
    _heed_signals(told_to_stop)
    for warning in settings.warnings():
        helper.connector_logger.warning(warning)
    connector = _connector(settings, helper)
    _listen(helper, connector, told_to_stop)
    _stop(helper, connector, settings.lookup.pdns.stop_grace)


def _heed_signals(told_to_stop: threading.Event) -> None:
    def stop(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        told_to_stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def _connector(settings: Settings, helper: OpenCTIConnectorHelper) -> RiskIQConnector:
    enricher = enricher_of(settings.lookup)
    return RiskIQConnector(helper, enricher, scope=settings.connector.scope, skip_own=settings.skip_own)


def _listen(helper: OpenCTIConnectorHelper, connector: RiskIQConnector, told_to_stop: threading.Event) -> None:
    # pycti's threads become daemon threads too, so none of them holds the process after the stop.
    listener = threading.Thread(target=listen, args=[helper, connector.process], daemon=True)
    listener.start()
    health.Heartbeat(helper).start()
    while not told_to_stop.wait(0.5):
        if not listener.is_alive():
            raise PlatformError("Listening to OpenCTI ended by itself; the log says why.")


def _stop(helper: OpenCTIConnectorHelper, connector: RiskIQConnector, grace: float) -> None:
    """Take no new message, and let what is under way end, for `grace` seconds at the most."""
    log.info("Shutting down; waiting up to %g s for the current enrichment.", grace)
    if _within(grace, _drain, helper.listen_queue, connector):
        log.info("Stopped; nothing was left under way.")
        return
    reason = f"The connector was stopped, and the enrichment did not end within {grace:g} s; enrich again."
    log.warning(reason)
    _within(LAST_WORDS, connector.give_up, reason)
    logging.shutdown()
    # What hangs must not hold the process: Python waits for the threads of pycti's executor.
    os._exit(0)


def _within(seconds: float, target: Any, *arguments: Any) -> bool:
    """Whether a function returned in time."""
    thread = threading.Thread(target=target, args=arguments, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


def _drain(listen_queue: Any, connector: RiskIQConnector) -> None:
    """Return when every message that pycti has taken is answered and its work closed."""
    if listen_queue is None:
        return
    _take_no_more(listen_queue)
    # A message that was acknowledged just now starts its thread within this time.
    time.sleep(0.2)
    while connector.is_busy or (listen_queue.thread and listen_queue.thread.is_alive()):
        time.sleep(0.05)
    if executor := getattr(listen_queue, "_callback_executor", None):
        executor.shutdown()


def _take_no_more(listen_queue: Any) -> None:
    """pycti takes a message by acknowledging it; what it cannot acknowledge goes back to the queue at the end.

    Its own `stop` closes the connection from another thread, between which and the acknowledgement messages get lost.
    """
    # No new connection, should this one be lost now.
    listen_queue.exit_event.set()
    if listen_queue.channel:
        listen_queue.channel.basic_ack = lambda **_: threading.Event().wait()
    if executor := getattr(listen_queue, "_callback_executor", None):
        executor.shutdown(wait=False)
