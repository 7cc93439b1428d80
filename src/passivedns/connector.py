"""Answers enrichment messages: decides whether to look an observable up, sends one bundle and words the work."""

import copy
from collections import Counter
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from pycti import OpenCTIConnectorHelper

from passivedns import metrics
from passivedns.converter import canonical_value
from passivedns.delivery.waiting import wait_for_sources
from passivedns.enrichment import Enricher, Result
from passivedns.errors import ConnectorError, SourceError, Unforeseen
from passivedns.model import Entity
from passivedns.opencti.message import Message
from passivedns.stix.builder import AUTHOR_ID
from passivedns.stix.markings import entity_markings, references, strictest_pap, strictest_tlp
from passivedns.stix.objects import StixObject
from passivedns.stix.values import Unusable
from passivedns.summary import failed, not_asked, summary
from passivedns.text import one_line


class RiskIQConnector:
    """Answers each enrichment message with at most one bundle, in a playbook with exactly one."""

    def __init__(
        self, helper: OpenCTIConnectorHelper, enricher: Enricher, *, scope: Collection[str], skip_own: bool = False
    ) -> None:
        """`scope` has OpenCTI's names of the types to enrich.

        With `skip_own`, automatic runs skip entities whose author is this connector.
        """
        self.helper = helper
        self._enricher = enricher
        self._scope = {entity_type.lower(): entity_type for entity_type in scope}
        self._author = AUTHOR_ID if skip_own else ""

    def run(self) -> None:
        """Listen for messages, until pycti's listener ends."""
        self.helper.listen(message_callback=self.process)

    def process(self, data: dict[str, Any]) -> str:
        """Enrich the entity of one message, in the form that pycti passes to its callback; return the text of the work.

        Raises:
            ConnectorError: the enrichment failed; its text closes the work as an error.
        """
        # pycti keeps the state of a message in its helper, where the next message overwrites it.
        message = Message(data, copy.copy(self.helper))
        message.log("debug", "Begun")
        try:
            text = self._answer(message)
        except ConnectorError as error:
            kind = metrics.failure_kind(type(error))
            metrics.FAILURES.labels(kind).inc()
            value = data.get("enrichment_entity", {}).get("observable_value")
            message.log("warning", "Enrichment failed", value=value, outcome=kind, text=str(error))
            raise
        message.log("info", "Enrichment ended", text=text)
        return text

    def _answer(self, message: Message) -> str:
        try:
            bundle = message.bundle([])
            try:
                text, additions = self._enrich(message)
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

    def _enrich(self, message: Message) -> tuple[str, list[StixObject]]:
        """Return the text of the work, and the objects to add."""
        while True:
            try:
                return self._enrich_now(message)
            except SourceError as error:
                if not wait_for_sources(message, error):
                    raise

    def _enrich_now(self, message: Message) -> tuple[str, list[StixObject]]:
        data = message.data
        shown = one_line(data["enrichment_entity"].get("observable_value") or data["enrichment_entity"]["standard_id"])
        if reason := self._reason_to_skip(message):
            return f"{shown} was not looked up: {reason}", []
        entity_type = self._scope[data["enrichment_entity"]["entity_type"].lower()]
        try:
            value = canonical_value(entity_type, data["stix_entity"]["value"])
        except Unusable as why:
            message.log("debug", "Skipped", outcome="no_observable")
            return f"{shown} was not looked up: not a single IP address or domain name ({why})", []
        known = message.markings()
        message.refresh()
        markings = entity_markings(data, known)
        # A playbook's entity may refer to a marking that the connector's user does not see.
        levels = strictest_tlp(data, known), strictest_pap(data, known)
        entity = Entity(data["stix_entity"]["id"], entity_type, value, references(data), *levels)
        text, additions = self._look_up(entity, message)
        # OpenCTI renames a marking to what it receives, so those of the sources are sent as it has them, too.
        named = {marking["id"]: marking for marking in known + markings}
        return text, [named.get(item["id"], item) for item in additions] + markings if additions else []

    def _reason_to_skip(self, message: Message) -> str:
        """Return why the entity must not be looked up, or an empty text."""
        entity_type = message.data["enrichment_entity"]["entity_type"]
        if entity_type.lower() not in self._scope:
            message.log("debug", "Skipped", outcome="out_of_scope")
            return f"{entity_type} is not in the scope of this connector"
        if self._author and not message.is_deliberate and message.is_by(self._author):
            message.log("debug", "Skipped", outcome="own")
            why = "" if message.mode else "; this OpenCTI does not report whether a person requested it"
            return f"this connector is its author, and PDNS_SKIP_OWN is on{why}"
        return ""

    def _look_up(self, entity: Entity, message: Message) -> tuple[str, list[StixObject]]:
        now = datetime.now(UTC)
        result = self._enricher.enrich(entity, now, message.data["enrichment_entity"].get("created_at"))
        _report(result, self._enricher.searches_left, message)
        if error := failed(result.outcomes):
            raise error
        if not result.outcomes:
            return not_asked(entity), []
        return summary(entity.value, result, now), result.objects


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
