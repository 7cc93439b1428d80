"""`main.py lookup`: values looked up one after the other, and then shown."""

import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from passivedns.assembly import enricher_of
from passivedns.commands.saved import enricher_of_file
from passivedns.converter import canonical_value
from passivedns.enrichment import Enricher, Result
from passivedns.errors import BadAnswer, ConnectorError, RequestRefused
from passivedns.model import Entity
from passivedns.report.formats import as_csv, as_json, as_stix
from passivedns.report.rows import Lookup
from passivedns.report.table import report
from passivedns.settings.loading import load_lookup_settings
from passivedns.stix.objects import observable_id
from passivedns.stix.values import Unusable, is_address
from passivedns.summary import failed, failure
from passivedns.wording import allowance_in_words, counted, printable

# They are about one value; all others would meet the next value as well.
_OF_ONE_VALUE = (BadAnswer, RequestRefused)


class Request(NamedTuple):
    """What the operator asks, and how the answer is to look."""

    values: Sequence[str]
    format: str
    """`table`, `json`, `csv`, `stix` or `html`."""
    file: Path | None
    since: datetime | None
    """UTC; None for the window of the settings, or for all of a file."""
    record_types: Collection[str]
    """None of them stands for those of the settings."""
    sources: Sequence[str]
    """None of them stands for those of the settings, or for the one that the file is from."""


class NoObservable(ConnectorError):
    """The value is not a single address or name, so nothing can be asked about it."""


def run(request: Request) -> int:
    """Print the answers on stdout and the rest on stderr; 0 where every value was looked up, else 1.

    Raises:
        ConnectorError: there is nothing to look up, or no way to do it.
    """
    now = datetime.now(UTC)
    values, enricher = _way(request)
    if since := request.since:
        enricher = enricher._replace(askers=[replace(asker, since=_always(since)) for asker in enricher.askers])
    if request.record_types:
        enricher = enricher._replace(record_types=request.record_types)
    entities, all_usable = _observables(values)
    lookups = _look_up_all(enricher, entities, now)
    if lookups:
        _show(lookups, request.format, now)
        _tell_budgets(enricher)
    return 0 if all_usable and len(lookups) == len(entities) else 1


def _way(request: Request) -> tuple[Sequence[str], Enricher]:
    """What is looked up, and where."""
    if not request.file:
        return request.values, enricher_of(load_lookup_settings(sources=request.sources or None))
    return enricher_of_file(request.file, request.sources, request.values, load_lookup_settings(sources=[]).pdns)


def _always(moment: datetime) -> Callable[[datetime], datetime]:
    return lambda _: moment


def observable(text: str) -> Entity:
    """The observable that a value is, with OpenCTI's id and no markings.

    Raises:
        NoObservable: it cannot be looked up.
    """
    value = text.strip()
    entity_type = ("IPv6-Addr" if ":" in value else "IPv4-Addr") if is_address(value) else "Domain-Name"
    try:
        value = canonical_value(entity_type, value)
    except Unusable as reason:
        raise NoObservable(f"{text} was not looked up: not a single IP address or domain name ({reason}).") from None
    return Entity(observable_id(entity_type, value), entity_type, value)


def _observables(values: Iterable[str]) -> tuple[list[Entity], bool]:
    """Each observable once, and whether every value is one."""
    entities, all_usable = {}, True
    for value in values:
        try:
            entity = observable(value)
            entities[entity.id] = entity
        except NoObservable as error:
            _say(str(error))
            all_usable = False
    return list(entities.values()), all_usable


def _look_up_all(enricher: Enricher, entities: Sequence[Entity], now: datetime) -> list[Lookup]:
    """The look-ups that went well; what is wrong with all of them ends it, so that no search is wasted."""
    lookups: list[Lookup] = []
    with _progress(len(entities)) as progress:
        for number, entity in enumerate(progress.track(entities, description="Looking up"), start=1):
            try:
                result = enricher.enrich(entity, now)
                _tell_failures(entity, result)
            except KeyboardInterrupt:
                _say(f"{entity.value}: interrupted.")
                result = None
            if result and result.answered:
                lookups.append(Lookup(entity, result, enricher.publisher))
            elif result is None or not _is_about_one_value(result):
                if number < len(entities):
                    _say(f"{counted(len(entities) - number, 'more value')} not looked up.")
                break
    return lookups


def _is_about_one_value(result: Result) -> bool:
    return all(isinstance(outcome.failure, _OF_ONE_VALUE) for outcome in result.outcomes)


def _tell_failures(entity: Entity, result: Result) -> None:
    if not result.outcomes:
        _say(f"{entity.value}: none of the sources covers {entity.type}.")
    if error := failed(result.outcomes):
        _say(f"{entity.value}: {error}")
        return
    for outcome in result.outcomes:
        if outcome.failure:
            _say(f"{entity.value}: {failure(outcome)}.")


def _progress(steps: int) -> Progress:
    """A bar on stderr while there is something to wait for, and somebody who sees it."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=steps < 2 or not console.is_terminal)


def _show(lookups: Sequence[Lookup], form: str, now: datetime) -> None:
    # For people it is indented, for programs a line is a document.
    indent = 2 if sys.stdout.isatty() else None
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
            _say(f"{lookup.entity.value}, {lookup.period}: {lookup.summary}")


def _show_page(lookups: Sequence[Lookup], now: datetime) -> None:
    # Jinja takes a while to load, and no other form needs it.
    from passivedns.report.page import page

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write(page(lookups, now))


def _show_tables(lookups: Sequence[Lookup]) -> None:
    console = Console(highlight=False)
    for number, lookup in enumerate(lookups):
        console.print(*([""] if number else []), report(lookup), sep="\n")


def _tell_budgets(enricher: Enricher) -> None:
    """What is left of each quota that was read on the way."""
    for asker in enricher.askers:
        for allowance in asker.meter.budget.allowances:
            _say(f"{asker.source.title} quota of the {allowance_in_words(allowance)}.")


def _say(text: str) -> None:
    print(printable(text), file=sys.stderr)
