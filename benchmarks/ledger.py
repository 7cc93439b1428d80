"""Tracks the outcome of each message of the platform, from its works and the connector's log."""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.works import Execution, Work

Asked = Work | Execution

DONE, ERROR, QUEUED, UNPUBLISHED = "done", "done, with an error", "in the queue", "not published"
TAKEN_AWAY, ENDED_AWAY = "lost: taken while OpenCTI was away", "lost: ended while OpenCTI was away"
KILLED, UNEXPLAINED = "lost: killed", "UNEXPLAINED"
LOSSES = (TAKEN_AWAY, ENDED_AWAY, KILLED, UNEXPLAINED)
FATES = (DONE, ERROR, QUEUED, UNPUBLISHED, *LOSSES)

BUNDLE = 8
"""Objects of each bundle: two observables, two relationships, the entity, the author and two markings."""
BEFORE = timedelta(seconds=1)
"""A call that the platform did not answer any more was logged before the platform went away."""


@dataclass
class Evidence:
    """What is known besides the works: the connector's log, and what was taken away when."""

    log: str
    platform_away: list[tuple[datetime, datetime]]
    queued: set[str]
    """Ids of the works and playbook runs whose messages are still in the queue."""
    killed: set[str]
    """Ids of those under way when the connector was killed."""
    _lines: defaultdict[str, list[tuple[datetime, str]]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for entry in _entries(self.log.splitlines()):
            facts = entry.get("attributes", {})
            # What closes the work stands beside the event.
            line = datetime.fromisoformat(entry["timestamp"]).astimezone(UTC), facts.get("text", entry["message"])
            for any_id in {value for value in facts.values() if isinstance(value, str)}:
                self._lines[any_id].append(line)

    def lines(self, asked: Asked) -> list[tuple[datetime, str]]:
        """Time (UTC) and text of what the log tells of a message, in its order; no two messages share an entity."""
        return sorted({*self._lines[asked.id], *self._lines[asked.entity.standard_id]})

    def was_platform_away(self, times: Iterable[datetime]) -> bool:
        """Whether the platform was away at any of the times."""
        return any(begun - BEFORE <= time <= ended for time in times for begun, ended in self.platform_away)


def is_done(asked: Asked) -> bool:
    """Whether the connector has answered."""
    return asked.processed if isinstance(asked, Work) else bool(asked.bundles)


def fate(asked: Asked, evidence: Evidence) -> tuple[str, str]:
    """One of `FATES`, and a reason where there is one."""
    if is_done(asked):
        objection = _work_objection(asked, evidence) if isinstance(asked, Work) else _playbook_objection(asked)
        in_error = isinstance(asked, Work) and asked.in_error
        return (UNEXPLAINED, objection) if objection else (ERROR if in_error else DONE, "")
    if asked.id in evidence.queued:
        return QUEUED, ""
    if asked.undelivered:
        return UNPUBLISHED, asked.undelivered
    return _loss(asked, evidence)


def _loss(asked: Asked, evidence: Evidence) -> tuple[str, str]:
    lines = evidence.lines(asked)
    if not lines:
        return UNEXPLAINED, "the log does not know it"
    (first, _), (last, text) = lines[0], lines[-1]
    reason = f"the log tells of it from {first:%H:%M:%S.%f} to {last:%H:%M:%S.%f}: {text}"
    if asked.id in evidence.killed:
        return KILLED, reason
    if not evidence.was_platform_away([last]):
        return UNEXPLAINED, reason
    return (TAKEN_AWAY if evidence.was_platform_away([first]) else ENDED_AWAY), reason


def _work_objection(work: Work, evidence: Evidence) -> str:
    """What is wrong with a work that was closed; empty when nothing is."""
    message = work.message or ""
    if message.startswith("Internal error") or not _is_own(message, work, evidence):
        return f"closed with {message!r}"
    # A restarted broker gives some pushes to the platform's worker again, and pycti outlives a lost announcement.
    is_whole = work.in_error or min(work.imported, BUNDLE) == (BUNDLE if message.startswith("Added") else 0)
    if work.errors or work.expectations not in (0, BUNDLE) or not is_whole or len(work.received) > 1:
        return f"taken {len(work.received)} times, {work.imported} of {work.expectations} imported, {work.errors}"
    return ""


def _is_own(message: str, work: Work, evidence: Evidence) -> bool:
    """Whether a work was closed with what the connector had to say of it, or with pycti's words on the platform."""
    lines = evidence.lines(work)
    return (
        work.entity.value in message
        or message in [text for _, text in lines]
        or message.startswith("The connector was stopped")
        or (work.in_error and evidence.was_platform_away(time for time, _ in lines))
    )


def _playbook_objection(execution: Execution) -> str:
    """What is wrong with a playbook that was answered; empty when nothing is."""
    if len(execution.bundles) > 1:
        return f"answered {len(execution.bundles)} times"
    objects, entity = execution.bundles[0]["objects"], execution.entity
    ends = [(item["source_ref"], item["target_ref"]) for item in objects if item["type"] == "relationship"]
    if entity.as_stix() not in objects or not all(entity.standard_id in pair for pair in ends):
        return "answered with another's bundle"
    return "; ".join(execution.errors)


def _entries(lines: Iterable[str]) -> Iterable[dict[str, Any]]:
    """The lines of pycti's loggers; others are no JSON."""
    for line in lines:
        if line.startswith('{"timestamp"'):
            yield json.loads(line)
