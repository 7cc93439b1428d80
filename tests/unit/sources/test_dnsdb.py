"""The client of DNSDB over HTTP: requests, records and quota."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from passivedns import __version__
from passivedns.errors import BadAnswer
from passivedns.formats import rdata
from passivedns.model import Allowance, Question, Quota, Record
from passivedns.sources.dnsdb import DNSDB, DnsdbSettings
from sandbox.sources.dnsdb import API_KEY, Dnsdb, dnsdb_app
from sandbox.sources.history import ADDRESS, ADDRESS_V6, DOMAIN, Fact, about, history
from tests.helpers.clients import client, question
from tests.helpers.stand_ins import stand_in

TODAY = datetime.now(UTC).date()
HISTORY = history(TODAY)
SENSORS = ("sensors",)


served = stand_in(lambda: Dnsdb(HISTORY), dnsdb_app)


def records(url: str, value: str, **settings: Any) -> list[Record]:
    return client("dnsdb", url, api_key=API_KEY, **settings).look_up(question(value)).records


def expected(facts: list[Fact]) -> set[Record]:
    """The records of facts, with trailing dots."""
    return {
        Record(f"{fact.name}.", fact.type, target, fact.first, fact.last, SENSORS, "dnsdb")
        for fact in facts
        for target in rdata.names_and_addresses(fact.type, fact.data)
    }


# Requests


def test_a_name_needs_one_query(url: str, service: Dnsdb) -> None:
    assert set(records(url, DOMAIN)) == expected([fact for fact in HISTORY if fact.name == DOMAIN])
    assert [request.path for request in service.requests] == [f"/dnsdb/v2/lookup/rrset/name/{DOMAIN}"]


def test_a_name_needs_a_second_query_with_reverse_names(url: str, service: Dnsdb) -> None:
    found = set(records(url, DOMAIN, reverse_names=True))
    assert found == expected(about(HISTORY, DOMAIN))
    assert [request.path for request in service.requests] == [
        f"/dnsdb/v2/lookup/rrset/name/{DOMAIN}",
        f"/dnsdb/v2/lookup/rdata/name/{DOMAIN}",
    ]


@pytest.mark.parametrize("address", [ADDRESS, ADDRESS_V6])
def test_an_address_needs_one_query_with_any_settings(url: str, service: Dnsdb, address: str) -> None:
    assert set(records(url, address, reverse_names=True)) == expected(about(HISTORY, address))
    assert [request.path for request in service.requests] == [f"/dnsdb/v2/lookup/rdata/ip/{address}"]


def test_a_hostname_is_looked_up_as_a_name(url: str) -> None:
    asker = client("dnsdb", url, api_key=API_KEY)
    found = asker.look_up(Question("www.example.org", "Hostname", datetime(1990, 1, 1, tzinfo=UTC))).records
    assert {record.type for record in found} == {"A", "CNAME"}


def test_an_invalid_name_stays_within_its_path_segment(url: str, service: Dnsdb) -> None:
    records(url, "a?b=c#d.example")
    (request,) = service.requests
    assert request.path == "/dnsdb/v2/lookup/rrset/name/a%3Fb=c%23d.example"
    assert "b" not in request.params


def test_a_query_identifies_the_client_and_sends_the_key_only_in_a_header(url: str, service: Dnsdb) -> None:
    records(url, ADDRESS)
    (request,) = service.requests
    assert {name: request.params[name] for name in ("swclient", "version", "limit")} == {
        "swclient": "opencti",
        "version": __version__,
        "limit": "50000",
    }
    assert request.headers["accept"] == "application/x-ndjson"
    assert request.headers["x-api-key"] == API_KEY
    assert API_KEY not in request.path + str(request.params)


def test_a_query_is_limited_to_the_period_including_its_first_second(url: str, service: Dnsdb) -> None:
    since = next(fact.last for fact in HISTORY if fact.data == "198.51.100.7")
    answer = client("dnsdb", url, api_key=API_KEY).look_up(question(DOMAIN, since))
    data = {record.data for record in answer.records}
    assert "198.51.100.7" in data
    assert "203.0.113.99" not in data
    assert service.requests[0].params["time_last_after"] == str(int(since.timestamp()) - 1)


@pytest.mark.parametrize("since", [datetime(1960, 1, 1, tzinfo=UTC), datetime.min.replace(tzinfo=UTC)])
def test_a_period_from_before_1970_is_not_sent(url: str, service: Dnsdb, since: datetime) -> None:
    answer = client("dnsdb", url, api_key=API_KEY).look_up(question(ADDRESS, since))
    assert len(answer.records) == 5
    assert "time_last_after" not in service.requests[0].params


def test_zone_files_are_distinguished_from_sensors(url: str, service: Dnsdb) -> None:
    service.zone_files = True
    of_ns1 = [r for r in records(url, DOMAIN) if (r.type, r.data) == ("NS", "ns1.example.net.")]
    assert [record.sensors for record in of_ns1] == [("sensors",), ("zone files",)]
    assert of_ns1[0].first_seen == of_ns1[1].first_seen == HISTORY[5].first


def test_an_answer_at_the_limit_of_the_key_is_incomplete(url: str, service: Dnsdb) -> None:
    service.results_max = 2
    answer = client("dnsdb", url, api_key=API_KEY).look_up(question(ADDRESS))
    assert (len(answer.records), answer.complete) == (2, False)


def test_the_broken_rows_of_both_queries_are_counted(url: str, service: Dnsdb) -> None:
    service.recorded = {DOMAIN: b'{"cond":"begin"}\n{"obj":{"rrname":"x.example."}}\n{"cond":"succeeded"}\n'}
    assert client("dnsdb", url, api_key=API_KEY, reverse_names=True).look_up(question(DOMAIN)).unreadable == 2


def test_nothing_known_is_a_complete_answer_without_records(url: str) -> None:
    answer = client("dnsdb", url, api_key=API_KEY).look_up(question("unknown.example"))
    assert (answer.records, answer.complete, answer.certain, answer.unreadable) == ([], True, True, 0)


# The quota


def test_a_daily_quota_has_a_reset(url: str, service: Dnsdb) -> None:
    service.used, service.limit = 23, 500
    (allowance,) = client("dnsdb", url, api_key=API_KEY).quota().allowances
    midnight = f"{datetime.now(UTC).date() + timedelta(days=1)} 00:00:00 UTC"
    assert allowance == Allowance("API key", 23, 500, midnight)


def test_a_block_quota_has_no_reset(url: str, service: Dnsdb) -> None:
    service.quota, service.used, service.limit = "block", 600, 600
    (allowance,) = client("dnsdb", url, api_key=API_KEY).quota().allowances
    assert (allowance.used, allowance.left, allowance.reset) == (600, 0, "")


def test_a_key_without_a_quota_has_an_unknown_quota(url: str, service: Dnsdb) -> None:
    service.quota = "unlimited"
    assert client("dnsdb", url, api_key=API_KEY).quota() == Quota()


def test_reading_the_quota_costs_no_query(url: str, service: Dnsdb) -> None:
    client("dnsdb", url, api_key=API_KEY).quota()
    assert service.used == 0
    assert service.requests[0].params == {"swclient": "opencti", "version": __version__}


@pytest.mark.parametrize(
    ("rate", "allowances"),
    [
        ({}, ()),
        ({"limit": 500}, ()),
        ({"remaining": "n/a", "limit": "unlimited"}, ()),
        ({"remaining": True}, ()),
        ({"remaining": -1}, ()),
        ({"remaining": 7}, (Allowance("API key", 0, 7, ""),)),
        ({"remaining": 7, "limit": "unlimited"}, (Allowance("API key", 0, 7, ""),)),
        ({"remaining": 7, "limit": 5}, (Allowance("API key", 0, 7, ""),)),
        ({"remaining": 7, "limit": 9, "reset": 10**400}, (Allowance("API key", 2, 9, ""),)),
        ({"remaining": 7, "limit": 9, "reset": 1764115200}, (Allowance("API key", 2, 9, "2025-11-26 00:00:00 UTC"),)),
    ],
)
def test_any_field_of_the_quota_may_be_missing_or_invalid(
    url: str, service: Dnsdb, rate: dict[str, object], allowances: tuple[Allowance, ...]
) -> None:
    service.rate_body = {"rate": rate}
    assert client("dnsdb", url, api_key=API_KEY).quota().allowances == allowances


@pytest.mark.parametrize("body", [[], {}, {"rate": []}, "rate"])
def test_a_quota_of_another_form_is_a_bad_answer(url: str, service: Dnsdb, body: object) -> None:
    service.rate_body = body
    with pytest.raises(BadAnswer, match=r"contains no quota; check DNSDB_API_BASE_URL\."):
        client("dnsdb", url, api_key=API_KEY).quota()


@pytest.mark.parametrize("fault", ["404", "404-no-results", "html"])
def test_a_quota_from_another_service_is_a_bad_answer(url: str, service: Dnsdb, fault: str) -> None:
    service.fail(fault)
    with pytest.raises(BadAnswer, match=r"check DNSDB_API_BASE_URL\."):
        client("dnsdb", url, api_key=API_KEY).quota()


# The settings


def test_only_the_key_is_required() -> None:
    settings = DnsdbSettings(api_key=API_KEY)
    assert settings.api_base_url == "https://api.dnsdb.info"
    assert (settings.reverse_names, settings.results_tlp, settings.quota_reserve) == (False, "TLP:AMBER", 0)
    assert API_KEY not in repr(settings)
    assert DNSDB.variable("api_key") == "DNSDB_API_KEY"
