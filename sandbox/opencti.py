"""Embeds an OpenCTI for one enrichment connector: registration, enrichments, playbooks and a strict import.

It answers pycti's requests and rejects what OpenCTI rejects. Messages reach the connector over pycti's HTTP protocol
(``CONNECTOR_LISTEN_PROTOCOL=API``, ``CONNECTOR_QUEUE_PROTOCOL=api``), or over a real broker.
"""

import json
import threading
import time
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal

from sandbox.broker import Push, pushed_objects
from sandbox.connector_link import Connector, Link
from sandbox.entities import Entity, Marking, now
from sandbox.graphql import Call, Refused, version_of
from sandbox.import_rules import OBSERVABLES, TLP, author
from sandbox.messages import as_before_6_8, enrichment_message, playbook_message
from sandbox.rights import denial, may
from sandbox.stored_objects import Knowledge
from sandbox.works import Execution, Work

Fault = Literal["error", "database", "refused", "http500", "http413", "gone", "unheard", "stall"]


class OpenCTI:
    """OpenCTI's state: its objects, its requests to the connector, and the calls that it received."""

    def __init__(
        self,
        version: str = "7.261026.0",
        broker: str | None = None,
        queues: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Simulate OpenCTI ``version``.

        ``broker`` is the URL of a RabbitMQ (``amqp://...``), ``queues`` the arguments of its queues, such as
        ``{"x-queue-type": "quorum"}``.
        """
        self.version = version
        self.token = str(uuid.uuid4())
        self.user: dict[str, Any] = {
            "name": "connector",
            "capabilities": [
                {"name": "CONNECTORAPI"},
                {"name": "KNOWLEDGE_KNUPDATE_KNDELETE"},
                {"name": "SETTINGS_SETMARKINGS"},
                {"name": "MODULES_MODMANAGE"},
            ],
            "effective_confidence_level": {"max_confidence": 100},
        }
        """The user of the token, without the visible markings."""
        self.tells_mode = version_of(version) >= (6, 8)
        """Whether messages say who requested the enrichment, as since 6.8."""
        self.largest_request = float("inf")
        """Bytes beyond which a proxy in front of OpenCTI refuses a request with 413."""
        self.link = Link(self.token, broker, self._import_pushed, queues)
        self.works: dict[str, Work] = {}
        self.executions: dict[str, Execution] = {}
        self.pushes = 0
        """Number of messages pushed over the broker."""
        self._knowledge = Knowledge()
        self._entities: dict[str, Entity] = {}
        self._unreadable: set[str] = set()
        self._ambiguous: set[str] = set()
        self._hidden: set[str] = set()
        self._calls: list[Call] = []
        self._faults: dict[str, tuple[Fault, float]] = {}
        self._recovered = threading.Event()
        self._lock = threading.RLock()
        for definition in TLP:
            self._knowledge.put(Marking(definition).as_stored())

    @property
    def calls(self) -> list[Call]:
        """The GraphQL calls so far, in order, including failed ones."""
        with self._lock:
            return list(self._calls)

    @property
    def objects(self) -> dict[str, dict[str, Any]]:
        """The stored objects by standard id, including the built-in TLP markings."""
        with self._lock:
            return dict(self._knowledge.objects)

    def relationships(self) -> list[dict[str, Any]]:
        """The stored relationships."""
        return [obj for obj in self.objects.values() if obj["type"] == "relationship"]

    def observables(self) -> list[dict[str, Any]]:
        """The stored observables, including those added by `add_observable`."""
        return [obj for obj in self.objects.values() if obj["type"] in OBSERVABLES]

    def add_observable(
        self,
        entity_type: str,
        value: str,
        markings: Iterable[str | Marking] = ("TLP:GREEN",),
        score: int | None = None,
        **more: Any,
    ) -> Entity:
        """Add an observable (``Domain-Name``, ``IPv4-Addr``, ...).

        ``markings`` are definitions such as ``TLP:RED``; ``more`` are further fields of `Entity`.
        """
        marks = tuple(mark if isinstance(mark, Marking) else Marking(mark) for mark in markings)
        return self._add(Entity(entity_type, value, marks, score, **more))

    def add_entity(
        self, entity_type: str, name: str, markings: Iterable[str] = ("TLP:GREEN",), **properties: Any
    ) -> Entity:
        """Add another entity (``Indicator``, ``Malware``, ...) with further STIX properties."""
        return self._add(Entity(entity_type, name, tuple(map(Marking, markings)), properties=properties))

    def add_relationship(self, source: Entity, name: str, target: Entity, **properties: Any) -> dict[str, Any]:
        """Add a relationship between two entities, with further STIX properties, and return it."""
        ends = {"source_ref": source.standard_id, "target_ref": target.standard_id}
        own = {"type": "relationship", "id": f"relationship--{uuid.uuid4()}", "relationship_type": name}
        with self._lock:
            self._knowledge.put(own | ends | properties)
            return dict(self._knowledge.objects[own["id"]])

    def enrich(self, entity: Entity, auto: bool = False) -> Work:
        """Request an enrichment, for an analyst or, with ``auto``, automatically.

        Raises RuntimeError if no connector can be reached.
        """
        work = Work(f"work_{self.link.reachable().id}_{now('microseconds')}", entity)
        self.works[work.id] = work
        self._send(enrichment_message(work, auto), work)
        return work

    def play(
        self, entity: Entity, objects: list[dict[str, Any]] | None = None, entity_id: str | None = None
    ) -> Execution:
        """Run a playbook that has reached the connector's step.

        ``objects`` is the whole bundle (by default only the entity, see `Entity.as_stix`), ``entity_id`` the STIX id
        of its base element. Raises RuntimeError if no connector can be reached.
        """
        self.link.reachable()
        execution = Execution(str(uuid.uuid4()), entity)
        self.executions[execution.id] = execution
        bundled = [entity.as_stix()] if objects is None else objects
        self._send(playbook_message(execution, bundled, entity_id or entity.standard_id), execution)
        return execution

    def fail(self, field: str, times: int | None = None, how: Fault = "error") -> None:
        """Fail calls of a root field (or of a field of ``workEdit``, such as ``toProcessed``) until `recover`.

        ``*`` means every field; ``times`` limits the number of failures. A stalled call is answered after `recover`;
        an ``unheard`` one takes effect, but the connection breaks before the response.
        """
        with self._lock:
            self._recovered.clear()
            self._faults[field] = (how, float("inf") if times is None else times)

    def recover(self) -> None:
        """End every fault, and answer stalled calls."""
        with self._lock:
            self._faults.clear()
            self._recovered.set()

    def entity_unreadable(self, entity: Entity) -> None:
        """Hide an entity from the connector, as a marking or organization that its user cannot see does."""
        self._unreadable.add(entity.standard_id)

    def entity_ambiguous(self, entity: Entity) -> None:
        """Let OpenCTI fail whenever it reads an entity, such as one that exists in a draft and outside."""
        self._ambiguous.add(entity.standard_id)

    def mark(self, entity: Entity, *definitions: str) -> Entity:
        """Replace the markings of an entity, as an analyst does, and return it."""
        return self._add(replace(entity, markings=tuple(map(Marking, definitions))))

    def rename_marking(self, definition: str, name: str) -> None:
        """Rename a marking such as ``TLP:CLEAR``, as an administrator can; only the case may change.

        Otherwise OpenCTI would give it another id and forget this one (``updateAttributeRaw`` in ``middleware.js``).
        """
        if name.upper() != definition.upper():
            raise ValueError("the sandbox does not model a new id")
        with self._lock:
            self._knowledge.objects[Marking(definition).id]["definition"] = name

    def hide_marking(self, definition: str) -> None:
        """Hide a marking such as ``TLP:CLEAR``, and objects with it, from the connector's user."""
        self._hidden.add(Marking(definition).id)

    @property
    def me(self) -> dict[str, Any]:
        """The user of the token, with the markings that its groups can see."""
        return self.user | {"allowed_marking": self.visible_markings()}

    def visible_markings(self) -> list[dict[str, Any]]:
        """Return the markings that the connector's user can see, as GraphQL does."""
        markings = [obj for obj in self.objects.values() if obj["type"] == "marking-definition"]
        return [obj | {"standard_id": obj["id"]} for obj in markings if obj["id"] not in self._hidden]

    def wait_registered(self, timeout: float) -> Connector:
        """Wait up to ``timeout`` seconds until a connector is registered and listens.

        Raises TimeoutError.
        """
        deadline = time.monotonic() + timeout
        while not self.link.is_listening():
            if time.monotonic() > deadline:
                asked = [call.field for call in self.calls]
                state = "registered but does not listen" if self.link.registered else "did not register"
                raise TimeoutError(f"the connector {state} within {timeout:g} s; it called {asked}")
            time.sleep(0.05)
        return self.link.reachable()

    def close(self) -> None:
        """End every fault, and delete the queues of the broker.

        Raises AssertionError if a work was closed more than once.
        """
        self.recover()
        self.link.close()
        # Without the right to ask, a connector whose response was lost cannot know, and may close with the same text.
        counted = list if may("MODULES", self.user["capabilities"]) else set
        twice = {work.id: work.closings for work in self.works.values() if len(counted(work.closings)) > 1}
        if twice:
            raise AssertionError(f"works were closed more than once: {twice}")

    def meet(self, call: Call) -> Fault | None:
        """Record a call, and return how it must fail; a stalled call waits here."""
        with self._lock:
            self._calls.append(call)
            field = next((name for name in (call.below, call.field) if name in self._faults), "*")
            how, times = self._faults.get(field, (None, 0))
            if (field, call.field, how) == ("*", "about", "database"):
                return None  # The version is not read from the database.
            if how is None or times < 1:
                return None
            self._faults[field] = (how, times - 1)
        if how == "stall":
            self._recovered.wait()
            return None
        return how

    def read(self, field: str, any_id: str) -> dict[str, Any] | None:
        """Return the entity with that standard or internal id, or None if the root field does not return it."""
        entity = self._entities.get(any_id)
        if entity and entity.standard_id in self._ambiguous:
            raise Refused("DATABASE_ERROR", "Id loading expect only one response")
        if entity is None or field not in entity.read_by or entity.standard_id in self._unreadable:
            return None
        if any(marking.id in self._hidden for marking in entity.markings):
            return None
        return self._as_now(entity).as_api()

    def told_work(self, work_id: str) -> dict[str, Any] | None:
        """Return the state of a work; None if it does not exist."""
        with self._lock:
            return self.works[work_id].as_api() if work_id in self.works else None

    def edit_work(self, mutation: str, variables: Mapping[str, Any]) -> None:
        """Apply a field of ``workEdit``; raises `Refused` if the work does not exist."""
        with self._lock:
            self._work(variables["id"]).edit(mutation, variables)

    def push(self, bundle: str, work_id: str | None) -> None:
        """Import a bundle received over the API; raises `Refused` if the work does not exist."""
        objects = json.loads(bundle)["objects"]
        with self._lock:
            if work_id:
                self._work(work_id).edit("addExpectations", {"expectations": len(objects)})
            self._import(objects, work_id)

    def resume(self, execution_id: str, bundle: str) -> bool:
        """Resume a playbook: record and check its bundle. Returns False if no such playbook waits."""
        execution = self.executions.get(execution_id)
        if not execution:
            return False
        answered = json.loads(bundle)
        with self._lock:
            execution.errors += self._knowledge.check(answered["objects"])
        execution.bundles.append(answered)
        execution.answered.set()
        return True

    def _add(self, entity: Entity) -> Entity:
        with self._lock:
            new = [marking for marking in entity.markings if self._knowledge.find(marking.id) is None]
            for obj in (*(marking.as_stored() for marking in new), entity.as_stix()):
                self._knowledge.put(obj)
        self._entities |= {entity.standard_id: entity, entity.internal_id: entity}
        return entity

    def _send(self, message: dict[str, Any], sent: Work | Execution) -> None:
        self.link.deliver(message if self.tells_mode else as_before_6_8(message), sent)

    def _as_now(self, entity: Entity) -> Entity:
        """Return the entity with the author that an import set."""
        with self._lock:
            stored = self._knowledge.find(entity.standard_id) or {}
            imported = self._knowledge.find(author(stored) or "")
        return replace(entity, author=imported["name"]) if imported else entity

    def _work(self, work_id: str) -> Work:
        if work_id not in self.works:
            raise Refused("WORK_NOT_ALIVE", f"Work does not exist ({work_id})")
        return self.works[work_id]

    def _import_pushed(self, push: Push) -> None:
        self.pushes += 1
        # Like OpenCTI's worker, drop objects of a deleted work.
        with suppress(Refused):
            self._import(pushed_objects(push), push.get("work_id"))

    def _import(self, objects: list[dict[str, Any]], work_id: str | None) -> None:
        with self._lock:
            work = self._work(work_id) if work_id else None
            denials = [denial(obj, self.user["capabilities"], self._hidden) for obj in objects]
            granted = [obj for obj, denied in zip(objects, denials, strict=True) if not denied]
            refused = [*filter(None, denials), *self._knowledge.take(granted)]
            if work:
                work.add_import(len(objects), refused)
