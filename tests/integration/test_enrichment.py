"""Manual enrichment: imported objects and the text of the work, for every outcome."""

import itertools
from typing import Any

import pytest

from sandbox.sources.riskiq_data import ADDRESS, DIRTY, DOMAIN
from tests.helpers.world import WAIT, World, new_world, record
from tests.integration.conftest import any_world, needs_http_protocols

numbers = itertools.count(1)


def fresh_name() -> str:
    """Return a name that no other test uses."""
    return f"test-{next(numbers)}.example"


def test_the_history_of_a_domain_is_imported(world: World) -> None:
    work = world.enrich("Domain-Name", DOMAIN)
    assert not work.in_error
    assert work.errors == []
    assert work.message == (
        "Added 12 observables and 12 relationships from 16 passive DNS records of example.org "
        "(A 4, SOA 3, AAAA 2, MX 2, NS 2, CNAME 1); left out 2: TXT (SPF1) 2"
    )
    assert len(world.relationships(work.entity)) >= 12


def test_the_names_of_an_address_are_imported(world: World) -> None:
    work = world.enrich("IPv4-Addr", ADDRESS)
    assert work.message == "Added 4 observables and 4 relationships from 4 passive DNS records of 192.0.2.10 (A 4)"
    assert work.errors == []


def test_the_valid_records_of_a_dirty_answer_are_imported(world: World) -> None:
    work = world.enrich("Domain-Name", DIRTY)
    assert work.message is not None
    assert "left out" in work.message
    assert not work.in_error
    assert work.errors == []


@pytest.mark.parametrize(
    ("entity_type", "value", "found", "relationship", "target"),
    [
        ("Domain-Name", "a1.example", record("A", "ip", "192.0.2.101"), "resolves-to", "192.0.2.101"),
        ("Domain-Name", "a2.example", record("AAAA", "ip", "2001:DB8::2"), "resolves-to", "2001:db8::2"),
        ("Domain-Name", "a3.example", record("A", "domain", "b3.example"), "resolves-to", None),
        ("Domain-Name", "a4.example", record("AAAA", "domain", "b4.example"), "resolves-to", None),
        ("Domain-Name", "a5.example", record("SOA", "email", "b.a5.example"), "related-to", "b@a5.example"),
        ("Domain-Name", "a6.example", record("SOA", "domain", "b6.example."), "resolves-to", "b6.example"),
        ("Domain-Name", "a7.example", record("MX", "domain", "b7.example"), "resolves-to", "b7.example"),
        ("Domain-Name", "a8.example", record("CNAME", "domain", "B8.example"), "resolves-to", "b8.example"),
        ("Domain-Name", "a9.example", record("NS", "domain", "b9.example"), "resolves-to", "b9.example"),
        ("IPv4-Addr", "198.51.100.1", record("A", "domain", "c1.example"), "resolves-to", None),
        ("IPv4-Addr", "198.51.100.2", record("SOA", "email", "c@c2.example"), "related-to", "c@c2.example"),
        ("IPv4-Addr", "198.51.100.3", record("SOA", "domain", "c3.example"), "related-to", "c3.example"),
        ("IPv4-Addr", "198.51.100.4", record("MX", "domain", "c4.example"), "related-to", "c4.example"),
        ("IPv4-Addr", "198.51.100.5", record("CNAME", "domain", "c5.example"), "related-to", "c5.example"),
        ("IPv4-Addr", "198.51.100.6", record("NS", "domain", "c6.example"), "related-to", "c6.example"),
        ("IPv6-Addr", "2001:db8::d1", record("AAAA", "domain", "d1.example"), "resolves-to", None),
        ("Hostname", "e1.example", record("A", "ip", "192.0.2.111"), "resolves-to", "192.0.2.111"),
        ("Hostname", "e2.example", record("CNAME", "domain", "f2.example"), "related-to", "f2.example"),
    ],
)
def test_each_row_of_the_mapping_is_imported(
    world: World, entity_type: str, value: str, found: dict[str, Any], relationship: str, target: str | None
) -> None:
    """A target of None means that the relationship starts at the other end."""
    world.service.answers[value] = [found]
    work = world.enrich(entity_type, value)
    assert work.errors == []
    (relation,) = world.relationships(work.entity)
    assert relation["relationship_type"] == relationship
    assert world.platform.objects[relation["target_ref"]]["value"] == (target or value)
    assert relation["description"] == f"{found['recordType']} records (RiskIQ PassiveTotal: riskiq)"
    assert relation["start_time"] < relation["stop_time"]


@pytest.mark.parametrize(
    ("entity_type", "value", "found", "left_out"),
    [
        ("IPv4-Addr", "198.51.100.50", record("A", "ip", "192.0.2.150"), "address of an address 1"),
        ("IPv4-Addr", "198.51.100.51", record("AAAA", "ip", "2001:db8::1"), "address of an address 1"),
        ("Domain-Name", "g1.example", record("PTR", "domain", "h1.example"), "PTR 1"),
        ("Domain-Name", "g2.example", record("CNAME", "domain", "G2.example."), "the observable itself 1"),
    ],
)
def test_an_answer_without_usable_records_adds_nothing_and_says_so(
    world: World, entity_type: str, value: str, found: dict[str, Any], left_out: str
) -> None:
    world.service.answers[value] = [found]
    work = world.enrich(entity_type, value)
    assert work.message == f"Added nothing from 1 passive DNS record of {value}; left out 1: {left_out}"
    assert world.relationships(work.entity) == []


def test_if_nothing_is_known_the_work_says_so_and_is_not_an_error(world: World) -> None:
    work = world.enrich("Domain-Name", fresh_name())
    assert work.message is not None
    assert work.message.startswith(f"PassiveTotal has no passive DNS records of {work.entity.value} since 20")
    assert not work.in_error
    assert work.expectations == 0


def test_an_observable_out_of_scope_is_not_looked_up(world: World) -> None:
    work = world.enrich("Email-Addr", "someone@example.org")
    assert work.message == "someone@example.org was not looked up: Email-Addr is not in the scope of this connector"
    assert not work.in_error
    assert world.service.requests == []


def test_a_network_is_not_looked_up(world: World) -> None:
    work = world.enrich("IPv4-Addr", "192.0.2.0/24")
    assert work.message == "192.0.2.0/24 was not looked up: not a single IP address or domain name (CIDR range)"
    assert world.service.requests == []


@pytest.mark.parametrize(
    "markings", [("TLP:RED",), ("TLP:RED", "TLP:GREEN"), ("TLP:GREEN", "TLP:RED"), ("TLP:AMBER+STRICT",)]
)
def test_an_observable_marked_above_the_maximum_is_not_sent(world: World, markings: tuple[str, ...]) -> None:
    work = world.enrich("Domain-Name", fresh_name(), markings=markings)
    assert work.in_error
    assert work.message is not None
    assert "Not sent to PassiveTotal: marked TLP:" in work.message
    assert "above the maximum of TLP:AMBER (RISKIQ_MAX_TLP)" in work.message
    assert world.service.requests == []


def test_a_refused_observable_does_not_affect_the_next_unmarked_one(world: World) -> None:
    world.enrich("Domain-Name", fresh_name(), markings=("TLP:RED",))
    work = world.enrich("Domain-Name", fresh_name(), markings=())
    assert not work.in_error
    assert len(world.service.searches) == 1


def test_relationships_have_the_markings_of_the_entity_and_observables_are_clear(world: World) -> None:
    value = fresh_name()
    world.service.answers[value] = [record("A", "ip", "192.0.2.201")]
    work = world.enrich("Domain-Name", value, markings=("TLP:AMBER", "PAP:GREEN"))
    (relation,) = world.relationships(work.entity)
    carried = {marking.id for marking in work.entity.markings}
    assert set(relation["object_marking_refs"]) == carried
    assert len(carried) == 2
    assert work.errors == []


@pytest.mark.parametrize("name", ["SECRET", "PAP:AMBER", "TLP:AMBER"])
def test_the_markings_of_the_entity_keep_their_names(world: World, name: str) -> None:
    value = fresh_name()
    world.service.answers[value] = [record("A", "ip", "192.0.2.204")]
    work = world.enrich("Domain-Name", value, markings=(name,))
    (marking,) = work.entity.markings
    (relation,) = world.relationships(work.entity)
    assert relation["object_marking_refs"] == [marking.id]
    assert world.platform.objects[marking.id]["definition"] == name
    assert work.errors == []


def test_a_tlp_marking_keeps_the_name_that_an_administrator_gave_it_meanwhile() -> None:
    with any_world() as world:
        world.platform.rename_marking("TLP:CLEAR", "TLP:Clear")
        work = world.enrich("Domain-Name", DOMAIN)
    (found,) = [item for item in world.platform.observables() if item.get("value") == "192.0.2.10"]
    assert [world.platform.objects[ref]["definition"] for ref in found["object_marking_refs"]] == ["TLP:Clear"]
    assert work.errors == []


def test_without_a_maximum_relationships_have_even_a_marking_that_the_connector_does_not_see() -> None:
    with any_world(RISKIQ_MAX_TLP="", PDNS_MAX_TLP="none", PDNS_MAX_PAP="none") as world:
        hidden = world.entity("Domain-Name", "secret.example", markings=("SECRET",)).markings[0].id
        world.platform.hide_marking("SECRET")
        entity = world.entity("Domain-Name", DOMAIN, markings=())
        (bundle,) = world.play(entity, [entity.as_stix() | {"object_marking_refs": [hidden]}]).bundles
    relations = [item for item in bundle["objects"] if item["type"] == "relationship"]
    assert len(relations) == 12
    assert all(hidden in item["object_marking_refs"] for item in relations)


def test_an_observable_is_enriched_although_the_markings_of_opencti_cannot_be_read(world: World) -> None:
    world.platform.fail("markingDefinitions", how="refused")
    work = world.enrich("Domain-Name", DOMAIN)
    assert (work.in_error, work.errors) == (False, [])
    assert str(work.message).startswith("Added 12 observables")
    assert "OpenCTI's markings cannot be read" in world.daemon.log


def test_the_enriched_observable_itself_is_not_rewritten(world: World) -> None:
    value = fresh_name()
    world.service.answers[value] = [record("A", "ip", "192.0.2.202")]
    entity = world.entity("Domain-Name", value, score=80)
    before = dict(world.platform.objects[entity.standard_id])
    world.platform.enrich(entity).wait(WAIT)
    assert world.platform.objects[entity.standard_id] == before


def test_a_second_look_up_extends_the_relationship_instead_of_adding_one(world: World) -> None:
    value = fresh_name()
    world.service.answers[value] = [record("A", "ip", "192.0.2.203")]
    first = world.enrich("Domain-Name", value)
    (before,) = world.relationships(first.entity)
    world.service.answers[value] = [record("A", "ip", "192.0.2.203", firstSeen="2020-01-01 00:00:00")]
    world.enrich("Domain-Name", value)
    (after,) = world.relationships(first.entity)
    assert (after["id"], after["start_time"]) == (before["id"], "2020-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("401", "PassiveTotal rejected the credentials (HTTP 401); check RISKIQ_USERNAME and RISKIQ_API_KEY."),
        ("402", "The PassiveTotal account is not entitled to passive DNS (HTTP 402); ask the provider."),
        ("403", "The PassiveTotal account is not entitled to passive DNS (HTTP 403); ask the provider."),
        ("403-quota", "The PassiveTotal quota is used up (HTTP 403)."),
        ("429-quota-message", "The PassiveTotal quota is used up (HTTP 429)."),
        ("429", "PassiveTotal rate limit exceeded (HTTP 429); next try in 1 s."),
        ("400", "PassiveTotal rejected the request (HTTP 400)."),
        ("500", "PassiveTotal server error (HTTP 500); try again later."),
        ("504", "PassiveTotal is down, or something between the connector and PassiveTotal blocked the request"),
        ("html", "The response from PassiveTotal is a web page; check RISKIQ_API_BASE_URL."),
        ("cut-json", "The response from PassiveTotal is not valid JSON or was cut off; check RISKIQ_API_BASE_URL."),
        ("results-string", "The response from PassiveTotal contains no list of results; check RISKIQ_API_BASE_URL."),
        ("redirect", "The response (HTTP 302) is not from the PassiveTotal API; check RISKIQ_API_BASE_URL."),
    ],
)
def test_each_failure_closes_the_work_as_an_error_worded_for_the_operator(
    fresh_world: World, fault: str, sentence: str
) -> None:
    fresh_world.service.fail(fault, on="search")
    work = fresh_world.enrich("Domain-Name", fresh_name())
    assert work.in_error
    assert work.message is not None
    assert work.message.startswith(sentence)


@needs_http_protocols
def test_a_used_up_quota_closes_the_work_with_its_numbers_without_a_search() -> None:
    with new_world() as world:
        world.service.used, world.service.limit, world.service.next_reset = 2000, 2000, "2026-12-01 00:00:00"
        work = world.enrich("Domain-Name", fresh_name())
        assert work.in_error
        assert work.message == (
            "The PassiveTotal quota of the user is used up (2,000 searches). It resets on 2026-12-01 00:00:00."
        )
        assert world.service.searches == []


def test_a_quota_used_up_by_others_since_it_was_read_closes_the_work_as_an_error(fresh_world: World) -> None:
    fresh_world.enrich("Domain-Name", DOMAIN)
    fresh_world.service.used = fresh_world.service.limit
    work = fresh_world.enrich("Domain-Name", fresh_name())
    assert work.in_error
    assert str(work.message).startswith("The PassiveTotal quota is used up (HTTP 429). Its response says: ")


@needs_http_protocols
def test_a_bundle_that_opencti_does_not_accept_closes_the_work_as_an_error(world: World) -> None:
    world.platform.fail("stixBundlePush", times=1, how="refused")
    work = world.enrich("Domain-Name", DOMAIN)
    assert work.in_error
    assert work.message is not None
    assert work.message.startswith("OpenCTI did not accept the result")


def test_the_log_contains_no_secret(fresh_world: World) -> None:
    fresh_world.service.fail("401", on="search")
    fresh_world.enrich("Domain-Name", fresh_name())
    assert "rejected the credentials" in fresh_world.daemon.log
    for secret in (fresh_world.service.api_key, fresh_world.platform.token):
        assert secret not in fresh_world.daemon.log


# Names


def test_an_international_observable_keeps_its_spelling_and_is_asked_about_in_that_of_the_dns(world: World) -> None:
    world.service.answers["xn--bcher-kva.example"] = [record("NS", "domain", "ns1.BÜCHER.example")]
    work = world.enrich("Domain-Name", "bücher.example")
    assert work.errors == []
    (relation,) = world.relationships(work.entity)
    source, target = (world.platform.objects[relation[end]] for end in ("source_ref", "target_ref"))
    assert (source["id"], source["value"]) == (work.entity.standard_id, "bücher.example")
    assert target["value"] == "ns1.xn--bcher-kva.example"


def test_what_lies_below_a_marked_name_is_as_marked_in_opencti(world: World) -> None:
    name = fresh_name()
    world.service.answers[name] = [
        record("CNAME", "domain", f"mail.{name}"),
        record("SOA", "email", f"hostmaster@{name}"),
        record("NS", "domain", "ns1.example.net"),
    ]
    entity = world.entity("Domain-Name", name, markings=("TLP:AMBER", "case 4711"))
    assert world.platform.enrich(entity).wait(WAIT).errors == []
    own = set(entity.as_stix()["object_marking_refs"])
    found = {item["value"]: set(item.get("object_marking_refs", ())) for item in world.platform.observables()}
    assert (len(own), found[f"mail.{name}"], found[f"hostmaster@{name}"]) == (2, own, own)
    assert not found["ns1.example.net"] & own
