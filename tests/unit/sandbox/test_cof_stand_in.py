"""The stand-ins for COF servers behave like D4 and balboa."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from sandbox.server import serving
from sandbox.sources.cof import CofServer, cof_app
from sandbox.sources.history import ADDRESS, DOMAIN, Fact, history
from tests.helpers.stand_ins import renewed, stand_in

FACTS = history(datetime.now(UTC).date())


served_d4 = stand_in(lambda: CofServer("d4", FACTS), cof_app)
served_balboa = stand_in(lambda: CofServer("balboa", FACTS), cof_app)


d4, balboa = renewed("served_d4"), renewed("served_balboa")


def get(url: str, **more: Any) -> requests.Response:
    return requests.get(url, timeout=5, **more)


def rows(response: requests.Response) -> list[dict[str, Any]]:
    return [json.loads(line) for line in response.text.splitlines()]


def test_d4_sends_lines_as_html_with_a_placeholder_origin(d4: tuple[CofServer, str]) -> None:
    response = get(f"{d4[1]}/query/{DOMAIN}")
    assert response.headers["content-type"].startswith("text/html")
    assert {row["origin"] for row in rows(response)} == {"origin not configured"}


def test_d4_has_no_soa_records(d4: tuple[CofServer, str]) -> None:
    assert "SOA" not in {row["rrtype"] for row in rows(get(f"{d4[1]}/query/{DOMAIN}"))}


def test_d4_omits_types_with_two_hundred_values(d4: tuple[CofServer, str]) -> None:
    service, url = d4
    now = datetime.now(UTC)
    service.facts += [Fact(DOMAIN, "A", f"198.51.100.{i}", now, now) for i in range(200)]
    assert "A" not in {row["rrtype"] for row in rows(get(f"{url}/query/{DOMAIN}"))}


def test_d4_is_case_sensitive_and_sends_an_empty_success_if_nothing_is_known(d4: tuple[CofServer, str]) -> None:
    response = get(f"{d4[1]}/query/{DOMAIN.upper()}")
    assert (response.status_code, response.content) == (200, b"")


def test_balboa_sends_rows_that_point_to_the_subject_first(balboa: tuple[CofServer, str]) -> None:
    found = rows(get(f"{balboa[1]}/pdns/query/{DOMAIN}"))
    assert (found[0]["rrname"], found[-1]["rrname"]) == ("www.example.org", DOMAIN)
    assert {row["sensor_id"] for row in found} == {"sandbox"}


@pytest.mark.parametrize(("limit", "number"), [("2", 2), ("02", 5), ("20", 5)])
def test_balboa_respects_only_a_limit_of_one_digit(balboa: tuple[CofServer, str], limit: str, number: int) -> None:
    assert len(rows(get(f"{balboa[1]}/pdns/query/{ADDRESS}", params={"limit": limit}))) == number


def test_balboa_sends_an_empty_404_if_nothing_is_known(balboa: tuple[CofServer, str]) -> None:
    response = get(f"{balboa[1]}/pdns/query/nobody.example")
    assert (response.status_code, response.content) == (404, b"")


def test_another_path_is_not_found(d4: tuple[CofServer, str], balboa: tuple[CofServer, str]) -> None:
    assert "<title>404" in get(f"{d4[1]}/pdns/query/{DOMAIN}").text
    assert get(f"{balboa[1]}/query/{DOMAIN}").text == "404 page not found\n"


def test_a_proxy_rejects_other_accounts(d4: tuple[CofServer, str]) -> None:
    service, url = d4
    service.ask_for_account("analyst", "secret")
    assert get(f"{url}/query/{DOMAIN}").status_code == 401
    assert get(f"{url}/query/{DOMAIN}", auth=("analyst", "other")).status_code == 401
    assert get(f"{url}/query/{DOMAIN}", auth=("analyst", "secret")).status_code == 200


def test_a_recorded_answer_is_served_unchanged() -> None:
    body = b'{"rrname": "example.org"}\r\nbroken\n'
    with serving(cof_app(CofServer("d4", recorded={DOMAIN: body}))) as url:
        assert get(f"{url}/query/{DOMAIN}").content == body
