"""The embedded OpenCTI refuses and merges imported objects as the platform does."""

import uuid
from typing import Any

import pytest
from pycti import Identity, MarkingDefinition, StixCoreRelationship

from sandbox.entities import relationship_id, standard_id
from sandbox.import_rules import PAP, TLP, author, is_correct_value, merged, refusal
from sandbox.opencti import OpenCTI
from sandbox.stored_objects import Knowledge

TYPES = {
    "Domain-Name": "example.com",
    "Hostname": "www.example.com",
    "IPv4-Addr": "192.0.2.1",
    "IPv6-Addr": "2001:db8::1",
    "Email-Addr": "hostmaster@example.com",
    "Mac-Addr": "00:00:5e:00:53:01",
    "Autonomous-System": "64496",
}


def observable(entity_type: str, value: str | None = None, **more: Any) -> dict[str, Any]:
    value = value or TYPES[entity_type]
    return {"type": entity_type.lower(), "id": standard_id(entity_type, {"value": value}), "value": value, **more}


def relationship(source: dict[str, Any], name: str, target: dict[str, Any], **more: Any) -> dict[str, Any]:
    ends = {"source_ref": source["id"], "target_ref": target["id"]}
    return {"type": "relationship", "id": f"relationship--{uuid.uuid4()}", "relationship_type": name, **ends, **more}


def why_refused(*objects: dict[str, Any]) -> str | None:
    """The refusal of the last object on a platform that already has the others."""
    held = {obj["id"]: obj for obj in objects[:-1]}
    return refusal(objects[-1], held.get)


def why_not(source: str, name: str, target: str) -> str | None:
    ends = observable(source), observable(target)
    return why_refused(*ends, relationship(ends[0], name, ends[1]))


@pytest.mark.parametrize(
    ("source", "name", "target"),
    [
        ("Domain-Name", "resolves-to", "IPv4-Addr"),
        ("Domain-Name", "resolves-to", "IPv6-Addr"),
        ("Domain-Name", "resolves-to", "Hostname"),
        ("Domain-Name", "derived-from", "Hostname"),
        ("Hostname", "resolves-to", "Domain-Name"),
        ("Hostname", "communicates-with", "IPv4-Addr"),
        ("IPv4-Addr", "resolves-to", "Mac-Addr"),
        ("IPv6-Addr", "belongs-to", "Autonomous-System"),
        ("IPv4-Addr", "related-to", "Domain-Name"),
        ("Email-Addr", "related-to", "Autonomous-System"),
    ],
)
def test_a_relationship_of_the_platforms_table_is_taken(source: str, name: str, target: str) -> None:
    assert why_not(source, name, target) is None


@pytest.mark.parametrize(
    ("source", "name", "target"),
    [
        ("IPv4-Addr", "resolves-to", "Domain-Name"),
        ("IPv6-Addr", "resolves-to", "Hostname"),
        ("Domain-Name", "resolves-to", "Email-Addr"),
        ("Domain-Name", "belongs-to", "Autonomous-System"),
        ("Autonomous-System", "belongs-to", "IPv4-Addr"),
        ("Hostname", "derived-from", "Domain-Name"),
        ("IPv4-Addr", "derived-from", "IPv6-Addr"),
        ("Domain-Name", "communicates-with", "IPv4-Addr"),
    ],
)
def test_any_other_relationship_between_observables_is_refused(source: str, name: str, target: str) -> None:
    assert f"The relationship type {name} is not allowed between {source} and {target}" in str(
        why_not(source, name, target)
    )


def test_a_host_name_resolves_to_no_host_name() -> None:
    one, other = observable("Hostname"), observable("Hostname", "mail")

    assert "not allowed between Hostname and Hostname" in str(
        why_refused(one, other, relationship(one, "resolves-to", other))
    )


def test_an_ipv4_address_communicates_with_another() -> None:
    one, other = observable("IPv4-Addr"), observable("IPv4-Addr", "192.0.2.2")

    assert why_refused(one, other, relationship(one, "communicates-with", other)) is None


def test_a_domain_name_belongs_to_an_organization_and_resolves_to_none() -> None:
    domain = observable("Domain-Name")
    owner = {"type": "identity", "id": f"identity--{uuid.uuid4()}", "identity_class": "organization"}

    assert why_refused(domain, owner, relationship(domain, "belongs-to", owner)) is None
    assert "Organization" in str(why_refused(domain, owner, relationship(domain, "resolves-to", owner)))


def test_relationships_of_other_entities_are_not_judged() -> None:
    malware = {"type": "malware", "id": f"malware--{uuid.uuid4()}", "name": "worm"}
    domain = observable("Domain-Name")

    assert why_refused(malware, domain, relationship(malware, "communicates-with", domain)) is None


def test_a_relationship_with_itself_is_refused() -> None:
    domain = observable("Domain-Name")

    reason = why_refused(domain, relationship(domain, "related-to", domain))

    assert str(reason).startswith("SELF_REFERENCING_RELATION")


TAKEN = {
    "Domain-Name": ["example.com", "_dmarc.example.com", "*.example.com", "bücher.example", "1.2.0.192.in-addr.arpa"],
    "Hostname": ["mail", "web_1.example.com"],
    "IPv4-Addr": ["192.0.2.1", "192.0.2.0/24"],
    "IPv6-Addr": [
        "2001:0db8:0000:0000:0000:0000:0000:0001",
        "::ffff:192.0.2.1",
        "2001:db8::/32",
        "fe80::1%eth0",
        "::FFFF:c000:201",
    ],
    "Email-Addr": ["dns-admin@localhost"],
    "Autonomous-System": ["anything"],
}
REFUSED = {
    "Domain-Name": ["example.com.", "localhost", "example.c", "a..example.com", "-a.example.com", "a b.example.com"],
    "Hostname": ["_sip.example.com", "*.example.com", "bücher.example"],
    "IPv4-Addr": ["192.0.2.256", "192.0.2.01", "192.0.2.0/33", "192.0.2.0/"],
    "IPv6-Addr": ["192.0.2.1", "2001:db8::1::2", "2001:db8::1%eth0", "::FFFF:192.0.2.1"],
    "Email-Addr": ["hostmaster.example.com", "host master@example.com", "hostmaster@example.com."],
}


@pytest.mark.parametrize(("entity_type", "value"), [(name, value) for name in TAKEN for value in TAKEN[name]])
def test_a_value_that_the_platform_takes(entity_type: str, value: str) -> None:
    assert is_correct_value(entity_type, value)


@pytest.mark.parametrize(("entity_type", "value"), [(name, value) for name in REFUSED for value in REFUSED[name]])
def test_a_value_that_the_platform_refuses(entity_type: str, value: str) -> None:
    assert not is_correct_value(entity_type, value)


@pytest.mark.parametrize("value", ["http://example.com/path", "192.0.2.10"])
def test_some_that_are_no_domain_names_are_domain_names_to_the_platform(value: str) -> None:
    assert is_correct_value("Domain-Name", value)


@pytest.mark.parametrize("value", ["192.0.2.1", f"{'a' * 64}.example.com", ".".join(["a" * 60] * 5), "", None])
def test_a_domain_name_has_labels_of_63_and_253_characters_at_most_and_a_last_label_of_two(value: str | None) -> None:
    assert not is_correct_value("Domain-Name", value)


def test_an_observable_with_a_bad_value_is_refused_in_the_platforms_words() -> None:
    reason = why_refused(observable("Domain-Name", "localhost"))

    assert str(reason).startswith("INCORRECT_OBSERVABLE_FORMAT: Observable is not correctly formatted")


@pytest.mark.parametrize("score", [-1, 101, 50.5, "50", True])
def test_a_score_that_is_no_integer_from_0_to_100_is_refused(score: object) -> None:
    assert "score" in str(why_refused(observable("Domain-Name", x_opencti_score=score)))


@pytest.mark.parametrize("score", [0, 100, None])
def test_a_score_from_0_to_100_is_taken(score: int | None) -> None:
    assert why_refused(observable("Domain-Name", x_opencti_score=score)) is None


def resolution(start: str, stop: str) -> list[dict[str, Any]]:
    domain, address = observable("Domain-Name"), observable("IPv4-Addr")
    times = {"start_time": start, "stop_time": stop}
    return [domain, address, relationship(domain, "resolves-to", address, **times)]


def test_a_start_after_the_stop_is_refused() -> None:
    assert "stop_time less than the start_time" in str(
        why_refused(*resolution("2024-01-02T00:00:00Z", "2024-01-01T00:00:00Z"))
    )


def test_a_start_equal_to_the_stop_is_taken() -> None:
    assert why_refused(*resolution("2024-01-01T00:00:00Z", "2024-01-01T02:00:00+02:00")) is None


def test_a_time_that_is_none_is_refused() -> None:
    assert str(why_refused(*resolution("yesterday", "2024-01-01T00:00:00Z"))).startswith("VALIDATION_ERROR")


@pytest.mark.parametrize("reference", ["created_by_ref", "x_opencti_created_by_ref"])
def test_a_reference_to_nothing_is_refused(reference: str) -> None:
    author = f"identity--{uuid.uuid4()}"

    reason = str(why_refused(observable("Domain-Name", **{reference: author})))

    assert reason.startswith("MISSING_REFERENCE_ERROR")
    assert author in reason


def test_a_marking_that_nobody_knows_is_refused() -> None:
    assert "MISSING_REFERENCE" in str(
        why_refused(observable("Domain-Name", object_marking_refs=[f"marking-definition--{uuid.uuid4()}"]))
    )


@pytest.mark.parametrize("missing", ["id", "relationship_type", "source_ref", "target_ref"])
def test_a_relationship_without_a_required_property_is_refused(missing: str) -> None:
    *ends, relation = resolution("2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z")
    del relation[missing]

    assert f"Missing {missing}" in str(why_refused(*ends, relation))


def test_an_id_of_another_type_is_refused() -> None:
    domain = observable("Domain-Name")

    assert "Invalid identifier" in str(why_refused({**domain, "type": "hostname"}))


def test_the_strictest_marking_of_each_type_stays_and_other_markings_too() -> None:
    statement = f"marking-definition--{uuid.uuid4()}"
    stored = observable("Domain-Name", object_marking_refs=[TLP["TLP:AMBER+STRICT"], PAP["PAP:GREEN"], statement])
    came = observable("Domain-Name", object_marking_refs=[TLP["TLP:AMBER"], TLP["TLP:CLEAR"], PAP["PAP:RED"]])

    kept = [TLP["TLP:AMBER+STRICT"], statement, PAP["PAP:RED"]]
    assert merged(stored, came)["object_marking_refs"] == kept


@pytest.mark.parametrize("definition", PAP)
def test_the_ids_of_pap_markings_are_those_of_pycti(definition: str) -> None:
    assert PAP[definition] == MarkingDefinition.generate_id(definition_type="PAP", definition=definition)


@pytest.mark.parametrize("reference", ["created_by_ref", "x_opencti_created_by_ref"])
def test_an_author_is_kept_and_a_missing_one_is_filled(reference: str) -> None:
    authored = observable("Domain-Name", created_by_ref="identity--1")
    came = observable("Domain-Name", **{reference: "identity--2"})

    assert author(merged(authored, came)) == "identity--1"
    assert author(merged(observable("Domain-Name"), came)) == "identity--2"


def test_an_author_in_the_extension_of_the_platforms_messages_is_kept_too() -> None:
    stored = OpenCTI().add_observable("Domain-Name", "example.com", author="Analysts").as_stix()

    after = merged(stored, observable("Domain-Name", "example.com", x_opencti_created_by_ref="identity--2"))

    assert author(after) == Identity.generate_id("Analysts", "organization")


@pytest.mark.parametrize(
    ("known", "stored"),
    [
        ({}, ("1970-01-01T00:00:00.000Z", "5138-11-16T09:46:40.000Z")),
        ({"start_time": "2024-01-01T00:00:00Z"}, ("2024-01-01T00:00:00Z", "5138-11-16T09:46:40.000Z")),
        ({"stop_time": "2024-01-01T00:00:00Z"}, ("1970-01-01T00:00:00.000Z", "2024-01-01T00:00:00Z")),
    ],
)
def test_a_missing_time_is_stored_as_the_end_of_time_and_never_narrowed(
    known: dict[str, str], stored: tuple[str, str]
) -> None:
    platform = Knowledge()
    domain, address = observable("Domain-Name"), observable("IPv4-Addr")
    relation = relationship(domain, "resolves-to", address, **known)
    again = {**relation, "start_time": "2024-01-01T00:00:00Z", "stop_time": "2024-01-01T00:00:00Z"}

    for later in ([], [again]):
        platform.take([domain, address, relation, *later])
        (kept,) = [obj for obj in platform.objects.values() if obj["type"] == "relationship"]
        assert (kept["start_time"], kept["stop_time"]) == stored


def test_values_that_come_win_and_nulls_do_not() -> None:
    stored = observable("Domain-Name", x_opencti_score=10, x_opencti_description="kept", labels=["a"])
    came = observable("Domain-Name", x_opencti_score=90, x_opencti_description=None, labels=["b"])

    assert merged(stored, came) == {**stored, "x_opencti_score": 90, "labels": ["a", "b"]}


def test_a_bundle_is_imported_in_any_order() -> None:
    platform = Knowledge()
    domain, address, relation = resolution("2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z")

    assert platform.take([relation, address, domain]) == []
    assert set(platform.objects) == {domain["id"], address["id"], relation["id"]}


def test_what_refers_to_a_refused_object_is_refused_and_its_neighbours_are_not() -> None:
    platform = Knowledge()
    domain, good, bad = observable("Domain-Name"), observable("IPv4-Addr"), observable("IPv4-Addr", "192.0.2.999")
    relations = [relationship(domain, "resolves-to", address) for address in (good, bad)]

    refused = platform.take([domain, good, bad, *relations])

    assert [reason.partition("_")[0] for reason in refused] == ["INCORRECT", "MISSING"]
    assert set(platform.objects) == {domain["id"], good["id"], relations[0]["id"]}


def test_the_same_relationship_extends_the_stored_one_from_the_oldest_start_to_the_newest_stop() -> None:
    platform = Knowledge()
    domain, address, relation = resolution("2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z")
    platform.take([domain, address, relation])

    platform.take([{**relation, "start_time": "2024-01-01T00:00:00Z", "stop_time": "2024-02-01T00:00:00Z"}])

    stored = platform.objects[relation["id"]]
    assert (stored["start_time"], stored["stop_time"]) == ("2024-01-01T00:00:00Z", "2024-03-01T00:00:00Z")


@pytest.mark.parametrize(("stop", "relationships"), [("2024-03-01T00:00:00Z", 1), ("2024-03-02T00:00:00Z", 2)])
def test_another_id_within_30_days_is_the_same_relationship(stop: str, relationships: int) -> None:
    platform = Knowledge()
    domain, address, relation = resolution("2024-01-01T00:00:00Z", "2024-01-31T00:00:00Z")
    again = relationship(domain, "resolves-to", address, start_time="2024-01-01T00:00:00Z", stop_time=stop)

    platform.take([domain, address, relation])
    platform.take([again])

    assert sum(obj["type"] == "relationship" for obj in platform.objects.values()) == relationships
    assert platform.find(again["id"]) is not None


def test_a_relationship_without_times_is_any_between_the_same_ends() -> None:
    platform = Knowledge()
    domain, address, relation = resolution("2024-01-01T00:00:00Z", "2024-01-31T00:00:00Z")

    platform.take([domain, address, relation, relationship(domain, "resolves-to", address)])

    assert set(platform.objects) == {domain["id"], address["id"], relation["id"]}


def test_an_undated_relationship_is_found_by_the_platforms_id_whatever_its_own_id() -> None:
    platform = Knowledge()
    domain, address = observable("Domain-Name"), observable("IPv4-Addr")
    of_an_analyst = relationship(domain, "resolves-to", address)
    dated = {"start_time": "2024-01-01T00:00:00Z", "stop_time": "2024-01-31T00:00:00Z"}
    same_id = StixCoreRelationship.generate_id("resolves-to", domain["id"], address["id"])

    platform.take([domain, address, of_an_analyst])
    platform.take([{**of_an_analyst, **dated, "id": same_id}])

    assert set(platform.objects) == {domain["id"], address["id"], of_an_analyst["id"]}


def test_a_dated_relationship_under_another_id_is_kept_beside_an_undated_one() -> None:
    platform = Knowledge()
    domain, address, dated = resolution("2024-01-01T00:00:00Z", "2024-01-31T00:00:00Z")
    undated = relationship(domain, "resolves-to", address)

    platform.take([domain, address, undated])
    platform.take([dated])

    assert set(platform.objects) == {domain["id"], address["id"], undated["id"], dated["id"]}


@pytest.mark.parametrize("times", [{}, {"start_time": "2024-01-01T00:00:00Z", "stop_time": "2024-01-31T00:00:00Z"}])
def test_the_id_of_a_relationship_is_that_of_pycti(times: dict[str, str]) -> None:
    ends = observable("Domain-Name"), observable("IPv4-Addr")
    relation = relationship(ends[0], "resolves-to", ends[1], **times)

    assert relationship_id(relation) == StixCoreRelationship.generate_id(
        "resolves-to", relation["source_ref"], relation["target_ref"], *times.values()
    )


def test_a_domain_name_in_capitals_is_stored_in_small_letters_under_the_platforms_id() -> None:
    platform = Knowledge()
    capitals, small = observable("Domain-Name", "EXAMPLE.com"), observable("Domain-Name", "example.com")

    platform.take([capitals, small])

    assert list(platform.objects) == [small["id"]]
    assert platform.find(capitals["id"]) == platform.objects[small["id"]]
    assert platform.objects[small["id"]]["value"] == "example.com"


def test_checking_takes_nothing() -> None:
    platform = Knowledge()

    assert platform.check([observable("Domain-Name", "localhost")]) != []
    assert platform.objects == {}
