"""Each message gets its own answer, whatever pycti's helper holds meanwhile."""

import json
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pycti
import pytest

from passivedns import metrics
from passivedns.assembly import enricher_of
from passivedns.connector import RiskIQConnector
from passivedns.delivery.delivery import Delivery
from passivedns.delivery.delivery_log import DeliveryLog
from passivedns.errors import NoAnswer, NotSent, TlpRefused, Unforeseen
from passivedns.opencti.helper import Helper
from passivedns.settings.model import LookupSettings, PdnsSettings
from passivedns.sources.riskiq import RiskIQSettings
from passivedns.sources.virustotal import VirusTotalSettings
from passivedns.stix.objects import TLP_CLEAR
from sandbox.api import opencti_app
from sandbox.entities import Entity
from sandbox.opencti import OpenCTI
from sandbox.server import serving
from sandbox.sources.riskiq import API_KEY, USERNAME, PassiveTotal, passivetotal_app
from sandbox.sources.riskiq_data import ADDRESS, DOMAIN, own_records
from sandbox.works import Execution, Work

STEPS = (
    *("event_id", "execution_id", "execution_start", "playbook_id", "data_instance_id"),
    *("previous_step_id", "previous_bundle", "step_id"),
)
"""What pycti holds of a playbook."""
TELLS_WORK = tuple(map(int, pycti.__version__.split(".")[:2])) >= (6, 4)
SCOPE = ("Domain-Name", "IPv4-Addr", "Hostname")


@dataclass
class Bench:
    """A connector in this process, with its helper, between the stand-ins."""

    platform: OpenCTI
    service: PassiveTotal
    passivetotal_url: str
    helper: Helper
    connector: RiskIQConnector

    def work(self, entity: Entity) -> Work:
        work = Work(f"work_{uuid.uuid4()}", entity)
        self.platform.works[work.id] = work
        return work

    def process(self, data: dict[str, Any]) -> str:
        """Hand the connector a message, for which pycti left its state in the helper."""
        helper = self.helper.for_message(Delivery("key", {}, redelivered=False))
        return self.connector.process(data | {"helper": helper})

    def begin(self, entity: Entity) -> threading.Thread:
        """Process the message of an enrichment in a thread of its own."""
        thread = threading.Thread(target=self.process, args=[message(entity)])
        thread.start()
        return thread

    def wait_for_searches(self, count: int) -> None:
        """Wait until that many searches have arrived, which are answered later; the test's own time limit ends it."""
        while len(self.service.searches) < count:
            time.sleep(0.01)

    def fields(self) -> list[str]:
        """The fields of GraphQL that the platform was asked for."""
        return [call.field for call in self.platform.calls]

    def pushed(self) -> list[dict[str, Any]]:
        """The bundles that arrived."""
        return [json.loads(call.variables["bundle"]) for call in self.platform.calls if call.field == "stixBundlePush"]


def lookup_settings(passivetotal_url: str, limit: Any = "TLP:AMBER", **own: Any) -> LookupSettings:
    section = RiskIQSettings(username=USERNAME, api_key=API_KEY, api_base_url=passivetotal_url, **own)
    pdns = PdnsSettings(cache_ttl="PT0S", max_retries=0, request_timeout=5, max_tlp=limit)
    return LookupSettings(pdns, {"riskiq": section})


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
        helper = Helper(config, DeliveryLog("memory"))
        connector = RiskIQConnector(helper, enricher_of(lookup_settings(passivetotal_url)), scope=SCOPE)
        yield Bench(platform, service, passivetotal_url, helper, connector)
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


# Messages that overlap


def test_each_of_two_overlapping_messages_sends_its_bundle_to_its_own_work(bench: Bench) -> None:
    """As after a lost connection to the broker, when pycti takes the next message while the last one still runs."""
    first = bench.work(bench.platform.add_observable("Domain-Name", DOMAIN))
    second = bench.work(bench.platform.add_observable("IPv4-Addr", ADDRESS))
    bench.service.latency = 0.5
    threads = []
    for searches, work in enumerate((first, second), 1):
        bench.helper.work_id = work.id
        threads.append(bench.begin(work.entity))
        bench.wait_for_searches(searches)
    for thread in threads:
        thread.join()
    pushes = [call.variables for call in bench.platform.calls if call.field == "stixBundlePush"]
    # Over the API, pycti tells the work of a bundle since 6.4. The bundles may overtake each other.
    assert {json.loads(push["bundle"])["objects"][0]["id"]: push.get("work_id") for push in pushes} == {
        work.entity.standard_id: work.id if TELLS_WORK else None for work in (first, second)
    }
    assert len(pushes) == 2
    assert [search.params["query"] for search in bench.service.searches] == [DOMAIN, ADDRESS]


def test_a_playbook_that_begins_meanwhile_does_not_get_the_bundle_of_an_enrichment(bench: Bench) -> None:
    work = bench.work(bench.platform.add_observable("Domain-Name", DOMAIN))
    bench.helper.work_id = work.id
    bench.service.latency = 0.5
    thread = bench.begin(work.entity)
    bench.wait_for_searches(1)
    bench.helper.work_id, bench.helper.playbook = None, {"execution_id": "of another message"}
    thread.join()
    assert "stixBundlePush" in bench.fields()
    assert "playbookStepExecution" not in bench.fields()


# What goes wrong


def test_an_internal_error_is_reported_without_details(bench: Bench) -> None:
    with pytest.raises(Unforeseen, match=r"^Internal error \(KeyError\); see the connector log\.$"):
        bench.process({"entity_id": "domain-name--1"})


def unforeseen() -> float:
    """How many failures of that kind were counted."""
    return float(metrics.FAILURES.labels("unforeseen")._value.get())


def test_a_bundle_that_cannot_be_built_is_reported_and_counted(bench: Bench) -> None:
    data, before = message(bench.platform.add_observable("Domain-Name", DOMAIN)), unforeseen()
    del data["stix_entity"]["spec_version"]
    with pytest.raises(Unforeseen, match=r"^Internal error \(KeyError\); see the connector log\.$"):
        bench.process(data)
    assert unforeseen() == before + 1


def test_a_playbook_gets_back_what_it_sent_if_its_bundle_cannot_be_built(bench: Bench) -> None:
    execution = Execution("e1", bench.platform.add_observable("Domain-Name", DOMAIN))
    bench.platform.executions[execution.id] = execution
    data, before = message(execution.entity), unforeseen()
    data["stix_objects"] += [{"type": "note", "content": "without an id"}]
    bench.helper.playbook = dict.fromkeys(STEPS, "x") | {"execution_id": execution.id}
    with pytest.raises(Unforeseen):
        bench.process(data)
    (bundle,) = execution.bundles
    assert bundle["objects"] == data["stix_objects"]
    assert unforeseen() == before + 1


def test_a_playbook_gets_back_what_it_sent_after_an_internal_error(bench: Bench) -> None:
    entity = bench.platform.add_observable("Domain-Name", DOMAIN)
    bench.helper.playbook = dict.fromkeys(STEPS, "x")
    with pytest.raises(Unforeseen):
        bench.process({"stix_objects": [entity.as_stix()]})
    assert bench.fields().count("playbookStepExecution") == 1


def test_a_bundle_that_opencti_rejects_is_an_error(bench: Bench) -> None:
    entity = bench.platform.add_observable("Domain-Name", DOMAIN)
    bench.platform.fail("stixBundlePush", how="refused")
    with pytest.raises(NotSent, match="OpenCTI did not accept the result"):
        bench.process(message(entity))


def test_if_the_only_source_fails_its_error_becomes_the_text(bench: Bench) -> None:
    bench.service.fail("500", on="search")
    with pytest.raises(NoAnswer, match=r"^PassiveTotal server error \(HTTP 500\); try again later\."):
        bench.process(message(bench.platform.add_observable("Domain-Name", DOMAIN)))
    assert bench.pushed() == []


# What is decided before a source is asked


def test_an_entity_out_of_scope_is_not_looked_up_whatever_its_marking(bench: Bench) -> None:
    limited = enricher_of(lookup_settings(bench.passivetotal_url, max_tlp="TLP:GREEN"))
    bench.connector = RiskIQConnector(bench.helper, limited, scope=SCOPE)
    entity = bench.platform.add_observable("Url", "http://www.example.org/", ["TLP:RED"])
    assert bench.process(message(entity)) == (
        "http://www.example.org/ was not looked up: Url is not in the scope of this connector"
    )


def test_an_observable_above_the_maximum_tlp_is_an_error_without_a_request(bench: Bench) -> None:
    limited = enricher_of(lookup_settings(bench.passivetotal_url, max_tlp="TLP:GREEN"))
    bench.connector = RiskIQConnector(bench.helper, limited, scope=SCOPE)
    entity = bench.platform.add_observable("Domain-Name", DOMAIN, ["TLP:AMBER"])
    with pytest.raises(TlpRefused) as refused:
        bench.process(message(entity))
    assert str(refused.value) == (
        "Not sent to PassiveTotal: marked TLP:AMBER, above the maximum of TLP:GREEN (RISKIQ_MAX_TLP)."
    )
    assert bench.service.requests == []


def test_the_scope_is_case_insensitive(bench: Bench) -> None:
    entity = bench.platform.add_observable("Domain-Name", DOMAIN)
    data = message(entity)
    data["enrichment_entity"]["entity_type"] = "domain-name"
    assert bench.process(data).startswith("Added 12 observables")


def test_record_types_that_no_source_covers_are_reported(bench: Bench) -> None:
    section = VirusTotalSettings(api_key="key", api_base_url="http://127.0.0.1:9")
    pdns = PdnsSettings(sources="virustotal", record_types="MX", cache_ttl="PT0S")
    bench.connector = RiskIQConnector(
        bench.helper, enricher_of(LookupSettings(pdns, {"virustotal": section})), scope=SCOPE
    )
    text = bench.process(message(bench.platform.add_observable("Domain-Name", DOMAIN)))
    assert text == "example.org was not looked up: none of the sources covers Domain-Name"
    assert bench.pushed() == []


def test_a_special_use_address_is_no_failure_and_sent_to_no_source(bench: Bench) -> None:
    text = bench.process(message(bench.platform.add_observable("IPv4-Addr", "10.0.0.1")))
    assert text == (
        "10.0.0.1 was not looked up: it is a special-use address (private network, RFC 1918); only a COF server with "
        "COF_SPECIAL_USE is asked about those"
    )
    assert (bench.service.requests, bench.pushed()) == ([], [])


# What is sent, and what is said


def test_a_renamed_tlp_clear_keeps_its_name(bench: Bench) -> None:
    unlimited = enricher_of(lookup_settings(bench.passivetotal_url, limit="none"))
    bench.connector = RiskIQConnector(bench.helper, unlimited, scope=SCOPE)
    data = message(bench.platform.add_observable("Domain-Name", DOMAIN))
    renamed = {"standard_id": TLP_CLEAR, "definition_type": "TLP", "definition": "Public"}
    data["enrichment_entity"]["objectMarking"] = [renamed]
    bench.process(data)
    (bundle,) = bench.pushed()
    (marking,) = [item for item in bundle["objects"] if item["id"] == TLP_CLEAR]
    assert marking["x_opencti_definition"] == "Public"


def test_without_the_markings_of_opencti_those_of_the_sources_have_their_usual_names(bench: Bench) -> None:
    bench.platform.fail("markingDefinitions", how="refused")
    bench.process(message(bench.platform.add_observable("Domain-Name", DOMAIN)))
    (bundle,) = bench.pushed()
    (marking,) = [item for item in bundle["objects"] if item["id"] == TLP_CLEAR]
    assert marking["x_opencti_definition"] == "TLP:CLEAR"


def test_many_record_types_do_not_flood_the_text(bench: Bench) -> None:
    records = [{"recordType": f"T{number:03}", "resolveType": "x", "resolve": "y"} for number in range(500)]
    bench.service.answers["flood.example"] = records
    text = bench.process(message(bench.platform.add_observable("Domain-Name", "flood.example")))
    assert text.startswith("Added nothing from 500 passive DNS records of flood.example; left out 500: T000 1, T001 1")
    assert text.endswith("T011 1, others 488")
    assert len(text) < 250
