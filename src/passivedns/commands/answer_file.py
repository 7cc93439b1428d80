"""Answers look-ups from a saved response of a source."""

from collections.abc import Sequence
from pathlib import Path

from passivedns.converter import convert
from passivedns.enrichment import Enricher
from passivedns.errors import BadAnswer, ConnectorError, SourceError
from passivedns.model import Answer, Entity, Question, Record
from passivedns.query.all_sources import ConfiguredSource
from passivedns.query.outcome import EVERYTHING
from passivedns.query.quota import QuotaMeter
from passivedns.settings.model import PdnsSettings
from passivedns.sources import SOURCES
from passivedns.sources.source import Client, Source
from passivedns.stix.builder import Publisher
from passivedns.transport.reply import MAX_BODY


class SavedAnswer(Client):
    """Answers from a file, without a search."""

    def __init__(self, path: Path, source: Source, body: bytes) -> None:
        """`body` is read up to `MAX_BODY`."""
        self._path = path
        self._source = source
        self._body = body

    def look_up(self, question: Question) -> Answer:
        """The records of the file.

        Raises:
            BadAnswer: they are about something else.
        """
        answer = _read(self._source, self._body, question.value)
        if _is_about(question, answer):
            return answer
        what = f"answers {answer.about}, not" if answer.about else "contains no record of"
        raise BadAnswer(f"{self._path} {what} {question.value}.")


def _read(source: Source, body: bytes, asked: str = "") -> Answer:
    answer = source.read(body[:MAX_BODY], asked)
    return answer._replace(complete=answer.complete and len(body) <= MAX_BODY)


def _is_about(question: Question, answer: Answer) -> bool:
    """Whether the answer is, or could be, about the observable."""
    records = answer.records
    if not records and answer.about:
        records = [Record(answer.about, "A", "", None, None, (), "")]
    left_out = convert(Entity("", question.type, question.value), records).left_out
    return not records or left_out["not about the observable"] < len(records)


def enricher_of_file(
    path: Path, sources: Sequence[str], values: Sequence[str], pdns: PdnsSettings
) -> tuple[Sequence[str], Enricher]:
    """The values to look up, and an enricher that reads the file as a response from one of `sources` (empty: any).

    Raises:
        ConnectorError: the file is unreadable, not a response from these sources, or does not state the queried value.
    """
    try:
        with path.open("rb") as file:
            body = file.read(MAX_BODY + 1)
    except OSError as error:
        raise ConnectorError(f"{path} cannot be read: {error.strerror}.") from error
    source, answer = _recognize(path, body, sources)
    configured = ConfiguredSource(
        source, SavedAnswer(path, source, body), QuotaMeter(source), since=lambda _: EVERYTHING
    )
    results_tlp = source.settings.model_fields.get("results_tlp")
    tlp = results_tlp.default if results_tlp and results_tlp.default else source.tlp
    publisher = Publisher({source.key: source.organization}, {source.key: str(tlp)})
    enricher = Enricher([configured], publisher, pdns.record_types, pdns.max_relationships, pdns.summary_note)
    return values or [_topic(path, answer)], enricher


def _recognize(path: Path, body: bytes, sources: Sequence[str]) -> tuple[Source, Answer]:
    """The first source that finds records in the file, else the first that can read it."""
    readable: list[tuple[Source, Answer]] = []
    why = ""
    for key in sources or SOURCES:
        try:
            readable.append((SOURCES[key], _read(SOURCES[key], body)))
        except SourceError as error:
            why = f" ({str(error).removesuffix('.')})"
    if readable and (sources or body.strip() not in (b"", b"[]")):
        return max(readable, key=lambda found: any(record.type for record in found[1].records))
    named = " or ".join(SOURCES[key].title for key in sources)
    reason = f"{named}{why}" if sources else "any source; name the source with --sources"
    raise ConnectorError(f"{path} is not a response from {reason}.")


def _topic(path: Path, answer: Answer) -> str:
    """The only name or address that all records are about."""
    ends = [{record.name, record.data} - {""} for record in answer.records]
    common = {answer.about} if answer.about else set.intersection(*ends) if ends else set()
    if len(common) != 1:
        raise ConnectorError(f"{path} does not state the queried value; name it on the command line.")
    return common.pop()
