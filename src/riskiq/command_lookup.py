"""`main.py lookup`: values looked up one after the other, and then shown."""

import sys
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from riskiq.account import client_of, load_account, wanted_of
from riskiq.check import in_words
from riskiq.converter import Entity
from riskiq.enrichment import Wanted
from riskiq.errors import BadAnswer, ConnectorError, RequestRefused
from riskiq.formats import as_csv, as_json, as_stix
from riskiq.lookup import EVERYTHING, Lookup, NoObservable, SavedAnswer, Source, look_up, observable
from riskiq.settings import RiskIQSettings
from riskiq.settings import since as moment_before
from riskiq.table import report
from riskiq.wording import counted, printable

# They are about one value; all others would meet the next value as well.
_OF_ONE_VALUE = (BadAnswer, RequestRefused)


class Question(NamedTuple):
    """What the operator asks, and how the answer is to look."""

    values: Sequence[str]
    format: str
    """`table`, `json`, `csv`, `stix` or `html`."""
    file: Path | None
    since: datetime | None
    """UTC; None for the window of the settings, or for all of a file."""
    record_types: Collection[str]
    """None of them stands for those of the settings."""


def run(question: Question) -> int:
    """Print the answers on stdout and the rest on stderr; 0 where every value was looked up, else 1.

    Raises:
        ConnectorError: there is nothing to look up, or no way to do it.
    """
    now = datetime.now(UTC)
    riskiq = load_account(with_credentials=not question.file)
    source, since = _source(question, riskiq, now)
    entities, all_usable = _observables(question.values or [_asked_for(source)])
    lookups = _look_up_all(source, entities, _wanted(question, riskiq), since, now)
    if lookups:
        _show(lookups, question.format, now)
        _tell_quota(source)
    return 0 if all_usable and len(lookups) == len(entities) else 1


def _source(question: Question, riskiq: RiskIQSettings, now: datetime) -> tuple[Source, datetime]:
    """Who is asked, and how far back."""
    if question.file:
        return SavedAnswer(question.file), question.since or EVERYTHING
    return client_of(riskiq), question.since or moment_before(riskiq.import_last_seen_time_window, now)


def _wanted(question: Question, riskiq: RiskIQSettings) -> Wanted:
    wanted = wanted_of(riskiq)
    return wanted._replace(record_types=question.record_types or wanted.record_types)


def _asked_for(source: Source) -> str:
    value = source.value if isinstance(source, SavedAnswer) else ""
    if not value:
        raise ConnectorError("Nothing says what is to be looked up; name a value.")
    return value


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


def _look_up_all(
    source: Source, entities: Sequence[Entity], wanted: Wanted, since: datetime, now: datetime
) -> list[Lookup]:
    """The look-ups that went well; what is wrong with all of them ends it, so that no search is wasted."""
    lookups: list[Lookup] = []
    with _progress(len(entities)) as progress:
        for number, entity in enumerate(progress.track(entities, description="Looking up"), start=1):
            try:
                lookups.append(look_up(source, entity, since, now, wanted))
            except _OF_ONE_VALUE as error:
                _say(f"{entity.value}: {error}")
            except (ConnectorError, KeyboardInterrupt) as error:
                _say(f"{entity.value}: {str(error) or 'interrupted.'}")
                if number < len(entities):
                    _say(f"{counted(len(entities) - number, 'more value')} not looked up.")
                break
    return lookups


def _progress(steps: int) -> Progress:
    """A bar on stderr while there is something to wait for, and somebody who sees it."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=steps < 2 or not console.is_terminal)


def _show(lookups: Sequence[Lookup], form: str, now: datetime) -> None:
    match form:
        case "json":
            sys.stdout.write(as_json(lookups))
        case "csv":
            sys.stdout.write(as_csv(lookups))
        case "stix":
            sys.stdout.write(as_stix(lookups))
        case "html":
            _show_page(lookups, now)
        case _:
            _show_tables(lookups)
    if form in ("csv", "stix"):
        for lookup in lookups:
            _say(f"{lookup.entity.value}, {lookup.period}: {lookup.summary}")


def _show_page(lookups: Sequence[Lookup], now: datetime) -> None:
    # Jinja takes a while to load, and no other form needs it.
    from riskiq.page import page

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write(page(lookups, now))


def _show_tables(lookups: Sequence[Lookup]) -> None:
    console = Console(highlight=False)
    for number, lookup in enumerate(lookups):
        console.print(*([""] if number else []), report(lookup), sep="\n")


def _tell_quota(source: Source) -> None:
    try:
        allowances = source.quota().allowances
    except ConnectorError as error:
        _say(f"The quota cannot be read. {error}")
        return
    for allowance in allowances:
        _say(f"Quota of the {in_words(allowance)}.")


def _say(text: str) -> None:
    print(printable(text), file=sys.stderr)
