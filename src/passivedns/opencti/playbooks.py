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

from passivedns.delivery.delivery_log import DeliveryLog
from passivedns.delivery.retry import Retrier, may_have_arrived

log = logging.getLogger(__name__)

MAX_SENDS = 2
"""How often a bundle is sent if no response says whether it arrived."""


class Playbooks(OpenCTIApiPlaybook):  # type: ignore[misc]  # pycti is untyped
    """`api.playbook` for one message; pycti's sends once."""

    def __init__(self, retrier: Retrier, deliveries: DeliveryLog) -> None:
        """`deliveries` remembers across processes how often a bundle was sent."""
        super().__init__(retrier.api)
        self._retrier, self._deliveries = retrier, deliveries
        self._delivery = retrier.delivery

    @override
    def playbook_step_execution(self, playbook: dict[str, Any], bundle: str) -> None:
        """Send the bundle, unless the playbook has one.

        Raises:
            Postponed: the message is left to its next delivery.
            Exception: OpenCTI refuses the bundle.
        """
        if not self._delivery.was_sent:
            self._retrier.call(partial(self._send, playbook, bundle))
            self._delivery.was_sent = True
            self._deliveries.answer(self._delivery.key)

    def _send(self, playbook: dict[str, Any], bundle: str) -> None:
        key, sent = self._delivery.key, self._deliveries.sent(self._delivery.key)
        if sent >= MAX_SENDS:
            log.warning(
                "OpenCTI's responses to the bundle of %s were lost %d times; not sent again.", self._delivery, sent
            )
            return
        self._deliveries.send(key, sent + 1)
        try:
            super().playbook_step_execution(playbook, bundle)
        except Exception as error:
            if not may_have_arrived(error):
                self._deliveries.send(key, sent)
            raise

    def send_back(self, now: str) -> None:
        """Let a playbook continue with the bundle that it sent; `now` is the time in OpenCTI's form.

        Raises:
            Postponed: OpenCTI does not take it, so that the message must be delivered again.
        """
        delivery = self._delivery
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
