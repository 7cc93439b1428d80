"""The embedded OpenCTI answers GraphQL as the platform does."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from fastapi import FastAPI

from sandbox.api import opencti_app
from sandbox.entities import Marking, standard_id
from sandbox.import_rules import TLP
from sandbox.opencti import OpenCTI
from sandbox.server import serving

OLD_INPUT = {"id": "c1", "name": "connector", "type": "INTERNAL_ENRICHMENT", "scope": ["Domain-Name"], "auto": False}
OLD_INPUT |= {"only_contextual": False, "playbook_compatible": True}
NEW_INPUT = OLD_INPUT | {"auto_update": False, "enrichment_resolution": "none", "version": "1.0.0", "slug": "connector"}
NEW_INPUT |= {"listen_callback_uri": "http://127.0.0.1:9/api/callback"}
REGISTER = "mutation RegisterConnector($input: RegisterConnectorInput) { registerConnector(input: $input) { %s } }"
OLD_WORDS = 'Variable "$input" got invalid value; Field "%s" is not defined by type "RegisterConnectorInput".'
NEW_WORDS = (
    'Variable "$input" has invalid value: Expected value of type "RegisterConnectorInput" not to include '
    'unknown field "%s", found: {'
)
PUSH = "mutation P($connectorId: String!) { stixBundlePush(connectorId: $connectorId, bundle: $bundle) }"
STEP = "mutation PlaybookStepExecution($execution_id: ID!) { playbookStepExecution(execution_id: $execution_id) }"
PROCESSED = "mutation W($id: ID!) { workEdit(id: $id) { toProcessed (message: $message, inError: $inError) } }"
READ = "query StixCyberObservable($id: String!) { stixCyberObservable(id: $id) { id standard_id } }"
ABOUT = "query { about { version } }"


class Client:
    """Calls GraphQL as the pycti of a connector does."""

    def __init__(self, platform: OpenCTI, url: str) -> None:
        self.platform, self.url = platform, url

    def post(self, query: str, token: str | None = None, **variables: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {token or self.platform.token}", "User-Agent": "pycti/6.9.29"}
        body = {"query": query, "variables": variables}
        return requests.post(f"{self.url}/graphql", json=body, headers=headers, timeout=5)

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.post(query, **variables).json()
        return answer

    def push(self, *objects: dict[str, Any], work_id: str | None = None) -> dict[str, Any]:
        bundle = json.dumps({"type": "bundle", "objects": objects})
        return self.ask(PUSH, connectorId="c1", bundle=bundle, work_id=work_id)


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[FastAPI, str]]:
    app = FastAPI()
    with serving(app) as url:
        yield app, url


@pytest.fixture
def client(server: tuple[FastAPI, str]) -> Iterator[Client]:
    app, url = server
    platform = OpenCTI()
    # Each test has its own platform, but all share one server, since stopping a server takes longer than a test.
    app.mount(f"/{platform.token}", opencti_app(platform))
    yield Client(platform, f"{url}/{platform.token}")
    platform.close()


@pytest.fixture
def connector(client: Client) -> Client:
    client.ask(REGISTER % "id", input=NEW_INPUT)
    return client


def observable(entity_type: str, value: str) -> dict[str, Any]:
    return {"type": entity_type.lower(), "id": standard_id(entity_type, {"value": value}), "value": value}


@pytest.mark.parametrize(
    ("entity_type", "value", "expected"),
    [
        ("Domain-Name", "example.com", "domain-name--bedb4899-d24b-5401-bc86-8f6b4cc18ec7"),
        ("IPv4-Addr", "192.0.2.1", "ipv4-addr--8dded90c-40c0-545a-8027-5b212bb37e8e"),
    ],
)
def test_an_observable_has_the_id_that_stix_gives_it(entity_type: str, value: str, expected: str) -> None:
    assert OpenCTI().add_observable(entity_type, value).standard_id == expected


def test_the_version_is_answered_without_an_operation_name_and_without_errors(client: Client) -> None:
    assert client.ask(ABOUT) == {"data": {"about": {"version": "7.261026.0"}}}


def test_a_wrong_token_is_refused_with_200_and_auth_required(client: Client) -> None:
    answer = client.post(ABOUT, token="wrong")

    assert answer.status_code == 200
    assert answer.json()["errors"][0]["name"] == "AUTH_REQUIRED"


def test_a_field_that_the_schema_lacks_is_refused(client: Client) -> None:
    answer = client.ask("mutation { launchRocket(id: $id) }", id="c1")

    assert answer["errors"][0]["message"] == 'Cannot query field "launchRocket" on type "Mutation".'


def test_every_call_is_kept_in_order(client: Client) -> None:
    client.ask(ABOUT)
    client.ask(PROCESSED, id="w1")

    calls = [(call.field, call.below, call.variables) for call in client.platform.calls]
    assert calls == [("about", "version", {}), ("workEdit", "toProcessed", {"id": "w1"})]


def test_a_registration_is_answered_with_keys_and_queues(client: Client) -> None:
    pytest.importorskip("jwt", reason="PyJWT comes with the versions of pycti that ask for keys")

    answer = client.ask(REGISTER % "id connector_state jwks", input=NEW_INPUT)["data"]["registerConnector"]

    assert answer["config"]["push_routing"] == "push_routing_c1"
    assert [key["crv"] for key in json.loads(answer["jwks"])["keys"]] == ["Ed25519"]
    assert "s3" not in answer["config"]
    assert client.platform.link.connector("c1").input == NEW_INPUT


@pytest.mark.parametrize(
    ("version", "field", "words"),
    [
        ("6.3.5", "listen_callback_uri", OLD_WORDS),
        ("6.7.20", "auto_update", OLD_WORDS),
        ("6.9.29", "slug", OLD_WORDS),
        ("7.260817.0", "version", NEW_WORDS),
        ("7.261026.0", "confidence", NEW_WORDS),
    ],
)
def test_a_registration_with_a_field_newer_than_the_platform_is_refused_in_the_words_of_its_graphql(
    client: Client, version: str, field: str, words: str
) -> None:
    client.platform.version = version

    answer = client.ask(REGISTER % "id", input={**OLD_INPUT, field: "x"})

    assert answer["errors"][0]["message"].startswith(words % field)


def test_a_registration_of_pycti_6_3_is_taken_by_a_platform_of_its_time(client: Client) -> None:
    client.platform.version = "6.3.5"

    assert "errors" not in client.ask(REGISTER % "id", input=OLD_INPUT)


def test_an_old_platform_has_no_keys(client: Client) -> None:
    client.platform.version = "6.9.29"

    answer = client.ask(REGISTER % "id jwks", input=OLD_INPUT)

    assert answer["errors"][0]["message"] == 'Cannot query field "jwks" on type "Connector".'


def test_a_ping_of_an_unknown_connector_is_refused(client: Client) -> None:
    ping = "mutation PingConnector($id: ID!) { pingConnector(id: $id) { id } }"

    assert "No connector found" in client.ask(ping, id="c1")["errors"][0]["message"]


def test_an_observable_is_read_by_either_of_its_ids_with_its_markings(client: Client) -> None:
    entity = client.platform.add_observable("Domain-Name", "example.com", ("TLP:AMBER", "PAP:RED"), 50)

    read = [client.ask(READ, id=any_id) for any_id in (entity.standard_id, entity.internal_id)]

    assert read[0] == read[1]
    observable = read[0]["data"]["stixCyberObservable"]
    assert (observable["observable_value"], observable["x_opencti_score"]) == ("example.com", 50)
    assert [mark["definition"] for mark in observable["objectMarking"]] == ["TLP:AMBER", "PAP:RED"]


def test_another_entity_is_read_by_the_root_field_of_its_type_alone(client: Client) -> None:
    entity = client.platform.add_entity("Intrusion-Set", "APT0")

    own = client.ask("query I($id: String!) { intrusionSet(id: $id) { id } }", id=entity.standard_id)

    assert own["data"]["intrusionSet"]["name"] == "APT0"
    assert client.ask(READ, id=entity.standard_id) == {"data": {"stixCyberObservable": None}}


def test_an_entity_out_of_reach_is_read_as_null(client: Client) -> None:
    entity = client.platform.add_observable("Domain-Name", "example.com")
    client.platform.entity_unreadable(entity)

    assert client.ask(READ, id=entity.standard_id) == {"data": {"stixCyberObservable": None}}


def test_the_user_is_told_of_the_markings_that_he_may_see(client: Client) -> None:
    client.platform.hide_marking("TLP:RED")

    me = client.ask("query { me { allowed_marking { definition } } }")["data"]["me"]

    seen = {marking["definition"]: marking["standard_id"] for marking in me["allowed_marking"]}
    assert list(seen) == ["TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT"]
    assert seen["TLP:CLEAR"] == TLP["TLP:CLEAR"]


def test_an_observable_with_a_hidden_marking_is_read_as_null(client: Client) -> None:
    entity = client.platform.add_observable("Domain-Name", "example.com", ("TLP:RED",))
    client.platform.hide_marking("TLP:RED")

    assert client.ask(READ, id=entity.standard_id) == {"data": {"stixCyberObservable": None}}


def test_markings_of_a_user_who_may_not_set_them_are_refused_and_the_rest_is_imported(connector: Client) -> None:
    connector.platform.user["capabilities"] = [{"name": "CONNECTORAPI"}, {"name": "KNOWLEDGE_KNUPDATE"}]
    work = connector.platform.enrich(connector.platform.add_observable("Domain-Name", "example.com"))
    marked = observable("IPv4-Addr", "192.0.2.1") | {"object_marking_refs": [TLP["TLP:CLEAR"]]}

    connector.push(Marking("TLP:CLEAR").as_stix(), marked, work_id=work.id)

    assert work.errors == ["FORBIDDEN_ACCESS: You are not allowed to do this."]
    assert marked in connector.platform.observables()


def test_what_carries_a_marking_that_the_user_may_not_see_is_refused(connector: Client) -> None:
    connector.platform.hide_marking("TLP:CLEAR")
    work = connector.platform.enrich(connector.platform.add_observable("Domain-Name", "example.com"))
    marked = observable("IPv4-Addr", "192.0.2.1") | {"object_marking_refs": [TLP["TLP:CLEAR"]]}

    connector.push(Marking("TLP:CLEAR").as_stix(), marked, work_id=work.id)

    assert [error.partition(":")[0] for error in work.errors] == ["MISSING_REFERENCE_ERROR"]
    assert marked not in connector.platform.observables()


def test_a_pushed_bundle_is_imported(connector: Client) -> None:
    domain = observable("Domain-Name", "example.com")

    assert connector.push(domain) == {"data": {"stixBundlePush": True}}

    assert connector.platform.observables() == [domain]


def test_an_observable_without_an_author_gets_that_of_an_import_and_is_read_with_it(connector: Client) -> None:
    entity = connector.platform.add_observable("Domain-Name", "example.com")
    author = {"type": "identity", "id": standard_id("Organization", {"name": "x"}), "name": "Example Organization"}
    before = connector.ask(READ, id=entity.standard_id)["data"]["stixCyberObservable"]

    connector.push(author, observable("Domain-Name", "example.com") | {"x_opencti_created_by_ref": author["id"]})

    after = connector.ask(READ, id=entity.standard_id)["data"]["stixCyberObservable"]
    assert before["createdBy"] is None
    assert after["createdBy"]["name"] == "Example Organization"


def test_a_relationship_of_an_analyst_is_stored_as_one_that_is_imported(client: Client) -> None:
    domain = client.platform.add_observable("Domain-Name", "example.com")
    address = client.platform.add_observable("IPv4-Addr", "192.0.2.1")

    relation = client.platform.add_relationship(domain, "resolves-to", address, description="by hand")

    assert client.platform.relationships() == [relation]
    assert (relation["source_ref"], relation["target_ref"]) == (domain.standard_id, address.standard_id)
    assert (relation["start_time"][:4], relation["description"]) == ("1970", "by hand")


def test_a_push_of_an_unknown_connector_is_refused(client: Client) -> None:
    assert "errors" in client.push(observable("Domain-Name", "example.com"))
    assert client.platform.observables() == []


def test_a_work_closes_when_it_is_processed_and_tells_what_was_refused(connector: Client) -> None:
    work = connector.platform.enrich(connector.platform.add_observable("Domain-Name", "example.com"))
    connector.push(observable("IPv4-Addr", "192.0.2.999"), work_id=work.id)
    assert not work.closed.is_set()

    connector.ask(PROCESSED, id=work.id, message="done", inError=False)

    assert work.wait(1).message == "done"
    assert not work.in_error
    assert (work.expectations, len(work.errors)) == (1, 1)
    assert work.errors[0].startswith("INCORRECT_OBSERVABLE_FORMAT")


def test_a_work_that_is_processed_closes_only_after_what_it_expects(connector: Client) -> None:
    work = connector.platform.enrich(connector.platform.add_observable("Domain-Name", "example.com"))
    expect = "mutation addExpectations($id: ID!) { workEdit(id: $id) { addExpectations(expectations: $expectations) } }"
    report = "mutation reportExpectation($id: ID!) { workEdit(id: $id) { reportExpectation(error: $error) } }"
    connector.ask(expect, id=work.id, expectations=1)
    connector.ask(PROCESSED, id=work.id)
    assert not work.closed.is_set()

    connector.ask(report, id=work.id, error=None)

    assert work.closed.is_set()


def test_waiting_for_a_work_in_vain_says_how_far_it_got(connector: Client) -> None:
    work = connector.platform.enrich(connector.platform.add_observable("Domain-Name", "example.com"))

    with pytest.raises(TimeoutError, match=r"example\.com did not close within 0\.1 s: received \[\]"):
        work.wait(0.1)


def test_an_edit_of_an_unknown_work_is_refused(client: Client) -> None:
    assert client.ask(PROCESSED, id="w1")["errors"][0]["name"] == "WORK_NOT_ALIVE"


def test_without_a_connector_nothing_can_be_enriched(client: Client) -> None:
    with pytest.raises(RuntimeError, match="no connector is registered"):
        client.platform.enrich(client.platform.add_observable("Domain-Name", "example.com"))


def test_waiting_for_a_connector_in_vain_says_what_was_called(client: Client) -> None:
    client.ask(ABOUT)

    with pytest.raises(TimeoutError, match=r"did not register within 0\.1 s; it called \['about'\]"):
        client.platform.wait_registered(0.1)


def test_the_bundle_of_a_playbook_is_recorded_and_checked_and_not_imported(connector: Client) -> None:
    execution = connector.platform.play(connector.platform.add_observable("Domain-Name", "example.com"))
    bad = {"type": "bundle", "objects": [observable("Hostname", "_sip.example.com")]}

    answer = connector.ask(STEP, execution_id=execution.id, bundle=json.dumps(bad))

    assert answer == {"data": {"playbookStepExecution": True}}
    assert execution.wait(1).bundles == [bad]
    assert "Hostname" in execution.errors[0]
    assert len(connector.platform.observables()) == 1


def test_the_bundle_of_an_unknown_playbook_is_ignored(client: Client) -> None:
    assert client.ask(STEP, execution_id="e1", bundle="{}") == {"data": {"playbookStepExecution": False}}


def test_an_error_is_answered_as_often_as_asked_for(client: Client) -> None:
    client.platform.fail("about", times=1)

    assert "data" not in client.ask(ABOUT)
    assert "errors" not in client.ask(ABOUT)


def test_a_field_of_a_work_fails_alone(connector: Client) -> None:
    work = connector.platform.enrich(connector.platform.add_observable("Domain-Name", "example.com"))
    connector.platform.fail("toProcessed")

    assert "errors" in connector.ask(PROCESSED, id=work.id)
    assert "errors" not in connector.ask("mutation pingWork { workEdit(id: $id) { ping } }", id=work.id)


def test_a_platform_out_of_order_answers_500_until_it_recovers(client: Client) -> None:
    client.platform.fail("about", how="http500")
    assert client.post(ABOUT).status_code == 500

    client.platform.recover()

    assert client.post(ABOUT).status_code == 200


def test_a_platform_that_is_gone_breaks_the_connection_and_does_nothing(connector: Client) -> None:
    work = connector.platform.enrich(connector.platform.add_observable("Domain-Name", "example.com"))
    connector.platform.fail("*", how="gone")
    with pytest.raises(requests.ConnectionError):
        connector.post(PROCESSED, id=work.id)
    assert work.closings == []


def test_a_call_that_is_unheard_has_its_effect_and_no_answer(connector: Client) -> None:
    work = connector.platform.enrich(connector.platform.add_observable("Domain-Name", "example.com"))
    connector.platform.fail("toProcessed", times=1, how="unheard")
    with pytest.raises(requests.ConnectionError):
        connector.post(PROCESSED, id=work.id, message="done")
    assert work.closings == ["done"]


def test_a_work_tells_what_is_expected_and_when_it_was_processed(connector: Client) -> None:
    asked = "query WorkQuery($id: ID!) { work(id: $id) { id } }"
    work = connector.platform.enrich(connector.platform.add_observable("Domain-Name", "example.com"))
    assert connector.ask(asked, id=work.id)["data"]["work"]["processed_time"] is None
    connector.ask("mutation W { workEdit(id: $id) { addExpectations } }", id=work.id, expectations=3)
    connector.ask(PROCESSED, id=work.id)
    told = connector.ask(asked, id=work.id)["data"]["work"]
    assert told["processed_time"]
    assert told["tracking"] == {"import_expected_number": 3, "import_processed_number": 0}
    assert connector.ask(asked, id="another") == {"data": {"work": None}}


def test_a_work_that_was_closed_twice_is_found_at_the_end(connector: Client) -> None:
    platform = OpenCTI()
    platform.link.registered = connector.platform.link.registered
    work = platform.enrich(platform.add_observable("Domain-Name", "example.com"))
    for text in ("one", "two"):
        platform.edit_work("toProcessed", {"id": work.id, "message": text})
    with pytest.raises(AssertionError, match="closed more than once"):
        platform.close()


def test_a_call_stalls_until_the_platform_recovers(client: Client) -> None:
    client.platform.fail("about", how="stall")
    begun = time.monotonic()
    recovery = threading.Timer(0.2, client.platform.recover)
    recovery.start()

    answer = client.ask(ABOUT)

    assert time.monotonic() - begun >= 0.2
    assert "errors" not in answer
