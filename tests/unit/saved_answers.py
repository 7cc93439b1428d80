"""Look-ups of answers that a test writes into a file."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from passivedns.lookup import EVERYTHING, Lookup, SavedAnswer, look_up, observable

from passivedns.enrichment import Wanted

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def save(folder: Path, value: str, records: list[Any]) -> Path:
    """A file as PassiveTotal would have answered."""
    path = folder / f"{value}.json"
    path.write_text(json.dumps({"queryValue": value, "results": records}))
    return path


def lookup_of(
    folder: Path,
    value: str,
    records: list[Any],
    *,
    since: datetime = EVERYTHING,
    wanted: Wanted = Wanted(),  # noqa: B008  # it cannot be changed
) -> Lookup:
    source = SavedAnswer(save(folder, value, records))
    return look_up(source, observable(value), since, NOW, wanted)


def seen(
    record_type: str, kind: str, resolve: str, first: str | None, last: str | None, *sources: str
) -> dict[str, Any]:
    """A record in PassiveTotal's form; dates are ISO 8601."""
    record = {"recordType": record_type, "resolveType": kind, "resolve": resolve, "source": list(sources)}
    return record | {"firstSeen": first, "lastSeen": last}
