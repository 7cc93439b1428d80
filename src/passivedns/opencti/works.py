"""Announces objects to works and closes works, exactly once even if a message is redelivered or a response is lost."""

import logging
from functools import partial
from typing import Any

from pycti.api.opencti_api_work import OpenCTIApiWork
from typing_extensions import override

from passivedns.opencti.outage import current, retried_unless

log = logging.getLogger(__name__)

UNREADABLE = (
    "OpenCTI did not return the observable: it was deleted, or the user of OPENCTI_TOKEN may not see it. "
    "Give the groups of that user access to its markings and organizations, then enrich again."
)


class Works(OpenCTIApiWork):  # type: ignore[misc]  # pycti is untyped
    """Replaces pycti's `api.work`, which calls once and ignores the outcome."""

    def is_closed(self, work_id: str) -> bool:
        """True if the work was closed or deleted."""
        work = self._read(work_id)
        return work is None or bool(work.get("processed_time"))

    @override
    def to_processed(self, work_id: str, message: str, in_error: bool = False) -> None:
        """Close the work, unless this or an earlier delivery did. Raises what pycti raises if OpenCTI rejects it."""
        if delivery := current.delivery:
            # After an error pycti calls again, with the error as the text.
            if delivery.was_closed or (delivery.redelivered and self.is_closed(work_id)):
                return
            delivery.was_closed = True
        # Every version of pycti reports an entity that it could not read in these words.
        is_unreadable = in_error and message.startswith("Unable") and "read/access" in message
        text = UNREADABLE if is_unreadable else message
        try:
            with retried_unless(partial(self.is_closed, work_id)):
                super().to_processed(work_id, text, in_error)
        except Exception as error:
            log.error("OpenCTI refused to close the work %s (%s). Its text: %s", work_id, error, text)
            raise

    @override
    def add_expectations(self, work_id: str, expectations: int) -> bool:
        """Announce this number of objects in total. A work whose objects are announced twice stays open."""
        delivery = current.delivery
        if delivery is None:
            return super().add_expectations(work_id, expectations) is not False
        if expectations > delivery.announced:
            missing = expectations - (self._announced(work_id) if delivery.redelivered else 0)
            if missing > 0:
                with retried_unless(lambda: self._announced(work_id) >= expectations):
                    super().add_expectations(work_id, missing)
            delivery.announced = expectations
        # pycti 6.3 swallows `Postponed` above.
        delivery.wait_until_held()
        return True

    def _announced(self, work_id: str) -> int:
        return int(((self._read(work_id) or {}).get("tracking") or {}).get("import_expected_number") or 0)

    def _read(self, work_id: str) -> dict[str, Any] | None:
        """Return what OpenCTI knows of a work: None if it was deleted, nothing if the user may not ask."""
        try:
            with retried_unless(None):
                return self.get_work(work_id)  # type: ignore[no-any-return]
        except (ValueError, LookupError, TypeError):
            return {}
