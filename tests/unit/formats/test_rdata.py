"""DNS presentation text."""

from typing import Any

import pytest

from passivedns.formats.rdata import (
    address_type,
    fitting_type,
    is_address,
    mailbox,
    names_and_addresses,
    record_type,
    sensors,
)


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("a", "A"),
        (" mx ", "MX"),
        (28, "AAAA"),
        ("5", "CNAME"),
        (65_535, "TYPE65535"),
        ("100000", "100000"),
        ("²", "²"),
        (True, ""),
        (1.0, ""),
        (None, ""),
    ],
)
def test_a_record_type_is_a_name_in_upper_case(written: Any, kind: str) -> None:
    assert record_type(written) == kind


@pytest.mark.parametrize(("address", "kind"), [("192.0.2.1", "A"), ("2001:db8::1", "AAAA")])
def test_an_address_determines_its_record_type(address: str, kind: str) -> None:
    assert address_type(address) == kind


@pytest.mark.parametrize(("kind", "data", "fitting"), [("A", "2001:db8::1", "AAAA"), ("NS", "2001:db8::1", "NS")])
def test_only_the_types_of_addresses_are_corrected(kind: str, data: str, fitting: str) -> None:
    assert fitting_type(kind, data) == fitting


@pytest.mark.parametrize(
    ("text", "expected"),
    [("192.0.2.1", True), ("2001:db8::1", True), ("example.org", False), ("example.org.", False), ("", False)],
)
def test_addresses_differ_from_names(text: str, expected: bool) -> None:
    assert is_address(text) is expected


def test_only_short_printable_texts_are_sensors() -> None:
    assert sensors(["pingly", None, 7, "", "line\nbreak", "x" * 65, "x" * 64]) == ("pingly", "x" * 64)


@pytest.mark.parametrize(
    ("kind", "data", "found"),
    [
        ("MX", "10 mx.example.net.", ("mx.example.net.",)),
        ("MX", "mx.example.net.", ("mx.example.net.",)),
        ("MX", "ten mx.example.net.", ("ten mx.example.net.",)),
        ("MX", "( 10 mx.example.net. )", ("mx.example.net.",)),
        ("MX", "10 mx1.example.net. mx2.example.net.", ("10 mx1.example.net. mx2.example.net.",)),
        ("A", "192.0.2.1 ; comment", ("192.0.2.1",)),
        ("NS", '"ns.example.net."', ("ns.example.net.",)),
        ("NS", "( ns.example.net. )", ("ns.example.net.",)),
        ("NS", "ns.example.net. 7", ("ns.example.net. 7",)),
        ("CNAME", "a;b.example.net", ("a;b.example.net",)),
        ("CNAME", r"a\ b.example.net", (r"a\ b.example.net",)),
        ("SOA", "ns.example.net. admin.example.org. 1 2 3 4 5", ("ns.example.net.", "admin@example.org.")),
        ("SOA", "( ns.example.net. admin.example.org. 1 2 3 4 5 )", ("ns.example.net.", "admin@example.org.")),
        (
            "SOA",
            "ns.example.net. admin.example.org. (\n1 ; no\n2 3 4 5)",
            ("ns.example.net.", "admin@example.org."),
        ),
        ("SOA", r"ns.example.net. a\.b.example.org. 1 2 3 4 5", ("ns.example.net.", "a.b@example.org.")),
        ("SOA", r"ns.example.net. a\046b.example.org. 1 2 3 4 5", ("ns.example.net.", "a.b@example.org.")),
        ("SOA", "ns.example.net. admin@example.org. 1 2 3 4 5", ("ns.example.net.", "admin@example.org.")),
        ("SOA", "ns.example.net.", ("ns.example.net.",)),
        ("SOA", "ns.example.net. admin.example.org.", ()),
        ("SOA", "10 mx.example.net.", ()),
        ("SOA", "( ns.example.net. )  admin.example.org. 1 2 3 4", ()),
        ("SOA", "ns.example.net. admin.example.org. one 2 3 4 5", ()),
        ("SOA", "ns.example.net. admin.example.org. 1 2 3 4 5 6", ()),
        ("SOA", "x " * 40_000, ()),
        ("TXT", "x" * 65_536, ()),
        ("TXT", "10 mx.example.net.", ("10 mx.example.net.",)),
    ],
)
def test_names_and_addresses_are_extracted_from_the_data(kind: str, data: str, found: tuple[str, ...]) -> None:
    assert tuple(names_and_addresses(kind, data)) == found


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("admin.example.org", "admin@example.org"),
        (r"first\.last.example.org", "first.last@example.org"),
        ("admin@example.org", "admin@example.org"),
        ("admin", "admin"),
    ],
)
def test_the_first_unescaped_dot_of_a_mailbox_becomes_an_at(written: str, address: str) -> None:
    assert mailbox(written) == address
