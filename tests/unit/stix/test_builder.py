"""STIX objects for relations: their author, markings and descriptions."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pycti import Identity

from passivedns.model import Entity, Relation
from passivedns.sources import SOURCES
from passivedns.stix import objects
from passivedns.stix.builder import Publisher, additions, markings, seen_by, strictest_tlp
from passivedns.stix.objects import StixObject

NOW = datetime(2026, 11, 24, 12, 30, 15, 123456, tzinfo=UTC)
FIRST = datetime(2026, 11, 1, 10, tzinfo=UTC)
LAST = datetime(2026, 11, 20, 10, tzinfo=UTC)

CLEAR = "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9"
GREEN = "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da"
AMBER = "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82"
RED = "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed"
PAP_RED = "marking-definition--c43594d1-4b11-4c59-93ab-1c9b14d53ce9"

ONE = Publisher({"riskiq": "RiskIQ PassiveTotal"}, {"riskiq": "TLP:CLEAR"})
SEVERAL = Publisher(
    {"riskiq": "RiskIQ PassiveTotal", "circl": "CIRCL", "dnsdb": "Farsight"},
    {"riskiq": "TLP:CLEAR", "circl": "TLP:AMBER", "dnsdb": "TLP:GREEN"},
)

RISKIQ, CIRCL, DNSDB = ("riskiq", ("pingly", "riskiq")), ("circl", ()), ("dnsdb", ())
DOMAIN = objects.observable_id("Domain-Name", "example.org")


def entity(*markings: str, tlp: str | None = None) -> Entity:
    return Entity(DOMAIN, "Domain-Name", "example.org", markings, tlp)


def relation(*sources: tuple[str, tuple[str, ...]], **changes: Any) -> Relation:
    found = Relation("resolves-to", "192.0.2.1", "IPv4-Addr", False, ("A",), sources or (RISKIQ,), FIRST, LAST)
    return found._replace(**changes)


def added(*relations: Relation, publisher: Publisher = SEVERAL, of: Entity | None = None) -> dict[str, StixObject]:
    """The objects by type; repeated types are numbered."""
    found: dict[str, StixObject] = {}
    for item in additions(of or entity(), relations, publisher, NOW):
        name = item["type"]
        found[name if name not in found else f"{name} {sum(key.startswith(name) for key in found) + 1}"] = item
    return found


def test_nothing_is_added_without_relations() -> None:
    assert additions(entity(), [], SEVERAL, NOW) == []


def test_objects_follow_those_they_refer_to() -> None:
    found = additions(entity(), [relation(), relation(value="192.0.2.2")], ONE, NOW)
    assert [item["type"] for item in found] == [
        *("identity", "marking-definition", "ipv4-addr", "ipv4-addr", "relationship", "relationship")
    ]


def test_every_object_except_markings_has_the_author() -> None:
    found = added(relation(), publisher=ONE)
    author = found["identity"]
    assert (author["name"], author["id"]) == ("Passive DNS", Identity.generate_id("Passive DNS", "organization"))
    assert found["ipv4-addr"]["x_opencti_created_by_ref"] == author["id"]
    assert found["relationship"]["created_by_ref"] == author["id"]
    assert not [key for key in found["marking-definition"] if "created_by" in key]


@pytest.mark.parametrize("key", SOURCES)
def test_the_author_is_the_connector_whatever_the_only_source_is_called(key: str) -> None:
    publisher = Publisher({key: SOURCES[key].organization}, {key: SOURCES[key].tlp})
    assert added(relation((key, ())), publisher=publisher)["identity"]["name"] == "Passive DNS"


def test_two_directions_to_one_value_make_two_relationships_and_one_observable() -> None:
    name = relation(value="a.example", value_type="Domain-Name")
    found = added(name, name._replace(reverse=True))
    assert list(found) == ["identity", "marking-definition", "domain-name", "relationship", "relationship 2"]
    forth, back = found["relationship"], found["relationship 2"]
    assert (forth["source_ref"], forth["target_ref"]) == (DOMAIN, found["domain-name"]["id"])
    assert (back["source_ref"], back["target_ref"]) == (found["domain-name"]["id"], DOMAIN)


# Descriptions


@pytest.mark.parametrize(
    ("publisher", "sources", "description"),
    [
        (ONE, [RISKIQ], "A records (RiskIQ PassiveTotal: pingly, riskiq)"),
        (ONE, [("riskiq", ())], "A records (RiskIQ PassiveTotal)"),
        (SEVERAL, [RISKIQ], "A records (RiskIQ PassiveTotal: pingly, riskiq)"),
        (SEVERAL, [CIRCL], "A records (CIRCL)"),
        (SEVERAL, [CIRCL, RISKIQ], "A records (CIRCL; RiskIQ PassiveTotal: pingly, riskiq)"),
        (
            SEVERAL,
            [CIRCL, ("dnsdb", ("x",)), RISKIQ],
            "A records (CIRCL; Farsight: x; RiskIQ PassiveTotal: pingly, riskiq)",
        ),
    ],
)
def test_the_description_names_record_types_and_sources(
    publisher: Publisher, sources: list[tuple[str, tuple[str, ...]]], description: str
) -> None:
    assert added(relation(*sources), publisher=publisher)["relationship"]["description"] == description


def test_the_description_names_several_record_types() -> None:
    found = added(relation(record_types=("NS", "SOA")), publisher=ONE)
    assert found["relationship"]["description"] == "NS, SOA records (RiskIQ PassiveTotal: pingly, riskiq)"


def test_the_description_names_only_the_first_of_many_sensors() -> None:
    many = tuple(f"s{number:02}" for number in range(30))
    assert seen_by((("riskiq", many),), ONE).endswith("s18, s19, …")


def test_a_sensor_that_is_more_than_words_is_quoted_as_code() -> None:
    sensors = ("Emerging Threats, Inc. (US)", "https://phish.example/login", "www.circl.lu", "a`b")
    assert added(relation(("riskiq", sensors)))["relationship"]["description"] == (
        "A records (RiskIQ PassiveTotal: Emerging Threats, Inc. (US), `https://phish.example/login`, `www.circl.lu`, "
        "`a?b`)"
    )


def test_relations_of_one_answer_have_separate_descriptions_and_dates() -> None:
    other = relation(CIRCL, value="192.0.2.2", record_types=("AAAA",), first_seen=LAST, last_seen=NOW)
    found = added(relation(), other)
    first, second = found["relationship"], found["relationship 2"]
    assert (first["start_time"], first["stop_time"]) == ("2026-11-01T10:00:00Z", "2026-11-20T10:00:00Z")
    assert first["description"] == "A records (RiskIQ PassiveTotal: pingly, riskiq)"
    assert second["description"] == "AAAA records (CIRCL)"
    assert second["start_time"] == "2026-11-20T10:00:00Z"


def test_an_undated_relation_has_no_dates_and_no_description() -> None:
    undated = relation(CIRCL, value="192.0.2.2", first_seen=None, last_seen=None)
    found = added(relation(CIRCL), undated)["relationship 2"]
    assert not {"description", "start_time", "stop_time"} & found.keys()


# Ids


def test_relationship_ids_exclude_times_and_sources() -> None:
    later = relation(CIRCL, first_seen=LAST, last_seen=NOW, record_types=("AAAA",))
    assert added(relation())["relationship"]["id"] == added(later)["relationship"]["id"]


# Markings


@pytest.mark.parametrize(
    ("sources", "demanded"),
    [([RISKIQ], CLEAR), ([DNSDB], GREEN), ([CIRCL], AMBER), ([DNSDB, RISKIQ], GREEN), ([CIRCL, DNSDB, RISKIQ], AMBER)],
)
def test_an_observable_has_the_strictest_tlp_of_its_sources(
    sources: list[tuple[str, tuple[str, ...]]], demanded: str
) -> None:
    found = added(relation(*sources), of=entity(RED, tlp="TLP:RED"))
    assert found["ipv4-addr"]["object_marking_refs"] == [demanded]
    assert found["marking-definition"]["id"] == demanded


@pytest.mark.parametrize(
    ("of", "sources", "expected"),
    [
        (entity(), [RISKIQ], [CLEAR]),
        (entity(), [CIRCL, RISKIQ], [AMBER]),
        (entity(RED, tlp="TLP:RED"), [CIRCL], [RED]),
        (entity(AMBER, tlp="TLP:AMBER"), [CIRCL], [AMBER]),
        (entity(GREEN, tlp="TLP:GREEN"), [RISKIQ], [GREEN]),
        (entity(GREEN, tlp="TLP:GREEN"), [CIRCL], [GREEN, AMBER]),
        (entity(PAP_RED), [RISKIQ], [PAP_RED]),
        (entity(PAP_RED), [DNSDB], [PAP_RED, GREEN]),
        (entity(PAP_RED, tlp="a TLP that nobody knows"), [CIRCL], [PAP_RED]),
    ],
)
def test_a_relationship_has_the_markings_of_the_entity_and_a_stricter_one_of_its_sources(
    of: Entity, sources: list[tuple[str, tuple[str, ...]]], expected: list[str]
) -> None:
    assert added(relation(*sources), of=of)["relationship"]["object_marking_refs"] == expected


def test_tlp_white_of_an_entity_is_tlp_clear() -> None:
    clear = Publisher({"circl": "CIRCL"}, {"circl": "TLP:CLEAR"})
    found = added(relation(CIRCL), publisher=clear, of=entity(CLEAR, tlp="TLP:WHITE"))
    assert [found[name]["object_marking_refs"] for name in ("ipv4-addr", "relationship")] == [[CLEAR], [CLEAR]]


def test_an_observable_of_two_relations_has_the_stricter_tlp_and_each_relationship_its_own() -> None:
    name = relation(CIRCL, value="a.example", value_type="Domain-Name")
    found = additions(entity(), [name, name._replace(reverse=True, sources=(RISKIQ,))], SEVERAL, NOW)
    (observable,) = [item for item in found if item["type"] == "domain-name"]
    relationships = [item["object_marking_refs"] for item in found if item["type"] == "relationship"]
    assert observable["object_marking_refs"] == [AMBER]
    assert relationships == [[AMBER], [CLEAR]]
    assert {item["id"] for item in found if item["type"] == "marking-definition"} == {AMBER, CLEAR}


def below(value: str, value_type: str = "Domain-Name") -> Relation:
    return relation(value=value, value_type=value_type)


@pytest.mark.parametrize(
    ("own", "found", "inherits"),
    [
        ("example.org", below("mail.example.org"), True),
        ("example.org", below("a.b.example.org"), True),
        ("example.org", below("hostmaster@example.org", "Email-Addr"), True),
        ("example.org", below("hostmaster@mail.example.org", "Email-Addr"), True),
        ("bücher.example", below("www.xn--bcher-kva.example"), True),
        ("xn--bcher-kva.example", below("a@xn--bcher-kva.example", "Email-Addr"), True),
        ("mail.example.org", below("example.org"), False),
        ("example.org", below("www.another-example.org"), False),
        ("example.org", below("anexample.org"), False),
        ("example.org", below("example.org.evil.example"), False),
        ("example.org", below("example.org@evil.example", "Email-Addr"), False),
        ("example.org", below("hostmaster@anexample.org", "Email-Addr"), False),
        ("example.org", below("192.0.2.1", "IPv4-Addr"), False),
    ],
)
def test_a_name_or_mailbox_at_or_below_the_entity_inherits_its_markings(
    own: str, found: Relation, inherits: bool
) -> None:
    of = Entity(objects.observable_id("Domain-Name", own), "Domain-Name", own, [RED, PAP_RED], "TLP:RED")
    (other,) = [item for item in additions(of, [found], SEVERAL, NOW) if "value" in item]
    assert other["object_marking_refs"] == ([RED, PAP_RED] if inherits else [CLEAR])


@pytest.mark.parametrize(("markings", "tlp"), [([GREEN, PAP_RED], "TLP:GREEN"), ([PAP_RED], None)])
def test_a_name_below_the_entity_also_has_a_stricter_tlp_of_its_sources(markings: list[str], tlp: str | None) -> None:
    found = added(below("mail.example.org")._replace(sources=(CIRCL,)), of=entity(*markings, tlp=tlp))
    assert found["domain-name"]["object_marking_refs"] == [*markings, AMBER]


def test_nothing_is_below_an_address() -> None:
    of = Entity(objects.observable_id("IPv4-Addr", "192.0.2.1"), "IPv4-Addr", "192.0.2.1", [RED], "TLP:RED")
    assert added(below("a.192.0.2.1"), of=of)["domain-name"]["object_marking_refs"] == [CLEAR]


def test_only_markings_that_an_object_refers_to_are_included() -> None:
    found = added(below("mail.example.org"), of=entity(RED, tlp="TLP:RED"))
    assert [name for name in found if "marking" in name] == []


def test_the_markings_of_several_relations_are_the_strictest_of_all() -> None:
    assert markings(entity(), strictest_tlp([(RISKIQ,), (CIRCL,), (DNSDB,)], SEVERAL)) == [AMBER]
    assert markings(entity(RED, tlp="TLP:RED"), strictest_tlp([(CIRCL,)], SEVERAL)) == [RED]


def test_additions_are_json() -> None:
    assert json.loads(json.dumps(additions(entity(), [relation()], SEVERAL, NOW)))
