"""A playbook gets one bundle; if responses are lost, at most the same one once more, from all processes together."""

import json
from pathlib import Path
from typing import Any

import pytest
import requests
from pycti import OpenCTIConnectorHelper

from passivedns.delivery import retry
from passivedns.delivery.delivery import Delivery, Postponed
from passivedns.delivery.delivery_log import DeliveryLog
from passivedns.delivery.retry import processing, retry_queries
from passivedns.opencti.playbooks import Playbooks
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


@pytest.fixture
def playbooks(helper: OpenCTIConnectorHelper) -> Playbooks:
    retry_queries(helper.api)
    return Playbooks(helper.api, DeliveryLog("memory"))


def answer(playbooks: Playbooks, message: dict[str, Any]) -> Delivery:
    with processing(Delivery("key", message, False)) as delivery:
        playbooks.send_back(delivery, NOW)
    return delivery


def test_a_playbook_gets_back_what_it_sent(playbooks: Playbooks, message: dict[str, Any], execution: Execution) -> None:
    assert answer(playbooks, message).was_sent
    assert execution.bundles == [message["event"]["bundle"]]


def test_a_playbook_that_has_its_bundle_gets_no_other(
    playbooks: Playbooks, message: dict[str, Any], execution: Execution
) -> None:
    with processing(Delivery("key", message, False)) as delivery:
        playbooks.send_back(delivery, NOW)
        playbooks.playbook_step_execution({}, "{}")
        playbooks.send_back(delivery, NOW)
    assert len(execution.bundles) == 1


@pytest.mark.parametrize("fault", ["http500", "database", "error"])
def test_a_failure_that_did_not_take_effect_is_repeated(
    platform: OpenCTI, playbooks: Playbooks, message: dict[str, Any], execution: Execution, fault: Fault
) -> None:
    platform.fail("playbookStepExecution", times=2, how=fault)
    answer(playbooks, message)
    assert len(execution.bundles) == 1


@pytest.mark.parametrize(("lost", "bundles"), [(1, 2), (2, 2), (9, 2)])
def test_a_bundle_whose_responses_are_lost_is_sent_twice_at_most(
    platform: OpenCTI, playbooks: Playbooks, message: dict[str, Any], execution: Execution, lost: int, bundles: int
) -> None:
    platform.fail("playbookStepExecution", times=lost, how="unheard")
    assert answer(playbooks, message).was_sent
    assert execution.bundles == [message["event"]["bundle"]] * bundles


def test_another_process_does_not_send_a_third_time(
    platform: OpenCTI, helper: OpenCTIConnectorHelper, message: dict[str, Any], execution: Execution, tmp_path: Path
) -> None:
    """Each process is killed while it waits for the response."""
    retry_queries(helper.api)
    for _ in range(4):
        process = Playbooks(helper.api, DeliveryLog(str(tmp_path / "deliveries.sqlite")))
        helper.api.session_requests_timeout = 0.3
        platform.fail("playbookStepExecution", times=1, how="unheard")
        with processing(Delivery("key", message, True)) as delivery:
            delivery.stop_waiting()
            try:
                process.send_back(delivery, NOW)
            except Postponed:
                continue
            assert delivery.was_sent
    assert len(execution.bundles) == 2


def test_a_send_that_never_left_is_not_counted(
    playbooks: Playbooks, message: dict[str, Any], execution: Execution
) -> None:
    url, playbooks.api.api_url = playbooks.api.api_url, "http://127.0.0.1:1/graphql"
    for _ in range(3):
        with processing(Delivery("key", message, False, patience=0.05)) as delivery, pytest.raises(Postponed):
            playbooks.send_back(delivery, NOW)
    playbooks.api.api_url = url
    answer(playbooks, message)
    assert len(execution.bundles) == 1


def test_a_bundle_that_opencti_keeps_refusing_is_left_to_the_next_delivery(
    platform: OpenCTI, playbooks: Playbooks, message: dict[str, Any], execution: Execution
) -> None:
    platform.fail("playbookStepExecution", how="refused")
    with pytest.raises(Postponed):
        answer(playbooks, message)
    platform.recover()
    answer(playbooks, message)
    assert len(execution.bundles) == 1


def test_a_step_that_cannot_be_identified_is_logged(
    playbooks: Playbooks, message: dict[str, Any], execution: Execution, caplog: pytest.LogCaptureFixture
) -> None:
    del message["internal"]["playbook"]["step_id"]
    assert not answer(playbooks, message).was_sent
    assert execution.bundles == []
    assert "a playbook (e1) cannot be answered: its message lacks 'step_id'." in caplog.text


def test_for_no_message_a_bundle_is_sent_once_as_by_pycti(
    platform: OpenCTI, playbooks: Playbooks, message: dict[str, Any]
) -> None:
    platform.fail("playbookStepExecution", times=1, how="unheard")
    step = message["internal"]["playbook"] | {"execution_start": NOW, "previous_bundle": "{}"}
    with pytest.raises(requests.ConnectionError):
        playbooks.playbook_step_execution(step, json.dumps(message["event"]["bundle"]))
    assert [call.field for call in platform.calls].count("playbookStepExecution") == 1
