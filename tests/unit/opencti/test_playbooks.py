"""A playbook gets one bundle; if responses are lost, at most the same one once more, from all processes together."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from passivedns.delivery import retry
from passivedns.delivery.delivery import Delivery, Postponed
from passivedns.delivery.delivery_log import DeliveryLog
from passivedns.opencti.helper import Helper
from sandbox.messages import playbook_message
from sandbox.opencti import Fault, OpenCTI
from sandbox.works import Execution

NOW = "2026-11-29T12:00:00.000Z"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "MAX_TRIES", 3)
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.01)


@pytest.fixture
def execution(platform: OpenCTI) -> Execution:
    execution = Execution("e1", platform.add_observable("Domain-Name", "example.org"))
    platform.executions["e1"] = execution
    return execution


@pytest.fixture
def message(execution: Execution) -> dict[str, Any]:
    return playbook_message(execution, [execution.entity.as_stix()], execution.entity.standard_id)


def answer(helper: Helper, message: dict[str, Any]) -> Delivery:
    delivery = Delivery("key", message, False)
    helper.for_message(delivery).api.playbook.send_back(NOW)
    return delivery


def test_a_playbook_gets_back_what_it_sent(helper: Helper, message: dict[str, Any], execution: Execution) -> None:
    assert answer(helper, message).was_sent
    assert execution.bundles == [message["event"]["bundle"]]


def test_a_playbook_that_has_its_bundle_gets_no_other(
    helper: Helper, message: dict[str, Any], execution: Execution
) -> None:
    playbooks = helper.for_message(Delivery("key", message, False)).api.playbook
    playbooks.send_back(NOW)
    playbooks.playbook_step_execution({}, "{}")
    playbooks.send_back(NOW)
    assert len(execution.bundles) == 1


@pytest.mark.parametrize("fault", ["http500", "database", "error"])
def test_a_failure_that_did_not_take_effect_is_repeated(
    platform: OpenCTI, helper: Helper, message: dict[str, Any], execution: Execution, fault: Fault
) -> None:
    platform.fail("playbookStepExecution", times=2, how=fault)
    answer(helper, message)
    assert len(execution.bundles) == 1


@pytest.mark.parametrize(("lost", "bundles"), [(1, 2), (2, 2), (9, 2)])
def test_a_bundle_whose_responses_are_lost_is_sent_twice_at_most(
    platform: OpenCTI, helper: Helper, message: dict[str, Any], execution: Execution, lost: int, bundles: int
) -> None:
    platform.fail("playbookStepExecution", times=lost, how="unheard")
    assert answer(helper, message).was_sent
    assert execution.bundles == [message["event"]["bundle"]] * bundles


def test_another_process_does_not_send_a_third_time(
    platform: OpenCTI, helper: Helper, message: dict[str, Any], execution: Execution, tmp_path: Path
) -> None:
    """Each process is killed while it waits for the response."""
    for _ in range(4):
        helper.deliveries = DeliveryLog(str(tmp_path / "deliveries.sqlite"))
        helper.api.session_requests_timeout = 0.3
        platform.fail("playbookStepExecution", times=1, how="unheard")
        delivery = Delivery("key", message, True)
        delivery.stop_waiting()
        with suppress(Postponed):
            helper.for_message(delivery).api.playbook.send_back(NOW)
            assert delivery.was_sent
    assert len(execution.bundles) == 2


def test_a_send_that_never_left_is_not_counted(helper: Helper, message: dict[str, Any], execution: Execution) -> None:
    url, helper.api.api_url = helper.api.api_url, "http://127.0.0.1:1/graphql"
    for _ in range(3):
        playbooks = helper.for_message(Delivery("key", message, False, max_wait=0.05)).api.playbook
        with pytest.raises(Postponed):
            playbooks.send_back(NOW)
    helper.api.api_url = url
    answer(helper, message)
    assert len(execution.bundles) == 1


def test_a_bundle_that_opencti_keeps_refusing_is_left_to_the_next_delivery(
    platform: OpenCTI, helper: Helper, message: dict[str, Any], execution: Execution
) -> None:
    platform.fail("playbookStepExecution", how="refused")
    with pytest.raises(Postponed):
        answer(helper, message)
    platform.recover()
    answer(helper, message)
    assert len(execution.bundles) == 1


def test_a_step_that_cannot_be_identified_is_logged(
    helper: Helper, message: dict[str, Any], execution: Execution, caplog: pytest.LogCaptureFixture
) -> None:
    del message["internal"]["playbook"]["step_id"]
    assert not answer(helper, message).was_sent
    assert execution.bundles == []
    assert "a playbook (e1) cannot be answered: its message lacks 'step_id'." in caplog.text
