"""Reading the Common Output Format in all recorded dialects."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passivedns.errors import BadAnswer
from passivedns.formats import cof
from passivedns.model import Answer, Record
from passivedns.sources import SOURCES
from passivedns.sources.circl import CIRCL
from passivedns.sources.cof import COF
from tests.helpers.recorded import recorded

FIRST, LAST = 1531943211, 1531949570
FIRST_SEEN, LAST_SEEN = datetime(2018, 7, 18, 19, 46, 51, tzinfo=UTC), datetime(2018, 7, 18, 21, 32, 50, tzinfo=UTC)
ROW = {
    "count": 6,
    "time_first": FIRST,
    "time_last": LAST,
    "rrtype": "A",
    "rrname": "www.example.org",
    "rdata": "192.0.2.1",
}
a_few = settings(max_examples=30, deadline=None)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def read(*rows: Any, end: str = "\n") -> Answer:
    return COF.read("".join(json.dumps(row) + end for row in rows).encode(), "example.org")


def read_one(**changes: Any) -> Record:
    (record,) = read(ROW | changes).records
    return record


def without(*keys: str, **changes: Any) -> dict[str, Any]:
    return {key: value for key, value in (ROW | changes).items() if key not in keys}


def ends(answer: Answer) -> list[tuple[str, str, str]]:
    return [(record.name, record.type, record.data) for record in answer.records]


# Rows


def test_a_row_is_a_record() -> None:
    assert read(ROW) == Answer(
        [Record("www.example.org", "A", "192.0.2.1", FIRST_SEEN, LAST_SEEN, (), "cof")], complete=True
    )


def test_records_keep_the_order_of_the_rows() -> None:
    names = [f"{name}.example.org" for name in "bac"]
    assert [record.name for record in read(*[ROW | {"rrname": name} for name in names]).records] == names


def test_an_empty_body_has_no_records() -> None:
    assert COF.read(b"\n \r\n", "example.org") == Answer([])


def test_lines_may_end_in_a_carriage_return() -> None:
    assert ends(read(ROW, ROW, end="\r\n")) == [("www.example.org", "A", "192.0.2.1")] * 2


def test_rows_may_be_in_one_document() -> None:
    assert read({"query_opts": {"limit": 2}, "dns": [ROW, ROW]}) == read(ROW, ROW)


def test_the_document_may_have_line_breaks() -> None:
    document = json.dumps({"dns": [ROW, ROW]}, indent=1).encode()
    assert COF.read(document, "example.org") == read(ROW, ROW)


def test_a_document_without_rows_has_no_records() -> None:
    assert read({"dns": []}) == Answer([])


@pytest.mark.parametrize("broken", ['{"rrname": "www.exam', "Rate Limit", "\x00\xff", '{"rrname": ' + "[" * 20_000])
def test_a_broken_line_does_not_affect_the_others(broken: str) -> None:
    lines = [json.dumps(ROW).encode(), broken.encode("latin-1"), json.dumps(ROW).encode()]
    answer = COF.read(b"\n".join(lines), "example.org")
    assert (len(answer.records), answer.unreadable, answer.complete) == (2, 1, True)


def test_an_answer_that_ends_within_a_line_is_incomplete() -> None:
    answer = COF.read(json.dumps(ROW).encode() + b"\n" + json.dumps(ROW).encode()[:40], "example.org")
    assert (len(answer.records), answer.unreadable, answer.complete) == (1, 1, False)


@pytest.mark.parametrize(
    "row",
    [
        7,
        None,
        "text",
        {},
        without("rrname"),
        without("rrtype"),
        without("rdata"),
        ROW | {"rrname": ["www.example.org"]},
        ROW | {"rrname": ""},
        ROW | {"rrtype": None},
        ROW | {"rrtype": ["A"]},
        ROW | {"rrtype": True},
        ROW | {"rdata": None},
        ROW | {"rdata": []},
        ROW | {"rdata": " "},
        ROW | {"rrname": " "},
        ROW | {"rdata": {"address": "192.0.2.1"}},
    ],
)
def test_a_row_without_owner_type_or_data_is_unreadable(row: Any) -> None:
    answer = read(ROW, row)
    assert (len(answer.records), answer.unreadable) == (1, 1)


def test_a_repeated_row_is_two_records() -> None:
    assert ends(read(ROW, ROW)) == [("www.example.org", "A", "192.0.2.1")] * 2


def test_a_row_about_another_name_is_a_record() -> None:
    assert ends(read(ROW | {"rrname": "else.example.net"})) == [("else.example.net", "A", "192.0.2.1")]


def test_case_and_trailing_dots_are_kept() -> None:
    record = read_one(rrname="WWW.Example.org.", rrtype="CNAME", rdata="Example.NET.")
    assert (record.name, record.data) == ("WWW.Example.org.", "Example.NET.")


# Types and data


@pytest.mark.parametrize(
    ("written", "read_as"), [("a", "A"), (" Aaaa ", "AAAA"), (1, "A"), ("28", "AAAA"), (5, "CNAME"), (65, "TYPE65")]
)
def test_a_type_may_be_in_lower_case_or_a_number(written: Any, read_as: str) -> None:
    assert read_one(rrtype=written).type == read_as


def test_each_value_of_a_list_is_a_record() -> None:
    answer = read(ROW | {"rdata": ["192.0.2.1", None, "192.0.2.2"]})
    assert [record.data for record in answer.records] == ["192.0.2.1", "192.0.2.2"]
    assert answer.unreadable == 1


@pytest.mark.parametrize("changes", [{"rrname": None}, {"rrtype": 7.5}, {"rdata": [None, 7, " "]}])
def test_each_item_of_a_list_that_cannot_be_read_is_counted(changes: dict[str, Any]) -> None:
    answer = read(ROW, ROW | {"rdata": ["192.0.2.1", "192.0.2.2", "192.0.2.3"]} | changes)
    assert (len(answer.records), answer.unreadable) == (1, 3)


def test_blanks_around_values_are_removed() -> None:
    assert ends(read(ROW | {"rrname": " www.example.org\t", "rdata": [" 192.0.2.1 "]})) == ends(read(ROW))


def test_the_data_field_may_be_rrdata() -> None:
    assert ends(read(without("rdata", rrdata="192.0.2.1"))) == [("www.example.org", "A", "192.0.2.1")]


def test_the_preference_of_a_mail_server_is_removed() -> None:
    assert read_one(rrtype="MX", rdata="10 mx.example.net.").data == "mx.example.net."


@pytest.mark.parametrize("data", ["10", "mx1 2 mx.example.net", "a 10 b"])
def test_mx_data_of_another_form_are_kept(data: str) -> None:
    assert [record.data for record in read(ROW, ROW | {"rrtype": "MX", "rdata": data}).records][1:] == [data]


def test_an_soa_record_becomes_its_host_and_its_mailbox() -> None:
    answer = read(ROW | {"rrtype": "SOA", "rdata": "ns1.example.net. host\\.master.example.org. 1 2 3 4 5"})
    assert [record.data for record in answer.records] == ["ns1.example.net.", "host.master@example.org."]


@pytest.mark.parametrize("data", ["ns1.example.net. host.example.org.", "10 mx.example.org", "x " * 40_000])
def test_an_soa_record_with_other_fields_is_unreadable(data: str) -> None:
    answer = read(ROW, ROW | {"rrtype": "SOA", "rdata": data})
    assert (len(answer.records), answer.unreadable) == (1, 1)


# Dates


@pytest.mark.parametrize("value", [str(FIRST), float(FIRST), FIRST * 1000, f"{FIRST}.25"])
def test_a_date_may_be_text_a_fraction_or_milliseconds(value: Any) -> None:
    assert read_one(time_first=value).first_seen == FIRST_SEEN


@pytest.mark.parametrize("value", [0, "0", -1, None, "never", True, [], 10**400, "9" * 500, 1e308])
def test_an_implausible_date_is_unknown(value: Any) -> None:
    record = read_one(time_first=value)
    assert (record.first_seen, record.last_seen) == (None, LAST_SEEN)


def test_dates_in_the_wrong_order_are_unknown() -> None:
    record = read_one(time_first=LAST, time_last=FIRST)
    assert (record.first_seen, record.last_seen) == (None, None)


def test_zone_file_dates_are_used_if_there_are_no_others() -> None:
    answer = read(without("time_first", "time_last", zone_time_first=FIRST, zone_time_last=LAST))
    assert answer.records[0][3:5] == (FIRST_SEEN, LAST_SEEN)


# Sensors


@pytest.mark.parametrize(
    ("fields", "sensors"),
    [
        ({"sensor_id": "abcde"}, ("abcde",)),
        ({"origin": "https://www.circl.lu/pdns/"}, ("www.circl.lu",)),
        ({"sensor_id": "abcde", "origin": "https://www.circl.lu/pdns/"}, ("abcde",)),
        ({"origin": "https://someone:secret@pdns.example.org"}, ("pdns.example.org",)),
        ({"origin": "origin not configured"}, ()),
        ({"sensor_id": ""}, ()),
        ({"sensor_id": 7}, ()),
        ({"sensor_id": "two\nlines"}, ()),
        ({"sensor_id": "x" * 65}, ()),
        ({"origin": ["https://www.circl.lu/pdns/"]}, ()),
    ],
)
def test_the_sensor_is_the_sensor_id_or_the_host_of_the_origin(
    fields: dict[str, Any], sensors: tuple[str, ...]
) -> None:
    assert read_one(**fields).sensors == sensors


# Field order


def swapped(rrtype: str, rrname: str, rdata: str = "example.org") -> dict[str, Any]:
    return ROW | {"rrtype": rrtype, "rrname": rrname, "rdata": rdata}


def test_an_address_as_owner_swaps_the_whole_answer() -> None:
    assert ends(read(swapped("NS", "ns1.example.net"), swapped("A", "192.0.2.1"), swapped("CNAME", "example.com"))) == [
        ("example.org", "NS", "ns1.example.net"),
        ("example.org", "A", "192.0.2.1"),
        ("example.org", "CNAME", "example.com"),
    ]


@pytest.mark.parametrize(
    ("rrtype", "rrname"),
    [
        ("AAAA", "2001:db8::1"),
        ("MX", "10 mx.example.net"),
        ("SOA", "ns1.example.net. root.example.org. 1 2 3 4 5"),
        ("SOA", "( ns1.example.net. root.example.org. 1 2 3 4 5 )"),
    ],
)
def test_data_of_its_type_as_owner_swap_the_answer(rrtype: str, rrname: str) -> None:
    answer = read(swapped("NS", "ns1.example.net"), swapped(rrtype, rrname))
    assert ends(answer)[0] == ("example.org", "NS", "ns1.example.net")


@pytest.mark.parametrize(
    "rrname",
    ["img.shop.example:443", "two words.example", "192.0.2.7", "2001:db8::1", "10 mx.example.net", "a.b.c d.e.f.g 1 2"],
)
@pytest.mark.parametrize("rrtype", ["CNAME", "NS", "TXT", "PTR", "A"])
def test_an_odd_owner_name_changes_nothing(rrtype: str, rrname: str) -> None:
    data = "192.0.2.9" if rrtype == "A" else "t.wild.example"
    odd = [ROW | {"rrtype": rrtype, "rrname": rrname, "rdata": data}] * 20
    alias = ROW | {"rrtype": "CNAME", "rrname": "www.shop.example", "rdata": "t.wild.example"}
    assert ends(read(*odd, alias, ROW))[-2:] == [
        ("www.shop.example", "CNAME", "t.wild.example"),
        ("www.example.org", "A", "192.0.2.1"),
    ]
    assert ends(read(*odd, alias))[-1] == ("www.shop.example", "CNAME", "t.wild.example")


def test_a_row_with_one_address_shows_its_own_order() -> None:
    rows = [swapped("A", "192.0.2.1"), swapped("A", "192.0.2.2"), ROW, swapped("NS", "ns1.example.net")]
    assert ends(read(*rows))[2:] == [("www.example.org", "A", "192.0.2.1"), ("example.org", "NS", "ns1.example.net")]


NAMES = st.sampled_from([f"h{number}.example.org" for number in range(20)])
ODD = st.sampled_from(["a b.example", "x:443.example", "192.0.2.7", "2001:db8::7", "10 mx.example", "1.2", "n. m. 1 2"])
DATA: dict[str, Any] = {
    "A": st.sampled_from(["192.0.2.1", "192.0.2.2"]),
    "AAAA": st.just("2001:db8::1"),
    "MX": NAMES.map(lambda name: f"10 {name}"),
    "SOA": NAMES.map(lambda name: f"{name} root.example.org 1 2 3 4 5"),
} | dict.fromkeys(("CNAME", "NS"), NAMES)


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_odd_names_never_reverse_an_answer(data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from(list(DATA)), min_size=1, max_size=8))
    plain = [
        (data.draw(ODD if data.draw(st.integers(0, 32)) == 0 else NAMES), kind, data.draw(DATA[kind])) for kind in kinds
    ]
    expected = ends(read(*[ROW | {"rrname": name, "rrtype": kind, "rdata": text} for name, kind, text in plain]))
    assert [name for name, kind, _ in expected if kind != "SOA"] == [name for name, kind, _ in plain if kind != "SOA"]
    swap = b"\n".join(
        json.dumps(ROW | {"rrname": text, "rrtype": kind, "rdata": name}).encode() for name, kind, text in plain
    )
    assert ends(CIRCL.read(swap, "example.org")) == expected


@pytest.mark.parametrize("key", ["mnemonic", "robtex", "dnsdb"])
def test_other_sources_never_swap(key: str) -> None:
    rows = [swapped("A", "192.0.2.1"), swapped("MX", "10 mx.example.net"), swapped("CNAME", "www.example.com")]
    answer = SOURCES[key].read("\n".join(map(json.dumps, rows)).encode(), "example.org")
    assert {record.data for record in answer.records} == {"example.org"}


def test_rows_of_names_are_not_swapped() -> None:
    assert ends(read(swapped("NS", "example.org", "ns1.example.net"))) == [("example.org", "NS", "ns1.example.net")]


def test_rows_of_names_are_swapped_for_a_server_that_swaps() -> None:
    answer = CIRCL.read(json.dumps(swapped("NS", "ns1.example.net")).encode(), "example.org")
    assert ends(answer) == [("example.org", "NS", "ns1.example.net")]
    assert answer.unreadable == 0


def test_a_swapped_row_may_have_a_list() -> None:
    answer = read(ROW | {"rrname": "192.0.2.1", "rdata": ["example.org", "example.net"]})
    assert ends(answer) == [("example.org", "A", "192.0.2.1"), ("example.net", "A", "192.0.2.1")]


def test_the_preference_of_a_swapped_mail_server_is_removed() -> None:
    assert ends(read(swapped("MX", "10 mx.example.net"))) == [("example.org", "MX", "mx.example.net")]


def test_one_odd_row_does_not_swap_the_others() -> None:
    odd = ROW | {"rrtype": "CNAME", "rrname": "192.0.2.7", "rdata": "odd.example.net"}
    assert ends(read(odd, ROW, ROW))[1] == ("www.example.org", "A", "192.0.2.1")


def test_a_row_of_two_addresses_does_not_swap_the_others() -> None:
    odd = ROW | {"rrname": "192.0.2.7", "rdata": "192.0.2.8"}
    assert ends(read(odd, ROW)) == [("192.0.2.7", "A", "192.0.2.8"), ("www.example.org", "A", "192.0.2.1")]


# Bad answers


@pytest.mark.parametrize("body", [b"<html></html>", b"  <!DOCTYPE html>"])
def test_a_web_page_is_a_bad_answer(body: bytes) -> None:
    with pytest.raises(BadAnswer, match=r"^The response from COF server is a web page; check COF_URL\.$"):
        COF.read(body, "example.org")


@pytest.mark.parametrize("body", [b"Rate Limit Exceeded", b'{"error": "no"}', b"[1, 2]", b"null", b'{"dns": [7]}'])
def test_a_body_without_readable_rows_is_a_bad_answer(body: bytes) -> None:
    sentence = r"^The response from COF server contains nothing in the Common Output Format; check COF_URL\.$"
    with pytest.raises(BadAnswer, match=sentence):
        COF.read(body, "example.org")


def test_a_maximum_of_records_cuts_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cof, "MAX_ROWS", 50)
    addresses = [f"192.0.2.{number}" for number in range(60)]
    answer = read(ROW, ROW | {"rdata": addresses})
    assert ([record.data for record in answer.records[1:]], answer.complete) == (addresses[:49], False)


@a_few
@given(st.dictionaries(st.sampled_from([*ROW, "rrdata", "sensor_id", "origin", "zone_time_first"]), json_values))
def test_any_row_leaves_its_neighbours_readable(row: dict[str, Any]) -> None:
    answer = read(ROW, ROW, row)
    assert [record.name for record in answer.records].count("www.example.org") >= 2


@a_few
@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_a_bad_answer(body: bytes) -> None:
    try:
        assert isinstance(COF.read(body, "example.org"), Answer)
    except BadAnswer as error:
        assert "COF_URL" in str(error)  # noqa: PT017  # either outcome is right


# Recorded answers


def test_the_recorded_d4_answer_has_sixteen_names() -> None:
    answer = COF.read(recorded("d4", "ip-2a02-250-0-8--53.ndjson"), "2a02:250:0:8::53")
    assert (len(answer.records), answer.complete, answer.unreadable) == (16, True, 0)
    assert answer.records[2] == Record(
        "xn--ihuvudetpevap-xfb.se",
        "AAAA",
        "2a02:250:0:8::53",
        datetime(2022, 7, 15, 9, 44, 32, tzinfo=UTC),
        datetime(2022, 7, 15, 9, 44, 32, tzinfo=UTC),
        (),
        "cof",
    )
    assert {record.type for record in answer.records} == {"AAAA"}
    assert {record.data for record in answer.records} == {"2a02:250:0:8::53"}


def test_the_recorded_balboa_rows_have_a_sensor() -> None:
    answer = COF.read(recorded("balboa", "readme-two-records.ndjson"), "foobar.de")
    assert answer == Answer(
        [
            Record("test.foobar.de", "A", "1.2.3.4", FIRST_SEEN, LAST_SEEN, ("abcde",), "cof"),
            Record(
                "baz.foobar.de",
                "A",
                "1.2.3.7",
                datetime(2018, 7, 18, 19, 46, 55, tzinfo=UTC),
                datetime(2018, 7, 18, 21, 32, 10, tzinfo=UTC),
                ("abcde",),
                "cof",
            ),
        ]
    )


def test_the_recorded_validin_document_has_nineteen_rows() -> None:
    body = recorded("validin", "v2-combined-connections-validin.com-dns-2025.json")
    answer = COF.read(body, "validin.com")
    assert (len(answer.records), answer.complete, answer.unreadable) == (19, True, 0)
    assert {record.type for record in answer.records} == {"A", "AAAA", "NS", "MX", "TXT"}
    assert answer.records[0] == Record(
        "validin.com",
        "A",
        "137.184.54.107",
        datetime(2023, 2, 11, tzinfo=UTC),
        datetime(2025, 8, 18, 18, tzinfo=UTC),
        (),
        "cof",
    )
