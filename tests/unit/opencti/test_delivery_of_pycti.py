"""What the delivery relies on within pycti, in every version that is supported."""

import copy
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from pycti import OpenCTIConnectorHelper
from pycti.api.opencti_api_work import OpenCTIApiWork
from pycti.connector.opencti_connector_helper import ListenQueue

from passivedns.opencti.errand import Postponed
from sandbox.messages import enrichment_message
from sandbox.opencti import OpenCTI
from sandbox.works import Work


def listener(helper: OpenCTIConnectorHelper, callback: Callable[[Any], str]) -> Any:
    """pycti's own, which does not run."""
    given = {"helper": helper, "callback": callback, "applicant_id": None, "config": {}}
    given |= {"connector_config": helper.connector_config, "opencti_token": "", "listen_protocol": "AMQP"}
    given |= dict.fromkeys(("listen_protocol_api_ssl", "listen_protocol_api_path", "listen_protocol_api_port"), None)
    known = inspect.signature(ListenQueue.__init__).parameters
    return ListenQueue(**{name: value for name, value in given.items() if name in known})


def message_for(platform: OpenCTI) -> dict[str, Any]:
    work = Work("w1", platform.add_observable("Domain-Name", "example.org"))
    platform.works[work.id] = work
    return enrichment_message(work, auto=False)


def test_the_methods_that_are_overridden_take_what_they_took() -> None:
    assert list(inspect.signature(ListenQueue._process_message).parameters) == [
        *("self", "channel", "method", "properties", "body")
    ]
    assert list(inspect.signature(ListenQueue._data_handler).parameters) == ["self", "json_data"]
    processed = inspect.signature(OpenCTIApiWork.to_processed).parameters
    assert list(processed) == ["self", "work_id", "message", "in_error"]
    assert list(inspect.signature(OpenCTIApiWork.add_expectations).parameters) == ["self", "work_id", "expectations"]


def test_the_attributes_that_are_used_are_there(helper: OpenCTIConnectorHelper) -> None:
    listening = listener(helper, lambda _: "done")
    assert (listening.pika_connection, listening.channel, listening.thread) == (None, None, None)
    assert not listening.exit_event.is_set()
    assert listening.callback({}) == "done"


def test_the_listener_consumes_by_the_overridden_method_and_ends_with_its_event() -> None:
    source = inspect.getsource(ListenQueue.run)
    assert "on_message_callback=self._process_message" in source
    assert "while not self.exit_event.is_set()" in source
    assert "prefetch_count=1" in source


def test_pyctis_handler_passes_a_postponed_message_on_and_closes_nothing(
    platform: OpenCTI, helper: OpenCTIConnectorHelper
) -> None:
    def postpone(_: Any) -> str:
        raise Postponed

    with pytest.raises(Postponed):
        listener(helper, postpone)._data_handler(message_for(platform))
    assert platform.works["w1"].closings == []


def test_pyctis_handler_reads_the_entity_and_the_work_before_it_calls_back(
    platform: OpenCTI, helper: OpenCTIConnectorHelper
) -> None:
    seen: list[str] = []

    def callback(_: Any) -> str:
        seen.extend(platform.works["w1"].received)
        return "done"

    listener(helper, callback)._data_handler(message_for(platform))
    assert seen == ["Connector ready to process the operation"]
    assert platform.works["w1"].closings == ["done"]


def test_pycti_says_that_an_entity_cannot_be_read_in_words_that_are_known(
    platform: OpenCTI, helper: OpenCTIConnectorHelper
) -> None:
    message = message_for(platform)
    platform.entity_unreadable(platform.works["w1"].entity)
    listener(helper, lambda _: "done")._data_handler(message)
    (closing,) = platform.works["w1"].closings
    assert str(closing).startswith("Unable to read/access")


def test_a_copy_of_the_client_has_the_same_session_and_headers(helper: OpenCTIConnectorHelper) -> None:
    twin = copy.copy(helper.api)
    helper.api.set_applicant_id_header("somebody")
    assert twin.request_headers["opencti-applicant-id"] == "somebody"
    assert twin.session is helper.api.session
