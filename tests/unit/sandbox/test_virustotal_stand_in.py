"""The stand-in for VirusTotal is as strict as the service."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from sandbox.sources.history import ADDRESS, DOMAIN, Fact, history, unix
from sandbox.sources.virustotal import API_KEY, VirusTotal, virustotal_app
from tests.helpers.stand_ins import stand_in

NOW = datetime.now(UTC).replace(microsecond=0)


served = stand_in(lambda: VirusTotal(history(NOW.date())), virustotal_app, "/api/v3")


def get(url: str, key: str | None = API_KEY, **params: str) -> requests.Response:
    return requests.get(url, params, headers={"x-apikey": key} if key else {}, timeout=5)


def names(url: str, **params: str) -> requests.Response:
    return get(f"{url}/domains/{DOMAIN}/resolutions", **params)


def error(response: requests.Response) -> tuple[int, str, str]:
    body = response.json()["error"]
    return response.status_code, body["code"], body["message"]


def test_a_row_has_the_fields_of_the_recordings(url: str, service: VirusTotal) -> None:
    service.facts = [Fact(DOMAIN, "A", ADDRESS, NOW, NOW)]
    answer = names(url).json()
    assert answer["meta"] == {"count": 1}
    row = answer["data"][0]
    assert (row["id"], row["type"]) == (f"{ADDRESS}{DOMAIN}", "resolution")
    assert set(row["attributes"]) == {
        "date",
        "host_name",
        "host_name_last_analysis_stats",
        "ip_address",
        "ip_address_last_analysis_stats",
        "resolver",
    }
    assert row["attributes"]["date"] == unix(NOW)


def test_a_page_has_ten_rows_unless_another_limit_is_requested(url: str, service: VirusTotal) -> None:
    service.facts = [Fact(DOMAIN, "A", f"198.51.100.{number}", NOW, NOW) for number in range(100)]
    assert [len(names(url, **params).json()["data"]) for params in ({}, {"limit": "40"})] == [10, 40]


@pytest.mark.parametrize("limit", ["0", "41", "-1", "many", ""])
def test_an_invalid_limit_is_rejected(url: str, limit: str) -> None:
    assert error(names(url, limit=limit)) == (400, "InvalidArgumentError", "limit must be a number from 1 to 40")


def test_the_cursor_is_raw_in_meta_and_escaped_in_the_link(url: str, service: VirusTotal) -> None:
    service.facts = [Fact(DOMAIN, "A", f"198.51.100.{number}", NOW, NOW) for number in range(11)]
    first = names(url).json()
    cursor, link = first["meta"]["cursor"], first["links"]["next"]
    assert cursor.endswith("=")
    assert cursor not in link
    assert parse_qs(urlsplit(link).query)["cursor"] == [cursor]
    second = names(url, cursor=cursor).json()
    assert (len(second["data"]), second["meta"], "next" in second["links"]) == (1, {"count": 11}, False)


def test_an_invalid_cursor_is_rejected(url: str) -> None:
    assert error(names(url, cursor="next")) == (400, "InvalidArgumentError", "Invalid cursor")


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (None, (401, "AuthenticationRequiredError", "X-Apikey header is missing")),
        ("wrong", (401, "WrongCredentialsError", "Wrong API key")),
    ],
)
def test_a_request_without_the_key_is_rejected(url: str, key: str | None, told: tuple[int, str, str]) -> None:
    assert error(get(f"{url}/domains/{DOMAIN}/resolutions", key)) == told


@pytest.mark.parametrize("path", [f"domains/{ADDRESS}", "domains/a%20b", f"ip_addresses/{DOMAIN}"])
def test_a_value_of_another_type_is_rejected(url: str, path: str) -> None:
    assert error(get(f"{url}/{path}/resolutions"))[:2] == (400, "InvalidArgumentError")


@pytest.mark.parametrize("path", [f"hosts/{DOMAIN}/resolutions", f"domains/{DOMAIN}/subdomains"])
def test_another_path_is_not_found(url: str, path: str) -> None:
    assert error(get(f"{url}/{path}"))[:2] == (404, "NotFoundError")


def test_other_methods_are_rejected(url: str) -> None:
    response = requests.post(f"{url}/domains/{DOMAIN}/resolutions", headers={"x-apikey": API_KEY}, timeout=5)
    assert response.status_code == 405


def test_each_page_costs_a_look_up(url: str, service: VirusTotal) -> None:
    service.left = 1
    names(url)
    assert error(names(url)) == (429, "QuotaExceededError", "Quota exceeded")


def test_a_name_without_addresses_is_an_empty_list(url: str) -> None:
    answer: dict[str, Any] = get(f"{url}/domains/never.example.org/resolutions").json()
    assert (answer["data"], answer["meta"]) == ([], {"count": 0})


def test_a_recorded_answer_is_served_unchanged(url: str, service: VirusTotal) -> None:
    service.recorded[DOMAIN] = b'{"data": [ ]  }'
    assert names(url).content == b'{"data": [ ]  }'
