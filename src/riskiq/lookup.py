"""One look-up as the daemon makes it, but for OpenCTI: the value alone, and what PassiveTotal knows of it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from riskiq import stix
from riskiq.bundle import bundled
from riskiq.converter import Enrichment, Entity, canonical_value
from riskiq.enrichment import Wanted, enrich
from riskiq.errors import BadAnswer, ConnectorError
from riskiq.records import Answer, Quota, parse_records
from riskiq.values import Unusable, is_address
from riskiq.wording import counted, listed

EVERYTHING = datetime(1970, 1, 1, tzinfo=UTC)
"""Before all that can have been seen: PassiveTotal writes the Unix epoch where it does not know a date."""


class Source(Protocol):
    """What answers questions about passive DNS: PassiveTotal, or one of its answers that was saved."""

    def passive_dns(self, value: str, since: datetime) -> Answer:
        """The records last seen after `since` (UTC); raises ConnectorError."""

    def quota(self) -> Quota:
        """What was spent; raises ConnectorError."""


class NoObservable(ConnectorError):
    """The value is no single address or name, so nothing can be asked about it."""


class Lookup(NamedTuple):
    """What came of one value."""

    entity: Entity
    since: datetime
    """UTC; records that were last seen before it were not asked for."""
    records: int
    """How many records were answered."""
    enrichment: Enrichment

    @property
    def period(self) -> str:
        """How far the look-up went back, in words."""
        return "all records" if self.since <= EVERYTHING else f"records seen since {self.since:%Y-%m-%d}"

    @property
    def summary(self) -> str:
        """What was counted, on one line or, where something was left out, on two."""
        if not self.records:
            return "No record is known."
        kept, left_out = self.enrichment.kept, self.enrichment.left_out
        text = f"{counted(len(self.enrichment.relations), 'relationship')} from {counted(self.records, 'record')}"
        if kept:
            text += f": {listed(kept)}"
        return f"{text}\nLeft out {left_out.total():,}: {listed(left_out)}" if left_out else text

    def bundle_objects(self) -> list[stix.StixObject]:
        """What the daemon would send outside a playbook; empty where it would send nothing."""
        entity = {"type": stix.STIX_TYPES[self.entity.type], "spec_version": "2.1"}
        bare = entity | {"id": self.entity.id, "value": self.entity.value}
        return bundled([bare], self.enrichment.objects) if self.enrichment.objects else []


class SavedAnswer:
    """One answer of `/v2/dns/passive` in a file; it costs nothing."""

    def __init__(self, path: Path) -> None:
        """Raises ConnectorError where the file cannot be read or holds something else."""
        try:
            answer: Any = json.loads(path.read_bytes())
            self._records = parse_records(answer)
        except OSError as error:
            raise ConnectorError(f"{path} cannot be read: {error.strerror}.") from error
        except (ValueError, RecursionError) as error:
            raise ConnectorError(f"{path} is no JSON.") from error
        except BadAnswer as error:
            raise ConnectorError(f"{path} holds no answer of PassiveTotal: there is no list of results.") from error
        self._path = path
        self.value = str(answer.get("queryValue") or "")
        """What was asked for; empty where the answer does not say."""

    def passive_dns(self, value: str, since: datetime) -> Answer:
        """The records last seen after `since`; raises ConnectorError where the file answers another question."""
        if self.value and observable(self.value).value != value:
            raise ConnectorError(f"{self._path} answers {self.value}, not {value}.")
        return Answer([record for record in self._records if not record.last_seen or record.last_seen >= since])

    def quota(self) -> Quota:
        return Quota(())


def observable(text: str) -> Entity:
    """The observable that a value is, with OpenCTI's id and no markings.

    Raises:
        NoObservable: it is none that can be looked up.
    """
    value = text.strip()
    entity_type = ("IPv6-Addr" if ":" in value else "IPv4-Addr") if is_address(value) else "Domain-Name"
    try:
        value = canonical_value(entity_type, value)
    except Unusable as reason:
        raise NoObservable(f"{text} was not looked up: it is no single address or name ({reason}).") from None
    return Entity(stix.observable_id(entity_type, value), entity_type, value, [])


def look_up(source: Source, entity: Entity, since: datetime, now: datetime, wanted: Wanted) -> Lookup:
    """What `source` knows of an observable since a moment; `now` stamps the STIX objects; both in UTC.

    Raises:
        ConnectorError: there is no answer; the class says why.
    """
    records = source.passive_dns(entity.value, since).records
    return Lookup(entity, since, len(records), enrich(entity, records, wanted, now))
