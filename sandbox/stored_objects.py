"""Stores OpenCTI's objects and imports bundles."""

from collections import defaultdict
from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from sandbox import markings
from sandbox.entities import as_stored, marking_id, relationship_id, standard_id
from sandbox.import_rules import (
    OBSERVABLES,
    StixObject,
    entity_type,
    merged,
    references,
    refusal,
    same_relationship,
)


class Knowledge:
    """Objects by standard id, relationships by the id with which they were created.

    An object is found by every id that was sent for it, and a relationship by its standard id too.
    """

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self._standard_ids: dict[str, str] = {}
        self._between: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)

    def find(self, any_id: str) -> dict[str, Any] | None:
        """Find a stored object by its standard id or any id that was sent for it."""
        return self.objects.get(self._standard_ids.get(any_id, any_id))

    def take(self, objects: Iterable[StixObject]) -> list[str]:
        """Import the objects of a bundle, referenced ones first, and return the reasons for refusals.

        Of several objects with one id the last counts, as in pycti's splitter. Refused objects are not stored, so
        that objects that refer to them are refused as well.
        """
        waiting = {obj.get("id"): obj for obj in objects}
        refused = []
        while waiting:
            ready = {key: obj for key, obj in waiting.items() if all(map(self.find, references(obj)))} or waiting
            for obj in ready.values():
                if reason := refusal(obj, self.find):
                    refused.append(reason)
                else:
                    self.put(obj)
            waiting = {key: obj for key, obj in waiting.items() if key not in ready}
        return refused

    def check(self, objects: Iterable[StixObject]) -> list[str]:
        """Return what `take` would refuse, without importing anything."""
        return deepcopy(self).take(objects)

    def put(self, obj: StixObject) -> None:
        """Store the object, or merge it with the one that OpenCTI considers identical."""
        if obj["type"] == "marking-definition":
            self._put_marking(obj)
            return
        came = self._normalized(obj)
        key = self._key(came)
        self._standard_ids[obj["id"]] = key
        if came["type"] == "relationship" and key not in self.objects:
            self._between[_ends(came)].append(key)
            self._standard_ids[relationship_id(came)] = key
        self.objects[key] = merged(self.objects.get(key, {"id": key, "type": came["type"]}), came)

    def _put_marking(self, obj: StixObject) -> None:
        if came := markings.read(obj):
            key = (self.find(obj["id"]) or {}).get("id") or marking_id(came["definition_type"], came["definition"])
            self._standard_ids[obj["id"]] = key
            self.objects[key] = markings.upserted(self.objects.get(key, {"id": key}), came)

    def _normalized(self, obj: StixObject) -> dict[str, Any]:
        if obj["type"] == "relationship":
            ends = {name: (self.find(obj[name]) or {}).get("id") for name in ("source_ref", "target_ref")}
            return {**obj, **ends}
        if obj["type"] in OBSERVABLES and "value" in obj:
            return {**obj, "value": as_stored(entity_type(obj), obj["value"])}
        return dict(obj)

    def _key(self, obj: dict[str, Any]) -> str:
        """Return the standard id of the object."""
        if known := self.find(obj["id"]):
            return str(known["id"])
        if obj["type"] in OBSERVABLES and "value" in obj:
            return standard_id(entity_type(obj), {"value": obj["value"]})
        if obj["type"] == "relationship":
            if known := self.find(relationship_id(obj)):
                return str(known["id"])
            candidates = (self.objects[key] for key in self._between[_ends(obj)])
            return str(next((one for one in candidates if same_relationship(one, obj)), obj)["id"])
        return str(obj["id"])


def _ends(relationship: StixObject) -> tuple[str, str, str]:
    return relationship["relationship_type"], relationship["source_ref"], relationship["target_ref"]
