"""The stand-in for Microsoft Graph is as strict as its documentation."""

from datetime import date

import pytest
import requests

from sandbox.sources.defender import CLIENT_ID, CLIENT_SECRET, TENANT_ID, Defender, defender_app
from sandbox.sources.history import ADDRESS, DOMAIN, history
from tests.helpers.stand_ins import stand_in

HOSTS = "/v1.0/security/threatIntelligence/hosts"


served = stand_in(lambda: Defender(history(date(2026, 11, 24))), defender_app)


def sign_in(url: str, tenant: str = TENANT_ID, **form: str) -> requests.Response:
    credentials = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    rest = {"grant_type": "client_credentials", "scope": f"{url}/.default"}
    return requests.post(f"{url}/{tenant}/oauth2/v2.0/token", {**credentials, **rest, **form}, timeout=5)


def ask(url: str, path: str, token: str | None = None) -> requests.Response:
    token = token or sign_in(url).json()["access_token"]
    return requests.get(url + path, headers={"Authorization": f"Bearer {token}"}, timeout=5)


def test_a_form_with_the_credentials_returns_a_token(url: str) -> None:
    answer = sign_in(url).json()
    assert answer["token_type"] == "Bearer"
    assert answer["expires_in"] == 3599


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "wrong"}, 400, "unauthorized_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"scope": "https://graph.example/.default"}, 400, "invalid_scope"),
        ({"tenant": "wrong"}, 400, "invalid_request"),
    ],
)
def test_a_wrong_form_is_rejected(url: str, form: dict[str, str], status: int, error: str) -> None:
    response = sign_in(url, **form)
    assert (response.status_code, response.json()["error"]) == (status, error)


def test_json_instead_of_a_form_is_rejected(url: str) -> None:
    response = requests.post(f"{url}/{TENANT_ID}/oauth2/v2.0/token", json={"client_id": CLIENT_ID}, timeout=5)
    assert response.status_code == 400


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer forged"}, {"Authorization": CLIENT_SECRET}])
def test_a_request_without_a_valid_token_is_rejected(url: str, header: dict[str, str]) -> None:
    response = requests.get(f"{url}{HOSTS}/{DOMAIN}/passiveDns", headers=header, timeout=5)
    assert (response.status_code, response.json()["error"]["code"]) == (401, "InvalidAuthenticationToken")


@pytest.mark.parametrize(
    "path", [f"{HOSTS}/{DOMAIN}/dns", f"{HOSTS}/{DOMAIN}/passiveDns?$filter=x", f"{HOSTS}/a?$top=1"]
)
def test_other_paths_and_query_options_are_rejected(url: str, path: str) -> None:
    assert ask(url, path).status_code in (400, 404)


def test_other_methods_are_rejected(url: str) -> None:
    assert requests.post(f"{url}{HOSTS}/{DOMAIN}/passiveDns", timeout=5).status_code == 405


def test_the_forward_list_of_an_address_is_empty(url: str) -> None:
    assert ask(url, f"{HOSTS}/{ADDRESS}/passiveDns").json() == {"value": []}


def test_the_parent_host_is_the_queried_value_in_both_lists(url: str) -> None:
    for relation in ("passiveDns", "passiveDnsReverse"):
        rows = ask(url, f"{HOSTS}/{DOMAIN}/{relation}").json()["value"]
        assert {row["parentHost"]["id"] for row in rows} == {DOMAIN}


def test_pages_link_to_the_next_one_until_the_last(url: str, service: Defender) -> None:
    service.page_size = 2
    token = service.issue()
    page = ask(url, f"{HOSTS}/{ADDRESS}/passiveDnsReverse", token).json()
    sizes = [len(page["value"])]
    while link := page.get("@odata.nextLink"):
        page = ask("", link, token).json()
        sizes.append(len(page["value"]))
    assert sizes == [2, 2, 1]


def test_a_recorded_answer_is_served_unchanged(url: str, service: Defender) -> None:
    service.recorded[f"{DOMAIN}/passiveDns"] = b'{"value": [ ]}\n'
    assert ask(url, f"{HOSTS}/{DOMAIN}/passiveDns").content == b'{"value": [ ]}\n'
