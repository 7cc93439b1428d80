"""Answers enrichment messages: decides whether to look an observable up, sends one bundle and words the work."""

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from passivedns import metrics
from passivedns.delivery.waiting import wait_for_sources
from passivedns.enrichment import Enricher, Result
from passivedns.errors import ConnectorError, SourceError, Unforeseen
from passivedns.model import Entity
from passivedns.opencti.helper import Helper
from passivedns.opencti.message import Message
from passivedns.stix.builder import AUTHOR_ID
from passivedns.stix.markings import entity_markings, references, strictest_pap, strictest_tlp
from passivedns.stix.objects import StixObject
from passivedns.stix.values import Unusable, canonical
from passivedns.summary import reason_not_asked, summary, total_failure
from passivedns.text import one_line

Enriched = tuple[str, list[StixObject]]
"""The text of a work, and the objects to add."""


class RiskIQConnector:
    """Answers each enrichment message with at most one bundle, in a playbook with exactly one."""

    def __init__(self, helper: Helper, enricher: Enricher, *, scope: Collection[str], skip_own: bool = False) -> None:
        """`scope` has OpenCTI's names of the types to enrich.

        With `skip_own`, automatic runs skip entities whose author is this connector.
        """
        self.helper = helper
        self._enricher = enricher
        self._scope = {entity_type.lower(): entity_type for entity_type in scope}
        self._author = AUTHOR_ID if skip_own else ""

    def process(self, data: dict[str, Any]) -> str:
        """Enrich the entity of one message, and return the text of the work; `data` is as `Answerer` passes it.

        Raises:
            ConnectorError: the enrichment failed; its text closes the work as an error.
        """
        message = Message(data, data["helper"])
        message.log("debug", "Begun")
        try:
            text = self._enrich_and_send(message)
        except ConnectorError as error:
            kind = metrics.failure_kind(type(error))
            metrics.FAILURES.labels(kind).inc()
            value = data.get("enrichment_entity", {}).get("observable_value")
            message.log("warning", "Enrichment failed", value=value, outcome=kind, text=str(error))
            raise
        message.log("info", "Enrichment ended", text=text)
        return text

    def _enrich_and_send(self, message: Message) -> str:
        try:
            bundle = message.bundle([])
            try:
                text, additions = self._enrich_or_wait(message)
                bundle = message.bundle(additions)
            finally:
                # pycti resumes a playbook only when it gets a bundle, whatever happened.
                message.send(bundle)
        except ConnectorError:
            raise
        except Exception as error:
            message.log("error", "An enrichment failed")
            raise Unforeseen(f"Internal error ({type(error).__name__}); see the connector log.") from error
        return text

    def _enrich_or_wait(self, message: Message) -> Enriched:
        while True:
            try:
                return self._enrich(message)
            except SourceError as error:
                if not wait_for_sources(message, error):
                    raise

    def _enrich(self, message: Message) -> Enriched:
        try:
            entity_type, value = self._observable(message)
        except _Skipped as reason:
            found = message.data["enrichment_entity"]
            title = one_line(found.get("observable_value") or found["standard_id"])
            return f"{title} was not looked up: {reason}", []
        known = message.markings()
        message.refresh()
        data = message.data
        # A playbook's entity may refer to a marking that the connector's user does not see.
        levels = strictest_tlp(data, known), strictest_pap(data, known)
        entity = Entity(data["stix_entity"]["id"], entity_type, value, references(data), *levels)
        now = datetime.now(UTC)
        result = self._enricher.enrich(entity, now, data["enrichment_entity"].get("created_at"))
        _report(result, self._enricher.searches_left, message)
        if error := total_failure(result.outcomes):
            raise error
        if not result.outcomes:
            return reason_not_asked(entity), []
        return summary(entity.value, result, now), _with_markings(result.objects, known, entity_markings(data, known))

    def _observable(self, message: Message) -> tuple[str, str]:
        """The type and the value to look up.

        Raises:
            _Skipped: the entity must not be looked up.
        """
        found = message.data["enrichment_entity"]["entity_type"]
        entity_type = self._scope.get(found.lower())
        if entity_type is None:
            message.log("debug", "Skipped", outcome="out_of_scope")
            raise _Skipped(f"{found} is not in the scope of this connector")
        if self._author and not message.is_deliberate and message.is_by(self._author):
            message.log("debug", "Skipped", outcome="own")
            why = "" if message.mode else "; this OpenCTI does not report whether a person requested it"
            raise _Skipped(f"this connector is its author, and PDNS_SKIP_OWN is on{why}")
        try:
            return entity_type, canonical(entity_type, message.data["stix_entity"]["value"])
        except Unusable as why:
            message.log("debug", "Skipped", outcome="no_observable")
            raise _Skipped(f"not a single IP address or domain name ({why})") from why


class _Skipped(Exception):
    """Why an entity is not looked up."""


def _with_markings(added: list[StixObject], known: list[StixObject], own: list[StixObject]) -> list[StixObject]:
    """Add the entity's own markings, all as OpenCTI has them, since it renames a marking to what it receives."""
    by_id = {marking["id"]: marking for marking in known + own}
    return [by_id.get(item["id"], item) for item in added] + own if added else []


def _report(result: Result, searches_left: Mapping[str, float], message: Message) -> None:
    """Log and count the outcomes of the sources and the records."""
    for source, failure in [(outcome.source.key, outcome.failure) for outcome in result.outcomes if outcome.failure]:
        metrics.SOURCE_FAILURES.labels(source, metrics.failure_kind(type(failure))).inc()
    by_source = {item.source.key: str(item.failure or len(item.records)) for item in result.outcomes}
    cached = any(outcome.cached_since for outcome in result.outcomes)
    message.log("debug", "Answered", records=result.records, sources=by_source, cached=cached, quota_left=searches_left)
    if not result.answered:
        return
    found = result.enrichment
    metrics.count_records(found.kept, found.left_out + Counter({"unreadable row": found.unreadable}))
    outcome = "added" if result.objects else "nothing_usable" if result.records else "nothing_known"
    added = {"observables": found.observables, "relationships": len(found.relations)}
    message.log("debug", "Converted", outcome=outcome, **added, left_out=found.left_out.total() + found.unreadable)
