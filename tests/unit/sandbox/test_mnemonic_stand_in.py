"""The stand-in for mnemonic behaves like the service."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from sandbox.sources.history import ADDRESS, Fact, history
from sandbox.sources.mnemonic import API_KEY, Mnemonic, mnemonic_app
from tests.helpers.stand_ins import stand_in

FACTS = history(datetime.now(UTC).date())


served = stand_in(lambda: Mnemonic(FACTS), mnemonic_app, f"/pdns/v3/cof/{ADDRESS}")


def get(url: str, limit: int | None = None, key: str | None = None) -> requests.Response:
    return requests.get(url, params={"limit": limit}, headers={"Argus-API-Key": key}, timeout=5)


def rows(response: requests.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200
    return [json.loads(line) for line in response.text.splitlines()]


def test_types_are_in_lower_case_and_rows_last_seen_come_first(url: str) -> None:
    found = rows(get(url))
    assert {row["rrtype"] for row in found} == {"a"}
    assert [row["time_last"] for row in found] == sorted((row["time_last"] for row in found), reverse=True)


def test_without_a_limit_it_sends_25_rows(service: Mnemonic, url: str) -> None:
    now = datetime.now(UTC)
    service.facts = [Fact(f"h{i}.example.net", "A", ADDRESS, now, now) for i in range(30)]
    assert len(rows(get(url))) == 25


@pytest.mark.parametrize(("limit", "key"), [(1001, None), (10_001, API_KEY)])
def test_a_limit_above_the_maximum_is_rejected(url: str, limit: int, key: str | None) -> None:
    response = get(url, limit, key)
    assert (response.status_code, response.json()["responseCode"]) == (412, 412)


def test_the_rate_limit_is_a_402_with_a_delay(service: Mnemonic, url: str) -> None:
    service.left = 1
    assert rows(get(url))
    response = get(url)
    assert response.status_code == 402
    assert response.json()["messages"][0]["messageTemplate"] == "resource.limit.exceeded"
    assert response.json()["metaData"] == {"millisUntilResourcesAvailable": 60_000}
    assert rows(get(url, key=API_KEY))


def test_an_unknown_key_is_rejected(url: str) -> None:
    assert get(url, key="wrong").status_code == 401


def test_another_path_is_not_found(url: str) -> None:
    assert get(url.replace("/cof/", "/coff/")).status_code == 404
