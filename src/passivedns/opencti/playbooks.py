"""Answers playbooks with exactly one bundle, as far as the connector can know.

OpenCTI cannot be asked whether a playbook got its bundle: that takes the right AUTOMATION. A playbook without a bundle
stops silently for ever; one that gets the same bundle twice runs its later steps twice. So a bundle whose response is
lost is sent once more, after OpenCTI answers again, and never a third time, by no process.
"""

import json
import logging
from functools import partial
from typing import Any

from pycti.api.opencti_api_playbook import OpenCTIApiPlaybook
from typing_extensions import override

from passivedns.delivery.delivery import Delivery
from passivedns.delivery.delivery_log import DeliveryLog
from passivedns.delivery.retry import current, is_up, may_have_arrived, processing, retry_while_away

log = logging.getLogger(__name__)

MAX_SENDS = 2
"""How often a bundle is sent if no response says whether it arrived."""


class Playbooks(OpenCTIApiPlaybook):  # type: ignore[misc]  # pycti is untyped
    """Replaces pycti's `api.playbook`, which sends once."""

    def __init__(self, api: Any, crashes: DeliveryLog) -> None:
        """`crashes` remembers across processes how often a bundle was sent."""
        super().__init__(api)
        self._crashes = crashes

    @override
    def playbook_step_execution(self, playbook: dict[str, Any], bundle: str) -> None:
        """Send the bundle, unless the playbook has one.

        Raises:
            Postponed: the message is left to its next delivery.
            Exception: OpenCTI refuses the bundle.
        """
        delivery = current.delivery
        if delivery is None:
            super().playbook_step_execution(playbook, bundle)
        elif not delivery.was_sent:
            retry_while_away(partial(self._send, playbook, bundle, delivery), partial(is_up, self.api))
            delivery.was_sent = True
            self._crashes.answer(delivery.key)

    def _send(self, playbook: dict[str, Any], bundle: str, delivery: Delivery) -> None:
        sent = self._crashes.sent(delivery.key)
        if sent >= MAX_SENDS:
            log.warning("OpenCTI's responses to the bundle of %s were lost %d times; not sent again.", delivery, sent)
            return
        self._crashes.send(delivery.key, sent + 1)
        try:
            with processing(None):
                super().playbook_step_execution(playbook, bundle)
        except Exception as error:
            if not may_have_arrived(error):
                self._crashes.send(delivery.key, sent)
            raise

    def send_back(self, delivery: Delivery, now: str) -> None:
        """Let a playbook continue with the bundle that it sent; `now` is the time in OpenCTI's form.

        Raises:
            Postponed: OpenCTI does not take it, so that the message must be delivered again.
        """
        if delivery.playbook is None or delivery.was_sent:
            return
        bundle = json.dumps(delivery.message["event"]["bundle"])
        try:
            self.playbook_step_execution(
                delivery.playbook | {"execution_start": now, "previous_bundle": bundle}, bundle
            )
        except KeyError as missing:
            log.error("%s cannot be answered: its message lacks %s.", delivery, missing)
        except Exception:
            log.error("%s cannot be answered; its message is delivered again.", delivery)
            delivery.postpone()
