"""A quorum queue drops a message that was returned too often: 20 times on RabbitMQ 4, here twice."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pika
import pycti
import pytest

from passivedns.delivery import amqp_listener
from passivedns.opencti.health import fault
from passivedns.opencti.helper import Helper
from sandbox.opencti import OpenCTI
from tests.broker.test_channel_loss import lose_channel
from tests.helpers.registered import registered
from tests.helpers.world import QUEUES, WAIT

LOSSES = 7


@pytest.fixture(params=QUEUES)
def platform(request: pytest.FixtureRequest, broker: str) -> Iterator[OpenCTI]:
    platform = OpenCTI(pycti.__version__, broker, QUEUES[request.param])
    yield platform
    platform.close()


@pytest.fixture
def helper(platform: OpenCTI, monkeypatch: pytest.MonkeyPatch) -> Iterator[Helper]:
    monkeypatch.setattr(amqp_listener, "FIRST_PAUSE", 0.2)
    with registered(platform) as helper:
        yield helper
        helper.listen_queue.finish(0)


def listening(helper: Helper, platform: OpenCTI, callback: Any) -> Any:
    threading.Thread(target=helper.listen, args=[callback], daemon=True).start()
    platform.wait_registered(WAIT)
    return helper.listen_queue


def test_a_message_that_waits_survives_any_number_of_returns_and_is_answered_once(
    platform: OpenCTI, helper: Helper
) -> None:
    begun, go_on, calls = threading.Event(), threading.Event(), list[str]()

    def callback(data: dict[str, Any]) -> str:
        calls.append(data["enrichment_entity"]["observable_value"])
        begun.set()
        assert go_on.wait(WAIT)
        return "done"

    listener = listening(helper, platform, callback)
    first = platform.enrich(platform.add_observable("Domain-Name", "first.example"))
    assert begun.wait(WAIT)
    for _ in range(LOSSES):
        while not listener.is_connected:
            time.sleep(0.02)
        time.sleep(0.1)  # for the redelivery
        lose_channel(listener)
    go_on.set()
    second = platform.enrich(platform.add_observable("Domain-Name", "second.example"))
    assert [work.wait(WAIT).closings for work in (first, second)] == [["done"], ["done"]]
    assert calls == ["first.example", "second.example"]


def test_a_message_whose_process_stops_again_and_again_is_not_dropped(
    broker: str, platform: OpenCTI, helper: Helper
) -> None:
    queue = helper.connector_config["listen"]
    work = platform.enrich(platform.add_observable("Domain-Name", "first.example"))
    taken = 0
    while taken < 2:
        # As a process that ends before it answers.
        with pika.BlockingConnection(pika.URLParameters(broker)) as connection:
            taken += connection.channel().basic_get(queue)[0] is not None
    listener = listening(helper, platform, lambda _: "done")
    assert work.wait(WAIT).closings == ["done"]
    assert listener.is_alive()


def test_a_process_that_may_start_no_thread_answers_its_message_later_and_its_health_tells(
    platform: OpenCTI, helper: Helper, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, failures = threading.Thread.start, list[str]()

    def fail(thread: threading.Thread) -> None:
        if "(_process)" in thread.name and len(failures) < 4:
            failures.append(fault(helper))
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", fail)
    listener, told = listening(helper, platform, lambda _: "done"), set[str]()
    work = platform.enrich(platform.add_observable("Domain-Name", "first.example"))
    while not work.closings:
        told.add(fault(helper))
        time.sleep(0.01)
    assert (work.wait(WAIT).closings, len(failures)) == (["done"], 4)
    assert "The connector is not connected to the message broker." in told
    while not listener.is_connected:
        time.sleep(0.02)
    assert fault(helper) == ""
