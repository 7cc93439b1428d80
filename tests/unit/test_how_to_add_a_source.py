"""The example source in docs/architecture.md works as described."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from passivedns.enrichment import Enricher
from passivedns.errors import CredentialsRefused
from passivedns.model import Entity
from passivedns.query.all_sources import ConfiguredSource
from passivedns.query.quota import QuotaMeter
from passivedns.settings.reading import PROJECT_ROOT
from passivedns.sources.source import Source
from passivedns.stix.builder import Publisher
from passivedns.stix.objects import observable_id
from passivedns.summary import failed, summary
from passivedns.transport.http import Http, RetryPolicy
from sandbox.daemon import inherited
from sandbox.server import serving

CHAPTER = (
    (PROJECT_ROOT / "docs/architecture.md")
    .read_text(encoding="utf-8")
    .partition("### How to add a source\n")[2]
    .partition("\n### ")[0]
)
KEY = "key-of-toy"
NOW = datetime.now(UTC)
SEEN = int((NOW - timedelta(days=2)).timestamp())


def code() -> str:
    (found,) = re.findall(r"```python\n(.+?)```", CHAPTER, re.DOTALL)
    return str(found)


@pytest.fixture(scope="module")
def toy() -> Source:
    module = ModuleType("toy")
    exec(compile(code(), "docs/architecture.md", "exec"), vars(module))  # noqa: S102  # our own document
    source: Source = vars(module)["TOY"]
    return source


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The service that the example queries."""
    app = FastAPI(openapi_url=None)

    @app.get("/api/names/{name}")
    async def names(name: str, request: Request) -> Response:
        if request.headers.get("x-key") != KEY:
            return JSONResponse({"message": "who are you?"}, 401)
        pairs = [("A", "192.0.2.1"), ("MX", "mx.example.net")]
        rows: list[Any] = [*({"type": kind, "data": data, "seen": SEEN} for kind, data in pairs), "no row"]
        return JSONResponse({"rows": rows if name == "example.org" else []})

    with serving(app) as base:
        yield f"{base}/api"


def enricher(toy: Source, url: str, key: str = KEY) -> Enricher:
    meter = QuotaMeter(toy)
    settings = toy.settings.model_validate({"api_key": key, "api_base_url": url})
    client = toy.client(settings, Http(toy, url, RetryPolicy(2, 0, 0), meter.spend))
    publisher = Publisher({toy.key: toy.organization}, {toy.key: toy.tlp})
    return Enricher([ConfiguredSource(toy, client, meter, since=lambda now: now - timedelta(days=30))], publisher)


def entity(value: str, entity_type: str = "Domain-Name") -> Entity:
    return Entity(observable_id(entity_type, value), entity_type, value)


def test_its_records_become_relationships(toy: Source, url: str) -> None:
    result = enricher(toy, url).enrich(entity("example.org"), NOW)
    described = {item["description"] for item in result.objects if item["type"] == "relationship"}
    assert described == {"A records (Toy Organization)", "MX records (Toy Organization)"}
    assert summary("example.org", result, NOW) == (
        "Added 2 observables and 2 relationships from 3 passive DNS records of example.org (A 1, MX 1); "
        "1 unreadable row"
    )


def test_its_failures_are_worded(toy: Source, url: str) -> None:
    error = failed(enricher(toy, url, key="key-of-nobody").enrich(entity("example.org"), NOW).outcomes)
    assert isinstance(error, CredentialsRefused)
    assert str(error) == (
        "Toy DNS rejected the credentials (HTTP 401); check TOY_API_KEY. Its response says: who are you?"
    )


def test_it_is_not_queried_about_unsupported_types(toy: Source, url: str) -> None:
    assert enricher(toy, url).enrich(entity("192.0.2.1", "IPv4-Addr"), NOW).outcomes == []


def test_it_is_short() -> None:
    written = [line for line in code().splitlines() if line and not line.startswith(("from ", "import ", '"""'))]
    assert len(written) <= 30


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the code with the source added as in the first step."""
    shutil.copytree(PROJECT_ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "config.yml"))
    sources = tmp_path / "src" / "passivedns" / "sources"
    (sources / "toy.py").write_text(code(), encoding="utf-8")
    table = (sources / "__init__.py").read_text(encoding="utf-8")
    table = table.replace("\nSOURCES", "\nfrom passivedns.sources.toy import TOY\n\nSOURCES")
    table, added = re.subn(r"(source for source in \()", r"\1TOY, ", table)
    assert added == 1
    (sources / "__init__.py").write_text(table, encoding="utf-8")
    return tmp_path


def test_once_registered_it_works_in_settings_and_commands(checkout: Path, url: str) -> None:
    variables = {"PDNS_SOURCES": "toy", "TOY_API_KEY": KEY, "TOY_API_BASE_URL": url}
    command = [sys.executable, str(checkout / "src" / "main.py"), "lookup", "example.org", "--format", "json"]
    ended = subprocess.run(command, env=inherited() | variables, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert {"192.0.2.1", "mx.example.net"} <= set(
        re.findall(r'"value": "([^"]+)"', json.dumps(json.loads(ended.stdout)))
    )


def test_the_steps_name_files_that_exist() -> None:
    named = re.findall(r"`((?:src|sandbox|tests|docs)/[\w./]*)`", CHAPTER)
    assert len(named) > 5
    assert [path for path in named if not (PROJECT_ROOT / path).exists()] == []
