"""The table that `make demo` prints."""

import io

import pytest
from rich.console import Console

from sandbox import demo
from sandbox.opencti import OpenCTI

ADDRESS = "2001:db8:1111:2222:3333:4444:5555:6666"


@pytest.mark.parametrize(("width", "shows_type"), [(80, False), (100, True)])
def test_no_address_and_no_date_is_broken(monkeypatch: pytest.MonkeyPatch, width: int, shows_type: bool) -> None:
    console = Console(width=width, file=io.StringIO(), highlight=False)
    monkeypatch.setattr(demo, "console", console)
    platform = OpenCTI()
    name, address = (platform.add_observable(*of) for of in (("Domain-Name", "example.org"), ("IPv6-Addr", ADDRESS)))
    relationship = {
        "relationship_type": "resolves-to",
        "source_ref": name.standard_id,
        "target_ref": address.standard_id,
        "start_time": "2026-01-02T03:04:05Z",
        "stop_time": "2026-11-23T03:04:05Z",
        "description": "AAAA records (CIRCL; mnemonic; Robtex)",
    }
    console.print(demo._table(platform, name.standard_id, [relationship]))
    (line,) = [line for line in console.file.getvalue().splitlines() if ADDRESS in line]  # type: ignore[attr-defined]
    cells = line.split()[: 5 if shows_type else 4]
    assert cells == [*(["resolves-to"] if shows_type else []), "→", ADDRESS, "2026-01-02", "2026-11-23"]
