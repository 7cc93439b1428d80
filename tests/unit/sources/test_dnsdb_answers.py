"""Reading recorded and malformed answers of DNSDB."""

import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from passivedns.errors import BadAnswer, NoAnswer
from passivedns.model import Answer, Record
from passivedns.sources.dnsdb import read_saved
from tests.helpers.recorded import folder, recorded

SENSORS, ZONE_FILES = ("sensors",), ("zone files",)
ROW = {"rrname": "a.example.", "rrtype": "A", "rdata": ["192.0.2.1"], "time_first": 1500000000, "time_last": 1600000000}


def read(name: str) -> Answer:
    return read_saved(recorded("dnsdb", f"{name}.ndjson"), "")


def utc(year: int, month: int, day: int, hour: int, minute: int, second: int) -> datetime:
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


def framed(*rows: Any, end: str = '{"cond":"succeeded"}') -> Answer:
    """The answer with these rows and this last line."""
    lines = ['{"cond":"begin"}', *(json.dumps({"obj": row}) for row in rows), end]
    return read_saved("\n".join(lines).encode(), "")


def dates_of(**times: Any) -> tuple[datetime | None, datetime | None, tuple[str, ...]]:
    row = {key: ROW[key] for key in ("rrname", "rrtype", "rdata")} | times
    (record,) = framed(row).records
    return record.first_seen, record.last_seen, record.sensors


# The recorded answers


def test_rows_of_zone_files_and_of_sensors_are_read() -> None:
    first, last = utc(2013, 7, 19, 16, 22, 0), utc(2020, 5, 14, 16, 2, 18)
    assert read("v2-saf-rrset-farsightsecurity.com") == Answer(
        [
            Record("farsightsecurity.com.", "NS", f"ns{number}.dnsmadeeasy.com.", first, last, ZONE_FILES, "dnsdb")
            for number in (5, 6, 7)
        ]
        + [
            Record(
                "farsightsecurity.com.",
                "A",
                "66.160.140.81",
                utc(2013, 9, 25, 15, 37, 3),
                utc(2015, 4, 1, 6, 17, 25),
                SENSORS,
                "dnsdb",
            )
        ]
    )


def test_a_limited_answer_is_incomplete() -> None:
    answer = read("v2-saf-limited-google.com")
    moment = utc(2020, 7, 8, 8, 41, 46)
    assert not answer.complete
    assert answer.records == [
        Record("google.com.", "A", f"64.233.161.{number}", moment, moment, SENSORS, "dnsdb")
        for number in (100, 101, 102, 113, 138, 139)
    ]


def test_rows_that_point_to_a_name_keep_their_owner() -> None:
    answer = read("v2-rdata-name-ptr-farsightsecurity.com")
    assert [(record.name, record.type, record.data) for record in answer.records] == [
        ("207.4.20.149.in-addr.fsi.io.", "PTR", "farsightsecurity.com."),
        (
            "7.0.2.0.0.0.0.0.0.0.0.0.0.0.0.0.6.6.0.0.1.0.0.0.8.f.4.0.1.0.0.2.ip6.arpa.",
            "PTR",
            "farsightsecurity.com.",
        ),
        ("81.64-26.140.160.66.in-addr.arpa.", "PTR", "farsightsecurity.com."),
    ]
    assert answer.records[0][3:5] == (utc(2013, 9, 24, 17, 49, 33), utc(2013, 9, 25, 20, 42, 14))
    assert answer.complete


def test_mx_loses_its_preference_and_soa_becomes_host_and_mailbox() -> None:
    answer = read("synthetic-soa-mx-example.com")
    assert {(record.first_seen, record.last_seen) for record in answer.records} == {(utc(2018, 3, 27, 10, 43, 28),) * 2}
    assert [(record.type, record.data) for record in answer.records] == [
        ("NS", "ns1.example.com."),
        ("NS", "ns2.example.com."),
        ("SOA", "hidden-master.example.com."),
        ("SOA", "hostmaster@example.com."),
        ("MX", "mail.example.com."),
        ("MX", "mail2.example.com."),
    ]


def test_dates_may_be_text() -> None:
    answer = read("v1-humantime-rrset-google.com")
    assert [(r.type, r.data, r.first_seen, r.last_seen, r.sensors) for r in answer.records[1:6:2]] == [
        ("A", "74.125.224.65", utc(2013, 1, 14, 19, 23, 53), utc(2013, 1, 14, 19, 23, 53), SENSORS),
        ("A", "173.194.220.101", utc(2010, 4, 24, 16, 12, 21), utc(2010, 12, 31, 17, 9, 16), ZONE_FILES),
        ("NS", "ns2.google.com.", utc(2013, 1, 1, 17, 15, 58), utc(2013, 12, 31, 17, 12, 26), ZONE_FILES),
    ]
    assert len(answer.records) == 7
    assert answer.records[6].data == "2001:4860:4001:802::1008"


@pytest.mark.parametrize(
    ("name", "types", "data", "first", "last"),
    [
        ("v1-rdata-ip-10.0.0.1-2020", {"A": 256}, "10.0.0.1", (2019, 11, 30, 18, 6, 30), (2020, 3, 18, 22, 7, 8)),
        (
            "v1-rdata-ip-154.9.205.199-2020",
            {"A": 22},
            "154.9.205.199",
            (2020, 3, 11, 4, 48, 33),
            (2020, 3, 18, 18, 57, 47),
        ),
        (
            "v1-rdata-name-github.com-2020",
            {"CNAME": 248, "NS": 8},
            "github.com.",
            (2019, 11, 30, 18, 28, 35),
            (2020, 3, 18, 22, 37, 28),
        ),
    ],
)
def test_bare_rows_of_version_1_about_data_are_read(
    name: str, types: dict[str, int], data: str, first: tuple[int, ...], last: tuple[int, ...]
) -> None:
    answer = read(name)
    assert Counter(record.type for record in answer.records) == types
    assert {record.data for record in answer.records} == {data}
    assert min(record.first_seen for record in answer.records if record.first_seen) == utc(*first)
    assert max(record.last_seen for record in answer.records if record.last_seen) == utc(*last)
    assert (answer.complete, answer.unreadable) == (True, 0)


@pytest.mark.parametrize("name", ["v1-rrset-name-ns-farsightsecurity.com-2020", "v1-rrset-name-time_last_after-2020"])
def test_a_bare_row_of_version_1_with_three_name_servers_is_read(name: str) -> None:
    first, last = utc(2019, 11, 30, 18, 8, 47), utc(2020, 3, 18, 21, 0, 1)
    assert read(name).records == [
        Record("farsightsecurity.com.", "NS", f"ns{number}.dnsmadeeasy.com.", first, last, SENSORS, "dnsdb")
        for number in (5, 6, 7)
    ]


def test_bare_rows_of_version_1_about_a_host_are_read() -> None:
    name = "www.farsightsecurity.com."
    assert read("v1-rrset-name-www.farsightsecurity.com-2020").records == [
        Record(
            name, "A", "104.244.14.108", utc(2019, 12, 1, 6, 31, 28), utc(2020, 3, 18, 18, 28, 41), SENSORS, "dnsdb"
        ),
        Record(
            name,
            "AAAA",
            "2620:11c:f008::108",
            utc(2019, 11, 30, 17, 55, 11),
            utc(2020, 3, 18, 22, 0, 6),
            SENSORS,
            "dnsdb",
        ),
    ]


def test_all_rows_of_the_recorded_answers_are_readable() -> None:
    assert {path.stem: read(path.stem).unreadable for path in folder("dnsdb").glob("*.ndjson")} == dict.fromkeys(
        (path.stem for path in folder("dnsdb").glob("*.ndjson")), 0
    )


# The frame


def test_the_last_line_may_contain_a_row() -> None:
    answer = framed(end=json.dumps({"cond": "limited", "msg": "Result limit reached", "obj": ROW}))
    assert (len(answer.records), answer.complete) == (1, False)


def test_an_answer_without_an_end_is_incomplete() -> None:
    assert not framed(ROW, end="").complete


def test_a_cut_last_line_does_not_affect_the_others() -> None:
    answer = framed(ROW, end='{"obj":{"rrname":"b.exam')
    assert (len(answer.records), answer.complete, answer.unreadable) == (1, False, 1)


def test_a_limit_without_rows_is_an_incomplete_answer() -> None:
    assert framed(end='{"cond":"limited"}') == Answer([], complete=False)


@pytest.mark.parametrize("condition", ["paused", 7, ["succeeded"], {}, "x" * 1000, "\x1b[2J"])
def test_an_unknown_condition_is_a_bad_answer(condition: Any) -> None:
    with pytest.raises(BadAnswer, match="unknown condition") as raised:
        framed(ROW, end=json.dumps({"cond": condition}))
    assert len(str(raised.value)) < 200
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("message", [None, 7, ["late"], "late"])
def test_a_failure_before_the_first_row_is_an_error(message: Any) -> None:
    with pytest.raises(NoAnswer, match=r"DNSDB server error \(HTTP 200\)"):
        framed(end=json.dumps({"cond": "failed", "msg": message}))


@pytest.mark.parametrize("body", [b"", b"\n", b"[]", b'{"error":"x"}', b"null", b"{", b"\xff\xfe", b"Error: no\n"])
def test_a_file_without_a_row_or_a_frame_is_a_bad_answer(body: bytes) -> None:
    with pytest.raises(BadAnswer, match=r"check DNSDB_API_BASE_URL\."):
        read_saved(body, "")


# Odd rows


@pytest.mark.parametrize(
    "row",
    [
        7,
        "row",
        ["row"],
        {"rrname": "b.example."},
        ROW | {"rrname": 7},
        ROW | {"rrname": None},
        ROW | {"rrtype": None},
        ROW | {"rrtype": ["A"]},
        ROW | {"rdata": None},
        ROW | {"rdata": []},
        ROW | {"rdata": {"192.0.2.1": 1}},
        ROW | {"rdata": [7]},
        ROW | {"rdata": [["192.0.2.1"]]},
    ],
)
def test_a_broken_row_is_counted_and_does_not_affect_its_neighbours(row: Any) -> None:
    answer = framed(ROW, row, ROW)
    assert (len(answer.records), answer.unreadable, answer.complete) == (2, 1, True)


def test_a_broken_value_does_not_affect_the_others_of_its_row() -> None:
    answer = framed(ROW | {"rdata": ["192.0.2.1", 7, "192.0.2.2"]})
    assert [record.data for record in answer.records] == ["192.0.2.1", "192.0.2.2"]


def test_a_broken_line_is_counted_and_does_not_affect_its_neighbours() -> None:
    body = b'{"cond":"begin"}\n7\n{"obj":\n{}\n%b\n{"cond":"succeeded"}' % json.dumps({"obj": ROW}).encode()
    answer = read_saved(body, "")
    assert (len(answer.records), answer.unreadable, answer.complete) == (1, 3, True)


def test_a_row_without_dates_has_none() -> None:
    assert dates_of() == (None, None, ())


@pytest.mark.parametrize("moment", [0, -1, True, None, "n/a", "", [], 10**400, -(10**400), 1e308, "9999-99-99"])
def test_an_implausible_date_is_unknown(moment: Any) -> None:
    assert dates_of(time_first=moment, time_last=1600000000)[:2] == (None, utc(2020, 9, 13, 12, 26, 40))


def test_dates_in_the_wrong_order_are_unknown() -> None:
    assert dates_of(time_first=1600000000, time_last=1500000000)[:2] == (None, None)


@pytest.mark.parametrize("moment", [1600000000, 1600000000.9, "1600000000", 1600000000123, "2020-09-13T14:26:40+02:00"])
def test_a_date_may_be_a_number_or_text(moment: Any) -> None:
    assert dates_of(time_first=moment, time_last=moment)[:2] == (utc(2020, 9, 13, 12, 26, 40),) * 2


@pytest.mark.parametrize(
    ("kind", "text", "records"),
    [
        ("mx", "0 .", [("MX", ".")]),
        ("MX", "mail.example.", [("MX", "mail.example.")]),
        ("SOA", "ns.example.", [("SOA", "ns.example.")]),
        ("TXT", '"v=spf1 -all"', [("TXT", '"v=spf1 -all"')]),
        ("TYPE65534", r"\# 1 00", [("TYPE65534", r"\# 1 00")]),
    ],
)
def test_other_data_are_returned_unchanged(kind: str, text: str, records: list[tuple[str, str]]) -> None:
    answer = framed(ROW | {"rrtype": kind, "rdata": text})
    assert [(record.type, record.data) for record in answer.records] == records
