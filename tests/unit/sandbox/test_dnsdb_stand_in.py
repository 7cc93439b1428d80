"""The stand-in for DNSDB is as strict as the vendor's clients expect."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from sandbox.sources.dnsdb import API_KEY, Dnsdb, dnsdb_app
from sandbox.sources.history import ADDRESS, DOMAIN, history
from tests.helpers.stand_ins import stand_in

RRSET = f"/dnsdb/v2/lookup/rrset/name/{DOMAIN}"
RDATA_IP = f"/dnsdb/v2/lookup/rdata/ip/{ADDRESS}"
RDATA_NAME = "/dnsdb/v2/lookup/rdata/name/ns1.example.net"


served = stand_in(lambda: Dnsdb(history(datetime.now(UTC).date())), dnsdb_app)


def get(url: str, key: str = API_KEY, accept: str = "application/x-ndjson", **params: Any) -> requests.Response:
    headers = {"X-API-Key": key, "Accept": accept}
    return requests.get(url, params, headers=headers, timeout=5)


def rows(response: requests.Response) -> list[dict[str, Any]]:
    """The rows of a complete answer, without the frame."""
    begin, *lines, end = [json.loads(line) for line in response.text.splitlines()]
    assert begin == {"cond": "begin"}
    assert end["cond"] in ("succeeded", "limited")
    return [line["obj"] for line in lines]


@pytest.mark.parametrize("path", [RRSET, RDATA_IP, RDATA_NAME, "/dnsdb/v2/rate_limit", "/dnsdb/v2/ping"])
def test_a_wrong_key_is_rejected_everywhere(url: str, path: str) -> None:
    assert get(url + path).status_code == 200
    refused = get(url + path, key="0" * 64)
    assert (refused.status_code, refused.text) == (403, "Error: API key not valid\n")


def test_a_key_in_the_url_is_rejected(url: str) -> None:
    assert requests.get(f"{url}{RRSET}?X-API-Key={API_KEY}", timeout=5).status_code == 403


def test_another_media_type_is_rejected(url: str) -> None:
    assert get(url + RRSET, accept="application/json").status_code == 415


@pytest.mark.parametrize("path", ["/", "/dnsdb/v2", "/lookup/rrset/name/x.example", "/dnsdb/v2/lookup/rrset/ip/x"])
def test_another_path_is_not_found(url: str, path: str) -> None:
    assert get(url + path).status_code == 404


def test_other_methods_are_rejected(url: str) -> None:
    assert requests.post(url + RRSET, headers={"X-API-Key": API_KEY}, timeout=5).status_code == 405


@pytest.mark.parametrize("params", [{"since": 1}, {"limit": "many"}, {"time_last_after": "P1D"}, {"swclient": "a-b"}])
def test_an_unknown_parameter_is_rejected(url: str, params: dict[str, Any]) -> None:
    assert get(url + RRSET, **params).status_code == 400


def test_the_data_of_an_owner_are_lists_and_names_end_in_a_dot(url: str) -> None:
    (found,) = rows(get(f"{url}{RRSET}/NS"))
    assert (found["rrname"], found["bailiwick"]) == ("example.org.", "example.org.")
    assert found["rdata"] == ["ns1.example.net.", "ns2.example.net."]


def test_rows_about_data_have_one_value(url: str) -> None:
    (found,) = rows(get(url + RDATA_NAME))
    assert (found["rrname"], found["rrtype"], found["rdata"]) == ("example.org.", "NS", "ns1.example.net.")
    assert "bailiwick" not in found


def test_a_row_is_from_sensors_or_from_zone_files(url: str, service: Dnsdb) -> None:
    service.zone_files = True
    sensors, zone_files = rows(get(f"{url}{RRSET}/NS"))
    assert {"time_first", "time_last"} < sensors.keys()
    assert {"zone_time_first", "zone_time_last"} < zone_files.keys()
    assert not {"time_first", "time_last"} & zone_files.keys()


def test_fences_do_not_apply_to_zone_files(url: str, service: Dnsdb) -> None:
    service.zone_files = True
    (found,) = rows(get(f"{url}{RRSET}/NS", time_last_before=1))
    assert "zone_time_last" in found


@pytest.mark.parametrize(
    ("fence", "days", "kept"),
    [
        ("time_last_after", 100, 4),
        ("time_last_before", 100, 1),
        ("time_first_after", 50, 1),
        ("time_first_before", 50, 4),
    ],
)
def test_a_fence_is_a_date_or_seconds_before_now(url: str, fence: str, days: int, kept: int) -> None:
    past = days * 86_400
    for moment in (-past, int(time.time()) - past):
        params: dict[str, Any] = {fence: moment}
        assert len(rows(get(url + RDATA_IP, **params))) == kept


@pytest.mark.parametrize(
    ("limit", "results_max", "amount", "end"),
    [(2, 100, 2, "limited"), (0, 3, 3, "limited"), (50, 4, 4, "limited"), (5, 100, 5, "succeeded")],
)
def test_the_lower_limit_applies(url: str, service: Dnsdb, limit: int, results_max: int, amount: int, end: str) -> None:
    service.results_max = results_max
    response = get(url + RDATA_IP, limit=limit)
    assert len(rows(response)) == amount
    assert json.loads(response.text.splitlines()[-1])["cond"] == end


def test_an_offset_is_rejected_unless_the_key_allows_it(url: str, service: Dnsdb) -> None:
    assert get(url + RDATA_IP, offset=1).status_code == 416
    service.offset_max = 3
    assert len(rows(get(url + RDATA_IP, offset=3))) == 2
    assert get(url + RDATA_IP, offset=4).status_code == 416


def test_only_look_ups_cost_a_query(url: str, service: Dnsdb) -> None:
    service.limit = 2
    remaining = [get(url + path).headers["X-RateLimit-Remaining"] for path in (RRSET, RDATA_IP)]
    assert remaining == ["1", "0"]
    assert get(url + RRSET).status_code == 429
    assert get(f"{url}/dnsdb/v2/rate_limit").json()["rate"]["remaining"] == 0
    assert get(f"{url}/dnsdb/v2/ping").json() == {"ping": "ok"}


def test_a_recorded_answer_is_served_unchanged(url: str, service: Dnsdb) -> None:
    service.recorded = {"recorded.example": b'{"cond":"begin"}\n\r\n'}
    response = get(f"{url}/dnsdb/v2/lookup/rrset/name/recorded.example")
    assert response.content == b'{"cond":"begin"}\n\r\n'


def test_dates_are_text_on_request(url: str) -> None:
    assert rows(get(url + RDATA_IP, humantime="true"))[0]["time_last"].endswith("T04:12:09Z")
