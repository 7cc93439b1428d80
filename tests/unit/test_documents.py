"""The documents match the code: messages, modules, imports and links."""

import ast
import inspect
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from pycti.connector import opencti_connector_helper

from passivedns import errors
from passivedns.settings.reading import PROJECT_ROOT
from passivedns.settings.values import A_BASE_URL, A_DURATION, YES_OR_NO
from passivedns.sources import SOURCES

SRC = PROJECT_ROOT / "src"
CODE = SRC / "passivedns"
TROUBLESHOOTING = (PROJECT_ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
ARCHITECTURE = (PROJECT_ROOT / "docs/architecture.md").read_text(encoding="utf-8")
(DIAGRAM,) = re.findall(r"```mermaid\nflowchart TD\n(.+?)```", ARCHITECTURE, re.DOTALL)
MARKDOWN = sorted(
    path
    for path in PROJECT_ROOT.rglob("*.md")
    if not path.relative_to(PROJECT_ROOT).parts[0].startswith((".venv", ".git/", ".pytest", ".mypy", ".ruff"))
)

NO_SENTENCES = {
    *("Passive DNS", "Microsoft Entra ID", "API key", "own server", "zone files", "application/x-ndjson, */*;q=0.5"),
    *("Error: no results found for query.", "CA certificate bundle", "Tunnel connection failed"),
    *("Tunnel connection failed: 403", "Tunnel connection failed: 407", "the certificate", "its issuer"),
    *("Timeout during AMQP handshake", "Timeout while setting up transport"),
    *("Address already in use", "MQ_HOST and MQ_PORT"),
    *("…:…, virtual host …", "check MQ_USE_SSL and MQ_PORT"),
    "CONNECTOR_METRICS_PORT, OPENCTI_SSL_VERIFY and HTTPS_CA_CERTIFICATES",
    "…: … of … searches used, … left…",
    *(A_BASE_URL, A_DURATION, YES_OR_NO),
}
"""Names, texts of others that the code looks for, accepted values, and a self-explanatory line of `main.py check`."""
NO_WORK_OR_LOG = {CODE / "metrics.py", CODE / "stix/note.py", CODE / "stix/special_use.py"}
"""Texts of metrics and notes are shown elsewhere; what makes an address special explains itself."""
SILENT = ("Field", "allowed", "accepts", "re.", "Source", ".execute", ".executescript", "get_logger")
"""Calls whose texts are documentation of settings or not for people: the start or end of their names."""

FOR_ALL = {"errors.py", "metrics.py", "model.py", "text.py"}
"""Modules that the diagram of the architecture leaves out."""

GAP = "…"
"""A variable part of a message, in the templates of the code and in the documents."""


# Messages in the code


def modules() -> list[Path]:
    found = sorted(CODE.rglob("*.py"))
    assert len(found) > 40
    return found


def modules_of_the_daemon() -> set[Path]:
    """Return daemon.py and every module that it imports, directly or indirectly."""
    found: set[Path] = set()
    waiting = [CODE / "daemon.py"]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += imported(ast.parse(path.read_text(encoding="utf-8")))
    return found


def imported(tree: ast.AST) -> Iterator[Path]:
    """Yield the files of this package that a module imports, including late imports and those for types."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "passivedns":
            place = SRC.joinpath(*str(node.module).split("."))
            candidates = [place.with_suffix(".py"), place / "__init__.py"]
            candidates += [place / f"{alias.name}.py" for alias in node.names]
            yield from (path for path in candidates if path.exists())


def sentences() -> set[str]:
    """Return every message of the daemon, and the errors of the commands, with a gap for each variable part."""
    of_the_daemon = modules_of_the_daemon() - NO_WORK_OR_LOG
    found: set[str] = set()
    for path in modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        parts = texts(tree) if path in of_the_daemon else texts_raised(tree)
        found |= {text.strip() for text in map(with_gaps, parts) if is_sentence(text)} | set(reasons(tree))
    return found - NO_SENTENCES


def with_gaps(text: str) -> str:
    """Replace each placeholder of a template, such as `{title}` or %s, with a gap."""
    return re.sub(r"\{\w+[^{} ]*\}|%(?:\.\d+f|[sdgr])", GAP, text)


def is_sentence(text: str) -> bool:
    """Return whether a text has at least two words, and no braces or line breaks, which are not for people."""
    return len(re.findall(r"[^\W\d_]+", text)) > 1 and " " in text.strip() and not re.search(r"[{}\n]", text)


def texts(tree: ast.AST) -> Iterator[str]:
    """Yield the literals of functions and constants, except docstrings, patterns and texts of settings."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.Call) and is_silent(ast.unparse(node.func)):
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(ast.literal_eval(part) if isinstance(part, ast.Constant) else GAP for part in node.values)
            values = [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
            # Without their formats, such as %Y-%m-%d.
            yield from texts(ast.List(values))
        else:
            yield from texts(node)


def is_silent(function: str) -> bool:
    return any(function == name or function.startswith(name * name.endswith(".") or "\0") for name in SILENT) or any(
        function.endswith(name) for name in SILENT if name.startswith(".")
    )


def texts_raised(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise):
            yield from texts(node)


def reasons(tree: ast.AST) -> Iterator[str]:
    """Yield reasons for unusable values, even of one word: arguments of `Unusable`, and texts paired with a check."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Unusable":
            yield from (text for argument in node.args for text in texts(ast.List([argument])))
        elif isinstance(node, ast.Tuple) and len(node.elts) == 2 and isinstance(node.elts[1], ast.Lambda):
            yield from texts(ast.List(node.elts[:1]))


def documented() -> list[str]:
    """Return the messages in troubleshooting.md: code in the first cells of its tables."""
    return re.findall(r"^\| `([^`]+)` \|", TROUBLESHOOTING, re.MULTILINE)


def says(text: str, sentence: str) -> bool:
    """Return whether a text contains a message of the code, with its gaps open or filled."""
    return bool(re.search(".{0,120}?".join(map(re.escape, sentence.split(GAP))), text))


def unexplained(written: Iterable[str], explained: Iterable[str]) -> list[str]:
    """Return the messages that no text contains."""
    return sorted(sentence for sentence in written if not any(says(text, sentence) for text in explained))


def test_messages_of_every_kind_are_found() -> None:
    found = sentences()
    assert len(found) > 100
    assert {
        "… rejected the credentials (HTTP …); check ….",
        "… cannot be reached: ….",
        "no answer within … s",
        "Not sent to …: marked …, above the maximum of … (…).",
        "Waiting … for the rate limit of … (…).",
        "wildcard",
    } <= found


def test_troubleshooting_explains_every_message_of_the_connector() -> None:
    assert unexplained(sentences(), documented()) == []


def test_troubleshooting_explains_no_message_that_does_not_exist() -> None:
    written = sentences()
    assert documented()
    assert [text for text in documented() if not any(says(text, sentence) for sentence in written)] == []


def test_troubleshooting_quotes_the_message_of_pycti_on_an_unreadable_entity() -> None:
    words = re.findall(r'"(Unable to read/access [^"]+)"', inspect.getsource(opencti_connector_helper))
    assert words
    assert [text for text in words if f'"{text}"' not in TROUBLESHOOTING] == []


def exceptions() -> list[str]:
    found = [name for name, value in vars(errors).items() if isinstance(value, type)]
    assert found
    return found


def test_troubleshooting_has_a_section_for_every_kind_of_failure_and_no_other() -> None:
    headings = "\n".join(re.findall(r"^##+ .+$", TROUBLESHOOTING, re.MULTILINE))
    assert sorted(re.findall(r"`(\w+)`", headings)) == sorted(exceptions())


def test_the_architecture_names_exactly_the_existing_modules() -> None:
    table = ARCHITECTURE.partition("## Modules")[2].partition("Other folders")[0]
    named: list[str] = []
    for place, cell in re.findall(r"^\| `src/passivedns/((?:\w+/)?)` \| (.+?) \|", table, re.MULTILINE):
        named += [place + name for name in re.findall(r"`(\w+\.py)`", cell)]
    named += [f"sources/{key}.py" for key in SOURCES]
    assert sorted(named) == sorted(str(path.relative_to(CODE)) for path in modules() if path.name != "__init__.py")


def place(path: Path) -> str:
    """Return the name in the diagram of the module, or else of the package to which it belongs."""
    name = str(path.relative_to(CODE))
    folder, inside, _ = name.partition("/")
    return name if name in DIAGRAM or not inside else f"{folder}/"


def test_the_diagram_shows_what_imports_what() -> None:
    """Every arrow is an import, every import follows arrows, and no arrow leads back."""
    node_of = {name: node for node, names in re.findall(r'(\w+)\["(.+?)"\]', DIAGRAM) for name in names.split(", ")}
    assert node_of.keys() | FOR_ALL == {place(path) for path in modules()} - {"__init__.py"}
    arrows = set(re.findall(r"^ +(\w+) --> (\w+)", re.sub(r'\[".+?"\]', "", DIAGRAM), re.MULTILINE))
    imports = {
        (node_of[place(path)], node_of[place(other)])
        for path in modules()
        for other in imported(ast.parse(path.read_text(encoding="utf-8")))
        if place(path) != place(other) and {place(path), place(other)} <= node_of.keys()
    }
    imports -= {(node, node) for node in node_of.values()}
    assert arrows <= imports
    assert imports <= reachable(arrows)
    assert not [start for start, end in reachable(arrows) if start == end]


def reachable(arrows: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the start and end of every path along arrows."""
    longer = arrows | {(start, end) for start, middle in arrows for other, end in arrows if other == middle}
    return arrows if longer == arrows else reachable(longer)


# Markdown


def test_the_documents_are_found_in_every_folder() -> None:
    folders = {str(path.parent.relative_to(PROJECT_ROOT)) for path in MARKDOWN}
    assert folders >= {".", ".github", "__metadata__", "docs", "docs/sources"}


def without_code(path: Path) -> str:
    return re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub generates them."""
    titles = re.findall(r"^#+ (.+)$", without_code(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: path.name)
def test_every_relative_link_has_a_target(path: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", without_code(path))
    for link in [link for link in links if not re.match(r"[a-z]+:", link)]:
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: path.name)
def test_no_table_is_broken(path: Path) -> None:
    """Every line of a table has as many cells as its head, and the second is a delimiter row."""
    for table in re.findall(r"(?:^\|.*\n)+", without_code(path), re.MULTILINE):
        lines = table.splitlines()
        assert len(lines) > 2, table
        assert re.fullmatch(r"\|(\s*:?-+:?\s*\|)+", lines[1]), lines[1]
        assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {lines[1].count("|")}, table
