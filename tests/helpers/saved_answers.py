"""Look-ups of answers that a test saves to a file."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from passivedns.commands.answer_file import enricher_of_file
from passivedns.commands.lookup import observable
from passivedns.report.lookup import Lookup
from passivedns.settings.model import PdnsSettings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def save(folder: Path, value: str, records: list[Any]) -> Path:
    """Save an answer in PassiveTotal's form."""
    path = folder / f"{value}.json"
    path.write_text(json.dumps({"queryValue": value, "results": records}))
    return path


def lookup_of(folder: Path, value: str, records: list[Any]) -> Lookup:
    """The look-up of `main.py lookup --file` for an answer of PassiveTotal."""
    _, enricher = enricher_of_file(save(folder, value, records), ["riskiq"], [value], PdnsSettings(max_relationships=0))
    entity = observable(value)
    return Lookup(entity, enricher.enrich(entity, NOW), enricher.publisher)


def seen(
    record_type: str, kind: str, resolve: str, first: str | None, last: str | None, *sensors: str
) -> dict[str, Any]:
    """A record in PassiveTotal's form; dates are ISO 8601."""
    record = {"recordType": record_type, "resolveType": kind, "resolve": resolve, "source": list(sensors)}
    return record | {"firstSeen": first, "lastSeen": last}
