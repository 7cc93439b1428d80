"""Look-ups for machines: JSON, CSV and STIX 2.1."""

import csv
import io
import json
import uuid
from collections.abc import Iterable
from datetime import datetime

from passivedns.asking import Outcome
from passivedns.model import Relation
from passivedns.report.rows import Lookup
from passivedns.stix.objects import StixObject, timestamp

_COLUMNS = (
    *("query", "record_types", "relationship", "direction", "value", "type"),
    *("first_seen", "last_seen", "sources", "sensors"),
)


def as_json(lookups: Iterable[Lookup], indent: int | None = None) -> str:
    """One JSON object a look-up, each on one line unless indented; times are in UTC, as they go to OpenCTI."""
    return "".join(json.dumps(_summary(lookup), indent=indent) + "\n" for lookup in lookups)


def as_csv(lookups: Iterable[Lookup]) -> str:
    """One line a relationship, below the names of the columns (RFC 4180); `;` separates several types or sources."""
    text = io.StringIO()
    table = csv.DictWriter(text, _COLUMNS)
    table.writeheader()
    for lookup in lookups:
        for relation in lookup.relations:
            fields = {"query": lookup.entity.value} | _fields(relation) | _flat_sources(relation)
            table.writerow({name: _cell(value) for name, value in fields.items()})
    return text.getvalue()


def as_stix(lookups: Iterable[Lookup], indent: int | None = None) -> str:
    """One STIX 2.1 bundle a look-up, each on one line unless indented, none where the daemon would send none."""
    contents = [lookup.bundle_objects() for lookup in lookups]
    return "".join(json.dumps(_bundle(objects), indent=indent) + "\n" for objects in contents if objects)


def _bundle(objects: list[StixObject]) -> StixObject:
    """In the form that pycti gives it."""
    return {"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "spec_version": "2.1", "objects": objects}


def _summary(lookup: Lookup) -> dict[str, object]:
    return {
        "query": lookup.entity.value,
        "type": lookup.entity.type,
        "since": timestamp(lookup.since),
        "records": lookup.result.records,
        "sources": {outcome.source.key: _outcome(outcome) for outcome in lookup.result.outcomes},
        "kept": dict(lookup.result.enrichment.kept),
        "left_out": dict(lookup.result.enrichment.left_out),
        "relationships": [_fields(relation) | {"sources": dict(relation.sources)} for relation in lookup.relations],
    }


def _outcome(outcome: Outcome) -> dict[str, object]:
    if outcome.failure:
        return {"failure": str(outcome.failure)}
    cached = {"cached_since": timestamp(outcome.cached_since.replace(microsecond=0))} if outcome.cached_since else {}
    return {"records": len(outcome.records), "complete": outcome.complete, **cached}


def _fields(relation: Relation) -> dict[str, object]:
    return {
        "record_types": relation.record_types,
        "relationship": relation.type,
        "direction": "in" if relation.reverse else "out",
        "value": relation.value,
        "type": relation.value_type,
        "first_seen": _moment(relation.first_seen),
        "last_seen": _moment(relation.last_seen),
    }


def _flat_sources(relation: Relation) -> dict[str, tuple[str, ...]]:
    sensors = dict.fromkeys(sensor for _, sensors in relation.sources for sensor in sensors)
    return {"sources": tuple(key for key, _ in relation.sources), "sensors": tuple(sensors)}


def _moment(moment: datetime | None) -> str | None:
    return timestamp(moment) if moment else None


def _cell(field: object) -> str:
    """A field as text; in a list, a name that contains a semicolon is quoted as CSV quotes it."""
    if not isinstance(field, tuple):
        return _inert(str(field or ""))
    text = io.StringIO()
    csv.writer(text, delimiter=";", lineterminator="").writerow(map(_inert, field))
    return text.getvalue()


def _inert(text: str) -> str:
    """Spreadsheets run what starts like a formula, and a mailbox or the name of a source may."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
