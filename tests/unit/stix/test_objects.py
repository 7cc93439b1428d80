"""The objects and ids equal the output of python-stix2 and pycti."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stix2
from hypothesis import given
from hypothesis import strategies as st
from pycti import CustomObservableHostname, Identity, StixCoreRelationship
from stix2validator import ValidationOptions, validate_instance

from passivedns.converter import convert
from passivedns.model import Entity
from passivedns.sources.riskiq import read_saved
from passivedns.stix import objects
from passivedns.stix.builder import AUTHOR, Publisher, additions
from passivedns.stix.objects import TLP_CLEAR, StixObject
from sandbox.sources.riskiq_data import ADDRESS, DOMAIN, own_records

NOW = datetime(2026, 11, 24, 12, 30, 15, 123000, tzinfo=UTC)
PUBLISHER = Publisher({"riskiq": "RiskIQ PassiveTotal"}, {"riskiq": "TLP:CLEAR"})
AUTHOR_ID = Identity.generate_id(AUTHOR, "organization")
SOURCE = objects.observable_id("Domain-Name", "example.org")
TARGET = objects.observable_id("IPv4-Addr", "192.0.2.1")
CLASSES = {
    "Domain-Name": stix2.DomainName,
    "Email-Addr": stix2.EmailAddress,
    "Hostname": CustomObservableHostname,
    "IPv4-Addr": stix2.IPv4Address,
    "IPv6-Addr": stix2.IPv6Address,
}


def as_dict(item: Any) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(item.serialize())
    return plain


def emitted() -> list[StixObject]:
    """Every kind of object, from the sandbox's domain and address."""
    found: dict[str, StixObject] = {}
    for entity_type, value in [("Domain-Name", DOMAIN), ("IPv4-Addr", ADDRESS)]:
        entity = Entity(objects.observable_id(entity_type, value), entity_type, value)
        records = read_saved(json.dumps({"results": own_records(NOW.date())[value]}).encode(), value).records
        found |= {item["id"]: item for item in additions(entity, convert(entity, records).relations, PUBLISHER, NOW)}
        found[entity.id] = observable(entity_type, value)
    return list(found.values())


def observable(entity_type: str, value: str) -> StixObject:
    return objects.observable(entity_type, value, AUTHOR_ID, [TLP_CLEAR])


@pytest.mark.parametrize(
    ("entity_type", "value"),
    [
        ("Domain-Name", "example.org"),
        ("Domain-Name", "bücher.example"),
        ("Email-Addr", "o'neil&co@example.org"),
        ("Hostname", "host"),
        ("IPv4-Addr", "192.0.2.1"),
        ("IPv6-Addr", "2001:db8::1"),
    ],
)
def test_an_observable_equals_the_one_of_python_stix2(entity_type: str, value: str) -> None:
    expected = CLASSES[entity_type](
        value=value,
        object_marking_refs=[stix2.TLP_WHITE],
        custom_properties={"x_opencti_created_by_ref": AUTHOR_ID},
        allow_custom=True,
    )
    assert observable(entity_type, value) == as_dict(expected)


@given(st.text())
def test_the_id_of_any_value_equals_the_one_of_python_stix2(value: str) -> None:
    assert objects.observable_id("Domain-Name", value) == stix2.DomainName(value=value).id


TIMES = {"start": datetime(2026, 11, 1, 9, 8, 7, tzinfo=UTC), "stop": datetime(2026, 11, 2, tzinfo=UTC)}


def relationship(start: datetime | None = None, stop: datetime | None = None) -> StixObject:
    return objects.relationship(
        "resolves-to",
        SOURCE,
        TARGET,
        start,
        stop,
        {
            "description": "A records (riskiq)",
            "created": objects.timestamp(NOW, "milliseconds"),
            "modified": objects.timestamp(NOW, "milliseconds"),
            "created_by_ref": AUTHOR_ID,
            "object_marking_refs": [TLP_CLEAR],
        },
    )


@pytest.mark.parametrize("times", [{}, TIMES])
def test_a_relationship_equals_the_one_of_python_stix2(times: dict[str, datetime]) -> None:
    made = relationship(**times)
    expected = stix2.Relationship(
        id=made["id"],
        relationship_type="resolves-to",
        source_ref=SOURCE,
        target_ref=TARGET,
        description="A records (riskiq)" if times else None,
        created=NOW,
        modified=NOW,
        created_by_ref=AUTHOR_ID,
        object_marking_refs=[stix2.TLP_WHITE],
        **{f"{name}_time": moment for name, moment in times.items()},
    )
    assert made == as_dict(expected)


def test_an_undated_relationship_has_the_id_that_opencti_derives() -> None:
    assert relationship()["id"] == StixCoreRelationship.generate_id("resolves-to", SOURCE, TARGET)


def test_a_dated_relationship_has_an_id_in_the_connectors_namespace_for_any_times() -> None:
    later = {name: moment + timedelta(days=100) for name, moment in TIMES.items()}
    ids = {relationship(**times)["id"] for times in (TIMES, later)}
    assert ids == {"relationship--7bd10808-17c4-5f76-be16-a246217df831"}


def test_an_organization_equals_the_one_of_python_stix2_with_pyctis_id() -> None:
    expected = stix2.Identity(id=AUTHOR_ID, name=AUTHOR, identity_class="organization", created=NOW, modified=NOW)
    assert objects.organization(AUTHOR, objects.timestamp(NOW, "milliseconds")) == as_dict(expected)


def test_a_marking_equals_the_one_of_python_stix2() -> None:
    expected = stix2.MarkingDefinition(
        id=TLP_CLEAR,
        created="2017-01-20T00:00:00.000Z",
        definition_type="statement",
        definition={"statement": "TLP:CLEAR"},
        allow_custom=True,
        x_opencti_definition_type="TLP",
        x_opencti_definition="TLP:CLEAR",
    )
    assert objects.marking(TLP_CLEAR, "TLP", "TLP:CLEAR") == as_dict(expected)


def test_every_object_parses_with_python_stix2_unchanged() -> None:
    for item in emitted():
        assert as_dict(stix2.parse(item, allow_custom=True)) == item


def test_every_object_passes_the_stix_validator() -> None:
    # OpenCTI has custom properties (codes 400 to 499) and further relationship types (code 222).
    options = ValidationOptions(version="2.1", strict=False)
    bundle = {"type": "bundle", "id": "bundle--5f0a3c9e-4f4e-4ad5-9a0c-0e1c1b8a2a11", "objects": emitted()}
    result = validate_instance(bundle, options)
    assert result.is_valid, result.errors
