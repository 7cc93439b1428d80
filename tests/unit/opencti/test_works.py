"""A work is closed once and its objects are announced once, despite outages and redeliveries."""

import pytest
from pycti import OpenCTIConnectorHelper

from passivedns.opencti import outage
from passivedns.opencti.delivery import Delivery, Postponed
from passivedns.opencti.outage import processing, retry_queries
from passivedns.opencti.works import UNREADABLE, Works
from sandbox.opencti import Fault, OpenCTI
from sandbox.works import Work


@pytest.fixture
def works(helper: OpenCTIConnectorHelper) -> Works:
    retry_queries(helper.api)
    return Works(helper.api)


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
    with processing(delivery()):
        works.to_processed("w1", "Added 1")
    assert work.closings == ["Added 1"]
    assert not work.in_error


def test_a_work_is_not_closed_with_a_second_text(works: Works, work: Work) -> None:
    with processing(delivery()):
        works.to_processed("w1", "Added 1")
        works.to_processed("w1", "oh", in_error=True)
    assert work.closings == ["Added 1"]


def test_a_work_that_another_process_closed_is_not_closed_again(works: Works, work: Work) -> None:
    works.to_processed("w1", "Added 1")
    with processing(delivery(redelivered=True)):
        works.to_processed("w1", "Added 2")
    assert work.closings == ["Added 1"]


def test_a_redelivered_message_whose_work_is_open_closes_it(works: Works, work: Work) -> None:
    with processing(delivery(redelivered=True)):
        works.to_processed("w1", "Added 1")
    assert work.closings == ["Added 1"]


def test_a_work_that_opencti_refuses_to_close_is_logged_with_its_text(
    platform: OpenCTI, works: Works, work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    platform.fail("toProcessed", how="refused")
    with processing(delivery()), pytest.raises(Postponed):
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
    with processing(delivery()):
        works.to_processed("w1", words, in_error=True)
    assert work.closings == [UNREADABLE]
    assert work.in_error


@pytest.mark.parametrize("fault", ["http500", "gone", "unheard", "error"])
def test_objects_are_announced_once_despite_an_outage(
    platform: OpenCTI, works: Works, work: Work, fault: Fault
) -> None:
    platform.fail("addExpectations", times=1, how=fault)
    with processing(delivery()):
        works.add_expectations("w1", 5)
    assert work.expectations == 5


def test_a_retry_of_a_message_announces_nothing_more(works: Works, work: Work) -> None:
    with processing(delivery()):
        works.add_expectations("w1", 5)
        works.add_expectations("w1", 5)
    assert work.expectations == 5


def test_a_redelivered_message_announces_only_what_is_missing(works: Works, work: Work) -> None:
    works.add_expectations("w1", 5)
    with processing(delivery(redelivered=True)):
        works.add_expectations("w1", 7)
    assert work.expectations == 7


def test_a_first_delivery_does_not_query_the_work(platform: OpenCTI, works: Works, work: Work) -> None:
    with processing(delivery()):
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
    platform: OpenCTI, works: Works, work: Work
) -> None:
    platform.fail("work", how="refused")
    with processing(delivery(redelivered=True)):
        works.add_expectations("w1", 5)
        works.to_processed("w1", "Added 1")
    assert (work.expectations, work.closings) == (5, ["Added 1"])


def test_a_work_is_closed_even_if_querying_it_keeps_failing(
    platform: OpenCTI, works: Works, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outage, "FIRST_PAUSE", 0.01)
    platform.fail("work", how="database")
    with processing(delivery(redelivered=True)):
        works.to_processed("w1", "Added 1")
    assert work.closings == ["Added 1"]


def test_a_chunk_of_announced_objects_makes_no_request(platform: OpenCTI, works: Works, work: Work) -> None:
    with processing(delivery()):
        works.add_expectations("w1", 500)
        asked = len(platform.calls)
        works.add_expectations("w1", 1)
    assert (work.expectations, len(platform.calls)) == (500, asked)
