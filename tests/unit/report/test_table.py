"""The table in the terminal."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from passivedns.errors import NoAnswer
from passivedns.model import Answer
from passivedns.report.lookup import Lookup
from passivedns.report.table import table
from sandbox.sources.riskiq_data import DOMAIN
from tests.helpers.saved_answers import lookup_of, seen
from tests.helpers.several_sources import lookup_at, record

RECORDS = [
    seen("A", "ip", "192.0.2.1", "2016-01-01", "2026-01-01"),
    seen("A", "ip", "192.0.2.2", "2021-01-01", "2025-12-31"),
    seen("MX", "domain", "mx.example.net", "2018-06-01", "2018-06-02"),
    seen("NS", "domain", "ns.example.net", None, "2016-01-01"),
    seen("CNAME", "domain", "www.example.net", None, None),
    seen("TXT", "text", "v=spf1", None, None),
]


def drawn(lookup: Lookup, width: int = 80, encoding: str = "utf-8") -> list[str]:
    """The lines as written to a file or a pipe."""
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, encoding, write_through=True), width=width, highlight=False)
    console.print(table(lookup, console.options))
    return [line.rstrip() for line in raw.getvalue().decode(encoding).splitlines()]


def test_all_rows_have_bars_on_one_scale_below_the_years(tmp_path: Path) -> None:
    assert drawn(lookup_of(tmp_path, DOMAIN, RECORDS)) == [
        "example.org  Domain-Name, all records",
        "",
        "type  value           first seen last seen  2016   2018   2020   2022   2024",
        "────────────────────────────────────────────────────────────────────────────────",
        "A     192.0.2.1       2016-01-01 2026-01-01 ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━",
        "A     192.0.2.2       2021-01-01 2025-12-31 ┊      ┊      ┊   ━━━━━━━━━━━━━━━━━━",
        "MX    mx.example.net  2018-06-01 2018-06-02 ┊      ┊●     ┊      ┊      ┊      ┊",
        "NS    ns.example.net  2016-01-01 2016-01-01 ●      ┊      ┊      ┊      ┊      ┊",
        "CNAME www.example.net unknown    unknown    ┊      ┊      ┊      ┊      ┊      ┊",
        "",
        "5 records, 5 relationships: A 2, CNAME 1, MX 1, NS 1",
        "Left out 1: TXT 1",
    ]


def test_no_line_is_wider_than_the_terminal(tmp_path: Path) -> None:
    long = [*RECORDS, seen("MX", "domain", f"{'a' * 60}.{'b' * 60}.example", "2019-01-01", "2020-01-01")]
    for width in (60, 80, 200):
        lines = drawn(lookup_of(tmp_path, DOMAIN, long), width)
        assert max(map(len, lines)) <= width


def test_at_80_columns_the_timeline_gives_way_to_addresses() -> None:
    address = "2001:db8:1111:2222:3333:4444:5555:6666"
    both = {key: Answer([record(key, address, "AAAA"), record(key, "192.0.2.1")]) for key in ("mnemonic", "virustotal")}
    lines = drawn(lookup_at(both), 80)
    assert [line.split() for line in lines if address in line] == [
        ["AAAA", address, "2026-01-01", "2026-01-01", "mnemonic,"]
    ]
    assert not any("●" in line or "┊" in line for line in lines)


def test_the_timeline_is_shown_if_all_other_columns_fit(tmp_path: Path) -> None:
    for width, there in ((59, False), (60, True)):
        lines = drawn(lookup_of(tmp_path, DOMAIN, RECORDS), width)
        assert any("●" in line for line in lines) == there


@pytest.mark.parametrize("width", [80, 140])
def test_a_value_longer_than_an_address_is_not_folded_if_there_is_room(tmp_path: Path, width: int) -> None:
    value = "ec2-203-0-113-200.ap-northeast-1.compute.example.com"
    lines = drawn(lookup_of(tmp_path, DOMAIN, [*RECORDS, seen("CNAME", "domain", value, "2019-01-01", None)]), width)
    assert [line.split()[:2] for line in lines if "ec2" in line] == [["CNAME", value]]
    assert any("●" in line for line in lines) == (width == 140)


def test_a_long_value_is_folded_and_never_cut(tmp_path: Path) -> None:
    value = f"{'a' * 60}.{'b' * 60}.example"
    lines = drawn(lookup_of(tmp_path, DOMAIN, [seen("MX", "domain", value, "2019-01-01", "2020-01-01")]))
    parts = [part for line in lines for part in line.split() if set(part) & set("ab.")]
    assert value in "".join(parts)


def test_a_terminal_without_unicode_gets_plain_signs(tmp_path: Path) -> None:
    lines = drawn(lookup_of(tmp_path, DOMAIN, RECORDS), encoding="ascii")
    assert any("=====" in line for line in lines)


def test_there_is_no_table_without_relationships(tmp_path: Path) -> None:
    assert drawn(lookup_of(tmp_path, DOMAIN, RECORDS[-1:])) == [
        "example.org  Domain-Name, all records",
        "No relationships",
        "Left out 1: TXT 1",
    ]
    assert drawn(lookup_of(tmp_path, DOMAIN, [])) == ["example.org  Domain-Name, all records", "No records found."]


def test_a_table_of_unknown_dates_has_no_timeline(tmp_path: Path) -> None:
    lines = drawn(lookup_of(tmp_path, DOMAIN, [seen("A", "ip", "192.0.2.1", None, None)]))
    assert [line.split() for line in lines if "192.0.2.1" in line] == [["A", "192.0.2.1", "unknown", "unknown"]]


def test_rows_name_their_sources_and_the_last_line_names_failed_ones() -> None:
    shared, own = "192.0.2.1", "192.0.2.2"
    lookup = lookup_at(
        {
            "circl": Answer([record("circl", shared), record("circl", own)]),
            "mnemonic": Answer([record("mnemonic", shared)]),
            "robtex": NoAnswer("Robtex server error (HTTP 500); try again later."),
        }
    )
    lines = drawn(lookup, 120)
    assert [line.split()[4:6] for line in lines if shared in line] == [["circl,", "mnemonic"]]
    assert [line.split()[4] for line in lines if own in line] == ["circl"]
    assert lines[-1] == (
        "Records by source: Circl 2; Mnemonic 1; Robtex failed: server error (HTTP 500); try again later"
    )
