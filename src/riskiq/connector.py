"""Who may be enriched, what goes back to OpenCTI, and what the operator reads there."""

import copy
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from pycti import OpenCTIConnectorHelper

from riskiq import stix
from riskiq.client import RiskIQClient
from riskiq.converter import Enrichment, Entity, canonical_value, convert
from riskiq.errors import ConnectorError, NotSent, PlatformError, TlpRefused, Unforeseen
from riskiq.markings import entity_markings, strictest_tlp
from riskiq.settings import Settings, helper_config, since
from riskiq.values import Unusable

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
    ) -> None:
        """`scope` holds OpenCTI's names of the types to enrich, `max_tlp` a form such as `TLP:AMBER` or None for no
        limit; `since` tells how far a look-up at a moment (UTC) goes back.
        """
        self._helper = helper
        self._client = client
        self._scope = {entity_type.lower(): entity_type for entity_type in scope}
        self._max_tlp = max_tlp
        self._since = since
        self._lock = threading.Lock()

    @classmethod
    def boot(cls, settings: Settings) -> "RiskIQConnector":
        """Register with OpenCTI.

        Raises:
            PlatformError: OpenCTI cannot be reached, or refuses this connector.
        """
        try:
            helper = OpenCTIConnectorHelper(helper_config(settings), playbook_compatible=True)
        except Exception as error:
            raise PlatformError(f"OpenCTI at {settings.opencti.url} cannot be used: {error}") from error
        for warning in settings.warnings():
            helper.connector_logger.warning(warning)
        riskiq = settings.riskiq
        client = RiskIQClient(
            riskiq.api_base_url,
            riskiq.username.get_secret_value(),
            riskiq.api_key.get_secret_value(),
            timeout=riskiq.request_timeout,
            max_retries=riskiq.max_retries,
            retry_backoff=riskiq.retry_backoff,
        )
        window = partial(since, riskiq.import_last_seen_time_window)
        return cls(helper, client, scope=settings.connector.scope, max_tlp=riskiq.max_tlp, since=window)

    def run(self) -> None:
        """Listen until the process ends."""
        self._helper.listen(message_callback=self.process)

    def process(self, data: dict[str, Any]) -> str:
        """Enrich the entity of one message, as pycti hands it over; the returned text closes the work.

        Raises:
            ConnectorError: the enrichment failed; its text closes the work as an error.
        """
        # When the broker is lost, pycti begins the next message while this one runs and changes the helper under it.
        helper = copy.copy(self._helper)
        with self._lock:
            return self._answer(data, helper)

    def _answer(self, data: dict[str, Any], helper: OpenCTIConnectorHelper) -> str:
        additions: list[stix.StixObject] = []
        try:
            text, additions = self._enrich(data)
        except ConnectorError:
            raise
        except Exception as error:
            helper.connector_logger.error("An enrichment failed", {"entity_id": data.get("entity_id")})
            raise Unforeseen(f"The connector failed ({type(error).__name__}); its log has the details.") from error
        finally:
            # pycti resumes a playbook only when a bundle comes back, whatever happened.
            _send(helper, data, additions)
        helper.connector_logger.info(text, {"entity_id": data["entity_id"]})
        return text

    def _enrich(self, data: dict[str, Any]) -> Outcome:
        entity = data["enrichment_entity"]
        shown = _shown(entity.get("observable_value") or entity["standard_id"])
        markings = entity_markings(data)
        self._check_tlp(shown, strictest_tlp(markings))
        entity_type = self._scope.get(entity["entity_type"].lower())
        if entity_type is None:
            return f"{shown} was not looked up: {entity['entity_type']} is not in the scope of this connector", []
        try:
            value = canonical_value(entity_type, data["stix_entity"]["value"])
        except Unusable as reason:
            return f"{shown} was not looked up: it is no single address or name ({reason})", []
        refs = [marking["id"] for marking in markings]
        text, additions = self._look_up(Entity(data["stix_entity"]["id"], entity_type, value, refs))
        return text, additions and markings + additions

    def _check_tlp(self, shown: str, tlp: str | None) -> None:
        if not self._helper.check_max_tlp(tlp, self._max_tlp):
            raise TlpRefused(
                f"{shown} was not sent to PassiveTotal: it is marked {tlp}, above the maximum of {self._max_tlp} "
                "(RISKIQ_MAX_TLP)."
            )

    def _look_up(self, entity: Entity) -> Outcome:
        now = datetime.now(UTC)
        since = self._since(now)
        records = self._client.passive_dns(entity.value, since)
        if not records:
            return f"PassiveTotal knows no passive DNS records of {entity.value} since {since:%Y-%m-%d}", []
        enrichment = convert(entity, records, created=now)
        return _summary(entity.value, len(records), enrichment), enrichment.objects


def _send(helper: OpenCTIConnectorHelper, data: dict[str, Any], additions: list[stix.StixObject]) -> None:
    """Send one bundle: in a playbook the received objects with the additions, else the additions, if there are any."""
    if helper.playbook is None and not additions:
        return
    received = [_stub(data["stix_entity"])] if helper.playbook is None else data["stix_objects"]
    bundle = helper.stix2_create_bundle([*received, *_new(additions, {item["id"] for item in received})])
    try:
        helper.send_stix2_bundle(bundle, work_id=helper.work_id, cleanup_inconsistent_bundle=True)
    except Exception as error:
        raise NotSent(f"OpenCTI did not take the result ({type(error).__name__}: {error})") from error


def _stub(entity: dict[str, Any]) -> stix.StixObject:
    """The entity bare, since what is sent of it overwrites what analysts wrote."""
    return {key: entity[key] for key in ("type", "spec_version", "id", "value")}


def _new(additions: Iterable[stix.StixObject], received: set[str]) -> list[stix.StixObject]:
    """Each addition once, and none that was received: what came stays as it came."""
    return [item for item_id, item in {item["id"]: item for item in additions}.items() if item_id not in received]


def _summary(value: str, records: int, enrichment: Enrichment) -> str:
    added = (
        f"{_count(enrichment.observables, 'observable')} and {_count(enrichment.relationships, 'relationship')}"
        if enrichment.objects
        else "nothing"
    )
    text = f"Added {added} from {_count(records, 'passive DNS record')} of {value}"
    if enrichment.kept:
        text += f" ({_listed(enrichment.kept)})"
    if enrichment.left_out:
        text += f"; left out {enrichment.left_out.total()}: {_listed(enrichment.left_out)}"
    return text


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _listed(counts: Counter[str], longest: int = 12) -> str:
    """The most frequent first; a hostile answer may hold thousands of record types."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(number for _, number in ranked[longest:])
    return ", ".join(f"{name} {number}" for name, number in [*ranked[:longest], *([("others", rest)] if rest else [])])


def _shown(text: str) -> str:
    """A value of the platform on one line of bearable length."""
    return "".join(c if c.isprintable() else " " for c in text[:100])
