"""The command line of `main.py`: usage, exit codes, and arguments that are refused before a search."""

import ast
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from passivedns import __version__
from passivedns.commands import check, lookup
from passivedns.commands.cli import main
from passivedns.settings.reading import PROJECT_ROOT
from passivedns.sources import SOURCES
from sandbox.server import serving
from sandbox.sources import riskiq
from sandbox.sources.riskiq import PassiveTotal, passivetotal_app


@pytest.fixture
def passivetotal(monkeypatch: pytest.MonkeyPatch) -> Iterator[PassiveTotal]:
    """A PassiveTotal that knows nothing, and the settings for it."""
    service = PassiveTotal({})
    with serving(passivetotal_app(service)) as url:
        monkeypatch.setenv("RISKIQ_USERNAME", riskiq.USERNAME)
        monkeypatch.setenv("RISKIQ_API_KEY", riskiq.API_KEY)
        monkeypatch.setenv("RISKIQ_API_BASE_URL", url)
        monkeypatch.setenv("PDNS_CACHE_TTL", "PT0S")
        yield service


class Calls(list[tuple[Any, ...]]):
    """The arguments of each call of a command that does nothing."""

    def __call__(self, *arguments: Any) -> int:
        self.append(arguments)
        return 0


@pytest.fixture
def lookups(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Record the look-ups instead of making them."""
    calls = Calls()
    monkeypatch.setattr(lookup, "run", calls)
    return calls


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The stderr of argparse when it refuses these arguments with exit code 2."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    written = capsys.readouterr()
    assert written.out == ""
    return written.err


def text_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The output of a successful run, without line breaks."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    return " ".join(capsys.readouterr().out.split())


# Usage


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert text_of(capsys, "--version") == f"Passive DNS for OpenCTI {__version__}"


def test_the_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    printed = text_of(capsys, "--help")
    assert "check test the settings, OpenCTI, the sources and the cache, without a search" in printed
    assert "lookup show the passive DNS of names and addresses, without OpenCTI" in printed


def test_the_help_of_check_describes_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert "without spending a search. Exits with 0" in text_of(capsys, "check", "--help")


def test_the_help_of_lookup_ends_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert text_of(capsys, "lookup", "--help").endswith(
        "example: main.py lookup example.org 192.0.2.10 --sources mnemonic,robtex"
    )


@pytest.mark.parametrize("stdin", ["", " \n\n"])
def test_lookup_without_a_value_shows_its_own_usage_with_an_example(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, stdin: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
    written = refused(capsys, "lookup")
    assert written.startswith("usage: main.py lookup ")
    assert written.endswith("lookup needs a value, such as: lookup example.org\n")


def test_lookup_does_not_wait_for_values_typed_at_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("example.org\n"))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    assert "lookup needs a value" in refused(capsys, "lookup")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["example.org"], "'example.org' is not a command; to look it up: main.py lookup example.org"),
        (["192.0.2.1"], "'192.0.2.1' is not a command; to look it up: main.py lookup 192.0.2.1"),
        (["2001:db8::1"], "to look it up: main.py lookup 2001:db8::1"),
        (["example.org", "--format", "json"], "to look it up: main.py lookup example.org --format json"),
        (["lokup", "example.org"], "'lokup' is not a command; did you mean lookup?"),
        (["start"], "'start' is not a command; choose from check, lookup"),
        (["help", "start"], "'start' is not a command; choose from check, lookup"),
    ],
)
def test_what_is_no_command_is_refused_with_what_to_type(
    capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert refused(capsys, *arguments).endswith(f"{told}\n")


@pytest.mark.parametrize("command", [[], ["check"], ["lookup"]])
def test_help_is_a_command_too(capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    assert text_of(capsys, "help", *command) == text_of(capsys, *command, "--help")


def test_the_help_of_lookup_names_every_source_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    printed = text_of(capsys, "lookup", "--help")
    for key, source in SOURCES.items():
        assert f"{key} ({source.title})" in printed
    assert "Exit codes: 0 if every value was looked up, 1 if one was not or nothing could be, 2 for invalid" in printed


@pytest.mark.parametrize(
    "arguments", [["lookup", "example.org", "--sources", "otx"], ["lookup", "example.org", "--since", "P1D"], ["check"]]
)
def test_without_the_packages_every_command_says_what_to_install(arguments: list[str]) -> None:
    # Without the module site, Python finds its own library only.
    command = [sys.executable, "-S", str(PROJECT_ROOT / "src" / "main.py"), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert re.fullmatch(
        r"The Python module \w+ is missing; install what the connector needs: "
        r"python3 -m pip install -r requirements\.txt\n",
        ended.stderr,
    )


def test_without_the_packages_the_help_of_lookup_is_shown() -> None:
    command = [sys.executable, "-S", str(PROJECT_ROOT / "src" / "main.py"), "lookup", "--help"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "Exit codes:" in ended.stdout


def test_an_old_python_says_what_it_needs() -> None:
    trick = "import sys, runpy; sys.version_info = (3, 10, 12); runpy.run_path(sys.argv[1], run_name='__main__')"
    command = [sys.executable, "-c", trick, str(PROJECT_ROOT / "src" / "main.py"), "lookup", "example.org"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "This is Python 3.10, but the connector needs Python 3.11 or later.\n"


def test_the_start_is_written_in_what_an_old_python_can_read() -> None:
    text = (PROJECT_ROOT / "src" / "main.py").read_text(encoding="ascii")
    ast.parse(text, feature_version=(3, 4))
    assert not re.search(r"\bf['\"]|:=|\bmatch\b", text)


# Arguments of lookup


def test_lookup_passes_on_its_arguments(lookups: Calls) -> None:
    arguments = ["lookup", "example.org", "192.0.2.1", "--format", "csv", "--file", "answer.json"]
    assert main([*arguments, "--sources", " OTX, riskiq,otx", "--record-types", "mx,,A"]) == 0
    ((values, form, file, sources, since, record_types),) = lookups
    assert (values, form, file) == (["example.org", "192.0.2.1"], "csv", Path("answer.json"))
    assert (sources, since, record_types) == (("otx", "riskiq"), None, ("MX", "A"))


def test_lookup_reads_values_from_standard_input_one_per_line(lookups: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("example.org\n\n192.0.2.1\n"))
    main(["lookup"])
    assert lookups[0][0] == ["example.org", "192.0.2.1"]


def test_lookup_with_a_file_does_not_read_standard_input(lookups: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("example.org\n"))
    main(["lookup", "--file", "answer.json"])
    assert lookups[0][0] == []


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-05-31", datetime(2024, 5, 31, tzinfo=UTC)),
        ("2024-05-31T12:00:00+02:00", datetime(2024, 5, 31, 10, tzinfo=UTC)),
    ],
)
def test_since_may_be_a_date(lookups: Calls, text: str, moment: datetime) -> None:
    main(["lookup", "example.org", "--since", text])
    assert lookups[0][4] == moment


def test_since_may_be_a_duration(lookups: Calls) -> None:
    earliest = datetime.now(UTC) - timedelta(days=10)
    main(["lookup", "example.org", "--since", "P10D"])
    assert earliest <= lookups[0][4] <= datetime.now(UTC) - timedelta(days=10)


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("--since", "yesterday", "'yesterday' is not an ISO 8601 date or duration"),
        ("--since", "P0D", "'P0D' is not an ISO 8601 date or duration"),
        ("--since", "2999-01-01", "2999-01-01 is in the future"),
        ("--format", "xml", "invalid choice: 'xml'"),
        *(
            ("--sources", value, f"{value!r} is not a list of sources; choose from riskiq, circl, ")
            for value in ("bogus", "otx,bogus", ",")
        ),
        *(
            (
                "--record-types",
                value,
                f"{value!r} is not a list of record types; choose from A, AAAA, CNAME, MX, NS, SOA",
            )
            for value in ("BOGUS", "A,BOGUS", ",")
        ),
    ],
)
def test_an_invalid_argument_is_refused_before_a_search(
    capsys: pytest.CaptureFixture[str], passivetotal: PassiveTotal, option: str, value: str, reason: str
) -> None:
    written = refused(capsys, "lookup", "example.org", option, value)
    assert written.startswith("usage: main.py lookup ")
    assert reason in written
    assert passivetotal.requests == []


# Exit codes


def test_a_successful_command_returns_0(capsys: pytest.CaptureFixture[str], passivetotal: PassiveTotal) -> None:
    assert main(["lookup", "example.org", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["query"] == "example.org"
    assert len(passivetotal.searches) == 1


def test_invalid_settings_of_lookup_return_2_and_the_text_is_about_the_look_up(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTOR_ID", "none")
    assert main(["lookup", "example.org"]) == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.startswith("Nothing can be looked up: 1 setting needs correcting.\n  PDNS_SOURCES ")
    assert "connector" not in written.err
    assert "CONNECTOR_ID" not in written.err


def test_invalid_settings_of_the_connector_return_2_and_the_text_is_about_the_start(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([]) == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.startswith("The connector cannot start: 4 settings need correcting.\n  PDNS_SOURCES ")


def test_another_failure_returns_1_and_prints_one_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["lookup", "--file", str(tmp_path / "answer.json")]) == 1
    assert capsys.readouterr() == ("", f"{tmp_path}/answer.json cannot be read: No such file or directory.\n")


def test_control_characters_of_an_error_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lookup", "--file", "answer\x1b[31m.json"]) == 1
    assert capsys.readouterr().err == "answer [31m.json cannot be read: No such file or directory.\n"


def test_a_terminal_shows_an_error_without_broken_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "30")
    assert main(["lookup", "--file", "answer.json"]) == 1
    assert capsys.readouterr().err == "answer.json cannot be read: No\n  such file or directory.\n"


def test_check_indents_the_errors_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    main(["check"])
    lines = re.sub(r"\x1b\[\d*m", "", capsys.readouterr().out).splitlines()
    assert max(map(len, lines)) <= 80
    assert [line[:21].strip() for line in lines if line[:21].strip()] == ["✗ settings", "- OpenCTI", "- sources"]


def test_check_returns_1_if_something_keeps_the_connector_from_working(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["good"] is False


def test_check_indents_json_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    main(["check", "--json"])
    assert capsys.readouterr().out.startswith('{\n  "good": false')


@pytest.mark.parametrize("as_json", [False, True])
def test_check_passes_on_its_option(monkeypatch: pytest.MonkeyPatch, as_json: bool) -> None:
    calls = Calls()
    monkeypatch.setattr(check, "run", calls)
    assert main(["check", *["--json"] * as_json]) == 0
    assert calls == [(as_json,)]


def test_an_interrupted_command_returns_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: bool) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(check, "run", interrupted)
    assert main(["check"]) == 130


def test_a_missing_module_returns_1_and_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "passivedns.commands.check", None)
    assert main(["check"]) == 1
    assert capsys.readouterr().err == (
        "The Python module passivedns.commands.check is missing; install what the connector needs: "
        "python3 -m pip install -r requirements.txt\n"
    )
