"""Runs the connector until it is told to stop: registration, listening and shutdown."""

import logging
import os
import signal
import threading
from functools import partial
from types import FrameType

from passivedns.assembly import delivery_log_of, enricher_of
from passivedns.connector import RiskIQConnector
from passivedns.delivery.amqp_listener import AmqpListener
from passivedns.delivery.http_listener import HttpListener
from passivedns.delivery.listening import ListeningHelper
from passivedns.errors import PlatformError
from passivedns.opencti import health
from passivedns.opencti.registration import register
from passivedns.settings.loading import helper_config
from passivedns.settings.model import Settings

log = logging.getLogger(__name__)


def run(settings: Settings) -> None:
    """Enrich until SIGTERM or SIGINT; a second signal ends the process at once.

    Raises:
        PlatformError: OpenCTI cannot be used, or listening ended unexpectedly.
    """
    stopping = threading.Event()
    _handle_signals(stopping)
    health.forget(settings.connector.id)
    # Before pycti sets the log level, so that the operator sees them at any level.
    for warning in settings.warnings():
        log.warning(warning)
    create = partial(ListeningHelper, deliveries=delivery_log_of(settings.lookup))
    helper = register(helper_config(settings), settings.lookup.pdns.start_timeout, stopping, create)
    if helper is None:
        return
    # With a CA certificate in the settings, pycti has replaced these handlers.
    _handle_signals(stopping)
    enricher = enricher_of(settings.lookup)
    connector = RiskIQConnector(helper, enricher, scope=settings.connector.scope, skip_own=settings.skip_own)
    # A daemon thread, and so are those that it starts: none of them delays the exit.
    listening = threading.Thread(target=helper.listen, args=[connector.process], daemon=True)
    listening.start()
    while not stopping.is_set():
        health.beat(helper)
        stopping.wait(health.INTERVAL)
        if not listening.is_alive():
            raise PlatformError("Listening for messages ended unexpectedly; see the log.")
    _stop(helper.listen_queue, settings.lookup.pdns.stop_grace)


def _handle_signals(stopping: threading.Event) -> None:
    def stop(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def _stop(listener: AmqpListener | HttpListener | None, grace: float) -> None:
    log.info("Shutting down; waiting up to %g s for the current enrichment.", grace)
    if listener is None or listener.finish(grace):
        log.info("Stopped; no enrichment was interrupted.")
        return
    log.warning("Stopped; an enrichment did not finish within %g s and will be redelivered.", grace)
    logging.shutdown()
    # Python would wait for the threads of pycti's executor.
    os._exit(0)
