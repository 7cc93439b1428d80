"""The faults of the stand-in for PassiveTotal."""

import time
from typing import Any

import pytest
import requests

from sandbox.faults import FAULTS
from sandbox.sources.riskiq import API_KEY, USERNAME, PassiveTotal, passivetotal_app
from tests.helpers.stand_ins import stand_in

served = stand_in(lambda: PassiveTotal({"example.org": [{"resolve": "192.0.2.10"}]}), passivetotal_app)


def search(url: str, timeout: float = 5) -> requests.Response:
    return get(f"{url}/v2/dns/passive?query=example.org", timeout)


def quota(url: str) -> requests.Response:
    return get(f"{url}/v2/account/quota", 5)


def get(url: str, timeout: float) -> requests.Response:
    return requests.get(url, auth=(USERNAME, API_KEY), timeout=timeout, stream=True, allow_redirects=False)


@pytest.mark.parametrize("fault", [name for name in FAULTS if name[:3].isdigit()])
def test_a_fault_named_after_its_status_has_that_status(service: PassiveTotal, url: str, fault: str) -> None:
    service.fail(fault)

    assert search(url).status_code == int(fault[:3])


@pytest.mark.parametrize("fault", FAULTS)
def test_after_a_fault_the_service_answers_again(service: PassiveTotal, url: str, fault: str) -> None:
    service.fail(fault, times=1)

    try:
        answer: Any = search(url, timeout=0.2).raw.read(1)
    except requests.RequestException as error:
        answer = error

    assert search(url).json()["totalRecords"] > 0, answer
    assert service.used == 1


def test_a_fault_lasts_until_the_service_recovers(service: PassiveTotal, url: str) -> None:
    service.fail("503")
    assert [search(url).status_code for _ in range(3)] == [503, 503, 503]

    service.recover()

    assert search(url).status_code == 200


def test_a_fault_can_apply_to_one_endpoint_only(service: PassiveTotal, url: str) -> None:
    service.fail("500", on="search")
    service.fail("401", on="quota", times=1)

    assert (search(url).status_code, quota(url).status_code) == (500, 401)
    assert (search(url).status_code, quota(url).status_code) == (500, 200)


def test_a_fault_at_both_endpoints_counts_the_requests_of_both(service: PassiveTotal, url: str) -> None:
    service.fail("500", times=2)

    assert (quota(url).status_code, search(url).status_code) == (500, 500)
    assert (quota(url).status_code, search(url).status_code) == (200, 200)


def test_an_unknown_fault_raises_an_error(service: PassiveTotal) -> None:
    with pytest.raises(KeyError):
        service.fail("418")


def test_a_rate_limit_has_a_retry_after(service: PassiveTotal, url: str) -> None:
    service.fail("429")

    assert search(url).headers["Retry-After"] == "1"


def test_a_quota_error_with_403_is_nested(service: PassiveTotal, url: str) -> None:
    service.fail("403-quota")

    error = search(url).json()["error"]
    assert error["http_code"] == 403
    assert "quota" in error["message"]


def test_a_quota_error_with_429_has_two_forms(service: PassiveTotal, url: str) -> None:
    service.fail("429-quota-message", on="search")
    service.fail("429-quota-error", on="quota")

    assert search(url).json()["message"].startswith("quota_exceeded")
    assert "quota" in quota(url).json()["error"]


@pytest.mark.parametrize("fault", ["404-html", "502", "503", "504", "html"])
def test_a_gateway_sends_a_web_page(service: PassiveTotal, url: str, fault: str) -> None:
    service.fail(fault)

    response = search(url)

    assert response.headers["Content-Type"].startswith("text/html")
    assert response.text.startswith("<html>")


@pytest.mark.parametrize("fault", ["204", "empty-body"])
def test_an_answer_can_be_empty(service: PassiveTotal, url: str, fault: str) -> None:
    service.fail(fault)

    response = search(url)

    assert response.ok
    assert response.content == b""


@pytest.mark.parametrize(
    ("fault", "body"),
    [
        ("list", []),
        ("results-string", {"results": "none", "user": "none"}),
        ("results-missing", {"totalRecords": 0}),
    ],
)
def test_json_can_have_the_wrong_form(service: PassiveTotal, url: str, fault: str, body: object) -> None:
    service.fail(fault)

    assert search(url).json() == body


def test_cut_json_is_a_complete_response(service: PassiveTotal, url: str) -> None:
    service.fail("cut-json")

    response = search(url)

    assert len(response.content) == int(response.headers["Content-Length"])
    with pytest.raises(requests.JSONDecodeError):
        response.json()


def test_json_can_be_too_deeply_nested(service: PassiveTotal, url: str) -> None:
    service.fail("deeply-nested")

    with pytest.raises(RecursionError):
        search(url).json()


def test_a_cut_connection_sends_less_than_its_content_length(service: PassiveTotal, url: str) -> None:
    service.fail("cut-connection")

    response = search(url)

    assert response.status_code == 200
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        _ = response.content


def test_a_reset_connection_has_no_response(service: PassiveTotal, url: str) -> None:
    service.fail("reset")

    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        search(url)


def test_a_stall_has_no_response(service: PassiveTotal, url: str) -> None:
    service.fail("stall")

    with pytest.raises(requests.ReadTimeout):
        search(url, timeout=0.2)


def test_a_drip_never_ends_and_never_times_out(service: PassiveTotal, url: str) -> None:
    service.fail("drip")
    timeout = 0.2

    response = search(url, timeout)

    begun = time.monotonic()
    drops = response.iter_content(1)
    assert {next(drops) for _ in range(8)} == {b" "}
    assert time.monotonic() - begun > 1.5 * timeout
    response.close()


@pytest.mark.slow
def test_a_huge_answer_is_valid_json(service: PassiveTotal, url: str) -> None:
    service.fail("huge")

    response = search(url)

    assert len(response.content) > 64 * 2**20
    assert response.json()["results"]


def test_a_redirect_points_to_another_host(service: PassiveTotal, url: str) -> None:
    service.fail("redirect")

    response = search(url)

    assert response.is_redirect
    assert response.headers["Location"].startswith("http://community.example/")
