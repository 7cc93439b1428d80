"""Announces objects to works and closes works, exactly once even if a message is redelivered or a response is lost."""

import logging
from functools import partial
from typing import Any

from pycti.api.opencti_api_work import OpenCTIApiWork
from typing_extensions import override

from passivedns.delivery.delivery import Delivery
from passivedns.delivery.delivery_log import DeliveryLog
from passivedns.delivery.retry import current, in_words, may_have_arrived, retried_unless
from passivedns.opencti.reasons import graphql_error
from passivedns.text import one_line

log = logging.getLogger(__name__)

UNREADABLE = (
    "OpenCTI did not return the observable: it was deleted, or the user of OPENCTI_TOKEN may not see it. "
    "Give the groups of that user access to its markings and organizations, then enrich again."
)
FAILED = "OpenCTI failed when the connector read the observable ({reason}). Correct this in OpenCTI, then enrich again."
NOT_UNDERSTOOD = (
    "The connector did not understand OpenCTI's message ({reason}). "
    "Compare the versions of OpenCTI and pycti (main.py check), then enrich again."
)


class Works(OpenCTIApiWork):  # type: ignore[misc]  # pycti is untyped
    """Replaces pycti's `api.work`, which calls once and ignores the outcome."""

    def __init__(self, api: Any, crashes: DeliveryLog | None = None) -> None:
        """`crashes` remembers what OpenCTI does not tell users without the right MODULES."""
        super().__init__(api)
        self._crashes = crashes or DeliveryLog("memory")

    def is_closed(self, work_id: str) -> bool:
        """True if the work was closed or deleted; False if it is open, or the user may not ask."""
        try:
            work = self._read(work_id)
        except (ValueError, LookupError, TypeError):
            return False
        return work is None or bool(work.get("processed_time"))

    @override
    def to_processed(self, work_id: str, message: str, in_error: bool = False) -> None:
        """Close the work, unless this or an earlier delivery did.

        Raises:
            Postponed: OpenCTI does not close it, so that the message must be delivered again.
        """
        delivery = current.delivery
        is_before_the_callback = in_error and delivery is not None and not delivery.was_read
        self.close(work_id, _worded(message, delivery) if is_before_the_callback else message, in_error)

    def close(self, work_id: str, text: str, in_error: bool) -> None:
        """As `to_processed`, with this very text."""
        delivery = current.delivery
        if delivery is None:
            super().to_processed(work_id, text, in_error)
            return
        # After an error pycti calls again, with the error as the text.
        if delivery.was_closed or (delivery.redelivered and self.is_closed(work_id)):
            delivery.was_closed = True
            return
        delivery.was_closed = True
        try:
            with retried_unless(lambda error: may_have_arrived(error) and self.is_closed(work_id)):
                super().to_processed(work_id, text, in_error)
        except Exception as error:
            self._leave_open(work_id, text, in_error, error, delivery)

    def _leave_open(self, work_id: str, text: str, in_error: bool, error: Exception, delivery: Delivery) -> None:
        if _is_deleted(error):
            log.info("The work %s was deleted. Its text: %s", work_id, text)
            return
        log.error("OpenCTI refused to close the work %s (%s). Its text: %s", work_id, in_words(error), text)
        if not in_error:
            # The result was sent. An error may be due to OpenCTI, so that message begins again.
            self._crashes.leave_open(delivery.key, text)
        delivery.postpone()

    @override
    def add_expectations(self, work_id: str, expectations: int) -> bool:
        """Announce this number of objects in total. A work whose objects are announced twice stays open."""
        delivery = current.delivery
        if delivery is None:
            return super().add_expectations(work_id, expectations) is not False
        if expectations > delivery.announced:
            missing = expectations - (self._announced_before(work_id, delivery) if delivery.redelivered else 0)
            if missing > 0:
                self._announce(work_id, expectations, missing, delivery)
            delivery.announced = expectations
        # pycti 6.3 swallows `Postponed` above.
        delivery.wait_until_held()
        return True

    def _announce(self, work_id: str, total: int, missing: int, delivery: Delivery) -> None:
        self._crashes.announce(delivery.key, total)
        delivery.failure = None
        with retried_unless(partial(self._is_announced, work_id, total)):
            super().add_expectations(work_id, missing)
        # pycti logs an error and goes on.
        if delivery.failure and not _is_deleted(delivery.failure):
            self._crashes.announce(delivery.key, total - missing)
            raise delivery.failure

    def _is_announced(self, work_id: str, total: int, error: Exception) -> bool:
        """Whether a request without response took effect.

        If the user may not ask, it counts as done: a work to which nothing is announced closes before its objects
        arrive, one to which they are announced twice stays open for ever.
        """
        if not may_have_arrived(error):
            return False
        announced = self._announced(work_id)
        return announced is None or announced >= total

    def _announced_before(self, work_id: str, delivery: Delivery) -> int:
        """The objects that an earlier delivery announced."""
        announced = self._announced(work_id)
        if announced is not None:
            return announced
        if delivery.is_known:
            return self._crashes.announced(delivery.key)
        log.warning("OpenCTI does not tell what was announced to %s, so nothing is announced again.", work_id)
        return 2**31

    def _announced(self, work_id: str) -> int | None:
        """The number of announced objects; None if the user may not ask."""
        try:
            work = self._read(work_id) or {}
        except (ValueError, LookupError, TypeError):
            return None
        return int((work.get("tracking") or {}).get("import_expected_number") or 0)

    def _read(self, work_id: str) -> dict[str, Any] | None:
        """Return what OpenCTI knows of a work; None if it was deleted.

        Raises:
            ValueError: the user may not ask, since it lacks the right MODULES.
        """
        delivery = current.delivery
        failure = delivery.failure if delivery else None
        try:
            with retried_unless(None):
                return self.get_work(work_id)  # type: ignore[no-any-return]
        finally:
            if delivery:
                # Not to be able to ask is no failure of what was asked about.
                delivery.failure = failure


def _worded(message: str, delivery: Delivery | None) -> str:
    """An error of pycti before the entity was read, in the operator's words."""
    # Every version of pycti reports an entity that it could not read in these words.
    if message.startswith("Unable") and "read/access" in message:
        return UNREADABLE
    if delivery and delivery.failure:
        return FAILED.format(reason=in_words(delivery.failure))
    return NOT_UNDERSTOOD.format(reason=one_line(message))


def _is_deleted(error: Exception) -> bool:
    reported = graphql_error(error)
    return reported is not None and reported[0] == "WORK_NOT_ALIVE"
