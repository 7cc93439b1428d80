"""The broker closes the channel of a message that is unacknowledged for longer than its `consumer_timeout`.

RabbitMQ does so after 30 minutes, with reply code 406, which an unknown delivery tag also gets.
"""

import threading
from collections.abc import Iterator
from typing import Any

import pika
import pycti
import pytest

from passivedns.opencti.helper import Helper
from sandbox.opencti import OpenCTI
from tests.helpers.registered import registered
from tests.helpers.world import WAIT

ANOTHER_TAG = 10**6


@pytest.fixture
def platform(broker: str) -> Iterator[OpenCTI]:
    platform = OpenCTI(pycti.__version__, broker)
    yield platform
    platform.close()


@pytest.fixture
def helper(platform: OpenCTI) -> Iterator[Helper]:
    with registered(platform) as helper:
        yield helper
        helper.listen_queue.finish(0)


def listening(helper: Helper, platform: OpenCTI, callback: Any) -> Any:
    threading.Thread(target=helper.listen, args=[callback], daemon=True).start()
    platform.wait_registered(WAIT)
    return helper.listen_queue


def lose_channel(listener: Any) -> None:
    lost = listener.channel
    listener.connection.add_callback_threadsafe(lambda: lost.basic_ack(ANOTHER_TAG))
    while lost.is_open:
        threading.Event().wait(0.01)


def test_a_requeued_message_is_answered_once(platform: OpenCTI, helper: Helper) -> None:
    begun, go_on, calls = threading.Event(), threading.Event(), list[str]()

    def callback(data: dict[str, Any]) -> str:
        calls.append(data["enrichment_entity"]["observable_value"])
        begun.set()
        assert go_on.wait(WAIT)
        return "done"

    listener = listening(helper, platform, callback)
    first = platform.enrich(platform.add_observable("Domain-Name", "first.example"))
    assert begun.wait(WAIT)
    lose_channel(listener)
    go_on.set()
    second = platform.enrich(platform.add_observable("Domain-Name", "second.example"))
    assert [work.wait(WAIT).closings for work in (first, second)] == [["done"], ["done"]]
    assert calls == ["first.example", "second.example"]


def test_a_process_does_not_answer_a_message_that_went_to_another(
    broker: str, platform: OpenCTI, helper: Helper
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def callback(data: dict[str, Any]) -> str:
        begun.set()
        assert go_on.wait(WAIT)
        return str(data["enrichment_entity"]["observable_value"])

    listener = listening(helper, platform, callback)
    first = platform.enrich(platform.add_observable("Domain-Name", "first.example"))
    assert begun.wait(WAIT)
    lose_channel(listener)
    # Another process gets the message while this one waits to reconnect.
    taken_by_another(broker, helper)
    second = platform.enrich(platform.add_observable("Domain-Name", "second.example"))
    go_on.set()
    assert second.wait(WAIT).closings == ["second.example"]
    assert first.closings == []


def taken_by_another(broker: str, helper: Helper) -> None:
    with pika.BlockingConnection(pika.URLParameters(broker)) as connection:
        channel = connection.channel()
        while not channel.basic_get(helper.connector_config["listen"], auto_ack=True)[0]:
            threading.Event().wait(0.05)
