"""Renders look-ups for programs: JSON, CSV and STIX 2.1."""

import csv
import io
import json
import uuid
from collections.abc import Iterable
from datetime import datetime

from passivedns.model import Relation, Tally
from passivedns.query.outcome import Outcome
from passivedns.report.lookup import Lookup
from passivedns.stix.objects import timestamp

_COLUMNS = (
    *("query", "record_types", "relationship", "direction", "value", "type"),
    *("first_seen", "last_seen", "sources", "sensors"),
)


def as_json(lookups: Iterable[Lookup], indent: int | None = None) -> str:
    """One JSON object per look-up, each on one line unless indented; times are in UTC as sent to OpenCTI."""
    return "".join(json.dumps(_summary(lookup), indent=indent) + "\n" for lookup in lookups)


def as_csv(lookups: Iterable[Lookup]) -> str:
    """A header and one line per relationship (RFC 4180); `;` separates several types, sources or sensors."""
    text = io.StringIO()
    table = csv.DictWriter(text, _COLUMNS)
    table.writeheader()
    for lookup in lookups:
        for relation in lookup.relations:
            sources = [key for key, _ in relation.sources]
            sensors = list(dict.fromkeys(sensor for _, sensors in relation.sources for sensor in sensors))
            fields = {"query": lookup.entity.value, **_fields(relation), "sources": sources, "sensors": sensors}
            table.writerow({name: _cell(value) for name, value in fields.items()})
    return text.getvalue()


def as_stix(lookups: Iterable[Lookup], indent: int | None = None) -> str:
    """One STIX 2.1 bundle per look-up, each on one line unless indented; none if the daemon would send none."""
    bundles = [
        {"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "spec_version": "2.1", "objects": objects}
        for lookup in lookups
        if (objects := lookup.bundle_objects())
    ]
    return "".join(json.dumps(bundle, indent=indent) + "\n" for bundle in bundles)


def _summary(lookup: Lookup) -> dict[str, object]:
    return {
        "query": lookup.entity.value,
        "type": lookup.entity.type,
        "since": timestamp(lookup.result.since),
        "records": lookup.result.records,
        "sources": {
            outcome.source.key: _outcome(outcome, lookup.result.enrichment.tallies[outcome.source.key])
            for outcome in lookup.result.outcomes
        },
        "kept": dict(lookup.result.enrichment.kept),
        "left_out": dict(lookup.result.enrichment.left_out),
        "unreadable": lookup.result.enrichment.unreadable,
        "relationships": [_fields(relation) | {"sources": dict(relation.sources)} for relation in lookup.relations],
    }


def _outcome(outcome: Outcome, tally: Tally) -> dict[str, object]:
    """The failure of a source, or its rows: `records` is the sum of `kept`, `left_out` and `unreadable`."""
    if outcome.failure:
        return {"failure": str(outcome.failure)}
    moments = {"newest_outside_window": outcome.newest_older, "cached_since": outcome.cached_since}
    return {
        "records": outcome.received,
        "kept": tally.kept.total(),
        "left_out": dict(tally.left_out),
        "unreadable": tally.unreadable,
        "complete": outcome.complete,
        **{name: _moment(moment) for name, moment in moments.items() if moment},
    }


def _fields(relation: Relation) -> dict[str, object]:
    return {
        "record_types": list(relation.record_types),
        "relationship": relation.type,
        "direction": "in" if relation.reverse else "out",
        "value": relation.value,
        "type": relation.value_type,
        "first_seen": _moment(relation.first_seen),
        "last_seen": _moment(relation.last_seen),
    }


def _moment(moment: datetime | None) -> str | None:
    return timestamp(moment) if moment else None


def _cell(field: object) -> str:
    """A field as text; in a list, names that contain a semicolon are quoted."""
    if not isinstance(field, list):
        return _inert(str(field or ""))
    text = io.StringIO()
    csv.writer(text, delimiter=";", lineterminator="").writerow(map(_inert, field))
    return text.getvalue()


def _inert(text: str) -> str:
    """Spreadsheets execute formulas, which mailboxes and names of sensors can look like."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
