"""The data of the stand-in for PassiveTotal."""

import ipaddress
from datetime import date, timedelta
from pathlib import Path

import pytest

from sandbox.sources.riskiq_data import ADDRESS, DIRTY, DOMAIN, own_records, recorded_records

TODAY = date(2026, 3, 1)
RECORD_KEYS = {
    *("value", "resolve", "resolveType", "recordType", "source", "recordHash"),
    *("firstSeen", "lastSeen", "collected"),
}


@pytest.mark.parametrize("query", [DOMAIN, ADDRESS])
def test_a_record_has_the_fields_of_a_real_one(query: str) -> None:
    for record in own_records(TODAY)[query]:
        assert set(record) == RECORD_KEYS
        assert record["value"] == query
        assert record["firstSeen"] <= record["lastSeen"] < record["collected"]
        assert len(bytes.fromhex(record["recordHash"])) == 32


def test_every_record_of_an_answer_has_its_own_hash() -> None:
    records = own_records(TODAY)[DOMAIN]

    assert len({record["recordHash"] for record in records}) == len(records)


def test_the_domain_has_every_kind_of_record() -> None:
    kinds = {(record["recordType"], record["resolveType"]) for record in own_records(TODAY)[DOMAIN]}

    assert kinds == {
        *(("A", "ip"), ("AAAA", "ip"), ("SOA", "email"), ("TXT (SPF1)", "domain")),
        *((kind, "domain") for kind in ("MX", "NS", "SOA", "CNAME")),
    }


def test_the_address_has_the_names_that_pointed_to_it() -> None:
    records = own_records(TODAY)[ADDRESS]

    assert {(record["recordType"], record["resolveType"]) for record in records} == {("A", "domain")}
    assert DOMAIN in [record["resolve"] for record in records]


@pytest.mark.parametrize("today", [TODAY, date(2020, 2, 29)])
@pytest.mark.parametrize("query", [DOMAIN, ADDRESS])
def test_all_records_except_one_were_seen_in_the_last_thirty_days(query: str, today: date) -> None:
    window = str(today - timedelta(days=29))

    seen = [record["lastSeen"] for record in own_records(today)[query]]

    assert sorted(seen)[0] < window < sorted(seen)[1]
    assert max(seen) < str(today)


def test_addresses_of_the_data_set_are_reserved_for_documentation() -> None:
    networks = ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"]
    reserved = [ipaddress.ip_network(network) for network in networks]

    for record in own_records(TODAY)[DOMAIN]:
        if record["resolveType"] == "ip":
            assert any(ipaddress.ip_address(record["resolve"]) in network for network in reserved)


def test_the_dirty_records_include_malformed_entries() -> None:
    records = own_records(TODAY)[DIRTY]

    assert None in records
    assert {} in records
    assert any(isinstance(record, str) for record in records)


def test_the_dirty_records_include_invalid_dates() -> None:
    records = [record for record in own_records(TODAY)[DIRTY] if isinstance(record, dict)]

    assert {"None", "1970-01-01 00:00:00", None} <= {record.get("firstSeen") for record in records}
    assert any(str(record.get("firstSeen")) > str(record.get("lastSeen")) for record in records)


def test_recorded_answers_are_named_after_their_query(tmp_path: Path) -> None:
    (tmp_path / "Recorded.example.json").write_text('{"results": [{"resolve": "192.0.2.1"}], "pager": null}')
    (tmp_path / "notes.txt").write_text("not an answer")

    assert recorded_records(tmp_path) == {"recorded.example": [{"resolve": "192.0.2.1"}]}


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"results": "none"}', "\N{BYTE ORDER MARK}{}"])
def test_the_error_names_a_file_that_is_not_a_recorded_answer(tmp_path: Path, content: str) -> None:
    (tmp_path / "recorded.example.json").write_text(content, encoding="utf-8")

    with pytest.raises(ValueError, match=r"recorded\.example\.json"):
        recorded_records(tmp_path)


def test_a_folder_without_recorded_answers_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no recorded answer"):
        recorded_records(tmp_path / "missing")
