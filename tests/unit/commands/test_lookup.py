"""`main.py lookup`: values, sources, output and failures."""

import csv
import io
import json
import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest

from passivedns.commands.cli import main
from passivedns.commands.lookup import observable
from passivedns.stix import objects
from passivedns.stix.values import Unusable
from passivedns.transport.retry import RetryPolicy
from sandbox.server import serving
from sandbox.sources import otx, riskiq, virustotal
from sandbox.sources.history import history
from sandbox.sources.otx import Otx, otx_app
from sandbox.sources.riskiq import PassiveTotal, passivetotal_app
from sandbox.sources.riskiq_data import ADDRESS, DOMAIN, own_records
from sandbox.sources.virustotal import VirusTotal, virustotal_app

TODAY = datetime.now(UTC).date()


# Values


@pytest.mark.parametrize(
    ("text", "entity_type", "value"),
    [
        ("Example.ORG.", "Domain-Name", "example.org"),
        (" 192.0.2.10\n", "IPv4-Addr", "192.0.2.10"),
        ("2001:DB8:0::1", "IPv6-Addr", "2001:db8::1"),
        ("bücher.example", "Domain-Name", "xn--bcher-kva.example"),
    ],
)
def test_a_value_becomes_the_observable_in_its_canonical_form(text: str, entity_type: str, value: str) -> None:
    entity = observable(text)
    assert (entity.type, entity.value) == (entity_type, value)
    assert entity.id == objects.observable_id(entity_type, value)


def test_all_spellings_of_a_name_have_one_id() -> None:
    spellings = ["bu\u0308cher.example", "b\u00fccher.example", "\uff22u\u0308CHER.example.", "xn--bcher-kva.example"]
    assert len({observable(spelling).id for spelling in spellings}) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty value"),
        ("192.0.2.0/24", "CIDR range"),
        ("http://example.org/", "URL"),
        ("user@example.org", "mailbox instead of a name"),
        ("localhost", "single label"),
        ("999.1.1.1", "not a domain name"),
    ],
)
def test_any_other_value_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(Unusable) as error:
        observable(text)
    assert str(error.value) == reason


# Several sources


class Desk(NamedTuple):
    """Three sources, and the command that queries them."""

    passivetotal: PassiveTotal
    virustotal: VirusTotal
    otx: Otx
    capture: pytest.CaptureFixture[str]

    def lookup(self, *arguments: str) -> tuple[int, str, str]:
        """The exit code, stdout and stderr."""
        code = main(["lookup", *arguments])
        return code, *self.capture.readouterr()

    @property
    def requests(self) -> list[int]:
        """The number of requests to each source, including those for a quota."""
        return [len(service.requests) for service in (self.passivetotal, self.virustotal, self.otx)]


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    facts = history(TODAY)
    services = Desk(PassiveTotal(own_records(TODAY)), VirusTotal(facts), Otx(facts), capsys)
    with (
        serving(passivetotal_app(services.passivetotal)) as passivetotal_url,
        serving(virustotal_app(services.virustotal)) as virustotal_url,
        serving(otx_app(services.otx)) as otx_url,
    ):
        variables = {
            "PDNS_SOURCES": "riskiq,virustotal,otx",
            "PDNS_CACHE_TTL": "PT0S",
            "PDNS_MAX_RETRIES": "0",
            "RISKIQ_USERNAME": riskiq.USERNAME,
            "RISKIQ_API_KEY": riskiq.API_KEY,
            "RISKIQ_API_BASE_URL": passivetotal_url,
            "VIRUSTOTAL_API_KEY": virustotal.API_KEY,
            "VIRUSTOTAL_API_BASE_URL": f"{virustotal_url}/api/v3",
            "OTX_API_KEY": otx.API_KEY,
            "OTX_API_BASE_URL": f"{otx_url}/api/v1",
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield services


def only_line(printed: str) -> dict[str, Any]:
    (line,) = printed.splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_value_that_cannot_be_looked_up_is_reported_and_costs_no_other(desk: Desk) -> None:
    code, out, err = desk.lookup("localhost", DOMAIN)
    assert code == 1
    assert out.startswith(f"{DOMAIN}  Domain-Name")
    assert err.startswith("localhost was not looked up: not a single IP address or domain name (single label).\n")


def rows(records: int, kept: int = 0, left_out: dict[str, int] | None = None) -> dict[str, object]:
    return {"records": records, "kept": kept, "left_out": left_out or {}, "unreadable": 0, "complete": True}


@pytest.mark.parametrize(
    ("typed", "echoed"),
    [
        ("hxxps://example.org/login", "hxxps://example.org/login"),
        ("example[.]org", "example[.]org"),
        ("bob@example.org", "bob@example.org"),
        ('"example.org",', '"example.org",'),
        ("https://bob:secret@example.org/", "https://…@example.org/"),
    ],
)
def test_the_host_of_what_was_typed_is_looked_up_and_named(desk: Desk, typed: str, echoed: str) -> None:
    code, printed, said = desk.lookup(typed, "--sources", "otx", "--format", "json")
    assert (code, only_line(printed)["query"]) == (0, "example.org")
    assert said == f"{echoed}: looked up example.org.\n"


@pytest.mark.parametrize("typed", ["example.org", " EXAMPLE.org. "])
def test_nothing_is_said_about_a_plain_name(desk: Desk, typed: str) -> None:
    code, _, said = desk.lookup(typed, "--sources", "otx", "--format", "json")
    assert (code, said) == (0, "")


def test_the_hosts_of_a_list_are_looked_up_each_once_and_one_refusal_costs_no_other(desk: Desk) -> None:
    code, printed, said = desk.lookup(f"{DOMAIN},localhost, {ADDRESS}", f"http://{DOMAIN}", "--format", "json")
    assert code == 1
    assert [json.loads(line)["query"] for line in printed.splitlines()] == [DOMAIN, ADDRESS]
    assert said.startswith(
        "localhost was not looked up: not a single IP address or domain name (single label).\n"
        f"{DOMAIN},localhost, {ADDRESS}: looked up {DOMAIN} and {ADDRESS}.\n"
        f"http://{DOMAIN}: looked up {DOMAIN}.\n"
    )


@pytest.mark.parametrize("typed", ["192.0.2.0/24", "192[.]0[.]2[.]0/24", "[192.0.2.0/24]", "192.0.2.0/255.255.255.0"])
def test_a_range_is_refused_and_no_address_of_it_is_looked_up(desk: Desk, typed: str) -> None:
    code, printed, said = desk.lookup(typed)
    assert (code, printed, desk.requests) == (1, "", [0, 0, 0])
    assert said.endswith("was not looked up: not a single IP address or domain name (CIDR range).\n")


def test_an_international_name_is_looked_up_and_named_as_in_the_dns(desk: Desk) -> None:
    _, _, said = desk.lookup("bücher.example", "--sources", "otx")
    assert said == "bücher.example: looked up xn--bcher-kva.example.\n"


def test_all_configured_sources_are_queried_and_named(desk: Desk) -> None:
    code, printed, _ = desk.lookup(DOMAIN, "--format", "json")
    found = only_line(printed)
    assert code == 0
    assert found["sources"] == {
        "riskiq": rows(17, kept=15, left_out={"TXT (SPF1)": 2}),
        "virustotal": rows(5, kept=5),
        "otx": rows(10, kept=9, left_out={"not about the observable": 1}),
    }
    assert found["records"] == 32
    address = next(item for item in found["relationships"] if item["value"] == "192.0.2.10")
    sensors = ["emerging_threats", "kaspersky", "pingly", "riskiq", "virustotal"]
    assert address["sources"] == {"otx": [], "riskiq": sensors, "virustotal": ["VirusTotal"]}


@pytest.mark.parametrize("form", ["json", "stix"])
def test_json_is_indented_on_a_terminal(desk: Desk, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    _, printed, _ = desk.lookup(DOMAIN, "--format", form)
    assert printed.startswith('{\n  "')
    assert isinstance(json.loads(printed), dict)


def test_csv_contains_the_sources_and_sensors_of_each_relationship(desk: Desk) -> None:
    _, printed, _ = desk.lookup(DOMAIN, "--format", "csv")
    lines = list(csv.DictReader(io.StringIO(printed)))
    assert list(lines[0]) == [
        *("query", "record_types", "relationship", "direction", "value", "type"),
        *("first_seen", "last_seen", "sources", "sensors"),
    ]
    address = next(line for line in lines if line["value"] == "192.0.2.11")
    assert (address["sources"], address["sensors"]) == ("otx;riskiq;virustotal", "pingly;riskiq;VirusTotal")


@pytest.mark.parametrize(
    ("sources", "named", "requests"),
    [("otx", ["otx"], [0, 0, 1]), (" OTX, riskiq,otx", ["otx", "riskiq"], [2, 0, 1])],
)
def test_sources_can_be_chosen(desk: Desk, sources: str, named: list[str], requests: list[int]) -> None:
    _, printed, _ = desk.lookup(DOMAIN, "--sources", sources, "--format", "json")
    assert list(only_line(printed)["sources"]) == named
    assert desk.requests == requests


def test_only_chosen_sources_must_be_complete(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTX_API_KEY")
    assert desk.lookup(DOMAIN, "--sources", "virustotal")[0] == 0
    code, printed, said = desk.lookup(DOMAIN, "--sources", "otx")
    assert (code, printed) == (2, "")
    assert "OTX_API_KEY (config.yml: otx.api_key) is missing." in said


def test_a_failed_source_is_named_and_does_not_affect_the_others(desk: Desk) -> None:
    desk.otx.fail("500")
    code, printed, said = desk.lookup(DOMAIN, "--format", "json")
    reason = "server error (HTTP 500); try again later. Its response says: Internal Server Error"
    assert code == 0
    assert only_line(printed)["sources"]["otx"] == {"failure": f"AlienVault OTX {reason}"}
    assert only_line(printed)["sources"]["virustotal"] == rows(5, kept=5)
    assert f"{DOMAIN}: AlienVault OTX failed: {reason}.\n" in said


def test_if_every_source_refuses_the_account_all_are_named_and_no_other_value_is_looked_up(desk: Desk) -> None:
    for service in (desk.passivetotal, desk.virustotal, desk.otx):
        service.fail("403")
    code, _, said = desk.lookup(DOMAIN, ADDRESS)
    assert (code, said.count("(HTTP 403)")) == (1, 3)
    assert said.endswith("\n1 more value not looked up.\n")


def test_a_value_for_which_every_source_times_out_does_not_keep_the_others_from_being_looked_up(desk: Desk) -> None:
    for service in (desk.passivetotal, desk.virustotal, desk.otx):
        service.fail("reset", on="/passive" if service is desk.passivetotal else "")
    _, _, said = desk.lookup(DOMAIN, ADDRESS)
    assert f"{ADDRESS}: PassiveTotal failed: the response was cut off" in said


def test_if_every_source_fails_for_several_values_all_are_named_and_no_other_value_is_looked_up(desk: Desk) -> None:
    for service in (desk.passivetotal, desk.virustotal, desk.otx):
        service.fail("500")
    code, printed, said = desk.lookup(DOMAIN, ADDRESS, "other.example", "last.example")
    assert (code, printed) == (1, "")
    assert "PassiveTotal, VirusTotal and AlienVault OTX failed: server error (HTTP 500)" in said
    assert said.endswith("\n1 more value not looked up.\n")


def test_if_every_source_rejects_one_value_the_others_are_looked_up(desk: Desk) -> None:
    for service in (desk.passivetotal, desk.virustotal, desk.otx):
        service.fail("400", times=1, on="/passive" if service is desk.passivetotal else "")
    code, printed, said = desk.lookup(DOMAIN, ADDRESS, "--format", "json")
    assert code == 1
    assert only_line(printed)["query"] == ADDRESS
    assert said.startswith(f"{DOMAIN}: PassiveTotal rejected the request (HTTP 400).")


def test_the_remaining_quota_is_printed_with_its_source(desk: Desk) -> None:
    desk.passivetotal.next_reset = "2026-12-01 00:00:00"
    _, _, said = desk.lookup(DOMAIN)
    assert said == (
        "PassiveTotal quota of the user: 1 of 2,000 searches used, 1,999 left until 2026-12-01 00:00:00.\n"
        "PassiveTotal quota of the organization: 1 of 10,000 searches used, 9,999 left until 2026-12-01 00:00:00.\n"
    )


def test_record_types_that_no_source_covers_cause_no_request(desk: Desk) -> None:
    code, printed, said = desk.lookup(DOMAIN, "--sources", "virustotal", "--record-types", "mx")
    assert (code, printed) == (1, "")
    assert said == "example.org was not looked up: none of the sources covers Domain-Name.\n"
    assert desk.requests == [0, 0, 0]


@pytest.mark.parametrize("name", ["PDNS_MAX_TLP", "OTX_MAX_TLP"])
def test_a_maximum_tlp_still_set_to_the_placeholder_is_refused(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "ChangeMe")
    code, printed, said = desk.lookup(DOMAIN)
    assert (code, printed) == (2, "")
    assert f"{name} (config.yml: {name.lower().replace('_', '.', 1)}) is still ChangeMe." in said
    assert desk.requests == [0, 0, 0]


def test_an_interrupted_look_up_does_not_wait_for_a_slow_source(desk: Desk) -> None:
    desk.passivetotal.held = {ADDRESS}

    def interrupt() -> None:
        while len(desk.passivetotal.searches) < 2:
            time.sleep(0.01)
        os.kill(os.getpid(), 2)

    threading.Thread(target=interrupt, daemon=True).start()
    begun = time.monotonic()
    code, printed, said = desk.lookup(DOMAIN, ADDRESS, "nothing.example", "--format", "json")
    assert time.monotonic() - begun < RetryPolicy().timeout / 2
    assert code == 1
    assert only_line(printed)["query"] == DOMAIN
    assert said.startswith(f"{ADDRESS}: interrupted.\n1 more value not looked up.\n")
