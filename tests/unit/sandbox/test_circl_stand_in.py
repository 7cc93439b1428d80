"""The stand-in for CIRCL behaves like the service."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from sandbox.sources.circl import MAXSET, PASSWORD, TOKEN, USERNAME, Circl, circl_app
from sandbox.sources.history import DOMAIN, Fact, history
from tests.helpers.stand_ins import stand_in

FACTS = history(datetime.now(UTC).date())


served = stand_in(lambda: Circl(FACTS), circl_app, f"/pdns/query/{DOMAIN}")


def get(url: str, auth: Any = (USERNAME, PASSWORD), **headers: str) -> requests.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.get(url, auth=auth, headers=named, timeout=5)


def rows(response: requests.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200
    return [json.loads(line) for line in response.text.splitlines()]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer " + TOKEN}, {"Authorization": "wrong"}])
def test_requests_without_credentials_are_rejected(url: str, headers: dict[str, str]) -> None:
    assert get(url, auth=None, **headers).status_code == 401


def test_a_token_has_no_scheme(url: str) -> None:
    assert rows(get(url, auth=None, Authorization=TOKEN))


def test_the_data_are_in_the_field_rrname(url: str) -> None:
    found = {(row["rrtype"], row["rrname"], row["rdata"]) for row in rows(get(url))}
    assert {("A", "192.0.2.10", DOMAIN), ("MX", "10 mx1.example.net", DOMAIN)} < found


def test_a_request_that_does_not_disable_it_causes_an_active_query(service: Circl, url: str) -> None:
    get(url, dribble_disable_active_query="1")
    assert service.active_queries == []
    get(url)
    get(url, dribble_disable_active_query="0")
    assert service.active_queries == service.requests[1:]


def test_cursors_exceed_the_precision_of_floats(url: str) -> None:
    first = get(url, dribble_paginate_count="8")
    cursor = first.headers["x-dribble-cursor"]
    second = get(url, dribble_paginate_count="8", dribble_paginate_cursor=cursor)
    assert int(float(cursor)) != int(cursor)
    assert len(rows(first)) == 8
    assert "x-dribble-cursor" not in second.headers
    assert not {json.dumps(row) for row in rows(first)} & {json.dumps(row) for row in rows(second)}


def test_a_filter_selects_one_type(url: str) -> None:
    assert {row["rrtype"] for row in rows(get(url, dribble_filter_rrtype="NS"))} == {"NS"}


def test_a_large_set_without_paging_is_truncated_with_a_header(service: Circl, url: str) -> None:
    now = datetime.now(UTC)
    service.facts = [Fact(f"h{i}.example.net", "CNAME", DOMAIN, now, now) for i in range(MAXSET + 1)]
    response = get(url)
    assert len(rows(response)) == MAXSET
    assert json.loads(response.headers["x-dribble-errors"]) == {
        "error": "maxset",
        "value": MAXSET,
        "total_value": MAXSET + 1,
    }


def test_another_path_is_not_found(url: str) -> None:
    assert get(url.replace("/query/", "/fquery/")).status_code == 404
