"""A message knows its author and who requested it, and sends one answer."""

import json
import logging
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pika.exceptions import AMQPConnectionError
from pycti import Identity

from passivedns.delivery.delivery import Delivery, Postponed
from passivedns.delivery.retry import Retrier, TooLarge
from passivedns.errors import NotSent, Unreadable
from passivedns.opencti.helper import Helper
from passivedns.opencti.message import Bundle, Message
from passivedns.stix.markings import references, strictest_tlp
from sandbox.entities import Entity, Marking
from sandbox.opencti import OpenCTI

RED = Marking("TLP:RED").id
OWN = Identity.generate_id("Passive DNS", "organization")
ANOTHER = Identity.generate_id("Example Organization", "organization")
OPENCTI = "extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba"
OBSERVABLE = "extension-definition--f93e2c80-4231-4f9a-af8b-95c9bd566a82"


def message(author: dict[str, Any] | None = None, mode: str | None = None, **properties: Any) -> Message:
    """A message with what pycti hands over of its author."""
    entity = {"type": "domain-name", "id": "domain-name--1", "value": "example.org"} | properties
    return of({"enrichment_entity": {"createdBy": author}, "stix_entity": entity, "mode": mode})


def of(data: dict[str, Any]) -> Message:
    retrier = SimpleNamespace(delivery=Delivery("key", {}, False))
    helper: Any = SimpleNamespace(work_id=None, playbook=None, enrichment_shared_organizations=None, retrier=retrier)
    return Message(data, helper)


@pytest.mark.parametrize(
    "as_told",
    [
        lambda author: message({"standard_id": author, "name": "any"}),
        lambda author: message(x_opencti_created_by_ref=author),
        lambda author: message(created_by_ref=author),
        lambda author: message(extensions={OPENCTI: {"type": "Domain-Name"}, OBSERVABLE: {"created_by_ref": author}}),
    ],
    ids=["read by pycti", "exported by pycti", "of a playbook, flat", "of a playbook, in an extension"],
)
def test_the_author_is_found_in_every_form(as_told: Any) -> None:
    assert as_told(OWN).is_by(OWN)
    assert not as_told(ANOTHER).is_by(OWN)


@pytest.mark.parametrize("unauthored", [message(), message({}), message(extensions=None), message(more=1)])
def test_an_observable_without_an_author_is_by_nobody(unauthored: Message) -> None:
    assert not unauthored.is_by(OWN)


def test_an_entity_without_the_fields_of_an_author_is_by_nobody() -> None:
    assert not of({"enrichment_entity": {}, "stix_entity": {}}).is_by(OWN)


@pytest.mark.parametrize(("mode", "deliberate"), [("manual", True), ("playbook", True), ("auto", False), (None, False)])
def test_requests_of_people_and_playbooks_are_deliberate_and_automatic_runs_are_not(
    mode: str | None, deliberate: bool
) -> None:
    assert message(mode=mode).mode == mode
    assert message(mode=mode).is_deliberate is deliberate


def test_a_message_without_a_mode_is_not_deliberate() -> None:
    silent = of({"enrichment_entity": {}, "stix_entity": {}})
    assert silent.mode is None
    assert not silent.is_deliberate


# What is sent


class Works:
    """In place of our `api.work`."""

    def __init__(self, events: list[tuple[object, ...]]) -> None:
        self._events = events

    def add_expectations(self, work_id: str, expectations: int) -> bool:
        self._events.append(("announce", work_id, expectations))
        return True


class Sending(SimpleNamespace):
    """In place of our helper; notes what is announced and sent."""

    def __init__(self, *failures: Exception, **own: Any) -> None:
        super().__init__()
        self.events: list[tuple[object, ...]] = []
        self.retrier = Retrier(Delivery("key", {}, False), SimpleNamespace(query=lambda _: {}))
        self.work_id: str | None = "w1"
        self.playbook: Any = None
        self.queue_protocol = "api"
        self.enrichment_shared_organizations: list[str] | None = None
        self.api = SimpleNamespace(work=Works(self.events))
        self.connector_logger = logging.getLogger("test")
        self._failures = list(failures)
        vars(self).update(own)

    @staticmethod
    def stix2_create_bundle(objects: list[Any]) -> str:
        return json.dumps(objects)

    def send(self, text: str, *, is_chunk: bool = False) -> None:
        if self._failures:
            raise self._failures.pop(0)
        self.events.append(("chunk" if is_chunk else "bundle", text))


ENTITY = {"type": "domain-name", "spec_version": "2.1", "id": "domain-name--1", "value": "example.org"}
RECEIVED = ENTITY | {"x_opencti_score": 50}
ADDED = {"type": "ipv4-addr", "id": "ipv4-addr--1"}


def sending(helper: Any) -> Message:
    return Message({"stix_entity": RECEIVED, "stix_objects": [RECEIVED]}, helper)


def objects_of(bundle: Bundle | None) -> Any:
    assert bundle is not None
    (text,) = bundle.texts
    return json.loads(text)


def test_the_entity_is_sent_as_a_stub_and_each_addition_once() -> None:
    bundle = sending(Sending()).bundle([ADDED, ADDED, ENTITY])
    assert objects_of(bundle) == [ENTITY, ADDED]


def test_without_additions_nothing_is_sent() -> None:
    helper = Sending()
    message = sending(helper)
    assert message.bundle([]) is None
    message.send(None)
    assert helper.events == []


@pytest.mark.parametrize("additions", [[], [ADDED]])
def test_a_playbook_gets_what_it_sent_unchanged_and_the_additions(additions: list[Any]) -> None:
    bundle = sending(Sending(playbook={"execution_id": "e1"})).bundle([*additions, *[ENTITY for _ in additions]])
    assert objects_of(bundle) == [RECEIVED, *additions]


def test_a_rejected_bundle_is_an_error_for_the_operator() -> None:
    with pytest.raises(NotSent, match=r"^OpenCTI did not accept the result \(ValueError: no\)\.$"):
        sending(Sending(ValueError("no"))).send(Bundle(["{}"], 1))


def test_sending_is_retried_while_the_broker_is_unavailable() -> None:
    helper = Sending(AMQPConnectionError())
    sending(helper).send(Bundle(["{}"], 1))
    assert helper.events == [("bundle", "{}")]


def test_chunks_are_announced_together() -> None:
    helper = Sending()
    sending(helper).send(Bundle(["one", "two"], 7, is_chunked=True))
    assert helper.events == [("announce", "w1", 7), ("chunk", "one"), ("chunk", "two")]


def test_without_a_work_nothing_is_announced() -> None:
    helper = Sending(work_id=None)
    sending(helper).send(Bundle(["one"], 7, is_chunked=True))
    assert helper.events == [("chunk", "one")]


# What is logged


def test_an_event_is_logged_with_the_facts_of_earlier_ones() -> None:
    logged: list[tuple[str, dict[str, Any]]] = []
    helper = Sending(connector_logger=SimpleNamespace(info=lambda event, context: logged.append((event, context))))
    message = Message({"entity_id": "domain-name--1", "entity_type": "Domain-Name"}, cast(Helper, helper))
    message.log("info", "Begun", records=3)
    message.log("info", "Ended", text="done")
    (_, first), (event, second) = logged
    assert (event, second["text"], second["records"], "text" in first) == ("Ended", "done", 3, False)
    assert (second["work_id"], second["entity_id"], second["entity_type"]) == ("w1", "domain-name--1", "Domain-Name")
    assert second["seconds"] >= first["seconds"] >= 0


# What a playbook gets whose result is refused


class Refusing(Sending):
    """A playbook's helper, whose OpenCTI refuses bundles with results."""

    def __init__(self, refusal: Exception, **own: Any) -> None:
        super().__init__(playbook={"execution_id": "e1"}, **own)
        self.refusal = refusal

    def send(self, text: str, *, is_chunk: bool = False) -> None:
        if len(json.loads(text)) > 1:
            raise self.refusal
        super().send(text, is_chunk=is_chunk)


def refused(refusal: Exception, *, was_given_back: bool = False) -> None:
    """Send a result that is refused."""
    message = sending(Refusing(refusal))
    message.delivery.was_given_back = was_given_back
    message.send(message.bundle([ADDED]))


@pytest.mark.parametrize(
    "refusal", [TooLarge("HTTP 413, too large"), ValueError({"name": "FUNCTIONAL_ERROR", "error_message": "no"})]
)
def test_a_playbook_whose_result_is_refused_gets_what_it_sent_and_the_error_says_so(refusal: Exception) -> None:
    helper = Refusing(refusal)
    message = sending(helper)
    with pytest.raises(NotSent, match="The playbook continues with what it sent"):
        message.send(message.bundle([ADDED]))
    assert [json.loads(str(event[1])) for event in helper.events] == [[RECEIVED]]


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("passivedns.delivery.retry.FIRST_PAUSE", 0.01)


ILL = {"name": "DATABASE_ERROR", "error_message": "some shards are not available"}


@pytest.mark.usefixtures("_quick")
def test_a_playbook_whose_result_opencti_may_take_later_waits_for_it() -> None:
    with pytest.raises(Postponed):
        refused(ValueError(ILL))


@pytest.mark.usefixtures("_quick")
def test_a_playbook_that_waited_for_its_result_once_gets_what_it_sent() -> None:
    with pytest.raises(NotSent):
        refused(ValueError(ILL), was_given_back=True)


def test_a_playbook_that_can_get_neither_waits() -> None:
    helper = Sending(ValueError("no"), ValueError("no"), playbook={"execution_id": "e1"})
    message = sending(helper)
    with pytest.raises(Postponed):
        message.send(message.bundle([ADDED]))


def test_a_playbook_that_can_only_get_what_it_sent_is_not_sent_it_twice() -> None:
    helper = Sending(ValueError("no"), playbook={"execution_id": "e1"})
    message = sending(helper)
    with pytest.raises(Postponed):
        message.send(message.bundle([]))
    assert helper.events == []


# What is read again


def waited(helper: Helper, entity: Entity, *, playbook: Any = None) -> Message:
    """A message that OpenCTI's entity was read for a minute ago."""
    delivery = Delivery("key", {}, False)
    delivery.read_at -= 60
    helper = helper.for_message(delivery)
    helper.playbook, helper.work_id, helper.enrichment_shared_organizations = playbook, None, None
    received = entity.as_stix()
    data = {
        "entity_id": entity.standard_id,
        "entity_type": entity.entity_type,
        "enrichment_entity": entity.as_api(),
        "stix_entity": received,
        "stix_objects": [received],
    }
    return Message(data, helper)


def test_a_message_that_waited_has_the_markings_that_its_entity_has_now(platform: OpenCTI, helper: Helper) -> None:
    entity = platform.add_observable("Domain-Name", "example.org")
    message = waited(helper, entity)
    platform.mark(entity, "TLP:RED")
    message.refresh()
    assert strictest_tlp(message.data) == "TLP:RED"
    assert message.data["stix_entity"]["value"] == "example.org"
    assert references(message.data) == [RED]


def test_a_playbook_that_waited_keeps_what_it_sent_and_counts_the_new_markings(
    platform: OpenCTI, helper: Helper
) -> None:
    entity = platform.add_observable("Domain-Name", "example.org", ["TLP:AMBER"])
    message, received = waited(helper, entity, playbook={"execution_id": "e1"}), entity.as_stix()
    platform.mark(entity, "TLP:GREEN")
    message.refresh()
    assert (message.data["stix_entity"], message.data["stix_objects"]) == (received, [received])
    assert strictest_tlp(message.data) == "TLP:AMBER"
    platform.mark(entity, "TLP:RED")
    message.refresh(older_than=0)
    assert strictest_tlp(message.data) == "TLP:RED"


def test_a_message_that_did_not_wait_reads_nothing(platform: OpenCTI, helper: Helper) -> None:
    message = waited(helper, platform.add_observable("Domain-Name", "example.org"))
    message.refresh(older_than=3600)
    message.refresh()
    asked = [call.field for call in platform.calls].count("stixCyberObservable")
    message.refresh()
    assert [call.field for call in platform.calls].count("stixCyberObservable") == asked == 1


def test_an_entity_that_vanished_while_its_message_waited_is_an_error(platform: OpenCTI, helper: Helper) -> None:
    entity = platform.add_observable("Domain-Name", "example.org")
    message = waited(helper, entity)
    platform.entity_unreadable(entity)
    with pytest.raises(Unreadable, match="OpenCTI did not return the observable"):
        message.refresh()
