"""A message knows its author and who requested it, and sends one answer."""

import json
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from pika.exceptions import AMQPConnectionError
from pycti import Identity, OpenCTIConnectorHelper

from passivedns.delivery.delivery import Delivery, Postponed
from passivedns.delivery.retry import TooLarge, processing
from passivedns.errors import NotSent, Unreadable
from passivedns.opencti.chunks import RoutedChannel
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
    return Message(data, SimpleNamespace(work_id=None, playbook=None, enrichment_shared_organizations=None))


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


class Helper:
    """In place of pycti's helper; notes what is announced and sent."""

    def __init__(self, *failures: Exception, **own: Any) -> None:
        self.events: list[tuple[object, ...]] = []
        self.work_id: str | None = "w1"
        self.playbook: Any = None
        self.queue_protocol = "api"
        self.enrichment_shared_organizations: list[str] | None = None
        self.draft_id = "draft--1"
        self.listen_queue: Any = None
        self.api = SimpleNamespace(work=Works(self.events))
        self.connector_logger = logging.getLogger("test")
        self._failures = list(failures)
        vars(self).update(own)

    @staticmethod
    def stix2_create_bundle(objects: list[Any]) -> str:
        return json.dumps(objects)

    def send_stix2_bundle(self, text: str, **options: Any) -> None:
        if self._failures:
            raise self._failures.pop(0)
        self.events.append(("pycti", text, options))

    def _send_bundle(self, channel: object, text: str, **options: Any) -> None:
        self.events.append(("routed" if isinstance(channel, RoutedChannel) else channel, text, options))


ENTITY = {"type": "domain-name", "spec_version": "2.1", "id": "domain-name--1", "value": "example.org"}
RECEIVED = ENTITY | {"x_opencti_score": 50}
ADDED = {"type": "ipv4-addr", "id": "ipv4-addr--1"}


def sending(helper: Helper) -> Message:
    return Message({"stix_entity": RECEIVED, "stix_objects": [RECEIVED]}, helper)


def objects_of(bundle: Bundle | None) -> Any:
    assert bundle is not None
    (text,) = bundle.texts
    return json.loads(text)


def test_the_entity_is_sent_as_a_stub_and_each_addition_once() -> None:
    bundle = sending(Helper()).bundle([ADDED, ADDED, ENTITY])
    assert objects_of(bundle) == [ENTITY, ADDED]


def test_without_additions_nothing_is_sent() -> None:
    helper = Helper()
    message = sending(helper)
    assert message.bundle([]) is None
    message.send(None)
    assert helper.events == []


@pytest.mark.parametrize("additions", [[], [ADDED]])
def test_a_playbook_gets_what_it_sent_unchanged_and_the_additions(additions: list[Any]) -> None:
    bundle = sending(Helper(playbook={"execution_id": "e1"})).bundle([*additions, *[ENTITY for _ in additions]])
    assert objects_of(bundle) == [RECEIVED, *additions]


def test_a_rejected_bundle_is_an_error_for_the_operator() -> None:
    with pytest.raises(NotSent, match=r"^OpenCTI did not accept the result \(ValueError: no\)\.$"):
        sending(Helper(ValueError("no"))).send(Bundle(["{}"], 1))


def test_sending_is_retried_while_the_broker_is_unavailable() -> None:
    helper = Helper(AMQPConnectionError())
    with processing(Delivery("key", {}, False)):
        sending(helper).send(Bundle(["{}"], 1))
    assert helper.events == [("pycti", "{}", {"work_id": "w1", "cleanup_inconsistent_bundle": True})]


def listening() -> Any:
    return SimpleNamespace(pika_connection=object(), channel="channel", in_connection=lambda call: call())


def test_chunks_are_announced_together_and_published_on_the_listeners_connection() -> None:
    helper = Helper(listen_queue=listening())
    sending(helper).send(Bundle(["one", "two"], 7, is_chunked=True))
    options = {"work_id": "w1", "no_split": True, "sequence": 1, "draft_id": "draft--1"}
    assert helper.events == [("announce", "w1", 7), ("routed", "one", options), ("routed", "two", options)]


@pytest.mark.parametrize(
    "own",
    [
        {"listen_queue": listening(), "enrichment_shared_organizations": ["organization--1"]},
        {"listen_queue": SimpleNamespace(pika_connection=None)},
        {"listen_queue": None},
    ],
    ids=["shared with organizations", "listens over HTTP", "does not listen"],
)
def test_pycti_sends_chunks_that_it_must_share_or_for_which_there_is_no_connection(own: dict[str, Any]) -> None:
    helper = Helper(**own)
    sending(helper).send(Bundle(["one"], 7, is_chunked=True))
    options = {"work_id": "w1", "no_split": True, "cleanup_inconsistent_bundle": True}
    assert helper.events == [("announce", "w1", 7), ("pycti", "one", options)]


def test_without_a_work_nothing_is_announced() -> None:
    helper = Helper(work_id=None)
    sending(helper).send(Bundle(["one"], 7, is_chunked=True))
    assert [event[0] for event in helper.events] == ["pycti"]


# What is logged


def test_an_event_is_logged_with_the_facts_of_earlier_ones() -> None:
    logged: list[tuple[str, dict[str, Any]]] = []
    helper = Helper(connector_logger=SimpleNamespace(info=lambda event, context: logged.append((event, context))))
    message = Message({"entity_id": "domain-name--1", "entity_type": "Domain-Name"}, helper)
    message.log("info", "Begun", records=3)
    message.log("info", "Ended", text="done")
    (_, first), (event, second) = logged
    assert (event, second["text"], second["records"], "text" in first) == ("Ended", "done", 3, False)
    assert (second["work_id"], second["entity_id"], second["entity_type"]) == ("w1", "domain-name--1", "Domain-Name")
    assert second["seconds"] >= first["seconds"] >= 0


# What a playbook gets whose result is refused


class Refusing(Helper):
    """A playbook's helper, whose OpenCTI refuses bundles with results."""

    def __init__(self, refusal: Exception, **own: Any) -> None:
        super().__init__(playbook={"execution_id": "e1"}, **own)
        self.refusal = refusal

    def send_stix2_bundle(self, text: str, **options: Any) -> None:
        if len(json.loads(text)) > 1:
            raise self.refusal
        super().send_stix2_bundle(text, **options)


def refused(refusal: Exception, **state: bool) -> tuple[Refusing, Delivery]:
    """The helper after a result was refused; the delivery has that state."""
    helper, delivery = Refusing(refusal), Delivery("key", {}, False)
    vars(delivery).update(state)
    message = sending(helper)
    with processing(delivery):
        message.send(message.bundle([ADDED]))
    return helper, delivery


@pytest.mark.parametrize(
    "refusal", [TooLarge("HTTP 413, too large"), ValueError({"name": "FUNCTIONAL_ERROR", "error_message": "no"})]
)
def test_a_playbook_whose_result_is_refused_gets_what_it_sent_and_the_error_says_so(refusal: Exception) -> None:
    helper = Refusing(refusal)
    message = sending(helper)
    with (
        processing(Delivery("key", {}, False)),
        pytest.raises(NotSent, match="The playbook continues with what it sent"),
    ):
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
    helper = Helper(ValueError("no"), ValueError("no"), playbook={"execution_id": "e1"})
    message = sending(helper)
    with processing(Delivery("key", {}, False)), pytest.raises(Postponed):
        message.send(message.bundle([ADDED]))


def test_a_playbook_that_can_only_get_what_it_sent_is_not_sent_it_twice() -> None:
    helper = Helper(ValueError("no"), playbook={"execution_id": "e1"})
    message = sending(helper)
    with processing(Delivery("key", {}, False)), pytest.raises(Postponed):
        message.send(message.bundle([]))
    assert helper.events == []


# What is read again


def waited(helper: OpenCTIConnectorHelper, entity: Entity, *, playbook: Any = None) -> Message:
    """A message that OpenCTI's entity was read for a minute ago."""
    helper.playbook, helper.work_id, helper.enrichment_shared_organizations = playbook, None, None
    received = entity.as_stix()
    data = {
        "entity_id": entity.standard_id,
        "entity_type": entity.entity_type,
        "enrichment_entity": entity.as_api(),
        "stix_entity": received,
        "stix_objects": [received],
    }
    delivery = Delivery("key", {}, False)
    delivery.read_at -= 60
    with processing(delivery):
        return Message(data, helper)


def test_a_message_that_waited_has_the_markings_that_its_entity_has_now(
    platform: OpenCTI, helper: OpenCTIConnectorHelper
) -> None:
    entity = platform.add_observable("Domain-Name", "example.org")
    message = waited(helper, entity)
    platform.mark(entity, "TLP:RED")
    message.refresh()
    assert strictest_tlp(message.data) == "TLP:RED"
    assert message.data["stix_entity"]["value"] == "example.org"
    assert references(message.data) == [RED]


def test_a_playbook_that_waited_keeps_what_it_sent_and_counts_the_new_markings(
    platform: OpenCTI, helper: OpenCTIConnectorHelper
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


def test_a_message_that_did_not_wait_reads_nothing(platform: OpenCTI, helper: OpenCTIConnectorHelper) -> None:
    message = waited(helper, platform.add_observable("Domain-Name", "example.org"))
    message.refresh(older_than=3600)
    message.refresh()
    asked = [call.field for call in platform.calls].count("stixCyberObservable")
    message.refresh()
    assert [call.field for call in platform.calls].count("stixCyberObservable") == asked == 1


def test_an_entity_that_vanished_while_its_message_waited_is_an_error(
    platform: OpenCTI, helper: OpenCTIConnectorHelper
) -> None:
    entity = platform.add_observable("Domain-Name", "example.org")
    message = waited(helper, entity)
    platform.entity_unreadable(entity)
    with pytest.raises(Unreadable, match="OpenCTI did not return the observable"):
        message.refresh()
