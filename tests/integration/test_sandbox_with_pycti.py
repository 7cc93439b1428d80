"""The embedded OpenCTI with a real pycti, in a separate process, over HTTP."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from sandbox.api import opencti_app
from sandbox.daemon import free_port
from sandbox.opencti import OpenCTI
from sandbox.server import serving
from tests.helpers.world import WAIT

PYCTI = version("pycti")

pytestmark = pytest.mark.skipif(
    tuple(map(int, PYCTI.split(".")[:2])) < (6, 5), reason="pycti speaks its HTTP protocols since 6.5"
)

DAEMON = """
from pycti import OpenCTIConnectorHelper, StixCoreRelationship

ADDRESS = {"type": "ipv4-addr", "id": "ipv4-addr--8dded90c-40c0-545a-8027-5b212bb37e8e", "value": "192.0.2.1"}


def enrich(data):
    if data["enrichment_entity"]["observable_value"] == "broken.example":
        raise ValueError("it is broken")
    source, name, target = data["entity_id"], "resolves-to", ADDRESS["id"]
    if data["enrichment_entity"]["observable_value"] == "reversed.example":
        source, target = target, source
    ends = {"relationship_type": name, "source_ref": source, "target_ref": target}
    relation = {"type": "relationship", "id": StixCoreRelationship.generate_id(name, source, target), **ends}
    helper.send_stix2_bundle(helper.stix2_create_bundle([*data["stix_objects"], ADDRESS, relation]))
    return "one address"


helper = OpenCTIConnectorHelper({}, playbook_compatible=True)
helper.listen(enrich)
"""


def environment(platform: OpenCTI, url: str) -> dict[str, str]:
    port = free_port()
    return os.environ | {
        "OPENCTI_URL": url,
        "OPENCTI_TOKEN": platform.token,
        "CONNECTOR_ID": "6f0a5b9e-9b5b-4d6c-8a55-0a6d8b1f2c33",
        "CONNECTOR_NAME": "addresses",
        "CONNECTOR_TYPE": "INTERNAL_ENRICHMENT",
        "CONNECTOR_SCOPE": "Domain-Name",
        "CONNECTOR_LISTEN_PROTOCOL": "API",
        "CONNECTOR_LISTEN_PROTOCOL_API_PORT": str(port),
        "CONNECTOR_LISTEN_PROTOCOL_API_URI": f"http://127.0.0.1:{port}",
        "CONNECTOR_QUEUE_PROTOCOL": "api",
    }


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenCTI]:
    script = Path(tmp_path_factory.mktemp("daemon"), "daemon.py")
    script.write_text(DAEMON)
    platform = OpenCTI(version=PYCTI)
    with serving(opencti_app(platform)) as url:
        daemon = subprocess.Popen([sys.executable, script], env=environment(platform, url))
        try:
            platform.wait_registered(WAIT)
            yield platform
        finally:
            daemon.kill()
            daemon.wait()
            platform.close()


def test_it_registers(platform: OpenCTI) -> None:
    connector = platform.wait_registered(WAIT)

    assert connector.input["name"] == "addresses"
    assert connector.input["scope"] == ["Domain-Name"]
    assert connector.user_agent.startswith(f"pycti/{PYCTI}")
    assert [call.field for call in platform.calls[:3]] == ["about", "about", "registerConnector"]


@pytest.mark.parametrize("auto", [False, True])
def test_an_enrichment_is_answered(platform: OpenCTI, auto: bool) -> None:
    domain = platform.add_observable("Domain-Name", "example.com", score=50, labels=("phishing",))

    work = platform.enrich(domain, auto).wait(WAIT)

    assert (work.message, work.in_error, work.errors) == ("one address", False, [])
    assert len(work.received) == 1
    assert [(obj["relationship_type"], obj["source_ref"]) for obj in platform.relationships()] == [
        ("resolves-to", domain.standard_id)
    ]


def test_the_calls_of_an_enrichment_match_those_on_a_real_opencti(platform: OpenCTI) -> None:
    domain = platform.add_observable("Domain-Name", "calls.example", markings=())
    before = len(platform.calls)

    platform.enrich(domain).wait(WAIT)

    calls = [call.below if call.field == "workEdit" else call.field for call in platform.calls[before:]]
    assert [call for call in calls if call != "pingConnector"] == [
        "stixCyberObservable",
        "stixNestedRefRelationships",
        "toReceived",
        "stixBundlePush",
        "toProcessed",
    ]


def test_a_failure_closes_the_work_as_an_error(platform: OpenCTI) -> None:
    work = platform.enrich(platform.add_observable("Domain-Name", "broken.example")).wait(WAIT)

    assert (work.message, work.in_error) == ("it is broken", True)


def test_an_inaccessible_entity_closes_the_work_as_an_error(platform: OpenCTI) -> None:
    domain = platform.add_observable("Domain-Name", "hidden.example")
    platform.entity_unreadable(domain)

    work = platform.enrich(domain).wait(WAIT)

    assert work.in_error
    assert "check the connector permissions" in str(work.message)


def test_an_invalid_relationship_is_refused_and_the_rest_is_imported(platform: OpenCTI) -> None:
    work = platform.enrich(platform.add_observable("Domain-Name", "reversed.example")).wait(WAIT)

    assert not work.in_error
    assert [error.partition(": ")[2] for error in work.errors] == [
        "The relationship type resolves-to is not allowed between IPv4-Addr and Domain-Name"
    ]


def test_a_playbook_gets_its_bundle_back_with_additions(platform: OpenCTI) -> None:
    domain = platform.add_observable("Domain-Name", "playbook.example")

    execution = platform.play(domain).wait(WAIT)

    assert execution.errors == []
    assert [obj["type"] for obj in execution.bundles[0]["objects"]] == ["domain-name", "ipv4-addr", "relationship"]
    assert execution.bundles[0]["objects"][0] == domain.as_stix()


def test_a_playbook_can_contain_another_entity(platform: OpenCTI) -> None:
    pattern = {"pattern": "[domain-name:value = 'a.example']", "pattern_type": "stix"}
    indicator = platform.add_entity("Indicator", "a.example", **pattern)
    before = len(platform.calls)

    execution = platform.play(indicator)

    while "indicator" not in [call.field for call in platform.calls[before:]]:
        time.sleep(0.02)
    # The daemon fails to find an observable's value, and does not answer the playbook.
    with pytest.raises(TimeoutError, match=r"the playbook on a\.example got no bundle"):
        execution.wait(0.5)


def test_several_enrichments_run_at_once(platform: OpenCTI) -> None:
    domains = [platform.add_observable("Domain-Name", f"{name}.example") for name in "abc"]

    works = [platform.enrich(domain) for domain in domains]

    assert [work.wait(WAIT).message for work in works] == ["one address"] * 3
