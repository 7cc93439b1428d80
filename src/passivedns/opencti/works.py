"""Announces objects to works and closes works, exactly once even if a message is redelivered or a response is lost."""

import logging
from functools import partial
from typing import Any

from pycti.api.opencti_api_work import OpenCTIApiWork
from typing_extensions import override

from passivedns.delivery.delivery import Delivery
from passivedns.delivery.delivery_log import DeliveryLog
from passivedns.delivery.retry import Retrier, in_words, may_have_arrived
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

_ANNOUNCE = """mutation addExpectations($id: ID!, $expectations: Int) {
    workEdit(id: $id) { addExpectations(expectations: $expectations) }
}"""


class Works(OpenCTIApiWork):  # type: ignore[misc]  # pycti is untyped
    """`api.work` for one message; pycti's calls once and ignores the outcome."""

    def __init__(self, client: Any, retrier: Retrier, deliveries: DeliveryLog) -> None:
        """`client` retries its queries; `deliveries` knows what OpenCTI does not tell users without MODULES."""
        super().__init__(client)
        self._retrier, self._deliveries = retrier, deliveries
        self._delivery = retrier.delivery

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
        is_before_the_callback = in_error and not self._delivery.was_read
        self.close(work_id, _operators_words(message, self._delivery) if is_before_the_callback else message, in_error)

    def close(self, work_id: str, text: str, in_error: bool) -> None:
        """As `to_processed`, with this very text."""
        # After an error pycti calls again, with the error as the text.
        was_closed = self._delivery.was_closed or (self._delivery.redelivered and self.is_closed(work_id))
        self._delivery.was_closed = True
        if was_closed:
            return
        once = OpenCTIApiWork(self._retrier.api)
        try:
            self._retrier.call(
                partial(once.to_processed, work_id, text, in_error),
                unless=lambda error: may_have_arrived(error) and self.is_closed(work_id),
            )
        except Exception as error:
            self._leave_open(work_id, text, in_error, error)

    def _leave_open(self, work_id: str, text: str, in_error: bool, error: Exception) -> None:
        if _is_deleted(error):
            log.info("The work %s was deleted. Its text: %s", work_id, text)
            return
        log.error("OpenCTI refused to close the work %s (%s). Its text: %s", work_id, in_words(error), text)
        if not in_error:
            # The result was sent. An error may be due to OpenCTI, so that message begins again.
            self._deliveries.leave_open(self._delivery.key, text)
        self._delivery.postpone()

    @override
    def add_expectations(self, work_id: str, expectations: int) -> bool:
        """Announce this number of objects in total. A work whose objects are announced twice stays open."""
        if self.api.bundle_send_to_queue and expectations > self._delivery.announced:
            missing = expectations - (self._announced_before(work_id) if self._delivery.redelivered else 0)
            if missing > 0:
                self._announce(work_id, expectations, missing)
            self._delivery.announced = expectations
        return True

    def _announce(self, work_id: str, total: int, missing: int) -> None:
        """As pycti, which logs an error and goes on."""
        self._deliveries.announce(self._delivery.key, total)
        try:
            self._retrier.call(
                partial(self._retrier.api.query, _ANNOUNCE, {"id": work_id, "expectations": missing}),
                unless=partial(self._is_announced, work_id, total),
            )
        except Exception as error:
            if not _is_deleted(error):
                self._deliveries.announce(self._delivery.key, total - missing)
                raise

    def _is_announced(self, work_id: str, total: int, error: Exception) -> bool:
        """Whether a request without response took effect.

        If the user may not ask, it counts as done: a work to which nothing is announced closes before its objects
        arrive, one to which they are announced twice stays open for ever.
        """
        if not may_have_arrived(error):
            return False
        announced = self._announced(work_id)
        return announced is None or announced >= total

    def _announced_before(self, work_id: str) -> int:
        """The objects that an earlier delivery announced."""
        announced = self._announced(work_id)
        if announced is not None:
            return announced
        if self._delivery.is_known:
            return self._deliveries.announced(self._delivery.key)
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
        failure = self._delivery.failure
        try:
            return self.get_work(work_id)  # type: ignore[no-any-return]
        finally:
            # Not to be able to ask is no failure of what was asked about.
            self._delivery.failure = failure


def _operators_words(message: str, delivery: Delivery) -> str:
    """An error of pycti before the entity was read, in the operator's words."""
    # Every version of pycti reports an entity that it could not read in these words.
    if message.startswith("Unable") and "read/access" in message:
        return UNREADABLE
    if delivery.failure:
        return FAILED.format(reason=in_words(delivery.failure))
    return NOT_UNDERSTOOD.format(reason=one_line(message))


def _is_deleted(error: Exception) -> bool:
    reported = graphql_error(error)
    return reported is not None and reported[0] == "WORK_NOT_ALIVE"
