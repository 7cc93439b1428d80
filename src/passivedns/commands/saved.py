"""An answer of a source that was saved in a file, in place of the source."""

from collections.abc import Sequence
from pathlib import Path

from passivedns.asking import EVERYTHING, Asker
from passivedns.enrichment import Enricher
from passivedns.errors import BadAnswer, ConnectorError
from passivedns.meter import Meter
from passivedns.model import Answer, Question
from passivedns.sources import SOURCES
from passivedns.sources.source import Client, Source
from passivedns.stix.knowledge import Publisher


class SavedAnswer(Client):
    """Answers every question with what a file holds; it costs nothing."""

    def __init__(self, source: Source, body: bytes) -> None:
        self._source = source
        self._body = body

    def look_up(self, question: Question) -> Answer:
        """The records of the file."""
        return self._source.read(self._body, question.value)


def enricher_of_file(path: Path, sources: Sequence[str], values: Sequence[str]) -> tuple[str, Enricher]:
    """What the file is about, and what enriches it; `sources` names the one that it is from, else its form tells.

    Raises:
        ConnectorError: the file cannot be read, is not an answer of a source, or is about something else.
    """
    try:
        body = path.read_bytes()
    except OSError as error:
        raise ConnectorError(f"{path} cannot be read: {error.strerror}.") from error
    source, answer = _recognised(path, body, sources)
    value = values[0] if values else _asked_for(path, answer)
    asker = Asker(source, SavedAnswer(source, body), Meter(source), since=lambda _: EVERYTHING)
    publisher = Publisher(source.organization, {source.key: source.organization}, {source.key: source.tlp})
    return value, Enricher([asker], publisher)


def _recognised(path: Path, body: bytes, sources: Sequence[str]) -> tuple[Source, Answer]:
    """The first source of which it is an answer."""
    for key in sources or SOURCES:
        try:
            answer = SOURCES[key].read(body, "")
        except BadAnswer:
            continue
        if sources or any(record.type for record in answer.records):
            return SOURCES[key], answer
    raise ConnectorError(f"{path} is not an answer of {' or '.join(sources) or 'any source'}; name one with --sources.")


def _asked_for(path: Path, answer: Answer) -> str:
    """The one name or address that all records are about."""
    ends = [{record.name, record.data} - {""} for record in answer.records]
    common = set.intersection(*ends) if ends else set()
    if len(common) != 1:
        raise ConnectorError(f"{path} does not say what it is about; name the value.")
    return common.pop()
