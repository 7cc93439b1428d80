"""Parses the command line of `main.py` and runs a command; without one, the connector."""

import argparse
import difflib
import gc
import os
import shlex
import signal
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from io import TextIOWrapper
from pathlib import Path

from passivedns import __version__
from passivedns.commands.terminal import say
from passivedns.errors import ConnectorError, SettingsError
from passivedns.model import RECORD_TYPES

# Each command imports what it needs when it is prepared: importing pycti takes more than a second.


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code: 2 for invalid settings or arguments, 1 for any other failure."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        parsed = _parse(sys.argv[1:] if arguments is None else arguments)
        command: Callable[[], int] = parsed.prepare(parsed)
        code = command()
        # A closed pipe must show here, not when Python exits.
        sys.stdout.flush()
        return code
    except ImportError as error:
        is_missing = isinstance(error, ModuleNotFoundError)
        fault = f"The Python module {error.name} is missing" if is_missing else f"A Python module is too old ({error})"
        say(f"{fault}; install what the connector needs: python3 -m pip install -r requirements.txt")
        return 1
    except ConnectorError as error:
        say(str(error))
        return 2 if isinstance(error, SettingsError) else 1
    except KeyboardInterrupt:
        return 130  # 128 plus the number of the signal, as in shells
    except BrokenPipeError:
        # Python would complain again when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The parsed arguments; `help COMMAND` is `COMMAND --help`."""
    parser, commands = _parser()
    given = list(arguments)
    if given[:1] == ["help"]:
        given = [*given[1:2], "--help"]
    first = given[0] if given else "--"
    if not first.startswith("-") and first not in commands:
        parser.error(_suggestion(first, given, commands))
    return parser.parse_args(given)


def _suggestion(first: str, given: Sequence[str], commands: Collection[str]) -> str:
    """What to type in place of a word that is no command."""
    if "." in first or ":" in first:
        return f"{first!r} is not a command; to look it up: main.py lookup {shlex.join(given)}"
    similar = difflib.get_close_matches(first, commands, 1)
    return f"{first!r} is not a command; " + (
        f"did you mean {similar[0]}?" if similar else f"choose from {', '.join(commands)}"
    )


def _run_connector() -> int:
    # Until the daemon has its own handler; as process 1 of a container, Python would ignore the signal.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # Imports create no garbage, and looking for it takes a tenth of the startup.
    gc.disable()
    from passivedns.daemon import run
    from passivedns.settings.loading import load_settings

    gc.freeze()
    gc.enable()
    run(load_settings())
    return 0


def _check(parsed: argparse.Namespace) -> Callable[[], int]:
    from passivedns.commands.check import run

    return partial(run, parsed.json)


def _lookup(parsed: argparse.Namespace) -> Callable[[], int]:
    from passivedns.commands import typed
    from passivedns.commands.lookup import run

    values = parsed.values
    if not (values or parsed.file or sys.stdin.isatty()):
        is_file = isinstance(sys.stdin, TextIOWrapper)
        values = typed.lines(sys.stdin.buffer.read() if is_file else sys.stdin.read().encode())
    if not (values or parsed.file):
        parsed.refuse("lookup needs a value, such as: lookup example.org")
    return partial(run, values, parsed.format, parsed.file, parsed.sources, parsed.since, parsed.record_types)


class _Parser(argparse.ArgumentParser):
    """A parser whose epilog is made when the help is shown, since it takes imports."""

    end: Callable[[], str] | None = None

    def format_help(self) -> str:
        self.epilog = self.end() if self.end else None
        return super().format_help()


def _parser() -> tuple[argparse.ArgumentParser, Collection[str]]:
    """The parser, and the names of the commands."""
    parser = _Parser(prog="main.py", description="Passive DNS for OpenCTI. Without a command, runs the connector.")
    parser.add_argument("--version", action="version", version=f"Passive DNS for OpenCTI {__version__}")
    parser.set_defaults(prepare=lambda _: _run_connector)
    commands = parser.add_subparsers(metavar="COMMAND")
    check = commands.add_parser(
        "check",
        help="test the settings, OpenCTI, the sources and the cache, without a search",
        description="Test the settings, OpenCTI, the broker, the sources and the cache, without spending a search. "
        "Exits with 0 if nothing prevents enrichment, else with 1.",
    )
    check.set_defaults(prepare=_check)
    check.add_argument("--json", action="store_true", help="print the findings as JSON")
    lookup = commands.add_parser(
        "lookup",
        help="show the passive DNS of names and addresses, without OpenCTI",
        description="Look up values as the connector does, and show what it would send to OpenCTI. A look-up costs a "
        "search at each source with a quota.",
    )
    lookup.end = _end_of_lookup
    lookup.set_defaults(prepare=_lookup, refuse=lookup.error)
    _add_lookup_arguments(lookup)
    return parser, commands.choices


def _end_of_lookup() -> str:
    keys = ""
    with suppress(ImportError):
        from passivedns.sources import SOURCES

        keys = f"Sources: {', '.join(f'{key} ({source.title})' for key, source in SOURCES.items())}. "
    return (
        f"{keys}Exit codes: 0 if every value was looked up, 1 if one was not or nothing could be, 2 for invalid "
        "settings or arguments, 130 if interrupted. "
        "example: main.py lookup example.org 192.0.2.10 --sources mnemonic,robtex"
    )


def _add_lookup_arguments(lookup: argparse.ArgumentParser) -> None:
    lookup.add_argument(
        "values",
        nargs="*",
        metavar="VALUE",
        help="domain name or IP address, also defanged or in a URL (default: read stdin)",
    )
    lookup.add_argument(
        "--format",
        choices=("table", "json", "csv", "stix", "html"),
        default="table",
        help="output format; stix is the bundle that the connector sends (default: %(default)s)",
    )
    lookup.add_argument("--file", type=Path, metavar="ANSWER.json", help="read a saved answer instead of a source")
    lookup.add_argument(
        "--sources",
        type=_sources,
        default=(),
        metavar="KEY,...",
        help="sources to query, or that the file may come from (default: PDNS_SOURCES, or any for a file)",
    )
    lookup.add_argument(
        "--since",
        type=_moment,
        metavar="WHEN",
        help="show only records seen since this ISO 8601 date, or within this duration, such as 2024-05-31 or P6M "
        "(default: no limit)",
    )
    lookup.add_argument(
        "--record-types",
        type=lambda text: _several(text, RECORD_TYPES, "record types"),
        default=(),
        metavar="TYPE,...",
        help="show only these record types, such as A,AAAA (default: PDNS_RECORD_TYPES)",
    )


def _moment(text: str) -> datetime:
    """A date or a duration before now, in UTC."""
    from pydantic import TypeAdapter

    from passivedns.settings.values import Window, since

    now = datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except ValueError:
        try:
            moment = since(TypeAdapter(Window).validate_python(text), now)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not an ISO 8601 date or duration") from None
    if moment > now:
        raise argparse.ArgumentTypeError(f"{text} is in the future")
    return moment


def _sources(text: str) -> tuple[str, ...]:
    from passivedns.sources import SOURCES

    return _several(text, SOURCES, "sources")


def _several(text: str, known: Iterable[str], what: str) -> tuple[str, ...]:
    """The names in a comma-separated list, in any case, each once."""
    by_lower_case = {name.lower(): name for name in known}
    names = dict.fromkeys(name.strip().lower() for name in text.split(",") if name.strip())
    if not names or names.keys() - by_lower_case.keys():
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of {what}; choose from {', '.join(known)}")
    return tuple(by_lower_case[name] for name in names)
