"""One message and the next: nothing of one reaches the other, whatever pycti's helper says meanwhile."""

import json
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pycti
import pytest
from pycti import OpenCTIConnectorHelper

from passivedns import metrics, stix
from passivedns.client import RiskIQClient
from passivedns.connector import RiskIQConnector
from passivedns.errors import NotSent, Unforeseen
from sandbox.dataset import ADDRESS, DOMAIN, own_records
from sandbox.entities import Entity
from sandbox.opencti import OpenCTI, opencti_app
from sandbox.passivetotal import API_KEY, USERNAME, PassiveTotal, passivetotal_app
from sandbox.server import serving
from sandbox.works import Execution, Work

STEPS = (
    *("event_id", "execution_id", "execution_start", "playbook_id", "data_instance_id"),
    *("previous_step_id", "previous_bundle", "step_id"),
)
"""What pycti holds of a playbook."""


@dataclass
class Bench:
    """A connector in this process, with pycti's own helper, between the stand-ins."""

    platform: OpenCTI
    service: PassiveTotal
    helper: OpenCTIConnectorHelper
    connector: RiskIQConnector

    def work(self, entity: Entity) -> Work:
        work = Work(f"work_{uuid.uuid4()}", entity)
        self.platform.works[work.id] = work
        return work


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    platform, service = OpenCTI(pycti.__version__), PassiveTotal(own_records(datetime.now(UTC).date()))
    with serving(opencti_app(platform)) as opencti_url, serving(passivetotal_app(service)) as passivetotal_url:
        own = {"id": str(uuid.uuid4()), "type": "INTERNAL_ENRICHMENT", "name": "test", "scope": "Domain-Name"}
        config = {
            "opencti": {"url": opencti_url, "token": platform.token},
            "connector": {**own, "log_level": "info", "queue_protocol": "api"},
        }
        helper = OpenCTIConnectorHelper(config, playbook_compatible=True)
        client = RiskIQClient(passivetotal_url, USERNAME, API_KEY, max_retries=0)
        connector = RiskIQConnector(
            helper,
            client,
            scope=["Domain-Name", "IPv4-Addr"],
            max_tlp=None,
            since=lambda now: now - timedelta(days=30),
        )
        yield Bench(platform, service, helper, connector)
        helper.ping.stop()


def message(entity: Entity) -> dict[str, Any]:
    """What pycti hands to the callback."""
    stix_entity = entity.as_stix()
    return {
        "entity_id": entity.standard_id,
        "entity_type": entity.entity_type,
        "enrichment_entity": entity.as_api(),
        "stix_entity": stix_entity,
        "stix_objects": [stix_entity],
    }


def test_a_message_that_comes_while_another_runs_waits_and_each_bundle_goes_to_its_own_work(bench: Bench) -> None:
    """As after a lost connection to the broker, when pycti takes the next message while the last one still runs."""
    first = bench.work(bench.platform.add_observable("Domain-Name", DOMAIN))
    second = bench.work(bench.platform.add_observable("IPv4-Addr", ADDRESS))
    bench.service.latency = 0.5
    threads = []
    for work in (first, second):
        bench.helper.work_id = work.id
        threads.append(threading.Thread(target=bench.connector.process, args=[message(work.entity)]))
        threads[-1].start()
        time.sleep(0.1)
    for thread in threads:
        thread.join()
    pushes = [call.variables for call in bench.platform.calls if call.field == "stixBundlePush"]
    assert [json.loads(push["bundle"])["objects"][0]["id"] for push in pushes] == [
        first.entity.standard_id,
        second.entity.standard_id,
    ]
    # Over the API, pycti tells the work of a bundle since 6.4.
    assert [push.get("work_id", work.id) for push, work in zip(pushes, (first, second), strict=True)] == [
        first.id,
        second.id,
    ]
    assert [search.params["query"] for search in bench.service.searches] == [DOMAIN, ADDRESS]


def test_a_playbook_that_begins_meanwhile_does_not_take_the_bundle_of_an_enrichment(bench: Bench) -> None:
    work = bench.work(bench.platform.add_observable("Domain-Name", DOMAIN))
    bench.helper.work_id = work.id
    bench.service.latency = 0.5
    thread = threading.Thread(target=bench.connector.process, args=[message(work.entity)])
    thread.start()
    time.sleep(0.1)
    bench.helper.work_id, bench.helper.playbook = None, {"execution_id": "of another message"}
    thread.join()
    calls = [call.field for call in bench.platform.calls]
    assert "stixBundlePush" in calls
    assert "playbookStepExecution" not in calls


def test_a_fault_of_the_connector_itself_is_told_without_its_innards(bench: Bench) -> None:
    with pytest.raises(Unforeseen, match=r"^The connector failed \(KeyError\); its log has the details\.$"):
        bench.connector.process({"entity_id": "domain-name--1"})


def unforeseen() -> float:
    """How many failures of that kind were counted."""
    return metrics.FAILURES.labels("unforeseen")._value.get()


def test_a_bundle_that_cannot_be_put_together_is_told_and_counted(bench: Bench) -> None:
    data, before = message(bench.platform.add_observable("Domain-Name", DOMAIN)), unforeseen()
    del data["stix_entity"]["spec_version"]
    with pytest.raises(Unforeseen, match=r"^The connector failed \(KeyError\); its log has the details\.$"):
        bench.connector.process(data)
    assert unforeseen() == before + 1


def test_a_playbook_gets_what_it_sent_where_its_bundle_cannot_be_put_together(bench: Bench) -> None:
    execution = Execution("e1", bench.platform.add_observable("Domain-Name", DOMAIN))
    bench.platform.executions[execution.id] = execution
    data, before = message(execution.entity), unforeseen()
    data["stix_objects"] += [{"type": "note", "content": "without an id"}]
    bench.helper.playbook = dict.fromkeys(STEPS, "x") | {"execution_id": execution.id}
    with pytest.raises(Unforeseen):
        bench.connector.process(data)
    (bundle,) = execution.bundles
    assert bundle["objects"] == data["stix_objects"]
    assert unforeseen() == before + 1


def test_in_a_playbook_a_fault_of_the_connector_itself_sends_the_received_objects_back(bench: Bench) -> None:
    entity = bench.platform.add_observable("Domain-Name", DOMAIN)
    bench.helper.playbook = dict.fromkeys(STEPS, "x")
    with pytest.raises(Unforeseen):
        bench.connector.process({"stix_objects": [entity.as_stix()]})
    assert [call.field for call in bench.platform.calls].count("playbookStepExecution") == 1


def test_a_platform_that_does_not_take_the_bundle_is_told(bench: Bench) -> None:
    entity = bench.platform.add_observable("Domain-Name", DOMAIN)
    bench.platform.fail("stixBundlePush")
    with pytest.raises(NotSent, match="OpenCTI did not take the result"):
        bench.connector.process(message(entity))


def test_a_tlp_clear_that_was_renamed_on_the_platform_is_sent_under_its_name_there(bench: Bench) -> None:
    data = message(bench.platform.add_observable("Domain-Name", DOMAIN))
    renamed = {"standard_id": stix.TLP_CLEAR, "definition_type": "TLP", "definition": "Public"}
    data["enrichment_entity"]["objectMarking"] = [renamed]
    bench.connector.process(data)
    (push,) = [call.variables["bundle"] for call in bench.platform.calls if call.field == "stixBundlePush"]
    (marking,) = [item for item in json.loads(push)["objects"] if item["id"] == stix.TLP_CLEAR]
    assert marking["x_opencti_definition"] == "Public"


def test_a_hostile_number_of_record_types_does_not_flood_the_text(bench: Bench) -> None:
    records = [{"recordType": f"T{number:03}", "resolveType": "x", "resolve": "y"} for number in range(500)]
    bench.service.answers["flood.example"] = records
    text = bench.connector.process(message(bench.platform.add_observable("Domain-Name", "flood.example")))
    assert text.startswith("Added nothing from 500 passive DNS records of flood.example; left out 500: T000 1, T001 1")
    assert text.endswith("T011 1, others 488")
    assert len(text) < 250
