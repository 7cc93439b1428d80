"""The client of OTX over HTTP, and its recorded answers."""

import json
import re
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from passivedns.errors import BadAnswer, Blocked, CredentialsRefused, NoAnswer, RateLimited, RequestRefused, SourceError
from passivedns.model import Answer, Question, Quota, Record
from passivedns.sources.otx import OTX, OtxSettings
from passivedns.sources.source import Client
from sandbox.sources.history import ADDRESS, ADDRESS_V6, DOMAIN, Fact, history
from sandbox.sources.otx import API_KEY, Otx, otx_app
from tests.helpers.broken_answers import NO_ANSWER, closed, each, error_of, gateway_page
from tests.helpers.clients import LONG_AGO, client, question
from tests.helpers.raw_server import raw_server, says
from tests.helpers.recorded import recorded
from tests.helpers.stand_ins import stand_in

TODAY = datetime.now(UTC).date()

_FAILING = "AlienVault OTX server error (HTTP {}); try again later."
_REJECTED_KEY = "AlienVault OTX rejected the credentials (HTTP {}); check OTX_API_KEY. Its response says: "
_NO_LIST = "The response from AlienVault OTX contains no passive DNS; check OTX_API_BASE_URL."
_NOT_JSON = "The response from AlienVault OTX is not valid JSON or was cut off; check OTX_API_BASE_URL."
_SLOW = f"AlienVault OTX {NO_ANSWER}"

MEANING: dict[str, tuple[type[SourceError], str]] = {
    "400": (
        RequestRefused,
        "AlienVault OTX rejected the request (HTTP 400). Its response says: Invalid domain",
    ),
    "403": (CredentialsRefused, f"{_REJECTED_KEY.format(403)}Invalid API key"),
    "404": (
        BadAnswer,
        "The response (HTTP 404) is not from the AlienVault OTX API; check OTX_API_BASE_URL. "
        "Its response says: Not found.",
    ),
    "429-anonymous": (
        CredentialsRefused,
        f"{_REJECTED_KEY.format(429)}Anonymous access to this endpoint is limited. Please authenticate.",
    ),
    "429-throttled": (
        RateLimited,
        "AlienVault OTX rate limit exceeded (HTTP 429); try again later. "
        "Its response says: Over throttling limit (100/hour)",
    ),
    "500": (NoAnswer, f"{_FAILING.format(500)} Its response says: Internal Server Error"),
    "502": (Blocked, gateway_page("AlienVault OTX", 502)),
    "503": (NoAnswer, f"{_FAILING.format(503)} Its response says: Service unavailable"),
    "504": (Blocked, gateway_page("AlienVault OTX", 504)),
    "no-list": (BadAnswer, _NO_LIST),
    "empty-body": (BadAnswer, _NO_LIST),
    "html": (BadAnswer, "The response from AlienVault OTX is a web page; check OTX_API_BASE_URL."),
    "cut-json": (BadAnswer, _NOT_JSON),
    "cut-connection": (NoAnswer, "AlienVault OTX cannot be reached: the response was cut off."),
    "reset": (NoAnswer, f"AlienVault OTX cannot be reached: {closed('OTX_API_BASE_URL')}"),
    "stall": (NoAnswer, _SLOW),
    "drip": (NoAnswer, _SLOW),
    "huge": (BadAnswer, "The response from AlienVault OTX contains no passive DNS; check OTX_API_BASE_URL."),
}


served = stand_in(lambda: Otx(history(TODAY)), otx_app)


def otx(url: str, retries: int = 0, **settings: Any) -> Client:
    return client("otx", f"{url}/api/v1", retries, **{"api_key": API_KEY, **settings})


def day(ago: int) -> datetime:
    return datetime.combine(TODAY, time(4, 12, 9), UTC) - timedelta(days=ago)


def asked(service: Otx) -> list[str]:
    """The requested kinds of indicator."""
    return [request.path.split("/")[4] for request in service.requests]


def ends(answer: Answer) -> list[tuple[str, str, str]]:
    return [(record.name, record.type, record.data) for record in answer.records]


def read(*rows: Any, **envelope: Any) -> Answer:
    return OTX.read(json.dumps({"passive_dns": rows, **envelope}).encode(), DOMAIN)


def row(**fields: Any) -> dict[str, Any]:
    dates = {"first": "2019-09-04T05:32:29", "last": "2019-09-04T18:16:07"}
    return {"address": ADDRESS, "hostname": DOMAIN, "record_type": "A", **dates, **fields}


# Requests and records


def test_a_registrable_domain_returns_its_subdomains_too(url: str) -> None:
    answer = otx(url).look_up(question(DOMAIN))
    assert set(ends(answer)) == {
        (DOMAIN, "A", "192.0.2.10"),
        (DOMAIN, "A", "192.0.2.11"),
        (DOMAIN, "A", "198.51.100.7"),
        (DOMAIN, "A", "203.0.113.99"),
        (DOMAIN, "AAAA", "2001:db8::10"),
        (DOMAIN, "NS", "ns1.example.net"),
        (DOMAIN, "NS", "ns2.example.net"),
        (DOMAIN, "MX", "mx1.example.net"),
        ("www.example.org", "CNAME", "example.org"),
        ("www.example.org", "A", "192.0.2.10"),
    }
    assert (answer.complete, answer.unreadable) == (True, 0)


def test_dates_without_a_zone_are_utc(url: str, service: Otx) -> None:
    service.facts = [Fact(DOMAIN, "A", ADDRESS, day(60), day(5))]
    assert otx(url).look_up(question(DOMAIN)).records == [Record(DOMAIN, "A", ADDRESS, day(60), day(5), (), "otx")]


def test_an_address_returns_its_names_as_owners(url: str, service: Otx) -> None:
    answer = otx(url).look_up(question(ADDRESS))
    assert set(ends(answer)) == {
        ("example.org", "A", ADDRESS),
        ("www.example.org", "A", ADDRESS),
        ("mail.example.com", "A", ADDRESS),
        ("shared.example.net", "A", ADDRESS),
        ("old.tenant.example", "A", ADDRESS),
    }
    assert asked(service) == ["IPv4"]


def test_an_ipv6_address_has_its_own_slug(url: str, service: Otx) -> None:
    answer = otx(url).look_up(question(ADDRESS_V6))
    assert set(ends(answer)) == {(DOMAIN, "AAAA", ADDRESS_V6), ("v6.example.com", "AAAA", ADDRESS_V6)}
    assert service.requests[0].path == f"/api/v1/indicators/IPv6/{ADDRESS_V6}/passive_dns"


def test_the_address_decides_between_a_and_aaaa(url: str, service: Otx) -> None:
    service.types_mixed_up = True
    answer = otx(url).look_up(question(ADDRESS_V6))
    assert {record.type for record in answer.records} == {"AAAA"}


def test_the_window_drops_nothing(url: str) -> None:
    assert len(otx(url).look_up(question(ADDRESS, since=day(1))).records) == 5


def test_an_unknown_domain_is_an_empty_answer(url: str) -> None:
    assert otx(url).look_up(question("never.example")) == Answer([])


def test_nxdomain_rows_are_neither_records_nor_unreadable(url: str, service: Otx) -> None:
    service.facts = [Fact(DOMAIN, "A", ADDRESS, day(60), day(5))]
    service.not_existing = {"gone.example.org": day(3)}
    answer = otx(url).look_up(question(DOMAIN))
    assert (ends(answer), answer.complete, answer.unreadable) == ([(DOMAIN, "A", ADDRESS)], True, 0)


def test_an_answer_with_fewer_rows_than_its_count_is_incomplete(url: str, service: Otx) -> None:
    service.most_rows = 3
    answer = otx(url).look_up(question(DOMAIN))
    assert (len(answer.records), answer.complete) == (3, False)


def test_an_answer_without_a_count_is_complete(url: str, service: Otx) -> None:
    service.counts = False
    assert otx(url).look_up(question(DOMAIN)).complete


def test_the_key_is_sent_only_in_its_header(url: str, service: Otx) -> None:
    otx(url).look_up(question(DOMAIN))
    request = service.requests[0]
    assert request.headers["x-otx-api-key"] == API_KEY
    assert "authorization" not in request.headers
    assert API_KEY not in f"{request.path} {request.params}"


def test_a_value_is_escaped_in_the_path() -> None:
    body = b'{"passive_dns": []}'
    with raw_server(says(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", body)) as server:
        otx(server.url).look_up(Question("a b/../c?d#é", "Domain-Name", LONG_AGO))
    assert [head.split()[1] for head in server.heads] == [
        b"/api/v1/indicators/hostname/a%20b%2F..%2Fc%3Fd%23%C3%A9/passive_dns",
        b"/api/v1/indicators/domain/a%20b%2F..%2Fc%3Fd%23%C3%A9/passive_dns",
    ]


def test_the_budget_costs_no_request(url: str, service: Otx) -> None:
    assert otx(url).quota() == Quota()
    assert service.requests == []


# Kinds of names


@pytest.mark.parametrize("kind", ["Domain-Name", "Hostname"])
@pytest.mark.parametrize(("name", "slug"), [("example.org", "domain"), ("www.example.org", "hostname")])
def test_two_labels_are_a_domain_and_more_are_a_hostname(
    url: str, service: Otx, kind: str, name: str, slug: str
) -> None:
    answer = otx(url).look_up(Question(name, kind, LONG_AGO))
    assert name in {record.name for record in answer.records}
    assert asked(service) == [slug]


def test_a_registrable_domain_of_three_labels_is_also_looked_up_as_a_domain(url: str, service: Otx) -> None:
    service.facts = [
        Fact("example.co.uk", "A", ADDRESS, day(60), day(5)),
        Fact("www.example.co.uk", "A", ADDRESS, day(60), day(6)),
    ]
    answer = otx(url).look_up(question("example.co.uk"))
    assert ends(answer) == [("example.co.uk", "A", ADDRESS), ("www.example.co.uk", "A", ADDRESS)]
    assert asked(service) == ["hostname", "domain"]


def test_an_unknown_hostname_needs_two_requests(url: str, service: Otx) -> None:
    assert otx(url).look_up(question("never.example.org")) == Answer([])
    assert asked(service) == ["hostname", "domain"]


def test_a_hostname_with_only_broken_rows_needs_one_request(url: str, service: Otx) -> None:
    service.recorded["www.example.org"] = b'{"passive_dns": [7], "count": 1}'
    assert otx(url).look_up(question("www.example.org")) == Answer([], unreadable=1)
    assert asked(service) == ["hostname"]


# Errors


def test_every_fault_has_an_expected_error() -> None:
    assert set(MEANING) == set(Otx.faults)


@pytest.mark.parametrize("fault", each(MEANING))
def test_each_fault_raises_its_error(url: str, service: Otx, fault: str) -> None:
    service.fail(fault)
    assert error_of(lambda: otx(url).look_up(question(DOMAIN))) == MEANING[fault]


def test_the_error_about_a_wrong_key_names_its_variable_only(url: str) -> None:
    with pytest.raises(CredentialsRefused, match=f"^{re.escape(_REJECTED_KEY.format(403))}Invalid API key$"):
        otx(url, api_key="not-the-key").look_up(question(DOMAIN))


def test_an_unsupported_top_level_domain_is_a_rejected_request(url: str) -> None:
    with pytest.raises(RequestRefused, match="Invalid domain"):
        otx(url).look_up(question("printer.local"))


def test_a_used_up_hour_is_reported_as_a_rate_limit(url: str, service: Otx) -> None:
    service.left = 0
    with pytest.raises(RateLimited):
        otx(url).look_up(question(DOMAIN))


@pytest.mark.parametrize(
    ("fault", "requests"), [("500", 3), ("503", 3), ("429-anonymous", 1), ("429-throttled", 1), ("403", 1)]
)
def test_a_failing_service_is_retried_and_a_rejection_is_not(url: str, service: Otx, fault: str, requests: int) -> None:
    service.fail(fault)
    with pytest.raises(SourceError):
        otx(url, retries=2).look_up(question(DOMAIN))
    assert len(service.requests) == requests


def test_a_transient_error_loses_no_records(url: str, service: Otx) -> None:
    service.fail("503", times=1)
    assert len(otx(url, retries=1).look_up(question(DOMAIN)).records) == 10


# Malformed rows


@pytest.mark.parametrize(
    "broken",
    [
        None,
        7,
        "text",
        [],
        {},
        row(hostname=None),
        row(hostname=""),
        row(hostname=["a.example"]),
        row(address=None),
        row(address=""),
        row(address=16909060),
    ],
)
def test_a_broken_row_is_counted_and_does_not_affect_its_neighbours(broken: Any) -> None:
    answer = read(row(), broken, row(address="192.0.2.11"), count=3)
    assert [record.data for record in answer.records] == [ADDRESS, "192.0.2.11"]
    assert (answer.complete, answer.unreadable) == (True, 1)


@pytest.mark.parametrize("when", [None, "", 0, "soon", "0001-01-01T00:00:00", []])
def test_an_implausible_date_is_unknown(when: Any) -> None:
    assert read(row(first=when, last=when)).records == [Record(DOMAIN, "A", ADDRESS, None, None, (), "otx")]


def test_dates_in_the_wrong_order_are_unknown() -> None:
    record = read(row(first="2020-01-02T00:00:00", last="2020-01-01T00:00:00")).records[0]
    assert (record.first_seen, record.last_seen) == (None, None)


@pytest.mark.parametrize(
    ("written", "address", "records"),
    [
        ("a", ADDRESS, [("A", ADDRESS)]),
        ("AAAA", ADDRESS, [("A", ADDRESS)]),
        ("A", ADDRESS_V6, [("AAAA", ADDRESS_V6)]),
        ("CNAME", "www.example.net", [("CNAME", "www.example.net")]),
        ("MX", "10 mx1.example.net", [("MX", "mx1.example.net")]),
        (
            "SOA",
            "ns1.example.net hostmaster.example.org 1 2 3 4 5",
            [("SOA", "ns1.example.net"), ("SOA", "hostmaster@example.org")],
        ),
        ("TXT", "v=spf1 -all", [("TXT", "v=spf1 -all")]),
        (None, ADDRESS, [("", ADDRESS)]),
        (["A"], ADDRESS, [("", ADDRESS)]),
        ({}, ADDRESS, [("", ADDRESS)]),
    ],
)
def test_types_and_data_are_in_dns_terms(written: Any, address: str, records: list[tuple[str, str]]) -> None:
    answer = read(row(record_type=written, address=address))
    assert [(record.type, record.data) for record in answer.records] == records


@pytest.mark.parametrize("count", [None, "9", [], 0, -1, 1, True])
def test_an_answer_with_as_many_rows_as_its_count_is_complete(count: Any) -> None:
    assert read(row(), count=count).complete


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"7", b'{"passive_dns": {}}', b'{"passive_dns": null}', b"\xff", b"[" * 9999]
)
def test_a_body_of_another_form_is_a_bad_answer(body: bytes) -> None:
    with pytest.raises(BadAnswer, match="OTX_API_BASE_URL"):
        OTX.read(body, DOMAIN)


# Recorded answers


def test_a_domain_of_2022_has_four_addresses() -> None:
    answer = OTX.read(recorded("otx", "domain-jppost-tu.top-2022.json"), "jppost-tu.top")
    assert (answer.complete, answer.unreadable) == (True, 0)
    assert ends(answer) == [
        ("jppost-tu.top", "A", "193.148.69.37"),
        ("jppost-tu.top", "A", "89.35.39.84"),
        ("jppost-tu.top", "A", "193.148.69.230"),
        ("jppost-tu.top", "A", "51.68.251.30"),
    ]
    assert answer.records[0][3:] == (
        datetime(2019, 9, 4, 5, 32, 29, tzinfo=UTC),
        datetime(2019, 9, 4, 18, 16, 7, tzinfo=UTC),
        (),
        "otx",
    )


def test_an_address_of_2022_has_34_names() -> None:
    answer = OTX.read(recorded("otx", "ipv4-89.35.39.84-2022.json"), "89.35.39.84")
    assert (len(answer.records), answer.complete, answer.unreadable) == (34, True, 0)
    assert {(record.type, record.data) for record in answer.records} == {("A", "89.35.39.84")}
    assert answer.records[0][:1] + answer.records[0][3:5] == (
        "jppost-ga.co",
        datetime(2019, 9, 2, 15, 9, 30, tzinfo=UTC),
        datetime(2019, 9, 2, 20, 18, 23, tzinfo=UTC),
    )


def test_one_of_213_rows_of_2026_is_incomplete() -> None:
    answer = OTX.read(recorded("otx", "domain-stealer.cy-2026-first-record.json"), "stealer.cy")
    moment = datetime(2025, 9, 12, 9, 47, 59, tzinfo=UTC)
    assert answer == Answer(
        [Record("aria.stealer.cy", "A", "185.178.208.160", moment, moment, (), "otx")], complete=False
    )


def test_a_record_of_the_web_site_is_read() -> None:
    answer = OTX.read(recorded("otx", "ipv4-195.22.26.248-record-otxapi.json"), "195.22.26.248")
    assert answer == Answer(
        [
            Record(
                "4ed8a7c6.ard.rr.zealbino.com",
                "A",
                "195.22.26.248",
                datetime(2022, 3, 19, 17, 14, 0, tzinfo=UTC),
                datetime(2022, 3, 19, 17, 16, 33, tzinfo=UTC),
                (),
                "otx",
            )
        ]
    )


def test_a_nonexistent_name_of_2023_is_left_out_and_counted() -> None:
    answer = OTX.read(recorded("otx", "nxdomain-record.fragment.json"), "dns.vietbaotinmoi.com")
    assert answer == Answer([], left_out={"the name did not exist": 1})


@pytest.mark.parametrize(
    ("name", "kind"), [("error-429-anonymous", CredentialsRefused), ("error-429-throttled", RateLimited)]
)
def test_the_recorded_texts_distinguish_both_kinds_of_429(name: str, kind: type[SourceError]) -> None:
    head = b"HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\n\r\n"
    with raw_server(says(head, recorded("otx", f"{name}.json"))) as server, pytest.raises(kind):
        otx(server.url).look_up(question(DOMAIN))


# Settings


def test_the_settings_have_a_default_url_and_hide_the_key() -> None:
    settings = OtxSettings(api_key=API_KEY)
    assert settings.api_base_url == "https://otx.alienvault.com/api/v1"
    assert API_KEY not in repr(settings)
