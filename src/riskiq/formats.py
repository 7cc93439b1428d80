"""Look-ups for machines: JSON, CSV and STIX 2.1."""

import csv
import io
import json
import uuid
from collections.abc import Iterable
from datetime import datetime

from riskiq.converter import Relation
from riskiq.lookup import Lookup
from riskiq.stix import StixObject, timestamp
from riskiq.timeline import newest_first

_Field = str | tuple[str, ...] | None

_COLUMNS = ("query", "record_types", "relationship", "direction", "value", "type", "first_seen", "last_seen", "sources")


def as_json(lookups: Iterable[Lookup]) -> str:
    """One JSON object a look-up and line; times are in UTC, as they go to OpenCTI."""
    return "".join(json.dumps(_summary(lookup)) + "\n" for lookup in lookups)


def as_csv(lookups: Iterable[Lookup]) -> str:
    """One line a relationship, below the names of the columns (RFC 4180); several types or sources have `;` between."""
    text = io.StringIO()
    table = csv.DictWriter(text, _COLUMNS)
    table.writeheader()
    for lookup in lookups:
        for relation in newest_first(lookup.enrichment.relations):
            fields = {"query": lookup.entity.value} | _fields(relation)
            table.writerow({name: _cell(value) for name, value in fields.items()})
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
        "relationships": [_fields(relation) for relation in newest_first(lookup.enrichment.relations)],
    }


def _fields(relation: Relation) -> dict[str, _Field]:
    return {
        "record_types": relation.record_types,
        "relationship": relation.type,
        "direction": "in" if relation.reverse else "out",
        "value": relation.value,
        "type": relation.value_type,
        "first_seen": _moment(relation.first_seen),
        "last_seen": _moment(relation.last_seen),
        "sources": relation.sources,
    }


def _moment(moment: datetime | None) -> str | None:
    return timestamp(moment) if moment else None


def _cell(field: _Field) -> str:
    """A field as text; in a list, a name that holds a semicolon is quoted as CSV quotes it."""
    if not isinstance(field, tuple):
        return _inert(field or "")
    text = io.StringIO()
    csv.writer(text, delimiter=";", lineterminator="").writerow(map(_inert, field))
    return text.getvalue()


def _inert(text: str) -> str:
    """Spreadsheets run what starts like a formula, and a mailbox or the name of a source may."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
