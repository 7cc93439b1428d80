"""The stand-in for PassiveTotal behaves like the real API."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import requests

from sandbox.sources.riskiq import API_KEY, USERNAME, PassiveTotal, passivetotal_app
from sandbox.sources.riskiq_data import ADDRESS, DIRTY, DOMAIN, own_records
from tests.helpers.stand_ins import stand_in

TODAY = datetime.now(UTC).date()
SEARCH = "/v2/dns/passive"
QUOTA = "/v2/account/quota"
SPAN_RECORDS = [
    {"resolve": "past", "firstSeen": "2024-01-01 00:00:00", "lastSeen": "2024-01-31 12:00:00"},
    {"resolve": "long", "firstSeen": "2024-01-15 00:00:00", "lastSeen": "2024-03-15 00:00:00"},
    {"resolve": "late", "firstSeen": "2024-03-10 08:00:00", "lastSeen": "2024-03-20 00:00:00"},
    {"resolve": "null", "firstSeen": None, "lastSeen": None},
    {"resolve": "none", "firstSeen": "None", "lastSeen": "None"},
]


served = stand_in(lambda: PassiveTotal(own_records(TODAY) | {"span.example": SPAN_RECORDS}), passivetotal_app)


def get(
    url: str,
    params: dict[str, str] | None = None,
    auth: tuple[str, str] | None = (USERNAME, API_KEY),
    headers: dict[str, str] | None = None,
    timeout: float = 5,
) -> requests.Response:
    return requests.get(url, params, auth=auth, headers=headers, timeout=timeout)


def search(url: str, query: str = DOMAIN, **bounds: str) -> requests.Response:
    return get(url + SEARCH, {"query": query} | bounds)


def resolved(response: requests.Response) -> list[str]:
    assert response.status_code == 200
    return [record["resolve"] for record in response.json()["results"]]


# Endpoints and credentials


@pytest.mark.parametrize("prefix", ["", "/pt"])
def test_both_endpoints_answer_under_both_prefixes(url: str, prefix: str) -> None:
    assert get(url + prefix + QUOTA).status_code == 200
    assert get(url + prefix + SEARCH, {"query": DOMAIN}).json()["totalRecords"] > 0


@pytest.mark.parametrize("path", [SEARCH, QUOTA, "/pt" + SEARCH, "/pt" + QUOTA])
def test_other_methods_are_rejected(url: str, path: str) -> None:
    assert requests.post(url + path, auth=(USERNAME, API_KEY), timeout=5).status_code == 405


@pytest.mark.parametrize("auth", [None, (USERNAME, "0" * 64), ("someone@example.org", API_KEY)])
@pytest.mark.parametrize("path", [SEARCH, QUOTA])
def test_wrong_credentials_are_rejected(url: str, path: str, auth: tuple[str, str] | None) -> None:
    response = get(url + path, {"query": DOMAIN}, auth=auth)

    assert (response.status_code, response.json()) == (401, {"message": "invalid credentials"})


def test_the_credentials_can_be_set(service: PassiveTotal, url: str) -> None:
    service.username, service.api_key = "other@example.org", "ab" * 32

    assert search(url).status_code == 401
    assert get(url + QUOTA, auth=("other@example.org", "ab" * 32)).status_code == 200


def test_a_content_type_is_rejected(url: str) -> None:
    response = get(url + SEARCH, {"query": DOMAIN}, headers={"Content-Type": "application/json"})

    assert response.status_code == 400
    assert "Content-Type" in response.json()["message"]


def test_a_content_type_is_accepted_if_the_service_is_lax(service: PassiveTotal, url: str) -> None:
    service.strict_content_type = False

    headers = {"Content-Type": "application/json"}
    assert get(url + SEARCH, {"query": DOMAIN}, headers=headers).status_code == 200


# Searches


def test_an_answer_has_the_envelope_of_the_real_api(url: str) -> None:
    answer = search(url).json()

    records = answer.pop("results")
    assert answer == {
        "queryValue": DOMAIN,
        "queryType": "domain",
        "firstSeen": min(record["firstSeen"] for record in records),
        "lastSeen": max(record["lastSeen"] for record in records),
        "totalRecords": len(records),
        "pager": None,
    }


@pytest.mark.parametrize("query", [ADDRESS, "2001:db8::1"])
def test_the_query_type_of_an_address_is_ip(url: str, query: str) -> None:
    assert search(url, query).json()["queryType"] == "ip"


def test_a_query_is_case_insensitive_and_echoed(url: str) -> None:
    answer = search(url, "Example.ORG").json()

    assert answer["queryValue"] == "Example.ORG"
    assert answer["totalRecords"] == search(url).json()["totalRecords"]


def test_an_unknown_name_has_an_answer_without_records(url: str) -> None:
    answer = search(url, "unknown.example").json()

    assert (answer["results"], answer["totalRecords"]) == ([], 0)
    assert answer["firstSeen"] is answer["lastSeen"] is None


def test_dirty_records_are_served_unchanged_in_any_window(url: str) -> None:
    answer = search(url, DIRTY, start=str(TODAY - timedelta(days=30))).json()

    assert answer["results"] == own_records(TODAY)[DIRTY]
    assert answer["firstSeen"] == "1970-01-01 00:00:00"


@pytest.mark.parametrize("params", [{}, {"query": ""}])
def test_a_search_without_a_query_is_rejected(url: str, params: dict[str, str]) -> None:
    response = get(url + SEARCH, params)

    assert response.status_code == 400
    assert "query" in response.json()["message"]


@pytest.mark.parametrize("start", ["2024-02-01", "2024-01-31 12:00:01"])
def test_start_excludes_records_last_seen_before_it(url: str, start: str) -> None:
    assert resolved(search(url, "span.example", start=start)) == ["long", "late", "null", "none"]


@pytest.mark.parametrize("end", ["2024-03-10", "2024-03-10 07:59:59"])
def test_end_excludes_records_first_seen_after_it(url: str, end: str) -> None:
    assert resolved(search(url, "span.example", end=end)) == ["past", "long", "null", "none"]


def test_the_window_includes_its_bounds(url: str) -> None:
    bounds = {"start": "2024-01-31 12:00:00", "end": "2024-03-10 08:00:00"}

    assert len(resolved(search(url, "span.example", **bounds))) == len(SPAN_RECORDS)


def test_the_window_can_be_ignored(service: PassiveTotal, url: str) -> None:
    service.ignores_window = True

    assert len(resolved(search(url, "span.example", start="2024-03-18"))) == len(SPAN_RECORDS)


@pytest.mark.parametrize("bound", ["start", "end"])
@pytest.mark.parametrize(
    "text", ["", "2024-03-18T00:00:00", "2024-03-18 00:00:00.5", "2024-3-18", "20240318", "2024-02-30"]
)
def test_a_bound_of_another_form_is_rejected(url: str, bound: str, text: str) -> None:
    response = search(url, **{bound: text})

    assert response.status_code == 400
    assert bound in response.json()["message"]


def test_latency_delays_the_answer_to_a_search(service: PassiveTotal, url: str) -> None:
    service.latency = 0.2

    with pytest.raises(requests.ReadTimeout):
        get(url + SEARCH, {"query": DOMAIN}, timeout=0.1)
    assert search(url).elapsed >= timedelta(seconds=0.2)


def test_a_search_for_a_held_value_waits_for_its_release(service: PassiveTotal, url: str) -> None:
    service.held = {DOMAIN}
    with ThreadPoolExecutor() as executor:
        held = executor.submit(search, url)
        assert search(url, ADDRESS).status_code == 200
        assert not held.done()
        service.held.clear()
        assert held.result().status_code == 200


# Quota


def test_a_successful_search_counts_one_against_the_quota(service: PassiveTotal, url: str) -> None:
    search(url)
    search(url, "unknown.example")
    search(url, start="yesterday")

    assert service.used == 2
    assert get(url + QUOTA).json()["user"]["licenseCounts"]["searchApi"] == 2


@pytest.mark.parametrize("used", [2000, 2001])
def test_a_search_beyond_the_quota_is_rejected(service: PassiveTotal, url: str, used: int) -> None:
    service.used, service.limit = used, 2000

    response = search(url)

    assert response.status_code == 429
    assert response.json()["message"].startswith("quota_exceeded: ")
    assert service.used == used


def test_the_quota_is_flat_for_the_user_and_nested_for_the_organization(service: PassiveTotal, url: str) -> None:
    service.used, service.limit = 7, 50
    service.organization_used, service.organization_limit = 70, 500

    quota = get(url + QUOTA).json()

    assert quota["user"]["licenseCounts"]["searchApi"] == 7
    assert quota["user"]["licenseLimits"]["searchApi"] == 50
    assert quota["organization"]["licenseCounts"]["enterprise"]["searchApi"] == 70
    assert quota["organization"]["licenseLimits"]["enterprise"]["searchApi"] == 500


@pytest.mark.parametrize("holder", ["user", "organization"])
def test_the_quota_has_all_fields_of_the_real_api(url: str, holder: str) -> None:
    account = get(url + QUOTA).json()[holder]

    assert set(account) == {
        *("owner", "organization", "guid", "profile", "freebies", "counts", "limits", "quotaInterval"),
        *("useMonthlyQuotaInactive", "licenseCounts", "licenseLimits", "next_reset", "last_reset"),
        *("username", "event_code", "event_code_expiration"),
    }
    assert {"search_api", "search_web"} <= set(account["counts"]) & set(account["limits"])


def test_the_next_reset_is_in_the_future(service: PassiveTotal, url: str) -> None:
    next_reset = get(url + QUOTA).json()["user"]["next_reset"]

    assert next_reset == service.next_reset
    assert datetime.fromisoformat(next_reset).date() > TODAY


def test_the_whole_body_of_the_quota_can_be_set(service: PassiveTotal, url: str) -> None:
    service.quota_body = {"organization": None}

    assert get(url + QUOTA).json() == {"organization": None}


# Recorded requests


def test_every_request_is_recorded(service: PassiveTotal, url: str) -> None:
    get(url + "/pt" + QUOTA)
    get(url + SEARCH, {"query": DOMAIN, "start": "nonsense"}, headers={"User-Agent": "riskiq"}, auth=None)

    quota, passive_dns = service.requests
    assert (quota.method, quota.path, quota.params) == ("GET", "/pt" + QUOTA, {})
    assert passive_dns.params == {"query": DOMAIN, "start": "nonsense"}
    assert passive_dns.headers["user-agent"] == "riskiq"
    assert "authorization" not in passive_dns.headers
    assert service.searches == [passive_dns]


def test_concurrent_requests_are_all_recorded(service: PassiveTotal, url: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: search(url, f"n{number}.example"), range(32)))

    assert {request.params["query"] for request in service.searches} == {f"n{n}.example" for n in range(32)}
    assert service.used == 32
