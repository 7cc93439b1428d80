"""What OpenCTI is told of a work: once each, however often a message is delivered and OpenCTI is away in between."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from pycti import OpenCTIApiClient
from pycti.api.opencti_api_work import OpenCTIApiWork
from typing_extensions import override

from passivedns.opencti.outage import errand_here, patiently

log = logging.getLogger(__name__)

UNREADABLE = (
    "OpenCTI does not show the observable to the connector: it was deleted, or the user of OPENCTI_TOKEN may not "
    "see it; let the groups of that user see its markings and its organizations, then enrich again."
)


class Works(OpenCTIApiWork):  # type: ignore[misc]  # pycti is untyped
    """In the place of pycti's, which takes every failure for the end."""

    def __init__(self, impatient: OpenCTIApiClient) -> None:
        """`impatient` is a client that does not wait by itself."""
        super().__init__(_Patient(impatient))

    def is_closed(self, work_id: str) -> bool:
        """Whether the work was closed before, or deleted."""
        work = self._told(work_id)
        return work is None or bool(work.get("processed_time"))

    @override
    def to_processed(self, work_id: str, message: str, in_error: bool = False) -> None:
        """Close the work, unless it is closed. pycti tries again with another text when that fails: nothing is done."""
        errand = errand_here()
        if errand is None or not errand.was_closed:
            if errand:
                errand.was_closed = True
                if errand.redelivered and self.is_closed(work_id):
                    return
            self._close(work_id, UNREADABLE if in_error and _is_unreadable(message) else message, in_error)

    @override
    def add_expectations(self, work_id: str, expectations: int) -> bool:
        """Announce so many objects, counting those of a try that did not come to its end: the same are sent again.

        A work whose objects are announced twice and sent once would stay open.
        """
        errand = errand_here()
        if errand is None:
            return super().add_expectations(work_id, expectations) is not False
        if expectations <= errand.announced:
            errand.proceed()
            return True
        missing = expectations - (self._announced(work_id) if errand.redelivered or errand.was_announced else 0)
        errand.was_announced = True
        if missing > 0:
            with self.api.until(lambda: self._announced(work_id) >= expectations):
                super().add_expectations(work_id, missing)
        errand.announced = expectations
        # pycti 6.3 keeps everything to itself, even that the message is another's now.
        errand.proceed()
        return True

    def _close(self, work_id: str, text: str, in_error: bool) -> None:
        try:
            with self.api.until(partial(self.is_closed, work_id)):
                super().to_processed(work_id, text, in_error)
        except Exception as error:
            log.error("OpenCTI did not let the work %s be closed (%s); it was to say: %s", work_id, error, text)
            raise

    def _announced(self, work_id: str) -> int:
        return int(((self._told(work_id) or {}).get("tracking") or {}).get("import_expected_number") or 0)

    def _told(self, work_id: str) -> dict[str, Any] | None:
        """What OpenCTI says of a work; None when there is no such work, and nothing when this user may not ask."""
        try:
            with self.api.until(None):
                return self.get_work(work_id)  # type: ignore[no-any-return]
        except (ValueError, LookupError, TypeError):
            return {}


def _is_unreadable(message: str) -> bool:
    """Whether pycti could not read the entity, in the words of any version."""
    return message.startswith("Unable") and "read/access" in message


class _Patient:
    """A client that waits, and after an outage asks first whether the call that met it had its effect."""

    def __init__(self, impatient: OpenCTIApiClient) -> None:
        self._impatient = impatient
        self._is_settled: Callable[[], bool] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._impatient, name)

    @contextmanager
    def until(self, is_settled: Callable[[], bool] | None) -> Iterator[None]:
        """Within the block, a call that met an outage is not repeated when that is true."""
        before, self._is_settled = self._is_settled, is_settled
        try:
            yield
        finally:
            self._is_settled = before

    def query(self, *arguments: Any, **named: Any) -> Any:
        return patiently(partial(self._impatient.query, *arguments, **named), self._is_settled)
