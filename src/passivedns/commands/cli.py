"""The commands of `main.py`: without one it is the daemon, with one a tool for its operator."""

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path

from passivedns import __version__
from passivedns.errors import ConnectorError, SettingsError
from passivedns.wording import printable

# Each command imports what it needs when it runs: pycti alone takes more than a second.


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 2 tells of bad settings or arguments, 1 of anything else that failed."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    parsed = _parser().parse_args(arguments)
    try:
        code = _run(parsed)
        # A reader that is gone shows here at the latest, not after the last line of Python.
        sys.stdout.flush()
        return code
    except ConnectorError as error:
        print(printable(str(error)), file=sys.stderr)
        return 2 if isinstance(error, SettingsError) else 1
    except KeyboardInterrupt:
        # As shells have it: 128 and the number of the signal.
        return 130
    except BrokenPipeError:
        # Nobody reads on, and Python would complain once more when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(parsed: argparse.Namespace) -> int:
    try:
        return _run_command(parsed)
    except ModuleNotFoundError as error:
        raise ConnectorError(
            f"The Python module {error.name} is missing; install what the connector needs: "
            "python3 -m pip install -r requirements.txt"
        ) from error


def _run_command(parsed: argparse.Namespace) -> int:
    match parsed.command:
        case "check":
            from passivedns.commands import check

            return check.run(parsed.json)
        case "lookup":
            from passivedns.commands import lookup

            values = parsed.values or ([] if parsed.file else _values_of_stdin())
            if not (values or parsed.file):
                parsed.refuse("lookup needs a value, as an argument or on standard input, such as: lookup example.org")
            how = parsed.format, parsed.file, parsed.since, parsed.record_types, parsed.sources
            return lookup.run(lookup.Request(values, *how))
        case _:
            # The imports create no garbage, and looking for it takes a tenth of the start.
            gc.disable()
            from passivedns.daemon import run
            from passivedns.settings.loading import load_settings

            gc.enable()
            run(load_settings())
            return 0


def _values_of_stdin() -> list[str]:
    return [] if sys.stdin.isatty() else [line.strip() for line in sys.stdin if line.strip()]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="main.py",
        description="Passive DNS for OpenCTI. Without a command it runs the connector.",
    )
    parser.add_argument("--version", action="version", version=f"Passive DNS for OpenCTI {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    check = commands.add_parser("check", help="try once what the connector needs; no search is spent")
    check.add_argument("--json", action="store_true", help="print the findings as JSON")
    lookup = commands.add_parser(
        "lookup",
        help="show the passive DNS of names and addresses, without OpenCTI",
        description="Look values up as the connector does and show what it would send to OpenCTI. A look-up costs a "
        "search at each source that has a quota.",
        epilog="example: main.py lookup example.org 192.0.2.10 --sources mnemonic,robtex",
    )
    lookup.set_defaults(refuse=lookup.error)
    _add_lookup_arguments(lookup)
    return parser


def _add_lookup_arguments(lookup: argparse.ArgumentParser) -> None:
    lookup.add_argument(
        "values", nargs="*", metavar="VALUE", help="domain name or IP address; without any they are read from stdin"
    )
    lookup.add_argument(
        "--format",
        choices=("table", "json", "csv", "stix", "html"),
        default="table",
        help="what to print; stix is the bundle that the connector sends (default: %(default)s)",
    )
    lookup.add_argument("--file", type=Path, metavar="ANSWER.json", help="a saved answer, in place of a source")
    lookup.add_argument(
        "--sources",
        type=_sources,
        default=(),
        metavar="KEY,...",
        help="ask these, or read the file as an answer of one of these (default: PDNS_SOURCES, or any for a file)",
    )
    lookup.add_argument(
        "--since",
        type=_moment,
        metavar="WHEN",
        help="how far back to go: an ISO 8601 date or duration, such as 2024-05-31 or P6M "
        "(default: PDNS_IMPORT_LAST_SEEN_TIME_WINDOW, or all of a file)",
    )
    lookup.add_argument(
        "--record-types",
        type=_record_types,
        default=(),
        metavar="TYPE,...",
        help="keep only these, such as A,AAAA (default: PDNS_RECORD_TYPES)",
    )


def _moment(text: str) -> datetime:
    """A moment in UTC, from a date or from a duration before now."""
    from pydantic import TypeAdapter, ValidationError

    from passivedns.settings.values import Window, since

    now = datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except ValueError:
        try:
            moment = since(TypeAdapter(Window).validate_python(text), now)
        except ValidationError:
            raise argparse.ArgumentTypeError(f"{text!r} is not an ISO 8601 date or duration") from None
    if moment > now:
        raise argparse.ArgumentTypeError(f"{text} lies in the future")
    return moment


def _record_types(text: str) -> frozenset[str]:
    from passivedns.converter import RECORD_TYPES

    names = frozenset(name.strip().upper() for name in text.split(",") if name.strip())
    if not names or names - set(RECORD_TYPES):
        known = ", ".join(sorted(RECORD_TYPES))
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of record types; the known types are {known}")
    return names


def _sources(text: str) -> tuple[str, ...]:
    """Keys of sources, each once."""
    from passivedns.sources import SOURCES

    named = [name.strip().lower() for name in text.split(",") if name.strip()]
    if not named or set(named) - set(SOURCES):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of sources; the known sources are {', '.join(SOURCES)}"
        )
    return tuple(dict.fromkeys(named))
