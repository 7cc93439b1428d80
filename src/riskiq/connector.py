"""Who may be enriched, what goes back to OpenCTI, and what the operator reads there."""

import copy
import threading
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any

from pycti import OpenCTIConnectorHelper

from riskiq import metrics, stix
from riskiq.authorship import is_own
from riskiq.client import RiskIQClient
from riskiq.converter import Enrichment, Entity, canonical_value
from riskiq.enrichment import Wanted, enrich
from riskiq.errors import ConnectorError, TlpRefused, Unforeseen
from riskiq.markings import entity_markings, strictest_tlp
from riskiq.message import Message
from riskiq.records import DnsRecord
from riskiq.values import Unusable
from riskiq.wording import ago, counted, listed

Outcome = tuple[str, list[stix.StixObject]]
"""What the work's text says, and what is added to the graph."""


class RiskIQConnector:
    """Answers each enrichment message with at most one bundle, in a playbook with exactly one."""

    def __init__(
        self,
        helper: OpenCTIConnectorHelper,
        client: RiskIQClient,
        *,
        scope: Collection[str],
        max_tlp: str | None,
        since: Callable[[datetime], datetime],
        skip_own: bool = False,
        wanted: Wanted = Wanted(),  # noqa: B008  # it cannot be changed
    ) -> None:
        """`scope` holds OpenCTI's names of the types to enrich, `max_tlp` a form such as `TLP:AMBER` or None for no
        limit; `since` tells how far a look-up at a moment (UTC) goes back; with `skip_own`, what this connector is the
        author of is not enriched; `wanted` tells what of an answer goes to OpenCTI.
        """
        self._helper = helper
        self._client = client
        self._scope = {entity_type.lower(): entity_type for entity_type in scope}
        self._max_tlp = max_tlp
        self._since = since
        self._skip_own = skip_own
        self._wanted = wanted
        self._lock = threading.Lock()
        self._under_way: set[Message] = set()

    def process(self, data: dict[str, Any]) -> str:
        """Enrich the entity of one message, as pycti hands it over; the returned text closes the work.

        Raises:
            ConnectorError: the enrichment failed; its text closes the work as an error.
        """
        # When the broker is lost, pycti begins the next message while this one runs and changes the helper under it.
        message = Message(data, copy.copy(self._helper))
        self._under_way.add(message)
        message.log("debug", "Begun")
        try:
            with self._lock:
                text = self._answer(message)
        except ConnectorError as error:
            kind = metrics.failure_kind(type(error))
            metrics.FAILURES.labels(kind).inc()
            message.log("warning", "Enrichment failed", outcome=kind, text=str(error))
            raise
        finally:
            self._under_way.discard(message)
        message.log("info", "Enrichment ended", text=text)
        return text

    @property
    def is_busy(self) -> bool:
        """Whether a message is under way."""
        return bool(self._under_way)

    def give_up(self, reason: str) -> None:
        """Close what is still under way as an error, and send playbooks on: the process is about to end."""
        # Side by side, so that one for which OpenCTI does not answer costs the others nothing.
        threads = [
            threading.Thread(target=message.give_up, args=[reason], daemon=True) for message in list(self._under_way)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _answer(self, message: Message) -> str:
        try:
            bundle = message.bundle([])
            try:
                text, additions = self._enrich(message)
                bundle = message.bundle(additions)
            finally:
                # pycti resumes a playbook only when a bundle comes back, whatever happened.
                message.send(bundle)
        except ConnectorError:
            raise
        except Exception as error:
            message.log("error", "An enrichment failed")
            raise Unforeseen(f"The connector failed ({type(error).__name__}); its log has the details.") from error
        return text

    def _enrich(self, message: Message) -> Outcome:
        data = message.data
        entity = data["enrichment_entity"]
        shown = _shown(entity.get("observable_value") or entity["standard_id"])
        markings = entity_markings(data)
        self._check_tlp(shown, strictest_tlp(markings))
        entity_type = self._scope.get(entity["entity_type"].lower())
        if entity_type is None:
            message.log("debug", "Skipped", outcome="out_of_scope")
            return f"{shown} was not looked up: {entity['entity_type']} is not in the scope of this connector", []
        if self._skip_own and is_own(data):
            message.log("debug", "Skipped", outcome="own")
            return f"{shown} was not looked up: this connector is its author, and RISKIQ_SKIP_OWN is on", []
        try:
            value = canonical_value(entity_type, data["stix_entity"]["value"])
        except Unusable as reason:
            message.log("debug", "Skipped", outcome="no_observable")
            return f"{shown} was not looked up: it is no single address or name ({reason})", []
        refs = [marking["id"] for marking in markings]
        text, additions = self._look_up(Entity(data["stix_entity"]["id"], entity_type, value, refs), message)
        return text, additions and markings + additions

    def _check_tlp(self, shown: str, tlp: str | None) -> None:
        if not self._helper.check_max_tlp(tlp, self._max_tlp):
            raise TlpRefused(
                f"{shown} was not sent to PassiveTotal: it is marked {_shown(str(tlp))}, above the maximum of "
                f"{self._max_tlp} (RISKIQ_MAX_TLP)."
            )

    def _look_up(self, entity: Entity, message: Message) -> Outcome:
        now = datetime.now(UTC)
        since = self._since(now)
        records, cached_since, searches_left = self._client.passive_dns(entity.value, since)
        message.log("debug", "Answered", records=len(records), cached=bool(cached_since), quota_left=searches_left)
        cached = f"; answered from the cache of {ago(now - cached_since)}" if cached_since else ""
        if not records:
            message.log("debug", "Skipped", outcome="nothing_known")
            return f"PassiveTotal knows no passive DNS records of {entity.value} since {since:%Y-%m-%d}{cached}", []
        enrichment = self._convert(entity, records, message, now)
        return _summary(entity.value, len(records), enrichment) + cached, enrichment.objects

    def _convert(self, entity: Entity, records: list[DnsRecord], message: Message, now: datetime) -> Enrichment:
        known_since = message.data["enrichment_entity"].get("created_at")
        with metrics.CONVERTING.time():
            enrichment = enrich(entity, records, self._wanted, now, known_since)
        metrics.count_records(enrichment.kept, enrichment.left_out)
        message.log(
            "debug",
            "Converted",
            outcome="added" if enrichment.objects else "nothing_usable",
            observables=enrichment.observables,
            relationships=len(enrichment.relations),
            left_out=enrichment.left_out.total(),
        )
        return enrichment


def _summary(value: str, records: int, enrichment: Enrichment) -> str:
    added = (
        f"{counted(enrichment.observables, 'observable')} and {counted(len(enrichment.relations), 'relationship')}"
        if enrichment.objects
        else "nothing"
    )
    text = f"Added {added} from {counted(records, 'passive DNS record')} of {value}"
    if enrichment.kept:
        text += f" ({listed(enrichment.kept)})"
    if enrichment.left_out:
        text += f"; left out {enrichment.left_out.total()}: {listed(enrichment.left_out)}"
    return text


def _shown(text: str) -> str:
    """A value of the platform on one line of bearable length."""
    return "".join(c if c.isprintable() else " " for c in text[:100])
