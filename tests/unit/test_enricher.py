"""From an observable to the objects for OpenCTI, with in-memory sources."""

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from passivedns.enrichment import Enricher
from passivedns.errors import NoAnswer
from passivedns.model import Answer, Entity, Question, Record
from passivedns.query.all_sources import ConfiguredSource
from passivedns.query.quota import QuotaMeter
from passivedns.sources import SOURCES
from passivedns.sources.source import Client
from passivedns.stix.builder import Publisher
from passivedns.stix.objects import StixObject, observable_id

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
AMBER = "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82"
ENTITY = Entity(observable_id("Domain-Name", "example.org"), "Domain-Name", "example.org", (AMBER,), "TLP:AMBER")


class Known(Client):
    """An in-memory source."""

    def __init__(self, *records: Record, unreadable: int = 0) -> None:
        self.answer = Answer(list(records), unreadable=unreadable)

    def look_up(self, question: Question) -> Answer:  # noqa: ARG002  # it always says the same
        return self.answer


class Down(Client):
    """A source that fails."""

    def look_up(self, question: Question) -> Answer:  # noqa: ARG002  # it never answers
        raise NoAnswer("Down DNS server error (HTTP 500); try again later.")


def record(data: str = "192.0.2.1", kind: str = "A", source: str = "one", days: float = 1) -> Record:
    seen = NOW - timedelta(days=days)
    return Record("example.org", kind, data, seen, seen, (), source)


def configured(key: str, client: Client) -> ConfiguredSource:
    source = replace(SOURCES["riskiq"], key=key, title=f"{key.title()} DNS", clock_tolerance=timedelta(0))
    return ConfiguredSource(source, client, QuotaMeter(source), since=lambda now: now - timedelta(days=30))


def enricher(clients: dict[str, Client], tlps: dict[str, str] | None = None, **how: Any) -> Enricher:
    names = {key: f"{key.title()} DNS" for key in clients}
    publisher = Publisher(names, dict.fromkeys(clients, "TLP:CLEAR") | (tlps or {}))
    return Enricher([configured(key, client) for key, client in clients.items()], publisher, **how)


def of(objects: Collection[StixObject], stix_type: str) -> list[StixObject]:
    return [item for item in objects if item["type"] == stix_type]


def test_records_of_a_single_source_become_author_marking_observables_and_relationships() -> None:
    result = enricher({"one": Known(record(), record("192.0.2.2"))}).enrich(ENTITY, NOW)
    assert [item["type"] for item in result.objects] == [
        "identity",
        "marking-definition",
        "ipv4-addr",
        "ipv4-addr",
        "relationship",
        "relationship",
    ]
    assert (result.records, len(result.answered)) == (2, 1)


def test_records_of_several_sources_about_one_target_make_one_relationship() -> None:
    clients: dict[str, Client] = {"one": Known(record(days=5)), "two": Known(record(source="two", days=2))}
    result = enricher(clients).enrich(ENTITY, NOW)
    (relationship,) = of(result.objects, "relationship")
    assert relationship["description"] == "A records (One DNS; Two DNS)"
    assert (relationship["start_time"], relationship["stop_time"]) == ("2026-11-19T12:00:00Z", "2026-11-22T12:00:00Z")
    assert relationship["object_marking_refs"] == [AMBER]
    assert result.records == 2


def test_a_failing_source_does_not_affect_the_others() -> None:
    result = enricher({"down": Down(), "one": Known(record())}).enrich(ENTITY, NOW)
    assert [outcome.source.key for outcome in result.outcomes] == ["down", "one"]
    assert [outcome.source.key for outcome in result.answered] == ["one"]
    assert len(of(result.objects, "relationship")) == 1


def test_unreadable_rows_are_counted() -> None:
    result = enricher({"one": Known(record(), unreadable=2)}).enrich(ENTITY, NOW)
    assert result.enrichment.unreadable == 2
    assert result.records == 3


def test_only_selected_record_types_are_used() -> None:
    client = Known(record(), record("mx.example.net", "MX"))
    result = enricher({"one": client}, record_types=["MX"]).enrich(ENTITY, NOW)
    assert [relation.value for relation in result.enrichment.relations] == ["mx.example.net"]
    assert result.enrichment.left_out == {"record type not selected": 1}


def test_the_limit_keeps_the_most_recently_seen_of_one_source() -> None:
    client = Known(record("192.0.2.1", days=9), record("192.0.2.2", days=1), record("192.0.2.3", days=5))
    result = enricher({"one": client}, max_relationships=2).enrich(ENTITY, NOW)
    assert {relation.value for relation in result.enrichment.relations} == {"192.0.2.2", "192.0.2.3"}
    assert result.enrichment.left_out == {"over the relationship limit": 1}


def test_the_limit_applies_to_all_sources_together() -> None:
    clients: dict[str, Client] = {"one": Known(record("192.0.2.1")), "two": Known(record("192.0.2.2", source="two"))}
    result = enricher(clients, max_relationships=1).enrich(ENTITY, NOW)
    assert len(of(result.objects, "relationship")) == 1


@pytest.mark.parametrize("client", [Known(), Known(record("mail", "TXT"))], ids=["nothing known", "nothing usable"])
def test_without_usable_records_nothing_is_added_and_no_note_is_written(client: Client) -> None:
    assert enricher({"one": client}, with_note=True).enrich(ENTITY, NOW).objects == []


def test_a_note_is_written_if_enabled() -> None:
    (note,) = of(enricher({"one": Known(record())}, with_note=True).enrich(ENTITY, NOW).objects, "note")
    assert (note["object_refs"], note["created"]) == ([ENTITY.id], "2026-11-24T12:00:00.000Z")


def test_a_note_is_as_old_as_the_entity_in_opencti() -> None:
    known = "2026-01-02T03:04:05.678Z"
    (note,) = of(enricher({"one": Known(record())}, with_note=True).enrich(ENTITY, NOW, known).objects, "note")
    assert (note["created"], note["modified"]) == (known, "2026-11-24T12:00:00.000Z")


def test_records_of_a_restricted_source_have_its_marking() -> None:
    clients: dict[str, Client] = {"one": Known(record()), "two": Known(record(source="two"))}
    result = enricher(clients, {"two": "TLP:RED"}).enrich(ENTITY, NOW)
    (address,) = of(result.objects, "ipv4-addr")
    (marking,) = of(result.objects, "marking-definition")
    assert marking["x_opencti_definition"] == "TLP:RED"
    assert address["object_marking_refs"] == [marking["id"]]
    assert of(result.objects, "relationship")[0]["object_marking_refs"] == [AMBER, marking["id"]]
