"""A work is closed once and its objects are announced once, despite outages and redeliveries."""

import logging

import pytest

from passivedns.delivery import retry
from passivedns.delivery.delivery import Delivery, Postponed
from passivedns.opencti.helper import Helper
from passivedns.opencti.works import NOT_UNDERSTOOD, UNREADABLE, Works
from sandbox.opencti import Fault, OpenCTI
from sandbox.works import Work


class Deliveries:
    """Hands one message over again and again, each time with its works."""

    def __init__(self, helper: Helper) -> None:
        self.helper = helper

    def first(self) -> Works:
        return self.works(delivery())

    def next(self) -> Works:
        return self.works(delivery(redelivered=True))

    def works(self, held: Delivery) -> Works:
        works: Works = self.helper.for_message(held).api.work
        return works


@pytest.fixture
def deliveries(helper: Helper) -> Deliveries:
    return Deliveries(helper)


@pytest.fixture
def works(deliveries: Deliveries) -> Works:
    """Those of a first delivery."""
    return deliveries.first()


@pytest.fixture
def work(platform: OpenCTI) -> Work:
    work = Work("w1", platform.add_observable("Domain-Name", "example.org"))
    platform.works[work.id] = work
    return work


def delivery(redelivered: bool = False) -> Delivery:
    return Delivery("key", {"internal": {"work_id": "w1"}}, redelivered)


@pytest.mark.parametrize("fault", ["http500", "gone", "unheard", "error"])
def test_a_work_is_closed_once_despite_an_outage(platform: OpenCTI, works: Works, work: Work, fault: Fault) -> None:
    platform.fail("toProcessed", times=1, how=fault)
    works.to_processed("w1", "Added 1")
    assert work.closings == ["Added 1"]
    assert not work.in_error


def test_a_work_is_not_closed_with_a_second_text(works: Works, work: Work) -> None:
    works.to_processed("w1", "Added 1")
    works.to_processed("w1", "oh", in_error=True)
    assert work.closings == ["Added 1"]


def test_a_work_that_another_process_closed_is_not_closed_again(
    works: Works, deliveries: Deliveries, work: Work
) -> None:
    works.to_processed("w1", "Added 1")
    deliveries.next().to_processed("w1", "Added 2")
    assert work.closings == ["Added 1"]


def test_a_redelivered_message_whose_work_is_open_closes_it(deliveries: Deliveries, work: Work) -> None:
    deliveries.next().to_processed("w1", "Added 1")
    assert work.closings == ["Added 1"]


def test_a_work_that_opencti_refuses_to_close_is_logged_with_its_text(
    platform: OpenCTI, works: Works, work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    platform.fail("toProcessed", how="refused")
    with pytest.raises(Postponed):
        works.to_processed("w1", "Added 1")
    assert work.closings == []
    (record,) = [record.message for record in caplog.records if record.name == "passivedns.opencti.works"]
    assert record.startswith("OpenCTI refused to close the work w1")
    assert record.endswith("Its text: Added 1")


@pytest.mark.parametrize(
    "words",
    [
        "Unable to read/access the entity, please check the connector permissions",
        "Unable to read/access to the entity, please check that the connector permission",
    ],
)
def test_pyctis_error_about_an_unreadable_entity_is_replaced(works: Works, work: Work, words: str) -> None:
    works.to_processed("w1", words, in_error=True)
    assert work.closings == [UNREADABLE]
    assert work.in_error


@pytest.mark.parametrize("fault", ["http500", "gone", "unheard", "error"])
def test_objects_are_announced_once_despite_an_outage(
    platform: OpenCTI, works: Works, work: Work, fault: Fault
) -> None:
    platform.fail("addExpectations", times=1, how=fault)
    works.add_expectations("w1", 5)
    assert work.expectations == 5


def test_a_retry_of_a_message_announces_nothing_more(works: Works, work: Work) -> None:
    works.add_expectations("w1", 5)
    works.add_expectations("w1", 5)
    assert work.expectations == 5


def test_a_redelivered_message_announces_only_what_is_missing(works: Works, deliveries: Deliveries, work: Work) -> None:
    works.add_expectations("w1", 5)
    deliveries.next().add_expectations("w1", 7)
    assert work.expectations == 7


def test_a_first_delivery_does_not_query_the_work(platform: OpenCTI, works: Works, work: Work) -> None:
    works.add_expectations("w1", 5)
    works.to_processed("w1", "Added 1")
    assert "work" not in [call.field for call in platform.calls]
    assert work.closings == ["Added 1"]


def test_a_work_counts_as_closed_once_it_is_processed_or_deleted(works: Works, work: Work) -> None:
    assert not works.is_closed(work.id)
    works.to_processed(work.id, "Added 1")
    assert works.is_closed(work.id)
    assert works.is_closed("deleted")


def test_a_user_who_may_not_query_works_can_still_announce_and_close(
    platform: OpenCTI, deliveries: Deliveries, work: Work
) -> None:
    platform.fail("work", how="refused")
    deliveries.next().add_expectations("w1", 5)
    deliveries.next().to_processed("w1", "Added 1")
    assert (work.expectations, work.closings) == (5, ["Added 1"])


def test_a_work_is_closed_even_if_querying_it_keeps_failing(
    platform: OpenCTI, deliveries: Deliveries, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.01)
    platform.fail("work", how="database")
    deliveries.next().to_processed("w1", "Added 1")
    assert work.closings == ["Added 1"]


def test_a_chunk_of_announced_objects_makes_no_request(platform: OpenCTI, works: Works, work: Work) -> None:
    works.add_expectations("w1", 500)
    asked = len(platform.calls)
    works.add_expectations("w1", 1)
    assert (work.expectations, len(platform.calls)) == (500, asked)


# Without the right MODULES


def without_modules(platform: OpenCTI) -> None:
    platform.user["capabilities"] = [
        held for held in platform.user["capabilities"] if not held["name"].startswith("MODULES")
    ]


@pytest.mark.parametrize("redelivered", [False, True])
@pytest.mark.parametrize(("fault", "announced"), [("unheard", 28), ("http500", 28), ("database", 28), ("gone", 0)])
def test_objects_are_never_announced_twice_even_if_the_user_may_not_ask(
    platform: OpenCTI, deliveries: Deliveries, work: Work, fault: Fault, announced: int, redelivered: bool
) -> None:
    without_modules(platform)
    platform.fail("addExpectations", times=1, how=fault)
    deliveries.works(delivery(redelivered)).add_expectations("w1", 28)
    assert work.expectations == announced


@pytest.mark.parametrize("fault", ["unheard", "http500", "gone"])
def test_what_one_delivery_announced_the_next_does_not_announce_again(
    platform: OpenCTI, deliveries: Deliveries, work: Work, fault: Fault
) -> None:
    without_modules(platform)
    platform.fail("addExpectations", times=1, how=fault)
    for number in range(3):
        deliveries.works(delivery(redelivered=number > 0)).add_expectations("w1", 28)
    assert work.expectations in (0, 28)


def test_what_another_process_may_have_announced_is_not_announced_again(
    platform: OpenCTI, deliveries: Deliveries, work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "passivedns")
    without_modules(platform)
    unknown = delivery(redelivered=True)
    unknown.is_known = False
    deliveries.works(unknown).add_expectations("w1", 28)
    assert work.expectations == 0
    assert "OpenCTI does not tell what was announced to w1" in caplog.text


def test_a_work_is_closed_even_if_the_user_may_not_ask_and_the_response_was_lost(
    platform: OpenCTI, works: Works, work: Work
) -> None:
    without_modules(platform)
    platform.fail("toProcessed", times=1, how="unheard")
    works.to_processed("w1", "Added 1")
    assert set(work.closings) == {"Added 1"}


def test_objects_that_cannot_be_announced_are_an_error(
    platform: OpenCTI, works: Works, deliveries: Deliveries, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.01)
    platform.fail("addExpectations", how="database")
    with pytest.raises(ValueError, match="shards are not available"):
        works.add_expectations("w1", 28)
    platform.recover()
    deliveries.next().add_expectations("w1", 28)
    assert work.expectations == 28


def test_a_deleted_work_counts_as_closed(deliveries: Deliveries) -> None:
    ended = delivery()
    deliveries.works(ended).to_processed("w1", "Added 1")
    assert ended.was_closed


@pytest.mark.usefixtures("work")
@pytest.mark.parametrize("in_error", [False, True])
def test_only_the_closing_of_a_work_whose_result_was_sent_is_left(
    platform: OpenCTI, deliveries: Deliveries, in_error: bool
) -> None:
    platform.fail("toProcessed", how="refused")
    begun = delivery()
    begun.was_read = True
    works = deliveries.works(begun)
    with pytest.raises(Postponed):
        works.to_processed("w1", "text", in_error)
    assert deliveries.helper.deliveries.left_open("key") == (None if in_error else "text")
    assert begun.was_postponed


def test_pyctis_error_before_the_callback_is_replaced_by_the_operators_words(works: Works, work: Work) -> None:
    works.to_processed("w1", "'entity_id'", in_error=True)
    assert work.closings == [NOT_UNDERSTOOD.format(reason="'entity_id'")]
