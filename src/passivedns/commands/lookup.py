"""`main.py lookup`: looks up values one after the other and prints the answers."""

import re
import sys
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from passivedns.assembly import enricher_of
from passivedns.commands import typed
from passivedns.commands.answer_file import enricher_of_file
from passivedns.commands.terminal import say
from passivedns.enrichment import Enricher, Result
from passivedns.errors import BadAnswer, NoAnswer, RequestRefused, SourceError
from passivedns.model import Entity
from passivedns.query.outcome import EVERYTHING
from passivedns.report.formats import as_csv, as_json, as_stix
from passivedns.report.lookup import Lookup
from passivedns.report.table import table
from passivedns.settings.loading import load_lookup_settings
from passivedns.stix.objects import observable_id
from passivedns.stix.values import Unusable, canonical, is_address
from passivedns.summary import failure_texts, reason_not_asked, total_failure
from passivedns.text import allowance_in_words, and_list, one_line, quantity

# Failures that concern one value, unless the source is left alone; any other would hit the next value as well.
_OF_ONE_VALUE = (BadAnswer, NoAnswer, RequestRefused)
_PASSWORD = re.compile("//[^/@ ]*:[^/@ ]*@")


def run(
    values: Sequence[str],
    form: str,
    file: Path | None,
    sources: Sequence[str],
    since: datetime | None,
    record_types: Collection[str],
) -> int:
    """Print the answers on stdout and everything else on stderr; return 0 if every value was looked up, else 1.

    `form` is table, json, csv, stix or html; `file` is a saved answer that replaces the sources. `since` (UTC) is the
    start of the time window, None for no window. `record_types` and `sources` override the settings unless empty.
    Raises a ConnectorError if nothing can be looked up.
    """
    now = datetime.now(UTC)
    values, enricher = _values_and_enricher(values, file, sources)
    enricher = _within(enricher, since or EVERYTHING, record_types)
    found = [entity for value in values for entity in _observables(value)]
    entities = list({entity.id: entity for entity in found if entity}.values())
    lookups: list[Lookup] = []
    left = len(entities)
    with _progress() as progress:
        for entity in progress.track(entities, description="Looking up"):
            left -= 1
            try:
                result = enricher.enrich(entity, now)
            except KeyboardInterrupt:
                say(f"{entity.value}: interrupted.")
                break
            _say_failures(entity, result)
            if result.answered:
                lookups.append(Lookup(entity, result, enricher.publisher))
            elif not all(_is_of_one_value(outcome.failure) for outcome in result.outcomes):
                break
    if left:
        say(f"{quantity(left, 'more value')} not looked up.")
    if lookups:
        _show(lookups, form, now)
        _tell_quotas(enricher)
    return 0 if all(found) and len(lookups) == len(entities) else 1


def _values_and_enricher(
    values: Sequence[str], file: Path | None, sources: Sequence[str]
) -> tuple[Sequence[str], Enricher]:
    if file:
        return enricher_of_file(file, sources, values, load_lookup_settings(sources=[]).pdns)
    return values, enricher_of(load_lookup_settings(sources=sources or None))


def _within(enricher: Enricher, start: datetime, record_types: Collection[str]) -> Enricher:
    """The enricher for records last seen since `start` (UTC), of these types unless there are none."""
    sources = [replace(configured, since=lambda _: start, window_setting="--since") for configured in enricher.sources]
    return enricher._replace(sources=sources, record_types=record_types or enricher.record_types)


def observable(text: str) -> Entity:
    """The observable for a value, with OpenCTI's id and no markings.

    Raises:
        Unusable: it is not a single IP address or domain name.
    """
    value = text.strip()
    entity_type = ("IPv6-Addr" if ":" in value else "IPv4-Addr") if is_address(value) else "Domain-Name"
    value = canonical(entity_type, value)
    return Entity(observable_id(entity_type, value), entity_type, value)


def _observables(value: str) -> list[Entity | None]:
    """The observables in what a person typed, after saying what was understood; None for each refusal."""
    hosts = [value] if _is_plain(value) else typed.hosts(value)
    found = list(map(_observable, hosts))
    if looked_up := [entity.value for entity in found if entity and not _is_plain(value)]:
        say(f"{_PASSWORD.sub('//…@', one_line(value))}: looked up {and_list(looked_up)}.")
    return found


def _is_plain(value: str) -> bool:
    """Whether a value is a name or an address as OpenCTI has it, but for the case and the spelling of IPv6."""
    try:
        return value.isascii() and bool(observable(value))
    except Unusable:
        return False


def _observable(value: str) -> Entity | None:
    """The observable for a value, or None after saying why there is none."""
    try:
        return observable(value)
    except Unusable as reason:
        say(f"{one_line(value)} was not looked up: not a single IP address or domain name ({reason}).")
        return None


def _is_of_one_value(failure: Exception | None) -> bool:
    return isinstance(failure, _OF_ONE_VALUE) and not (isinstance(failure, SourceError) and failure.retry_in)


def _say_failures(entity: Entity, result: Result) -> None:
    """Print which sources failed, and why."""
    if not result.outcomes:
        say(f"{reason_not_asked(entity)}.")
    if error := total_failure(result.outcomes):
        say(f"{entity.value}: {error}")
    else:
        for text in failure_texts(result.outcomes):
            say(f"{entity.value}: {text}.")


def _progress() -> Progress:
    """A progress bar on stderr, shown only on a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _show(lookups: Sequence[Lookup], form: str, now: datetime) -> None:
    indent = 2 if sys.stdout.isatty() else None  # without indentation, each line is one document
    match form:
        case "json":
            sys.stdout.write(as_json(lookups, indent))
        case "csv":
            sys.stdout.write(as_csv(lookups))
        case "stix":
            sys.stdout.write(as_stix(lookups, indent))
        case "html":
            _show_page(lookups, now)
        case _:
            _show_tables(lookups)
    if form in ("csv", "stix"):
        for lookup in lookups:
            say(f"{lookup.entity.value}, {lookup.period}: {lookup.summary}")


def _show_page(lookups: Sequence[Lookup], now: datetime) -> None:
    from passivedns.report.page import page  # loads Jinja, which takes a while

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write(page(lookups, now))


def _show_tables(lookups: Sequence[Lookup]) -> None:
    console = Console(highlight=False)
    for number, lookup in enumerate(lookups):
        console.print(*([""] if number else []), table(lookup, console.options), sep="\n")


def _tell_quotas(enricher: Enricher) -> None:
    """Print what remains of each quota that was read during the look-ups."""
    for configured in enricher.sources:
        for allowance in configured.meter.quota.allowances:
            say(f"{configured.source.title} quota of the {allowance_in_words(allowance)}.")
