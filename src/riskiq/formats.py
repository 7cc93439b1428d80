"""Look-ups for machines: JSON, CSV and STIX 2.1."""

import csv
import io
import json
import uuid
from collections.abc import Iterable
from datetime import datetime

from riskiq.lookup import Lookup
from riskiq.stix import StixObject, timestamp
from riskiq.timeline import Row, rows

_COLUMNS = ("query", "record_types", "relationship", "direction", "value", "type", "first_seen", "last_seen", "sources")


def as_json(lookups: Iterable[Lookup]) -> str:
    """One JSON object a look-up and line; times are in UTC, as they go to OpenCTI."""
    return "".join(json.dumps(_summary(lookup)) + "\n" for lookup in lookups)


def as_csv(lookups: Iterable[Lookup]) -> str:
    """One line a relationship, below the names of the columns (RFC 4180)."""
    text = io.StringIO()
    table = csv.DictWriter(text, _COLUMNS)
    table.writeheader()
    for lookup in lookups:
        for row in rows(lookup.entity, lookup.enrichment):
            fields = {"query": lookup.entity.value} | _fields(row)
            table.writerow({name: _inert(value or "") for name, value in fields.items()})
    return text.getvalue()


def as_stix(lookups: Iterable[Lookup]) -> str:
    """One STIX 2.1 bundle a look-up and line, none where the daemon would send none."""
    contents = [lookup.bundle_objects() for lookup in lookups]
    return "".join(json.dumps(_bundle(objects)) + "\n" for objects in contents if objects)


def _bundle(objects: list[StixObject]) -> StixObject:
    """In the form that pycti gives it."""
    return {"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "spec_version": "2.1", "objects": objects}


def _summary(lookup: Lookup) -> dict[str, object]:
    return {
        "query": lookup.entity.value,
        "type": lookup.entity.type,
        "since": timestamp(lookup.since),
        "records": lookup.records,
        "kept": dict(lookup.enrichment.kept),
        "left_out": dict(lookup.enrichment.left_out),
        "relationships": [_nested(row) for row in rows(lookup.entity, lookup.enrichment)],
    }


def _nested(row: Row) -> dict[str, object]:
    lists = {"record_types": row.record_types.split(", "), "sources": row.sources.split(", ") if row.sources else []}
    return {**_fields(row), **lists}


def _fields(row: Row) -> dict[str, str | None]:
    return {
        "record_types": row.record_types,
        "relationship": row.relationship,
        "direction": "in" if row.reverse else "out",
        "value": row.value,
        "type": row.type,
        "first_seen": _moment(row.first_seen),
        "last_seen": _moment(row.last_seen),
        "sources": row.sources,
    }


def _moment(moment: datetime | None) -> str | None:
    return timestamp(moment) if moment else None


def _inert(text: str) -> str:
    """Spreadsheets run what starts like a formula, and a mailbox or the name of a source may."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
