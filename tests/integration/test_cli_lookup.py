"""`main.py lookup` as a process: stdout, stderr and exit codes."""

import csv
import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from sandbox.daemon import inherited
from sandbox.server import serving
from sandbox.sources.riskiq import API_KEY, USERNAME, PassiveTotal, passivetotal_app
from sandbox.sources.riskiq_data import ADDRESS, DOMAIN, own_records
from tests.helpers.commands import MAIN, run
from tests.helpers.world import WAIT, new_world, today
from tests.integration.conftest import needs_http_protocols

LIMITS = {"PDNS_MAX_RELATIONSHIPS": "3", "PDNS_RECORD_TYPES": "a,mx", "PDNS_SUMMARY_NOTE": "true"}

SECOND = {"PDNS_SOURCES": "riskiq,otx", "OTX_API_KEY": "secret", "OTX_API_BASE_URL": "http://127.0.0.1:9"}
"""A second, unreachable source."""


@dataclass
class Desk:
    """PassiveTotal and its settings, without OpenCTI."""

    service: PassiveTotal
    environment: dict[str, str] = field(default_factory=dict)

    def lookup(
        self,
        *arguments: str,
        variables: Mapping[str, str] = MappingProxyType({}),
        stdin: str = "",
        stderr: int = subprocess.PIPE,
    ) -> subprocess.CompletedProcess[str]:
        return run("lookup", *arguments, environment={**self.environment, **variables}, stdin=stdin, stderr=stderr)


@pytest.fixture(scope="module")
def served() -> Iterator[Desk]:
    service = PassiveTotal(own_records(today()))
    with serving(passivetotal_app(service)) as url:
        account = {"RISKIQ_USERNAME": USERNAME, "RISKIQ_API_KEY": API_KEY, "RISKIQ_API_BASE_URL": url}
        yield Desk(service, account | {"PDNS_MAX_RETRIES": "0", "PDNS_REQUEST_TIMEOUT": "20"})


@pytest.fixture
def desk(served: Desk) -> Desk:
    served.service.reset()
    return served


@pytest.fixture
def answer(tmp_path: Path) -> str:
    """A saved answer with all records of a domain."""
    path = tmp_path / "answer.json"
    path.write_text(json.dumps({"queryValue": DOMAIN, "results": own_records(today())[DOMAIN]}))
    return str(path)


# Output


def test_a_look_up_without_opencti_prints_a_table_counts_and_the_remaining_quota(desk: Desk) -> None:
    ended = desk.lookup(DOMAIN)
    assert ended.returncode == 0
    heading, *lines = ended.stdout.splitlines()
    assert heading == "example.org  Domain-Name, all records"
    assert sum("━" in line or "●" in line for line in lines) == 13
    assert max(map(len, lines)) <= 80
    assert " ".join(" ".join(lines[-3:]).split()) == (
        "15 records, merged into 13 relationships: A 5, SOA 3, AAAA 2, MX 2, NS 2, CNAME 1 Left out 2: TXT (SPF1) 2"
    )
    assert "PassiveTotal quota of the user: 1 of 2,000 searches used, 1,999 left until " in ended.stderr


def test_a_saved_answer_needs_no_settings_and_costs_nothing(desk: Desk, answer: str) -> None:
    ended = run("lookup", "--file", answer, environment={})
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("example.org  Domain-Name, all records\n")
    assert "15 records, merged into 13 relationships" in ended.stdout
    assert desk.service.requests == []


def test_the_time_window_and_record_types_can_be_chosen(desk: Desk) -> None:
    ended = desk.lookup(DOMAIN, "--since", "P3Y", "--record-types", "a, mx")
    assert (
        "7 records, 7 relationships: A 5, MX 2\nLeft out 10: record type not selected 8, TXT (SPF1) 2" in ended.stdout
    )
    (search,) = desk.service.searches
    assert search.params["start"][:4] == str(today().year - 3)


def test_values_from_standard_input_are_looked_up_once_each(desk: Desk) -> None:
    ended = desk.lookup(stdin=f"{DOMAIN}\n\n  {DOMAIN.upper()}.\n{ADDRESS}\n")
    assert ended.returncode == 0
    assert [search.params["query"] for search in desk.service.searches] == [DOMAIN, ADDRESS]
    assert f"\n\n{ADDRESS}  IPv4-Addr, all records\n" in ended.stdout


def test_only_json_is_on_stdout(desk: Desk) -> None:
    ended = desk.lookup(DOMAIN, ADDRESS, "--format", "json")
    domain, address = map(json.loads, ended.stdout.splitlines())
    assert (domain["query"], len(domain["relationships"])) == (DOMAIN, 13)
    assert address["kept"] == {"A": 5}


def test_only_csv_is_on_stdout_and_the_counts_are_on_stderr(desk: Desk) -> None:
    ended = desk.lookup(DOMAIN, "--format", "csv")
    assert len(list(csv.DictReader(ended.stdout.splitlines()))) == 13
    assert "15 records, merged into 13 relationships" in ended.stderr


def test_html_is_a_single_page(desk: Desk) -> None:
    ended = desk.lookup(DOMAIN, ADDRESS, "--format", "html", variables={"PYTHONIOENCODING": "ascii"})
    assert ended.stdout.startswith("<!doctype html>")
    assert ended.stdout.rstrip().endswith("</html>")


@needs_http_protocols
@pytest.mark.parametrize("chosen", [{}, LIMITS])
def test_stix_is_what_the_daemon_sends_with_the_same_settings(desk: Desk, chosen: dict[str, str]) -> None:
    with new_world(**chosen) as world:
        world.enrich("Domain-Name", DOMAIN, markings=())
        (push,) = [call.variables["bundle"] for call in world.platform.calls if call.field == "stixBundlePush"]
    printed = desk.lookup(DOMAIN, "--format", "stix", "--since", "P30D", variables=chosen).stdout
    assert timeless(printed) == timeless(push)


def test_the_settings_apply_to_a_saved_answer(answer: str) -> None:
    printed = run("lookup", "--file", answer, "--format", "stix", environment=LIMITS).stdout
    found = [item["type"] for item in timeless(printed)["objects"]]
    assert (found.count("relationship"), found.count("note")) == (3, 1)


def test_chosen_record_types_override_those_of_the_settings(desk: Desk) -> None:
    assert json.loads(desk.lookup(DOMAIN, "--format", "json", variables=LIMITS).stdout)["kept"].keys() == {"A", "MX"}
    named = desk.lookup(DOMAIN, "--format", "json", "--record-types", "ns", variables=LIMITS)
    assert json.loads(named.stdout)["kept"].keys() == {"NS"}


def timeless(bundle: str) -> dict[str, Any]:
    """A bundle without the properties that differ between runs."""
    content: dict[str, Any] = json.loads(bundle)
    del content["id"]
    for item in content["objects"]:
        if item["type"] in ("identity", "note", "relationship"):
            del item["created"], item["modified"]
    return content


@pytest.mark.parametrize("values", [[DOMAIN], [DOMAIN, ADDRESS]], ids=["one value", "several values"])
def test_a_progress_bar_is_shown_on_a_terminal_and_not_on_stdout(desk: Desk, values: list[str]) -> None:
    ours, theirs = pty.openpty()
    ended = desk.lookup(*values, "--format", "json", stderr=theirs, variables={"TERM": "xterm"})
    shown = os.read(ours, 100_000).decode()
    os.close(theirs)
    os.close(ours)
    assert "Looking up" in shown
    assert f"{len(values)}/{len(values)}" in shown
    assert [json.loads(line)["query"] for line in ended.stdout.splitlines()] == values


def test_a_terminal_without_unicode_shows_the_table(desk: Desk) -> None:
    desk.service.answers["xn--bcher-kva.example"] = []
    ended = desk.lookup(DOMAIN, "bücher.example", variables={"PYTHONIOENCODING": "ascii"})
    assert ended.returncode == 0
    assert "=====" in ended.stdout
    assert "xn--bcher-kva.example  Domain-Name" in ended.stdout
    assert r"b\xfccher.example: looked up xn--bcher-kva.example." in ended.stderr


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_a_closed_pipe_causes_no_error_message(answer: str, form: str) -> None:
    with subprocess.Popen(
        [*MAIN, "lookup", "--file", answer, "--format", form],
        env=inherited(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert "Error" not in process.stderr.read()
    assert process.returncode == 1


# Failures


def test_a_failed_source_is_named_and_does_not_affect_the_others(desk: Desk) -> None:
    ended = desk.lookup(DOMAIN, variables=SECOND)
    assert ended.returncode == 0
    assert "15 records, merged into 13 relationships" in ended.stdout
    assert ended.stderr.startswith(
        "example.org: AlienVault OTX failed: the connection is refused; check "
        "that it runs there, and OTX_API_BASE_URL.\n"
    )


def test_an_invalid_value_is_named_and_the_others_are_looked_up(desk: Desk) -> None:
    ended = desk.lookup("999.1.1.1", ADDRESS)
    assert ended.returncode == 1
    assert "999.1.1.1 was not looked up: not a single IP address or domain name (not a domain name)." in ended.stderr
    assert ADDRESS in ended.stdout


def test_a_rejected_value_does_not_affect_the_others(desk: Desk) -> None:
    desk.service.fail("400", times=1, on="search")
    ended = desk.lookup(DOMAIN, ADDRESS)
    assert ended.returncode == 1
    assert "example.org: PassiveTotal rejected the request (HTTP 400)." in ended.stderr
    assert ADDRESS in ended.stdout


def test_rejected_credentials_end_it_at_once(desk: Desk) -> None:
    ended = desk.lookup(DOMAIN, ADDRESS, "nothing.example", variables={"RISKIQ_API_KEY": "wrong-key"})
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(
        "example.org: PassiveTotal rejected the credentials (HTTP 401); check RISKIQ_USERNAME and RISKIQ_API_KEY. "
    )
    assert "2 more values not looked up." in ended.stderr
    assert len(desk.service.requests) == 1


def test_if_the_quota_runs_out_the_answers_so_far_are_printed(desk: Desk) -> None:
    desk.service.used = desk.service.limit - 1
    ended = desk.lookup(DOMAIN, ADDRESS)
    assert ended.returncode == 1
    assert "13 relationships" in ended.stdout
    assert f"{ADDRESS}: The PassiveTotal quota of the user is used up" in ended.stderr


@pytest.mark.parametrize("more", [{}, SECOND])
def test_if_interrupted_the_answers_so_far_are_printed(desk: Desk, more: dict[str, str]) -> None:
    desk.service.held = {ADDRESS}
    command = [*MAIN, "lookup", DOMAIN, ADDRESS, "nothing.example", "--format", "json"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=inherited() | desk.environment | more, **pipes) as process:
        while len(desk.service.searches) < 2:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        printed, said = process.communicate(timeout=WAIT)
    assert process.returncode == 1
    assert [json.loads(line)["query"] for line in printed.splitlines()] == [DOMAIN]
    assert f"{ADDRESS}: interrupted.\n1 more value not looked up.\n" in said


def test_an_invalid_argument_ends_it_with_2_and_no_traceback() -> None:
    ended = run("lock", environment={})
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "'lock' is not a command; did you mean lookup?" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_file_that_is_not_an_answer_ends_it_with_1_and_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "answer.json").write_text('{"message": "quota_exceeded"}')
    ended = run("lookup", DOMAIN, "--file", str(tmp_path / "answer.json"), environment={})
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(str(tmp_path))
    assert ended.stderr.count("\n") == 1
