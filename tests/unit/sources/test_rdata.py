"""DNS presentation text."""

from typing import Any

import pytest

from passivedns.sources.rdata import address_type, mailbox, names_and_addresses, record_type


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


@pytest.mark.parametrize(
    ("kind", "data", "found"),
    [
        ("MX", "10 mx.example.net.", ("mx.example.net.",)),
        ("MX", "mx.example.net.", ("mx.example.net.",)),
        ("MX", "ten mx.example.net.", ("ten mx.example.net.",)),
        ("SOA", "ns.example.net. admin.example.org. 1 2 3 4 5", ("ns.example.net.", "admin@example.org.")),
        ("SOA", "ns.example.net.", ("ns.example.net.",)),
        ("SOA", "", ("",)),
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
