"""Defines OpenCTI's entities and markings, as GraphQL and STIX represent them."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.import_rules import OBSERVABLES, TLP

_NAMESPACE = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
_OPENCTI_EXTENSION = "extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba"
_OBSERVABLE_EXTENSION = "extension-definition--f93e2c80-4231-4f9a-af8b-95c9bd566a82"
_LOWERED = ("Domain-Name", "Email-Addr")
_TLP_SINCE = "2017-01-20T00:00:00.000Z"
_IDENTITIES = ("Organization", "Individual", "Sector", "System")


def standard_id(entity_type: str, properties: Mapping[str, str]) -> str:
    """Return OpenCTI's id of an entity: UUIDv5 of its identifying properties (STIX 2.1 section 2.9)."""
    canonical = json.dumps(properties, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"{stix_type(entity_type)}--{uuid.uuid5(_NAMESPACE, canonical)}"


def relationship_id(obj: Mapping[str, Any]) -> str:
    """Return OpenCTI's id of a relationship: UUIDv5 of its type, ends and times."""
    names = ("relationship_type", "source_ref", "target_ref", "start_time", "stop_time")
    return standard_id("relationship", {name: obj[name] for name in names if obj.get(name)})


def marking_id(kind: str, definition: str) -> str:
    """Return OpenCTI's id of a marking definition, ignoring case; TLP ids are fixed."""
    kind, definition = kind.upper(), definition.upper()
    fixed = TLP.get(definition.replace("TLP:WHITE", "TLP:CLEAR")) if kind == "TLP" else None
    return fixed or standard_id("Marking-Definition", {"definition_type": kind, "definition": definition})


def stix_type(entity_type: str) -> str:
    """Return the STIX type for OpenCTI's name, such as ``ipv4-addr`` for ``IPv4-Addr``."""
    return "identity" if entity_type in _IDENTITIES else entity_type.lower()


def as_stored(entity_type: str, value: str) -> str:
    """Return the value as OpenCTI stores it: domain names and mailboxes in lower case."""
    return value.lower() if entity_type in _LOWERED else value


def now(timespec: str = "milliseconds") -> str:
    """Return the current time in UTC (ISO 8601), as OpenCTI formats it."""
    return datetime.now(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


@dataclass(frozen=True)
class Marking:
    """A marking definition such as ``TLP:GREEN``, ``PAP:RED`` or any statement."""

    definition: str
    given_kind: str | None = None
    """Its type, if the definition does not begin with it."""

    @property
    def kind(self) -> str:
        """``TLP``, ``PAP``, ... or ``statement``."""
        return self.given_kind or (self.definition.partition(":")[0] if ":" in self.definition else "statement")

    @property
    def id(self) -> str:
        return marking_id(self.kind, self.definition)

    def as_api(self) -> dict[str, str]:
        """Return the marking as GraphQL does under ``objectMarking``."""
        named = {"definition_type": self.kind, "definition": self.definition, "created": _TLP_SINCE}
        return {"id": self.id.partition("--")[2], "standard_id": self.id, **named}

    def as_stored(self) -> dict[str, Any]:
        """Return the marking as OpenCTI stores it, which is also how it is imported unchanged."""
        named = {"x_opencti_definition_type": self.kind, "x_opencti_definition": self.definition}
        return {"type": "marking-definition", "id": self.id, "created": _TLP_SINCE} | named

    def as_stix(self) -> dict[str, Any]:
        """Return the marking as pycti exports it to STIX, with the definition in lower case."""
        kind = self.kind.lower()
        text = {"name": self.definition, "definition": {kind: self.definition.lower().removeprefix("tlp:")}}
        common = {"type": "marking-definition", "spec_version": "2.1", "id": self.id, "created": _TLP_SINCE}
        return common | {"definition_type": kind} | text


@dataclass(frozen=True)
class Entity:
    """An observable or another entity in OpenCTI."""

    entity_type: str
    """OpenCTI's name of the type, such as ``Domain-Name``."""
    value: str
    """The value of an observable, or the name of another entity."""
    markings: tuple[Marking, ...] = ()
    score: int | None = None
    labels: tuple[str, ...] = ()
    description: str | None = None
    author: str | None = None
    """The name of an organization."""
    properties: Mapping[str, Any] = field(default_factory=dict)
    """Further properties; STIX and the API use the same names."""
    internal_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created_at: str = field(default_factory=now)

    @property
    def is_observable(self) -> bool:
        return stix_type(self.entity_type) in OBSERVABLES

    @property
    def standard_id(self) -> str:
        if self.entity_type in _IDENTITIES:
            named = {"name": self.value.lower().strip(), "identity_class": self.entity_type.lower()}
            return standard_id(self.entity_type, named)
        return standard_id(self.entity_type, self._named)

    @property
    def read_by(self) -> tuple[str, ...]:
        """The GraphQL root fields that return this entity by id."""
        if self.is_observable:
            return "stixCoreObject", "stixCyberObservable"
        words = stix_type(self.entity_type).split("-")
        return "stixCoreObject", "stixDomainObject", words[0] + "".join(word.title() for word in words[1:])

    @property
    def _author(self) -> "Entity | None":
        return Entity("Organization", self.author) if self.author else None

    @property
    def _named(self) -> dict[str, str]:
        return {"value" if self.is_observable else "name": self.value}

    def as_api(self) -> dict[str, Any]:
        """Return the entity as GraphQL does for pycti's read methods."""
        ids = {"id": self.internal_id, "standard_id": self.standard_id, "entity_type": self.entity_type}
        times = {"spec_version": "2.1", "created_at": self.created_at, "updated_at": self.created_at}
        marks = {"objectMarking": [marking.as_api() for marking in self.markings]}
        own = self._observable_fields() if self.is_observable else {"description": self.description}
        return ids | times | self._named | marks | self._related() | own | dict(self.properties)

    def as_stix(self) -> dict[str, Any]:
        """Return the entity as messages contain it, with OpenCTI's own properties in extensions."""
        own = {"type": self.entity_type, "id": self.internal_id, "created_at": self.created_at}
        extensions = {_OPENCTI_EXTENSION: {"extension_type": "property-extension", **own}}
        about: dict[str, Any] = {"description": self.description, "labels": list(self.labels)}
        if self.is_observable:
            about["score"] = self.score
            about["created_by_ref"] = self._author.standard_id if self._author else None
            extensions[_OBSERVABLE_EXTENSION] = {"extension_type": "property-extension", **_filled(about)}
            about = {}
        ids = {"type": stix_type(self.entity_type), "spec_version": "2.1", "id": self.standard_id}
        about["object_marking_refs"] = [marking.id for marking in self.markings]
        return ids | self._named | _filled(about) | dict(self.properties) | {"extensions": extensions}

    def _observable_fields(self) -> dict[str, Any]:
        described = {"x_opencti_score": self.score, "x_opencti_description": self.description}
        return {"observable_value": self.value, "indicators": {"edges": []}, **described}

    def _author_as_api(self) -> dict[str, Any] | None:
        if self._author is None:
            return None
        fields = ("id", "standard_id", "entity_type", "parent_types", "spec_version", "name", "objectLabel")
        answered = self._author.as_api()
        return {name: answered[name] for name in fields} | {"identity_class": "organization"}

    def _related(self) -> dict[str, Any]:
        abstract = "Stix-Cyber-Observable" if self.is_observable else "Stix-Domain-Object"
        return {
            "parent_types": ["Basic-Object", "Stix-Object", "Stix-Core-Object", abstract],
            "objectLabel": [{"id": f"label-{label}", "value": label} for label in self.labels],
            "externalReferences": {"edges": []},
            "importFiles": {"edges": []},
            "createdBy": self._author_as_api(),
            "objectOrganization": [],
        }


def _filled(properties: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in properties.items() if value not in (None, [])}
