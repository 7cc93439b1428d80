"""An answer of a source that was saved in a file, in place of the source."""

from collections.abc import Sequence
from pathlib import Path

from passivedns.asking import EVERYTHING, Asker
from passivedns.converter import convert
from passivedns.enrichment import Enricher
from passivedns.errors import BadAnswer, ConnectorError, SourceError
from passivedns.meter import Meter
from passivedns.model import Answer, Entity, Question, Record
from passivedns.settings.model import PdnsSettings
from passivedns.sources import SOURCES
from passivedns.sources.source import Client, Source
from passivedns.stix.knowledge import Publisher


class SavedAnswer(Client):
    """Answers with what a file holds; it costs nothing."""

    def __init__(self, path: Path, source: Source, body: bytes) -> None:
        self._path = path
        self._source = source
        self._body = body

    def look_up(self, question: Question) -> Answer:
        """The records of the file.

        Raises:
            BadAnswer: it is about something else.
        """
        answer = self._source.read(self._body, question.value)
        if _is_about(question, answer):
            return answer
        what = f"answers {answer.about}, not" if answer.about else "contains no record of"
        raise BadAnswer(f"{self._path} {what} {question.value}.")


def _is_about(question: Question, answer: Answer) -> bool:
    """Whether any record is about what is asked, as far as the answer tells."""
    records = answer.records
    if not records and answer.about:
        records = [Record(answer.about, "A", "", None, None, (), "")]
    left_out = convert(Entity("", question.type, question.value), records).left_out
    return not records or left_out["not about the observable"] < len(records)


def enricher_of_file(
    path: Path, sources: Sequence[str], values: Sequence[str], pdns: PdnsSettings
) -> tuple[Sequence[str], Enricher]:
    """What to look up in a file, and what enriches it; `sources` name the one that it is from, else its form tells.

    Raises:
        ConnectorError: the file cannot be read, is not an answer of a source, or does not say what it is about.
    """
    try:
        body = path.read_bytes()
    except OSError as error:
        raise ConnectorError(f"{path} cannot be read: {error.strerror}.") from error
    source, answer = _recognised(path, body, sources)
    asker = Asker(source, SavedAnswer(path, source, body), Meter(source), since=lambda _: EVERYTHING)
    publisher = Publisher(source.organization, {source.key: source.organization}, {source.key: _tlp(source)})
    enricher = Enricher([asker], publisher, pdns.record_types, pdns.max_relationships, pdns.summary_note)
    return values or [_asked_for(path, answer)], enricher


def _recognised(path: Path, body: bytes, sources: Sequence[str]) -> tuple[Source, Answer]:
    """The first source of which it is an answer with records or, where there is none, without."""
    found, why = None, ""
    for key in sources or SOURCES:
        try:
            answer = SOURCES[key].read(body, "")
        except SourceError as error:
            why = f" ({str(error).removesuffix('.')})"
            continue
        if any(record.type for record in answer.records):
            return SOURCES[key], answer
        found = found or (SOURCES[key], answer)
    if found and (sources or body.strip()):
        return found
    named = " or ".join(SOURCES[key].title for key in sources)
    reason = f"{named}{why}" if sources else "any source; name the one that it is from with --sources"
    raise ConnectorError(f"{path} is not an answer of {reason}.")


def _tlp(source: Source) -> str:
    field = source.settings.model_fields.get("results_tlp")
    return str(field.default) if field and field.default else source.tlp


def _asked_for(path: Path, answer: Answer) -> str:
    """The one name or address that all records are about."""
    ends = [{record.name, record.data} - {""} for record in answer.records]
    common = {answer.about} if answer.about else set.intersection(*ends) if ends else set()
    if len(common) != 1:
        raise ConnectorError(f"{path} does not say what it is about; name the value.")
    return common.pop()
