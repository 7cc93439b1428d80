"""The client of VirusTotal over HTTP, and its recorded answers."""

import json
import re
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
import vt
from pydantic import ValidationError

from passivedns.errors import (
    BadAnswer,
    Blocked,
    CredentialsRefused,
    NoAnswer,
    NotEntitled,
    QuotaExceeded,
    RateLimited,
    RequestRefused,
    SourceError,
)
from passivedns.formats import paging
from passivedns.model import Answer, Question, Quota, Record
from passivedns.sources.source import Client
from passivedns.sources.virustotal import VIRUSTOTAL, VirusTotalSettings
from sandbox.sources.history import ADDRESS, ADDRESS_V6, DOMAIN, Fact, history
from sandbox.sources.virustotal import API_KEY, VirusTotal, virustotal_app
from tests.helpers.broken_answers import NO_ANSWER, closed, each, error_of, gateway_page
from tests.helpers.clients import LONG_AGO, client, question
from tests.helpers.raw_server import raw_server, says
from tests.helpers.recorded import recorded
from tests.helpers.stand_ins import stand_in

TODAY = datetime.now(UTC).date()

_FAILING = "VirusTotal server error (HTTP {}); try again later."
_NO_LIST = "The response from VirusTotal contains no list of resolutions; check VIRUSTOTAL_API_BASE_URL."
_NOT_JSON = "The response from VirusTotal is not valid JSON or was cut off; check VIRUSTOTAL_API_BASE_URL."
_REJECTED = "VirusTotal rejected the request (HTTP 400). Its response says: "
_SLOW = f"VirusTotal {NO_ANSWER}"

MEANING: dict[str, tuple[type[SourceError], str]] = {
    "400": (RequestRefused, f"{_REJECTED}Bad request"),
    "400-not-available-yet": (RequestRefused, f"{_REJECTED}The resource is not available yet"),
    "403": (
        NotEntitled,
        "The VirusTotal account is not entitled to passive DNS (HTTP 403); ask the provider. "
        "Its response says: You are not authorized to perform the requested operation",
    ),
    "404-html": (
        BadAnswer,
        "The response (HTTP 404) is not from the VirusTotal API; check VIRUSTOTAL_API_BASE_URL.",
    ),
    "429-minute": (
        RateLimited,
        "VirusTotal rate limit exceeded (HTTP 429); try again later. Its response says: Too many requests",
    ),
    "429-quota": (
        QuotaExceeded,
        "The VirusTotal quota is used up (HTTP 429). Its response says: Quota exceeded",
    ),
    "500": (NoAnswer, f"{_FAILING.format(500)} Its response says: Internal Server Error"),
    "502": (Blocked, gateway_page("VirusTotal", 502)),
    "503": (NoAnswer, f"{_FAILING.format(503)} Its response says: Transient server error, retry might work"),
    "504": (NoAnswer, f"{_FAILING.format(504)} Its response says: The operation took too long to complete"),
    "no-data": (BadAnswer, _NO_LIST),
    "empty-body": (BadAnswer, _NO_LIST),
    "html": (BadAnswer, "The response from VirusTotal is a web page; check VIRUSTOTAL_API_BASE_URL."),
    "cut-json": (BadAnswer, _NOT_JSON),
    "cut-connection": (NoAnswer, "VirusTotal cannot be reached: the response was cut off."),
    "reset": (NoAnswer, f"VirusTotal cannot be reached: {closed('VIRUSTOTAL_API_BASE_URL')}"),
    "stall": (NoAnswer, _SLOW),
    "drip": (NoAnswer, _SLOW),
    "huge": (BadAnswer, "The response from VirusTotal contains no list of resolutions; check VIRUSTOTAL_API_BASE_URL."),
}


served = stand_in(lambda: VirusTotal(history(TODAY)), virustotal_app)


def virustotal(url: str, retries: int = 0, **settings: Any) -> Client:
    return client("virustotal", f"{url}/api/v3", retries, **{"api_key": API_KEY, **settings})


def day(ago: int) -> datetime:
    return datetime.combine(TODAY, time(4, 12, 9), UTC) - timedelta(days=ago)


def addresses(count: int) -> list[Fact]:
    """The addresses of www.example.org, newest first."""
    dates = [day(20) - timedelta(hours=number) for number in range(count)]
    return [Fact("www.example.org", "A", f"198.51.100.{number}", seen, seen) for number, seen in enumerate(dates)]


def read(*rows: Any, **envelope: Any) -> Answer:
    return VIRUSTOTAL.read(json.dumps({"data": rows, **envelope}).encode(), DOMAIN)


def row(**attributes: Any) -> dict[str, Any]:
    return {"attributes": {"date": 1565223148, "host_name": DOMAIN, "ip_address": ADDRESS, **attributes}}


# Requests and records


def test_a_name_returns_its_addresses_with_one_date(url: str) -> None:
    assert virustotal(url).look_up(question(DOMAIN)) == Answer(
        [
            Record(DOMAIN, "A", "198.51.100.7", None, day(28), ("VirusTotal",), "virustotal"),
            Record(DOMAIN, "A", "192.0.2.11", None, day(45), ("VirusTotal",), "virustotal"),
            Record(DOMAIN, "AAAA", "2001:db8::10", None, day(200), ("VirusTotal",), "virustotal"),
            Record(DOMAIN, "A", "192.0.2.10", None, day(400), ("VirusTotal",), "virustotal"),
            Record(DOMAIN, "A", "203.0.113.99", None, day(900), ("VirusTotal",), "virustotal"),
        ]
    )


def test_an_address_returns_its_names_as_owners(url: str) -> None:
    answer = virustotal(url).look_up(question(ADDRESS))
    assert [(record.name, record.type, record.data) for record in answer.records] == [
        ("shared.example.net", "A", ADDRESS),
        ("www.example.org", "A", ADDRESS),
        ("mail.example.com", "A", ADDRESS),
        ("example.org", "A", ADDRESS),
        ("old.tenant.example", "A", ADDRESS),
    ]


def test_an_ipv6_address_is_looked_up_as_an_address(url: str, service: VirusTotal) -> None:
    answer = virustotal(url).look_up(question(ADDRESS_V6))
    assert [(record.name, record.type) for record in answer.records] == [("v6.example.com", "AAAA"), (DOMAIN, "AAAA")]
    assert service.requests[0].path == f"/api/v3/ip_addresses/{ADDRESS_V6}/resolutions"


def test_a_hostname_is_looked_up_as_a_name(url: str, service: VirusTotal) -> None:
    virustotal(url).look_up(Question("www.example.org", "Hostname", LONG_AGO))
    assert [request.path for request in service.requests] == ["/api/v3/domains/www.example.org/resolutions"]


def test_the_window_drops_nothing(url: str) -> None:
    assert len(virustotal(url).look_up(question(DOMAIN, since=day(1))).records) == 5


def test_an_unknown_name_is_an_empty_answer(url: str) -> None:
    assert virustotal(url).look_up(question("never.example.org")) == Answer([])


def test_an_api_404_means_nothing_known(url: str, service: VirusTotal) -> None:
    service.fail("404")
    assert virustotal(url).look_up(question(DOMAIN)) == Answer([])


def test_the_key_is_sent_only_in_its_header(url: str, service: VirusTotal) -> None:
    virustotal(url).look_up(question(DOMAIN))
    request = service.requests[0]
    assert request.headers["x-apikey"] == API_KEY
    assert "authorization" not in request.headers
    assert API_KEY not in f"{request.path} {request.params}"


def test_a_value_is_escaped_in_the_path() -> None:
    with raw_server(says(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", b'{"data":[]}')) as server:
        virustotal(server.url).look_up(Question("a b/../c?d#é.example", "Domain-Name", LONG_AGO))
    assert server.heads[0].split()[1] == (b"/api/v3/domains/a%20b%2F..%2Fc%3Fd%23%C3%A9.example/resolutions?limit=40")


def test_the_budget_costs_no_request(url: str, service: VirusTotal) -> None:
    assert virustotal(url).quota() == Quota()
    assert service.requests == []


# Pages


def test_all_pages_of_40_are_read(url: str, service: VirusTotal) -> None:
    service.facts = addresses(100)
    answer = virustotal(url).look_up(question("www.example.org"))
    assert [record.data for record in answer.records] == [f"198.51.100.{number}" for number in range(100)]
    assert answer.complete
    assert [request.params["limit"] for request in service.requests] == ["40", "40", "40"]


@pytest.mark.parametrize(("pages", "rows", "complete"), [(1, 40, False), (2, 80, False), (3, 100, True)])
def test_the_maximum_of_pages_is_kept(url: str, service: VirusTotal, pages: int, rows: int, complete: bool) -> None:
    service.facts = addresses(100)
    answer = virustotal(url, max_pages=pages).look_up(question("www.example.org"))
    assert (len(answer.records), answer.complete, len(service.requests)) == (rows, complete, pages)


def test_no_page_is_requested_after_the_time_limit(
    url: str, service: VirusTotal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "MAX_SECONDS", 0)
    service.facts = addresses(100)
    answer = virustotal(url).look_up(question("www.example.org"))
    assert (len(answer.records), answer.complete) == (40, False)


def test_five_pages_are_read_by_default(url: str, service: VirusTotal) -> None:
    service.facts = addresses(201)
    answer = virustotal(url).look_up(question("www.example.org"))
    assert (len(answer.records), answer.complete, len(service.requests)) == (200, False, 5)


def test_a_last_page_without_meta_is_the_end(url: str, service: VirusTotal) -> None:
    service.facts, service.as_of_2019 = addresses(41), True
    answer = virustotal(url).look_up(question("www.example.org"))
    assert (len(answer.records), answer.complete) == (41, True)


def test_earlier_pages_survive_a_used_up_quota(url: str, service: VirusTotal, caplog: pytest.LogCaptureFixture) -> None:
    service.facts, service.left = addresses(100), 2
    answer = virustotal(url).look_up(question("www.example.org"))
    assert (len(answer.records), answer.complete) == (80, False)
    assert caplog.messages == [
        "The answer from VirusTotal is incomplete. The VirusTotal quota is used up (HTTP 429). "
        "Its response says: Quota exceeded"
    ]


def test_a_repeated_cursor_is_followed_once() -> None:
    body = json.dumps({"data": [row()], "meta": {"cursor": "again"}}).encode()
    with raw_server(says(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", body)) as server:
        answer = virustotal(server.url, max_pages=3).look_up(question(DOMAIN))
    assert (len(server.heads), answer.complete) == (2, False)


@pytest.mark.parametrize(
    "more",
    [
        {"meta": {"count": 2}},
        {"meta": {"cursor": 7}},
        {"links": {"next": "https://www.virustotal.com/api/v3/x?cursor=abc"}},
        {"meta": {"cursor": "abc"}},
    ],
)
def test_a_saved_page_that_says_that_there_are_more_is_incomplete(more: dict[str, Any]) -> None:
    body = json.dumps({"data": [row()], **more}).encode()
    assert not VIRUSTOTAL.read(body, DOMAIN).complete


def test_a_cursor_may_be_in_the_link_to_the_next_page() -> None:
    body = json.dumps({"data": [row()], "links": {"next": "https://x.example/?limit=40&cursor=a%3D"}}).encode()
    with raw_server(says(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", body)) as server:
        virustotal(server.url, max_pages=3).look_up(question(DOMAIN))
    assert b"cursor=a%3D" in server.heads[1]


def test_the_client_and_vt_py_read_the_same(url: str, service: VirusTotal) -> None:
    service.facts = addresses(100)
    with vt.Client(API_KEY, host=url) as oracle:
        rows = list(oracle.iterator("/domains/www.example.org/resolutions", batch_size=40))
    assert [(row.host_name, row.ip_address, row.date) for row in rows] == [
        (record.name, record.data, record.last_seen)
        for record in virustotal(url).look_up(question("www.example.org")).records
    ]


# Errors


def test_every_fault_has_an_expected_error() -> None:
    assert {*MEANING, "404"} == set(VirusTotal.faults)


@pytest.mark.parametrize("fault", each(MEANING))
def test_each_fault_raises_its_error(url: str, service: VirusTotal, fault: str) -> None:
    service.fail(fault)
    assert error_of(lambda: virustotal(url).look_up(question(DOMAIN))) == MEANING[fault]


def test_the_error_about_a_wrong_key_names_its_variable_only(url: str) -> None:
    sentence = (
        "VirusTotal rejected the credentials (HTTP 401); check VIRUSTOTAL_API_KEY. Its response says: Wrong API key"
    )
    with pytest.raises(CredentialsRefused, match=f"^{re.escape(sentence)}$"):
        virustotal(url, api_key="not-the-key").look_up(question(DOMAIN))


@pytest.mark.parametrize(("fault", "requests"), [("503", 3), ("500", 3), ("429-minute", 1), ("429-quota", 1)])
def test_a_failing_service_is_retried_and_a_used_up_quota_is_not(
    url: str, service: VirusTotal, fault: str, requests: int
) -> None:
    service.fail(fault)
    with pytest.raises(SourceError):
        virustotal(url, retries=2).look_up(question(DOMAIN))
    assert len(service.requests) == requests


def test_a_transient_error_loses_no_records(url: str, service: VirusTotal) -> None:
    service.fail("503", times=1)
    assert len(virustotal(url, retries=1).look_up(question(DOMAIN)).records) == 5


# Malformed rows


@pytest.mark.parametrize(
    "broken",
    [
        None,
        7,
        "text",
        [],
        {},
        {"attributes": None},
        {"attributes": []},
        row(host_name=None),
        row(host_name=""),
        row(host_name=["a.example"]),
        row(ip_address=None),
        row(ip_address=16909060),
    ],
)
def test_a_broken_row_is_counted_and_does_not_affect_its_neighbours(broken: Any) -> None:
    answer = read(row(), broken, row(ip_address="192.0.2.11"))
    assert [record.data for record in answer.records] == [ADDRESS, "192.0.2.11"]
    assert answer.unreadable == 1


@pytest.mark.parametrize("when", [None, 0, -1, "soon", True, 10**18, float("inf"), float("nan"), []])
def test_a_row_with_an_implausible_date_is_an_undated_record(when: Any) -> None:
    assert read(row(date=when)).records == [Record(DOMAIN, "A", ADDRESS, None, None, (), "virustotal")]


@pytest.mark.parametrize("resolver", [None, "", "x" * 65, "a\nb", 7, ["VirusTotal"]])
def test_an_unreadable_resolver_is_omitted(resolver: Any) -> None:
    assert read(row(resolver=resolver)).records[0].sensors == ()


@pytest.mark.parametrize("meta", [None, [], {}, {"cursor": ""}, {"cursor": None}])
def test_an_answer_without_a_cursor_is_complete(meta: Any) -> None:
    assert read(row(), meta=meta).complete


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"7", b'{"data": {}}', b'{"data": null}', b"\xff", b"[" * 9999])
def test_a_body_of_another_form_is_a_bad_answer(body: bytes) -> None:
    with pytest.raises(BadAnswer, match="VIRUSTOTAL_API_BASE_URL"):
        VIRUSTOTAL.read(body, DOMAIN)


# Recorded answers


def test_a_name_of_2019_has_six_addresses() -> None:
    answer = VIRUSTOTAL.read(recorded("virustotal", "domain-jppost-ge.top-2019.json"), "jppost-ge.top")
    assert (len(answer.records), answer.complete, answer.unreadable) == (6, True, 0)
    assert {(record.name, record.type, record.first_seen) for record in answer.records} == {
        ("jppost-ge.top", "A", None)
    }
    assert answer.records[0] == Record(
        "jppost-ge.top",
        "A",
        "193.148.69.9",
        None,
        datetime(2019, 8, 8, 0, 12, 28, tzinfo=UTC),
        ("VirusTotal",),
        "virustotal",
    )


def test_an_address_of_2019_has_the_first_ten_of_its_names() -> None:
    answer = VIRUSTOTAL.read(recorded("virustotal", "ip-45.83.140.140-2019.json"), "45.83.140.140")
    assert (len(answer.records), answer.complete, answer.unreadable) == (10, False, 0)
    assert {(record.type, record.data) for record in answer.records} == {("A", "45.83.140.140")}
    assert (answer.records[0].name, answer.records[0].last_seen) == (
        "jppost-ayu.top",
        datetime(2019, 8, 20, 1, 45, 26, tzinfo=UTC),
    )


def test_a_first_page_of_2022_has_resolvers() -> None:
    answer = VIRUSTOTAL.read(recorded("virustotal", "wtfis-resolutions-gist.json"), "gist.github.com")
    assert (len(answer.records), answer.complete, answer.unreadable) == (10, False, 0)
    assert {(record.name, record.type) for record in answer.records} == {("gist.github.com", "A")}
    assert {sensor for record in answer.records for sensor in record.sensors} == {
        "C2AE",
        "Microsoft Sysinternals",
        "QiAnXin RedDrip",
        "SecneurX",
        "VirusTotal",
    }


def test_a_first_page_of_two_hundred_is_incomplete() -> None:
    answer = VIRUSTOTAL.read(recorded("virustotal", "wtfis-resolutions-wired.json"), "www.wired.com")
    assert (len(answer.records), answer.complete, answer.unreadable) == (10, False, 0)
    assert (answer.records[0].data, answer.records[0].last_seen, answer.records[0].sensors) == (
        "199.232.34.194",
        datetime(2022, 6, 3, 22, 32, 19, tzinfo=UTC),
        ("VirusTotal Box of Apples",),
    )


def test_the_date_of_a_current_resolution_is_not_updated() -> None:
    answer = VIRUSTOTAL.read(recorded("virustotal", "wtfis-resolutions-one.json"), "one.one.one.one")
    assert answer.complete
    assert [(record.data, record.last_seen) for record in answer.records] == [
        ("1.0.0.1", datetime(2020, 8, 1, 22, 7, 20, tzinfo=UTC)),
        ("1.1.1.1", datetime(2019, 12, 13, 6, 24, 54, tzinfo=UTC)),
    ]


def test_an_empty_answer_of_2022_is_complete() -> None:
    assert VIRUSTOTAL.read(recorded("virustotal", "wtfis-resolutions-no_result.json"), DOMAIN) == Answer([])


def test_the_cursor_of_a_recorded_first_page_is_followed(url: str, service: VirusTotal) -> None:
    service.recorded["45.83.140.140"] = recorded("virustotal", "ip-45.83.140.140-2019.json")
    answer = virustotal(url).look_up(question("45.83.140.140"))
    assert (len(answer.records), answer.complete) == (10, True)
    assert [request.params.get("cursor") for request in service.requests] == [
        None,
        "ClkKEQoEZGF0ZRIJCJ3spumbhOQCEkBqEXN-dmlydXN0b3RhbGNsb3VkcisLEgpSZXNvbHV0aW9uIhs0NS44My4xNDAuMTQwanBwb3N0LWFnby50"
        "b3AMGAAgAQ==",
    ]


# Settings


def test_the_default_settings_are_those_of_the_public_api() -> None:
    settings = VirusTotalSettings(api_key=API_KEY)
    assert (settings.api_base_url, settings.max_pages, settings.pace, settings.ignore_time_window) == (
        "https://www.virustotal.com/api/v3",
        5,
        "4/minute;500/day",
        True,
    )


def test_the_settings_do_not_show_the_key() -> None:
    assert API_KEY not in repr(VirusTotalSettings(api_key=API_KEY))


@pytest.mark.parametrize(
    ("written", "pace"), [("1000/minute", "1000/minute"), (" 20/second;9/day ", "20/second;9/day"), ("none", "")]
)
def test_the_rate_limit_can_be_changed_or_removed(written: str, pace: str) -> None:
    assert VirusTotalSettings(api_key=API_KEY, pace=written).pace == pace


@pytest.mark.parametrize("pace", ["", "fast", "4", "0/minute", "4/fortnight", "4/minute;", "4 per minute", "-1/day"])
def test_an_invalid_rate_limit_is_rejected(pace: str) -> None:
    with pytest.raises(ValidationError, match="pace"):
        VirusTotalSettings(api_key=API_KEY, pace=pace)


@pytest.mark.parametrize("pages", [0, 101, "many"])
def test_an_invalid_number_of_pages_is_rejected(pages: Any) -> None:
    with pytest.raises(ValidationError, match="max_pages"):
        VirusTotalSettings(api_key=API_KEY, max_pages=pages)
