"""Our helper relies on internals of pycti that are the same in every supported version."""

import asyncio
import inspect
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import pika
import pytest
from pika.exceptions import AMQPConnectionError
from pycti.api.opencti_api_playbook import OpenCTIApiPlaybook
from pycti.api.opencti_api_work import OpenCTIApiWork
from pycti.connector.opencti_connector_helper import ListenQueue

from passivedns.delivery.delivery import Delivery, Postponed
from passivedns.opencti.broker import BrokerUnavailable
from passivedns.opencti.chunks import has_no_split
from passivedns.opencti.helper import CallbackServer, Helper
from sandbox.messages import enrichment_message
from sandbox.opencti import OpenCTI
from sandbox.works import Work
from tests.helpers.world import HAS_HTTP_PROTOCOLS

TEXT = '{"type": "bundle", "objects": [{"type": "domain-name", "id": "domain-name--1", "value": "example.org"}]}'


def message_for(platform: OpenCTI) -> dict[str, Any]:
    work = Work("w1", platform.add_observable("Domain-Name", "example.org"))
    platform.works[work.id] = work
    return enrichment_message(work, auto=False)


@pytest.fixture
def own(platform: OpenCTI, helper: Helper) -> Helper:
    """The copy for one message."""
    return helper.for_message(Delivery("key", message_for(platform), False))


def test_the_overridden_methods_have_the_same_parameters() -> None:
    def parameters(method: Any) -> list[str]:
        return list(inspect.signature(method).parameters)

    assert parameters(ListenQueue._data_handler) == ["self", "json_data"]
    assert parameters(Helper.__mro__[1]._send_bundle)[:3] == ["self", "channel", "bundle"]
    assert parameters(Helper.__mro__[1].listen) == ["self", "message_callback"]
    assert parameters(OpenCTIApiWork.to_processed) == ["self", "work_id", "message", "in_error"]
    assert parameters(OpenCTIApiWork.add_expectations) == ["self", "work_id", "expectations"]
    assert parameters(OpenCTIApiPlaybook.playbook_step_execution) == ["self", "playbook", "bundle"]


# The handler of a message


def test_a_postponement_passes_through_and_closes_nothing(platform: OpenCTI, own: Helper) -> None:
    def postpone(_: Any) -> str:
        raise Postponed

    with pytest.raises(Postponed):
        own.handle(postpone)
    assert platform.works["w1"].closings == []


def test_the_entity_is_read_and_the_work_received_before_the_callback(platform: OpenCTI, own: Helper) -> None:
    seen: list[str] = []

    def callback(data: dict[str, Any]) -> str:
        seen.extend([data["stix_entity"]["value"], *platform.works["w1"].received])
        own.retrier.delivery.was_read = True
        return "done"

    own.handle(callback)
    assert seen == ["example.org", "Connector ready to process the operation"]
    assert platform.works["w1"].closings == ["done"]


def test_pyctis_error_about_an_unreadable_entity_is_recognized(platform: OpenCTI, own: Helper) -> None:
    platform.entity_unreadable(platform.works["w1"].entity)
    own.handle(lambda _: "done")
    (closing,) = platform.works["w1"].closings
    assert str(closing).startswith("OpenCTI did not return the observable")


def test_all_queries_for_a_message_are_retried(
    platform: OpenCTI, helper: Helper, own: Helper, monkeypatch: pytest.MonkeyPatch
) -> None:
    retried, queries, query, call = list[bool](), list[str](), helper.api.query, own.retrier.call

    def noted(text: str, *more: Any) -> Any:
        assert retried
        queries.append(text)
        return query(text, *more)

    def retry(*arguments: Any, **named: Any) -> Any:
        retried.append(True)
        try:
            return call(*arguments, **named)
        finally:
            retried.pop()

    monkeypatch.setattr(helper.api, "query", noted)
    monkeypatch.setattr(own.retrier, "call", retry)
    own.handle(lambda _: "done")
    assert platform.works["w1"].received
    for field in ("stixCyberObservable(", "stixNestedRefRelationships(", "toReceived ", "toProcessed "):
        assert any(field in text for text in queries), field


def test_pycti_keeps_the_state_of_a_message_in_its_own_helper(helper: Helper, own: Helper) -> None:
    own.handle(lambda _: "done")
    assert (helper.work_id, own.work_id) == (None, "w1")
    assert own.api.stix2.opencti is own.api.stix_cyber_observable.opencti is own.api.work.api is own.api
    assert helper.api.stix2.opencti is helper.api


# Sending


def connected(helper: Helper, channel: Any) -> None:
    """Give the helper a listener's connection."""
    helper.listen_queue = SimpleNamespace(channel=channel, connection=object(), in_connection=lambda call: call())


@pytest.mark.skipif(not has_no_split(), reason="this pycti splits every bundle")
def test_a_chunk_is_published_on_the_listeners_connection_as_pycti_would_publish_it(
    own: Helper, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, channel = MagicMock(), MagicMock()
    monkeypatch.setattr(pika, "BlockingConnection", lambda _: connection)
    own.work_id, own.draft_id = "w1", "draft--1"
    own.send(TEXT, is_chunk=True)
    connected(own, channel)
    own.send(TEXT, is_chunk=True)
    options = connection.channel().basic_publish.call_args.kwargs
    assert options["mandatory"]
    channel.basic_publish.assert_called_once_with(**options)


@pytest.mark.parametrize("organizations", [None, ["organization--1"]])
def test_pycti_sends_what_it_must_split_or_share(
    own: Helper, monkeypatch: pytest.MonkeyPatch, organizations: list[str] | None
) -> None:
    connection, channel = MagicMock(), MagicMock()
    monkeypatch.setattr(pika, "BlockingConnection", lambda _: connection)
    connected(own, channel)
    own.enrichment_shared_organizations = organizations
    own.send(TEXT, is_chunk=organizations is not None)
    assert connection.channel().basic_publish.call_args.kwargs["mandatory"]
    assert channel.mock_calls == []


def test_a_broker_to_which_pycti_cannot_connect_is_explained(own: Helper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pika, "BlockingConnection", MagicMock(side_effect=AMQPConnectionError))
    with pytest.raises(BrokerUnavailable, match=r"RabbitMQ at .* cannot be used"):
        own.send(TEXT)


# HTTP


@pytest.mark.skipif(not HAS_HTTP_PROTOCOLS, reason="this pycti has no HTTP protocols")
@pytest.mark.parametrize(("outcome", "status"), [({}, 202), ({"side_effect": RuntimeError}, 500)])
def test_over_http_an_exception_becomes_status_500(
    helper: Helper, monkeypatch: pytest.MonkeyPatch, outcome: dict[str, Any], status: int
) -> None:
    receive = MagicMock(**outcome)
    server = CallbackServer(helper, receive)
    monkeypatch.setattr(server, "is_token_valid", lambda _: True)
    request = MagicMock(headers={"Authorization": "Bearer token"}, json=AsyncMock(return_value={"event": {}}))
    assert asyncio.run(server._http_process_callback(request)).status_code == status
    receive.assert_called_once_with({"event": {}})
