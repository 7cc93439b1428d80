"""Tracks the works of a connector and their state."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from sandbox.entities import Entity, now


@dataclass
class Work:
    """One enrichment as the platform tracks it."""

    id: str
    entity: Entity
    received: list[str] = field(default_factory=list)
    """What the connector said when it took the message."""
    message: str | None = None
    """What the connector said when it was done, or what went wrong."""
    in_error: bool = False
    processed: bool = False
    """The connector said that it was done."""
    processed_time: str | None = None
    closings: list[str | None] = field(default_factory=list)
    """What it said each time; the platform takes more than one, a connector owes exactly one."""
    expectations: int = 0
    """Objects that the platform was told to expect."""
    imported: int = 0
    """Objects that the platform has imported or refused."""
    errors: list[str] = field(default_factory=list)
    """Refusals of the import, in the platform's words."""
    undelivered: str | None = None
    """Why the message did not reach the connector, or was not answered by it."""
    closed: Event = field(default_factory=Event)
    """Set once the connector is done and everything expected is imported."""

    def edit(self, mutation: str, variables: Mapping[str, Any]) -> None:
        """Apply a field of the mutation ``workEdit``; those that say nothing of the outcome change nothing."""
        match mutation:
            case "toReceived":
                self.received.append(variables["message"])
            case "toProcessed":
                self.processed, self.message = True, variables.get("message")
                self.in_error = bool(variables.get("inError"))
                self.processed_time = now()
                self.closings.append(self.message)
            case "addExpectations":
                self.expectations += variables["expectations"]
            case "reportExpectation":
                self.imported += 1
        self._settle()

    def as_api(self) -> dict[str, Any]:
        """What the platform tells of it."""
        status = "complete" if self.closed.is_set() else "progress" if self.received else "wait"
        tracking = {"import_expected_number": self.expectations, "import_processed_number": self.imported}
        processed = {"processed_time": self.processed_time, "tracking": tracking}
        return {"id": self.id, "status": status, "errors": [{"message": text} for text in self.errors]} | processed

    def add_import(self, count: int, refused: list[str]) -> None:
        """Count ``count`` expected objects as imported, but for those refused."""
        self.imported += count
        self.errors += refused
        self._settle()

    def wait(self, timeout: float) -> "Work":
        """Wait up to ``timeout`` seconds for the work to close.

        Raises TimeoutError, which says how far the work got.
        """
        if not self.closed.wait(timeout):
            raise TimeoutError(
                f"{self.id} on {self.entity.value} did not close within {timeout:g} s: "
                f"received {self.received}, processed {self.processed} ({self.message!r}), "
                f"{self.imported} of {self.expectations} objects imported, undelivered {self.undelivered!r}"
            )
        return self

    def _settle(self) -> None:
        if self.processed and self.imported >= self.expectations:
            self.closed.set()


@dataclass
class Execution:
    """One run of a playbook that waits at the connector's step."""

    id: str
    entity: Entity
    bundles: list[dict[str, Any]] = field(default_factory=list)
    """The bundles that the connector answered; the platform expects exactly one."""
    errors: list[str] = field(default_factory=list)
    """What the platform would refuse of them, in its words."""
    undelivered: str | None = None
    """Why the message did not reach the connector, or was not answered by it."""
    answered: Event = field(default_factory=Event)

    def wait(self, timeout: float) -> "Execution":
        """Wait up to ``timeout`` seconds for the first bundle.

        Raises TimeoutError: the playbook stalls.
        """
        if not self.answered.wait(timeout):
            raise TimeoutError(
                f"the playbook on {self.entity.value} got no bundle within {timeout:g} s, "
                f"undelivered {self.undelivered!r}"
            )
        return self
