"""The internals of pycti that the listener uses are the same in every supported version."""

import asyncio
import inspect
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import pika
import pytest
from pycti import OpenCTIConnectorHelper
from pycti.api.opencti_api_work import OpenCTIApiWork
from pycti.connector import opencti_connector_helper
from pycti.connector.opencti_connector_helper import ListenQueue

from passivedns.delivery.delivery import Postponed
from passivedns.opencti.chunks import has_no_split
from passivedns.opencti.message import Bundle, Message
from sandbox.messages import enrichment_message
from sandbox.opencti import OpenCTI
from sandbox.works import Work
from tests.registered import idle_listener
from tests.world import HAS_HTTP_PROTOCOLS


def message_for(platform: OpenCTI) -> dict[str, Any]:
    work = Work("w1", platform.add_observable("Domain-Name", "example.org"))
    platform.works[work.id] = work
    return enrichment_message(work, auto=False)


def test_the_overridden_methods_have_the_same_parameters() -> None:
    assert list(inspect.signature(ListenQueue._process_message).parameters) == [
        *("self", "channel", "method", "properties", "body")
    ]
    assert list(inspect.signature(ListenQueue._data_handler).parameters) == ["self", "json_data"]
    processed = inspect.signature(OpenCTIApiWork.to_processed).parameters
    assert list(processed) == ["self", "work_id", "message", "in_error"]
    assert list(inspect.signature(OpenCTIApiWork.add_expectations).parameters) == ["self", "work_id", "expectations"]


def test_the_used_attributes_exist(helper: OpenCTIConnectorHelper) -> None:
    listening = idle_listener(helper, lambda _: "done", ListenQueue)
    assert (listening.pika_connection, listening.channel, listening.thread) == (None, None, None)
    assert not listening.exit_event.is_set()
    assert listening.callback({}) == "done"


def test_the_listener_consumes_with_the_overridden_method_and_ends_with_its_event() -> None:
    source = inspect.getsource(ListenQueue.run)
    assert "on_message_callback=self._process_message" in source
    assert "while not self.exit_event.is_set()" in source
    assert "prefetch_count=1" in source


def test_pyctis_handler_lets_a_postponement_through_and_closes_nothing(
    platform: OpenCTI, helper: OpenCTIConnectorHelper
) -> None:
    def postpone(_: Any) -> str:
        raise Postponed

    with pytest.raises(Postponed):
        idle_listener(helper, postpone, ListenQueue)._data_handler(message_for(platform))
    assert platform.works["w1"].closings == []


def test_pyctis_handler_reads_the_entity_and_the_work_before_it_calls_back(
    platform: OpenCTI, helper: OpenCTIConnectorHelper
) -> None:
    seen: list[str] = []

    def callback(_: Any) -> str:
        seen.extend(platform.works["w1"].received)
        return "done"

    idle_listener(helper, callback, ListenQueue)._data_handler(message_for(platform))
    assert seen == ["Connector ready to process the operation"]
    assert platform.works["w1"].closings == ["done"]


def test_pyctis_error_about_an_unreadable_entity_is_recognized(
    platform: OpenCTI, helper: OpenCTIConnectorHelper
) -> None:
    message = message_for(platform)
    platform.entity_unreadable(platform.works["w1"].entity)
    idle_listener(helper, lambda _: "done", ListenQueue)._data_handler(message)
    (closing,) = platform.works["w1"].closings
    assert str(closing).startswith("Unable to read/access")


def test_all_queries_for_a_message_go_through_the_clients_query_method(
    platform: OpenCTI, helper: OpenCTIConnectorHelper, monkeypatch: pytest.MonkeyPatch
) -> None:
    message, queries, query = message_for(platform), list[str](), helper.api.query

    def noted(text: str, *more: Any) -> Any:
        queries.append(text)
        return query(text, *more)

    monkeypatch.setattr(helper.api, "query", noted)
    idle_listener(helper, lambda _: "done", ListenQueue)._data_handler(message)
    for field in ("stixCyberObservable(", "stixNestedRefRelationships(", "toReceived ", "toProcessed "):
        assert any(field in text for text in queries), field


@pytest.mark.skipif(not has_no_split(), reason="this pycti splits every bundle")
def test_the_listeners_channel_confirms_publishing() -> None:
    assert "self.channel.confirm_delivery()" in inspect.getsource(ListenQueue.run)


@pytest.mark.skipif(not has_no_split(), reason="this pycti splits every bundle")
def test_a_chunk_is_published_as_pycti_would_publish_it(
    helper: OpenCTIConnectorHelper, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, channel, text = MagicMock(), MagicMock(), '{"type": "bundle", "objects": []}'
    monkeypatch.setattr(pika, "BlockingConnection", lambda _: connection)
    helper.draft_id = "draft--1"
    helper.send_stix2_bundle(text, work_id="w1", no_split=True)
    helper.work_id = "w1"
    connected = {"pika_connection": connection, "in_connection": lambda call: call()}
    helper.listen_queue = SimpleNamespace(channel=channel, **connected)
    Message({}, helper).send(Bundle([text], 1, is_chunked=True))
    options = connection.channel().basic_publish.call_args.kwargs
    channel.basic_publish.assert_called_once_with(**options, mandatory=True)


@pytest.mark.skipif(not HAS_HTTP_PROTOCOLS, reason="this pycti has no HTTP protocols")
@pytest.mark.parametrize(("outcome", "status"), [({}, 202), ({"side_effect": RuntimeError}, 500)])
def test_over_http_an_exception_of_the_handler_becomes_status_500(
    helper: OpenCTIConnectorHelper, monkeypatch: pytest.MonkeyPatch, outcome: dict[str, Any], status: int
) -> None:
    listening = idle_listener(helper, lambda _: "done", ListenQueue)
    monkeypatch.setattr(listening, "is_token_valid", lambda _: True, raising=False)
    monkeypatch.setattr(listening, "_data_handler", MagicMock(**outcome))
    request = MagicMock(headers={"Authorization": "Bearer token"}, json=AsyncMock(return_value={}))
    assert asyncio.run(listening._http_process_callback(request)).status_code == status


def test_listen_uses_the_class_of_the_module(helper: OpenCTIConnectorHelper, monkeypatch: pytest.MonkeyPatch) -> None:
    made = MagicMock()
    monkeypatch.setattr(opencti_connector_helper, "ListenQueue", made)
    helper.listen(message_callback=str)
    assert str in [*made.call_args.args, *made.call_args.kwargs.values()]
    assert helper.listen_queue is made.return_value
