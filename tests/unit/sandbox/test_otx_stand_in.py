"""The stand-in for OTX is as strict as the service."""

from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from sandbox.sources.history import ADDRESS, ADDRESS_V6, DOMAIN, Fact, history
from sandbox.sources.otx import API_KEY, Otx, otx_app
from tests.helpers.stand_ins import stand_in

NOW = datetime.now(UTC).replace(microsecond=0)


served = stand_in(lambda: Otx(history(NOW.date())), otx_app, "/api/v1/indicators")


def get(url: str, path: str = f"domain/{DOMAIN}", key: str | None = API_KEY) -> requests.Response:
    return requests.get(f"{url}/{path}/passive_dns", headers={"X-OTX-API-KEY": key} if key else {}, timeout=5)


def detail(response: requests.Response) -> tuple[int, Any]:
    return response.status_code, response.json()["detail"]


def hostnames(response: requests.Response) -> set[str]:
    return {row["hostname"] for row in response.json()["passive_dns"]}


def test_a_row_has_the_fields_of_the_recordings(url: str, service: Otx) -> None:
    seen = datetime(2019, 9, 4, 5, 32, 29, tzinfo=UTC)
    service.facts = [Fact(DOMAIN, "A", ADDRESS, seen, seen)]
    assert get(url).json() == {
        "passive_dns": [
            {
                "address": ADDRESS,
                "first": "2019-09-04T05:32:29",
                "last": "2019-09-04T05:32:29",
                "hostname": DOMAIN,
                "record_type": "A",
                "indicator_link": f"/indicator/domain/{DOMAIN}",
                "flag_url": "assets/images/flags/de.png",
                "flag_title": "Germany",
                "asset_type": "domain",
                "asn": "ASNone ",
            }
        ],
        "count": 1,
    }


def test_the_newest_row_comes_first(url: str) -> None:
    last = [row["last"] for row in get(url, f"IPv4/{ADDRESS}").json()["passive_dns"]]
    assert last == sorted(last, reverse=True)


@pytest.mark.parametrize(
    ("path", "names"),
    [
        (f"domain/{DOMAIN}", {DOMAIN, "www.example.org"}),
        ("hostname/www.example.org", {"www.example.org"}),
        ("domain/www.example.org", set()),
        (f"hostname/{DOMAIN}", set()),
        (f"IPv6/{ADDRESS_V6}", {DOMAIN, "v6.example.com"}),
    ],
)
def test_each_slug_has_its_own_answer(url: str, path: str, names: set[str]) -> None:
    assert hostnames(get(url, path)) == names


@pytest.mark.parametrize("path", [f"ipv4/{ADDRESS}", f"Domain/{DOMAIN}", f"IPv4-Addr/{ADDRESS}"])
def test_slugs_are_case_sensitive(url: str, path: str) -> None:
    assert get(url, path).status_code == 404


@pytest.mark.parametrize("path", [f"IPv4/{ADDRESS_V6}", f"IPv6/{ADDRESS}", f"domain/{ADDRESS}", "domain/printer.local"])
def test_a_value_of_another_type_is_rejected(url: str, path: str) -> None:
    assert get(url, path).status_code == 400


def test_a_request_without_a_key_gets_the_recorded_429(url: str) -> None:
    assert detail(get(url, key=None)) == (
        429,
        "Anonymous access to this endpoint is limited. Please authenticate.",
    )


def test_a_wrong_key_is_rejected(url: str) -> None:
    assert get(url, key="wrong").status_code == 403


def test_a_used_up_hour_gets_the_recorded_429(url: str, service: Otx) -> None:
    service.left = 1
    get(url)
    assert detail(get(url)) == (429, "Over throttling limit (100/hour)")


def test_other_methods_are_rejected(url: str) -> None:
    response = requests.post(f"{url}/domain/{DOMAIN}/passive_dns", headers={"X-OTX-API-KEY": API_KEY}, timeout=5)
    assert response.status_code == 405


def test_a_capped_answer_counts_all_rows(url: str, service: Otx) -> None:
    service.most_rows = 2
    answer = get(url).json()
    assert (len(answer["passive_dns"]), answer["count"]) == (2, 10)


def test_a_nonexistent_name_has_an_a_record_with_nxdomain(url: str, service: Otx) -> None:
    service.not_existing = {"gone.example.org": NOW}
    rows = get(url, "hostname/gone.example.org").json()["passive_dns"]
    assert [(row["address"], row["record_type"]) for row in rows] == [("NXDOMAIN", "A")]


def test_a_recorded_answer_is_served_unchanged(url: str, service: Otx) -> None:
    service.recorded[DOMAIN] = b'{"passive_dns": [ ]  }'
    assert get(url).content == b'{"passive_dns": [ ]  }'
