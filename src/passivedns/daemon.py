"""The process: register, listen, and stop in good order."""

import logging
import os
import signal
import threading
from types import FrameType

from pycti import OpenCTIConnectorHelper

from passivedns.assembly import crashes_of, enricher_of
from passivedns.connector import RiskIQConnector
from passivedns.errors import PlatformError
from passivedns.opencti import health
from passivedns.opencti.crashes import Crashes
from passivedns.opencti.delivery import listen
from passivedns.opencti.registration import register
from passivedns.settings.loading import helper_config
from passivedns.settings.model import Settings

log = logging.getLogger(__name__)


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
    _listen(helper, connector, crashes_of(settings.lookup), told_to_stop)
    _stop(helper, settings.lookup.pdns.stop_grace)


def _heed_signals(told_to_stop: threading.Event) -> None:
    def stop(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        told_to_stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def _connector(settings: Settings, helper: OpenCTIConnectorHelper) -> RiskIQConnector:
    enricher = enricher_of(settings.lookup)
    return RiskIQConnector(helper, enricher, scope=settings.connector.scope, skip_own=settings.skip_own)


def _listen(
    helper: OpenCTIConnectorHelper, connector: RiskIQConnector, crashes: Crashes, told_to_stop: threading.Event
) -> None:
    # pycti's threads become daemon threads too, so none of them holds the process after the stop.
    listener = threading.Thread(target=listen, args=[helper, connector.process, crashes], daemon=True)
    listener.start()
    health.Heartbeat(helper).start()
    while not told_to_stop.wait(0.5):
        if not listener.is_alive():
            raise PlatformError("Listening to OpenCTI ended by itself; the log says why.")


def _stop(helper: OpenCTIConnectorHelper, grace: float) -> None:
    """Take no new message, and let what is under way end, for `grace` seconds at the most."""
    log.info("Shutting down; waiting up to %g s for the current enrichment.", grace)
    if helper.listen_queue is None or helper.listen_queue.finish(grace):
        log.info("Stopped; nothing was left under way.")
        return
    log.warning("Stopped; an enrichment did not end within %g s, and the next process answers it.", grace)
    logging.shutdown()
    # What hangs must not hold the process: Python waits for the threads of pycti's executor.
    os._exit(0)
