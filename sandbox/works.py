"""Tracks the works and playbook executions of a connector."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from sandbox.entities import Entity, now


@dataclass
class Work:
    """One enrichment as OpenCTI tracks it."""

    id: str
    entity: Entity
    received: list[str] = field(default_factory=list)
    """The connector's text on receiving the message."""
    message: str | None = None
    """The connector's closing text, or its error."""
    in_error: bool = False
    processed: bool = False
    """Whether the connector has closed the work."""
    processed_time: str | None = None
    closings: list[str | None] = field(default_factory=list)
    """The text of each closing; OpenCTI accepts several, a connector must make exactly one."""
    expectations: int = 0
    """Number of announced objects."""
    imported: int = 0
    """Number of imported or refused objects."""
    errors: list[str] = field(default_factory=list)
    """OpenCTI's messages on refused objects."""
    undelivered: str | None = None
    """Why the message did not reach the connector or was not answered."""
    closed: Event = field(default_factory=Event)
    """Set once the work is closed and every announced object is imported."""

    def edit(self, mutation: str, variables: Mapping[str, Any]) -> None:
        """Apply a field of the mutation ``workEdit``; ignore those that do not concern the outcome."""
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
        """Return the work as GraphQL does."""
        status = "complete" if self.closed.is_set() else "progress" if self.received else "wait"
        tracking = {"import_expected_number": self.expectations, "import_processed_number": self.imported}
        processed = {"processed_time": self.processed_time, "tracking": tracking}
        return {"id": self.id, "status": status, "errors": [{"message": text} for text in self.errors]} | processed

    def add_import(self, count: int, refused: list[str]) -> None:
        """Count ``count`` announced objects as processed, and note the refusals."""
        self.imported += count
        self.errors += refused
        self._settle()

    def wait(self, timeout: float) -> "Work":
        """Wait up to ``timeout`` seconds for the work to close.

        Raises TimeoutError, with the state of the work.
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
    """One playbook execution that waits at the connector's step."""

    id: str
    entity: Entity
    bundles: list[dict[str, Any]] = field(default_factory=list)
    """The connector's bundles; OpenCTI expects exactly one."""
    errors: list[str] = field(default_factory=list)
    """OpenCTI's messages on objects that it would refuse."""
    undelivered: str | None = None
    """Why the message did not reach the connector or was not answered."""
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
