"""Special-use addresses and names are neither sent to public sources nor imported from them."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest

from passivedns.commands.cli import main
from passivedns.converter import convert
from passivedns.model import Enrichment, Entity, Record
from passivedns.sources import SOURCES
from passivedns.stix.objects import observable_id
from sandbox.server import serving
from sandbox.sources.cof import CofServer, cof_app
from sandbox.sources.mnemonic import Mnemonic, mnemonic_app
from tests.unit.sources.samples import SAMPLES

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DOMAIN = Entity(observable_id("Domain-Name", "example.org"), "Domain-Name", "example.org")
ADDRESS = Entity(observable_id("IPv4-Addr", "192.0.2.10"), "IPv4-Addr", "192.0.2.10")
ADDRESSES = [
    Record("example.org", "A", "127.0.0.1", NOW, NOW, (), "one"),
    Record("example.org.", "AAAA", "FE80:0::1", NOW, NOW, (), "one"),
    Record("example.org", "AAAA", "::ffff:10.0.0.1", NOW, NOW, (), "one"),
]
NAMES = [
    Record("example.org", "NS", "dc1.corp.", NOW, NOW, (), "one"),
    Record("example.org", "CNAME", "PRINTER.Local", NOW, NOW, (), "one"),
    Record("printer.ｌocal", "CNAME", "example.org", NOW, NOW, (), "one"),
    Record("example.org", "SOA", "root@dc1.corp", NOW, NOW, (), "one"),
]


def values(enrichment: Enrichment) -> list[str]:
    return [relation.value for relation in enrichment.relations]


def test_they_are_left_out_and_counted() -> None:
    ordinary = Record("example.org", "A", "198.51.100.7", NOW, NOW, (), "one")
    found = convert(DOMAIN, [*ADDRESSES, ordinary, *NAMES])
    assert values(found) == ["198.51.100.7"]
    assert found.left_out == Counter({"special-use address": 3, "special-use name": 4})


def test_a_name_of_an_address_is_left_out_and_counted() -> None:
    found = convert(ADDRESS, [Record("nas.lan", "A", "192.0.2.10", NOW, NOW, (), "one")])
    assert (values(found), found.left_out) == ([], Counter({"special-use name": 1}))


def test_only_rows_of_a_local_source_are_kept() -> None:
    found = convert(DOMAIN, [ADDRESSES[0], ADDRESSES[1]._replace(source="own")], local={"own"})
    assert values(found) == ["fe80::1"]
    assert found.left_out == Counter({"special-use address": 1})


@pytest.mark.parametrize("key", SOURCES)
@pytest.mark.parametrize(
    ("of", "ordinary", "special", "reason"),
    [
        (DOMAIN, "192.0.2.10", "127.0.0.1", "special-use address"),
        (ADDRESS, "example.org", "printer.local", "special-use name"),
    ],
)
def test_they_are_left_out_of_the_answers_of_every_source(
    key: str, of: Entity, ordinary: str, special: str, reason: str
) -> None:
    body = SAMPLES[key].answers[of.value].body
    answer = SOURCES[key].read(body.replace(ordinary.encode(), special.encode()), of.value)
    found = convert(of, answer.records)
    assert special not in values(found)
    assert found.left_out[reason] == min(body.count(ordinary.encode()), 1)


def test_only_one_source_can_know_them() -> None:
    assert [key for key, source in SOURCES.items() if "special_use" in source.settings.model_fields] == ["cof"]


# Look-ups

REFUSED = (
    "10.0.0.1 was not looked up: it is a special-use address (private network, RFC 1918); only a COF server with "
    "COF_SPECIAL_USE is asked about those.\n"
)
ROWS = [
    {"rrname": "nas.lan", "rrtype": "A", "rdata": "10.0.0.1", "time_first": 1795000000, "time_last": 1795000000},
    {"rrname": "vpn.example", "rrtype": "A", "rdata": "10.0.0.1", "time_first": 1795000000, "time_last": 1795000000},
]


class Desk(NamedTuple):
    """A COF server and a public source, and the command that queries them."""

    own: CofServer
    public: Mnemonic
    capture: pytest.CaptureFixture[str]

    def lookup(self, *arguments: str) -> tuple[int, list[dict[str, Any]], str]:
        """The exit code, the answers and stderr."""
        code = main(["lookup", *arguments, "--format", "json"])
        printed, said = self.capture.readouterr()
        return code, [json.loads(line) for line in printed.splitlines()], said


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    answer = "\n".join(map(json.dumps, ROWS)).encode()
    services = Desk(CofServer(recorded={"10.0.0.1": answer}), Mnemonic([]), capsys)
    with serving(cof_app(services.own)) as own_url, serving(mnemonic_app(services.public)) as public_url:
        monkeypatch.setenv("PDNS_SOURCES", "mnemonic,cof")
        monkeypatch.setenv("PDNS_CACHE_TTL", "PT0S")
        monkeypatch.setenv("PDNS_IMPORT_LAST_SEEN_TIME_WINDOW", "P99Y")
        monkeypatch.setenv("COF_URL", f"{own_url}/query")
        monkeypatch.setenv("MNEMONIC_API_BASE_URL", f"{public_url}/pdns/v3")
        yield services


def test_no_source_is_asked_about_them(desk: Desk) -> None:
    assert desk.lookup("10.0.0.1") == (1, [], REFUSED)
    assert desk.lookup("printer.local")[2].startswith("printer.local was not looked up: it is a special-use name (")
    assert desk.own.requests == desk.public.requests == []


def test_a_local_server_alone_is_asked_if_the_operator_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COF_SPECIAL_USE", "true")
    code, (found,), _ = desk.lookup("10.0.0.1")
    assert code == 0
    assert [item["value"] for item in found["relationships"]] == ["nas.lan", "vpn.example"]
    assert list(found["sources"]) == ["cof"]
    assert desk.public.requests == []


def test_every_other_value_is_looked_up_all_the_same(desk: Desk) -> None:
    code, found, said = desk.lookup("10.0.0.1", "example.org")
    assert (code, [item["query"] for item in found], said) == (1, ["example.org"], REFUSED)
