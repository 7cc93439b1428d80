"""The summary note: its content and its identity."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import stix2
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pycti.utils.opencti_stix2_splitter import OpenCTIStix2Splitter
from stix2validator import ValidationOptions, validate_instance

from passivedns.converter import convert
from passivedns.model import Entity, Record
from passivedns.stix import objects
from passivedns.stix.builder import Publisher, additions
from passivedns.stix.note import MAX_ROWS, MAX_SOURCES_LENGTH, summary_note
from passivedns.stix.objects import TLP_CLEAR, StixObject

NOW = datetime(2026, 11, 24, 12, 30, 15, 123000, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
SINCE = "2026-08-20T09:15:01.900Z"
DAY = datetime(2026, 11, 20, 10, tzinfo=UTC)
RED = "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed"
AMBER = "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82"
ONE = Publisher({"riskiq": "RiskIQ PassiveTotal"}, {"riskiq": "TLP:CLEAR"})
SEVERAL = Publisher(
    {"riskiq": "RiskIQ PassiveTotal", "circl": "CIRCL", "otx": "AlienVault OTX"},
    {"riskiq": "TLP:CLEAR", "circl": "TLP:AMBER", "otx": "TLP:CLEAR"},
)


def entity(value: str = "www.example.org", entity_type: str = "Domain-Name", tlp: str | None = None) -> Entity:
    return Entity(objects.observable_id(entity_type, value), entity_type, value, [RED] if tlp else [], tlp)


def record(data: str = "192.0.2.1", record_type: str = "A", **changes: Any) -> Record:
    """A record of any entity."""
    return Record("", record_type, data, DAY, DAY + timedelta(days=3), ("riskiq",), "riskiq")._replace(**changes)


def note(
    *records: Record,
    of: Entity | None = None,
    at: datetime = NOW,
    created: str = SINCE,
    publisher: Publisher = ONE,
) -> StixObject:
    of = of or entity()
    relations = convert(of, [found._replace(name=of.value) for found in records or [record()]]).relations
    return summary_note(of, relations, publisher, created, modified=objects.timestamp(at, "milliseconds"))


def tokens(markdown: str) -> list[Token]:
    """All tokens of a Markdown text, parsed as CommonMark with tables."""
    found = MarkdownIt("commonmark", {"html": True}).enable("table").parse(markdown)
    return [inner for token in found for inner in [token, *(token.children or [])]]


def table(markdown: str) -> list[list[str]]:
    """The cells of the table by row, starting with the header."""
    cells: list[list[str]] = []
    found = MarkdownIt("commonmark", {"html": True}).enable("table").parse(markdown)
    for before, token in pairwise(found):
        if token.type == "tr_open":
            cells.append([])
        if before.type in ("th_open", "td_open"):
            cells[-1].append("".join(inner.content for inner in token.children or []))
    return cells


# Content


def test_the_content_is_a_sentence_and_a_table_with_the_most_recently_seen_first() -> None:
    older = record("ns1.example.net", "NS", last_seen=DAY, first_seen=None, sensors=("riskiq", "pingly"))
    content = note(older, record())["content"]
    assert content.splitlines()[0] == (
        "Passive DNS of the Domain-Name `www.example.org` from RiskIQ PassiveTotal: "
        "2 relationships, most recently seen first."
    )
    assert table(content) == [
        ["Record type", "Value", "First seen", "Last seen", "Sources"],
        ["A", "192.0.2.1", "2026-11-20", "2026-11-23", "riskiq"],
        ["NS", "ns1.example.net", "2026-11-20", "2026-11-20", "pingly, riskiq"],
    ]


def test_sources_are_named_in_the_order_of_the_settings_and_in_their_rows() -> None:
    content = note(
        record(source="circl", sensors=()),
        record(sensors=("riskiq", "pingly")),
        record("ns1.example.net", "NS", sensors=(), last_seen=DAY),
        publisher=SEVERAL,
    )["content"]
    assert content.splitlines()[0] == (
        "Passive DNS of the Domain-Name `www.example.org` from RiskIQ PassiveTotal and CIRCL: "
        "2 relationships, most recently seen first."
    )
    assert [cells[-1] for cells in table(content)] == [
        "Sources",
        "CIRCL; RiskIQ PassiveTotal: pingly, riskiq",
        "RiskIQ PassiveTotal",
    ]


def test_only_sources_with_records_are_named() -> None:
    content = note(record(source="circl", sensors=()), publisher=SEVERAL)["content"]
    assert content.startswith("Passive DNS of the Domain-Name `www.example.org` from CIRCL: 1 relationship, ")


def test_only_the_50_most_recently_seen_relationships_are_shown() -> None:
    seen = [record(f"198.51.100.{day}", last_seen=DAY + timedelta(days=day)) for day in range(60)]
    content = note(*seen)["content"]
    assert "the 50 most recently seen of 60 relationships" in content
    _, *lines = table(content)
    assert (len(lines), lines[0][1], lines[-1][1]) == (MAX_ROWS, "198.51.100.59", "198.51.100.10")


def test_the_note_stays_short_with_thousands_of_records_and_sensors() -> None:
    many = tuple(f"sensor-{number}" for number in range(10_000))
    seen = [record(f"host-{number}.example", "NS", sensors=many) for number in range(200)]
    content = note(*seen)["content"]
    assert max(len(cells[-1]) for cells in table(content)) == MAX_SOURCES_LENGTH
    assert len(content) < 20_000


# Hostile values


@pytest.mark.parametrize(
    "sensor",
    [
        "a | b | c",
        "a\\|b",
        "`",
        "a` <script>alert(1)</script> `b",
        "<code>[x](http://evil.example)</code>",
        "https://evil.example/",
        "![x](http://evil.example/x.png)",
        "**bold** &lt;b&gt;",
    ],
)
def test_a_sensor_cannot_leave_its_cell(sensor: str) -> None:
    content = note(record(sensors=(sensor,)))["content"]
    assert [len(cells) for cells in table(content)] == [5, 5]
    assert_inert(content)


def test_a_mailbox_cannot_leave_its_cell() -> None:
    content = note(record("a|`b`{c}@evil.example", "SOA"))["content"]
    assert table(content)[1][1] == "a??b?{c}@evil.example"
    assert_inert(content)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=64))
def test_any_sensor_stays_text(sensor: str) -> None:
    content = note(record(sensors=(sensor,)))["content"]
    # As pycti does on import.
    imported = content.replace("<code>", "`").replace("</code>", "`")
    assert [len(cells) for cells in table(imported)] == [5, 5]
    assert_inert(imported)


def test_no_value_becomes_a_link() -> None:
    """OpenCTI renders GitHub's Markdown, where `www.` and `@` make links outside code spans."""
    made = note(record("www.evil.example", "NS"), record("a@evil.example", "SOA"))
    for text in (made["abstract"], made["content"]):
        plain = [token.content for token in tokens(text) if token.type == "text"]
        assert not [part for part in plain if "www." in part or "@" in part]


def assert_inert(markdown: str) -> None:
    """Only paragraphs, tables, text and code spans."""
    kinds = {token.type.removesuffix("_open").removesuffix("_close") for token in tokens(markdown)}
    assert kinds <= {"paragraph", "inline", "text", "code_inline", "table", "thead", "tbody", "tr", "th", "td"}


# Identity


def test_the_next_enrichment_updates_the_note() -> None:
    first, next_one = note(record("192.0.2.1")), note(record("192.0.2.2"), at=LATER)
    assert first["content"] != next_one["content"]
    assert (first["id"], first["created"]) == (next_one["id"], next_one["created"])
    assert first["modified"] < next_one["modified"]


def test_the_same_answer_makes_the_same_note_at_any_time() -> None:
    first, next_one = note(), note(at=LATER)
    assert first | {"modified": ""} == next_one | {"modified": ""}


def test_each_observable_has_its_own_note() -> None:
    others = [entity("example.net"), entity(entity_type="Hostname"), entity("192.0.2.9", "IPv4-Addr")]
    notes = [note(record("b.example", "NS"), of=one) for one in (entity(), *others)]
    assert len({made["id"] for made in notes}) == len(notes)
    # OpenCTI would merge notes with the same date and content.
    assert len({made["content"] for made in notes}) == len(notes)


def test_it_is_never_modified_before_it_was_created() -> None:
    ahead = objects.timestamp(LATER, "milliseconds")
    assert note(created=ahead)["modified"] == ahead


def test_it_refers_to_the_observable_and_has_the_author_and_markings_of_the_relationships() -> None:
    of = entity(tlp="TLP:RED")
    relationship = sent(of)[-1]
    made = note(of=of)
    assert made["object_refs"] == [of.id]
    assert (made["created_by_ref"], made["object_marking_refs"]) == (relationship["created_by_ref"], [RED])
    assert note()["object_marking_refs"] == [TLP_CLEAR]


def test_it_has_the_strictest_marking_of_its_sources() -> None:
    found = record(), record("ns.example.com", "NS", source="circl")
    assert note(*found, publisher=SEVERAL)["object_marking_refs"] == [AMBER]
    assert note(*found, publisher=SEVERAL, of=entity(tlp="TLP:RED"))["object_marking_refs"] == [RED]


def test_its_id_does_not_depend_on_the_answering_sources() -> None:
    ids = {note(record(source=source), publisher=SEVERAL)["id"] for source in ("circl", "riskiq")}
    assert len(ids) == 1


# Compatibility


def sent(of: Entity) -> list[StixObject]:
    """The objects sent with the note."""
    return additions(of, convert(of, [record(name=of.value)]).relations, ONE, NOW)


def bundle() -> dict[str, Any]:
    of = entity()
    bare = {"type": "domain-name", "spec_version": "2.1", "id": of.id, "value": of.value}
    content = [bare, *sent(of), note()]
    return {"type": "bundle", "id": "bundle--5f0a3c9e-4f4e-4ad5-9a0c-0e1c1b8a2a11", "objects": content}


def test_it_equals_the_note_of_python_stix2() -> None:
    parsed = stix2.parse(note())
    assert isinstance(parsed, stix2.Note)
    assert json.loads(parsed.serialize()) == note()


def test_it_passes_the_stix_validator() -> None:
    # OpenCTI's custom properties are not part of STIX (codes 400 to 499).
    result = validate_instance(bundle(), ValidationOptions(version="2.1", strict=False))
    assert result.is_valid, result.errors


def test_pycti_sends_it_unchanged_after_all_objects_it_refers_to() -> None:
    # Versions after 6.3.5 return the rejected objects in between.
    _, *_, sent = OpenCTIStix2Splitter().split_bundle_with_expectations(
        json.dumps(bundle()), cleanup_inconsistent_bundle=True
    )
    order = [json.loads(one)["objects"][0] for one in sent]
    position = next(number for number, item in enumerate(order) if item["type"] == "note")
    assert {key: order[position][key] for key in note()} == note()
    referred = {*note()["object_refs"], note()["created_by_ref"], *note()["object_marking_refs"]}
    assert referred <= {item["id"] for item in order[:position]}
