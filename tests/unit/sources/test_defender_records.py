"""Reading the records of Microsoft Graph, and saved answers."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from passivedns.errors import BadAnswer
from passivedns.model import Answer, Record
from passivedns.sources import defender
from tests.helpers.recorded import recorded

SEEN = (datetime(2022, 4, 18, 10, 31, 12, tzinfo=UTC), datetime(2023, 3, 7, 13, 19, 35, tzinfo=UTC))


def test_the_documented_forward_list_can_be_read_from_a_file() -> None:
    body = recorded("msgraph", "list-passivedns.json")
    record = Record("contoso.com", "A", "20.103.85.33", *SEEN, (), "defender")
    assert defender.read_saved(body, "contoso.com") == Answer([record])


def test_the_documented_reverse_list_has_no_direction_in_a_file() -> None:
    body = recorded("msgraph", "list-passivednsreverse.json")
    assert defender.read_saved(body, "contoso.com") == Answer([], unreadable=1)


def row(**fields: Any) -> dict[str, Any]:
    return {
        "recordType": "CNAME",
        "firstSeenDateTime": "2026-11-01T10:00:00Z",
        "lastSeenDateTime": "2026-11-02T10:00:00.7350000Z",
        "parentHost": {"id": "example.org"},
        "artifact": {"@odata.type": "#microsoft.graph.security.hostname", "id": "www.example.org"},
    } | fields


def read(*rows: Any, relation: str = "passiveDns", **beside: Any) -> Answer:
    page, link = defender.parse_page(json.dumps({"value": rows, **beside}).encode(), "asked.example", relation)
    return page._replace(complete=page.complete and not link)


def read_saved(*rows: Any) -> Answer:
    return defender.read_saved(json.dumps({"value": rows}).encode(), "asked.example")


def ends(answer: Answer) -> list[tuple[str, str]]:
    return [(record.name, record.data) for record in answer.records]


def test_the_list_decides_the_direction() -> None:
    assert ends(read(row(), relation="passiveDns")) == [("example.org", "www.example.org")]
    assert ends(read(row(), relation="passiveDnsReverse")) == [("www.example.org", "example.org")]


def test_a_saved_row_with_an_address_shows_its_direction() -> None:
    host, address = {"id": "example.org"}, {"id": "192.0.2.1"}
    assert ends(read_saved(row(parentHost=host, artifact=address))) == [("example.org", "192.0.2.1")]
    assert ends(read_saved(row(parentHost=address, artifact=host))) == [("example.org", "192.0.2.1")]
    v6 = {"id": "2001:db8::1"}
    assert ends(read_saved(row(parentHost=v6, artifact=host))) == [("example.org", "2001:db8::1")]


def test_a_saved_page_that_is_not_the_last_is_incomplete() -> None:
    assert not read(row(), **{"@odata.nextLink": "https://graph.microsoft.com/v1.0/x"}).complete


def test_fractions_of_seconds_are_cut_off() -> None:
    (record,) = read(row()).records
    assert (record.first_seen, record.last_seen) == (
        datetime(2026, 11, 1, 10, tzinfo=UTC),
        datetime(2026, 11, 2, 10, tzinfo=UTC),
    )


@pytest.mark.parametrize("value", [None, 7, "", "yesterday", "0001-01-01T00:00:00Z", [], {}])
def test_an_implausible_date_is_unknown(value: object) -> None:
    (record,) = read(row(firstSeenDateTime=value)).records
    assert record.first_seen is None
    assert record.last_seen is not None


def test_dates_in_the_wrong_order_are_unknown() -> None:
    (record,) = read(row(firstSeenDateTime="2026-11-03T10:00:00Z")).records
    assert (record.first_seen, record.last_seen) == (None, None)


@pytest.mark.parametrize("value", [None, 7, [], {}])
def test_an_invalid_record_type_is_empty(value: object) -> None:
    records = read(row(recordType=value)).records
    assert records[0].type in ("", "TYPE7")


@pytest.mark.parametrize("value", [None, 7, "www.example.org", [], {}, {"id": None}, {"id": 7}, {"id": " "}])
def test_a_row_without_its_other_side_is_unreadable(value: object) -> None:
    answer = read(row(), row(artifact=value), row())
    assert (len(answer.records), answer.unreadable) == (2, 1)


@pytest.mark.parametrize("entry", [None, 7, "text", [], True])
def test_a_row_that_is_not_an_object_is_unreadable(entry: object) -> None:
    answer = read(row(), entry, row())
    assert (len(answer.records), answer.unreadable) == (2, 1)


@pytest.mark.parametrize("value", [None, 7, {}, {"id": ""}, {"id": 7}])
def test_a_row_without_its_host_is_about_the_queried_name(value: object) -> None:
    assert ends(read(row(parentHost=value))) == [("asked.example", "www.example.org")]


def test_the_preference_of_a_mail_server_is_removed() -> None:
    assert ends(read(row(recordType="MX", artifact={"id": "10 mx1.example.net"}))) == [
        ("example.org", "mx1.example.net")
    ]


def test_an_soa_record_becomes_its_host_and_its_mailbox() -> None:
    artifact = {"id": "ns1.example.net hostmaster.example.org 1 2 3 4 5"}
    assert ends(read(row(recordType="SOA", artifact=artifact))) == [
        ("example.org", "ns1.example.net"),
        ("example.org", "hostmaster@example.org"),
    ]


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'{"value": {}}', b'{"records": []}', b"<html>", b'{"value": ['])
def test_a_saved_file_of_another_form_is_a_bad_answer(body: bytes) -> None:
    with pytest.raises(BadAnswer, match="check DEFENDER_API_BASE_URL"):
        defender.read_saved(body, "example.org")
