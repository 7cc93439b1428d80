"""The stand-in for Robtex behaves like the service."""

import json
from datetime import UTC, datetime

import requests

from sandbox.sources.history import ADDRESS, DOMAIN, history
from sandbox.sources.robtex import Robtex, robtex_app
from tests.helpers.stand_ins import stand_in

FACTS = history(datetime.now(UTC).date())


served = stand_in(lambda: Robtex(FACTS), robtex_app, "/pdns")


def get(url: str) -> requests.Response:
    return requests.get(url, timeout=5)


def test_lines_have_carriage_returns_and_the_field_rrdata(url: str) -> None:
    body = get(f"{url}/forward/{DOMAIN}").content
    assert body.count(b"\r\n") == body.count(b"\n") > 0
    assert {"rrname", "rrtype", "rrdata", "count", "time_first", "time_last"} == set(json.loads(body.splitlines()[0]))


def test_the_other_direction_has_no_rows(url: str) -> None:
    assert get(f"{url}/forward/{ADDRESS}").content == b""
    assert get(f"{url}/reverse/{DOMAIN}").content == b""
    assert get(f"{url}/reverse/{ADDRESS}").content


def test_another_path_is_not_found(url: str) -> None:
    assert get(f"{url}/query/{DOMAIN}").status_code == 404
