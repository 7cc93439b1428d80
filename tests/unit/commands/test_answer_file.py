"""Look-ups in saved answers of any source."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from passivedns.commands.answer_file import enricher_of_file
from passivedns.commands.lookup import observable
from passivedns.enrichment import Enricher
from passivedns.errors import BadAnswer, ConnectorError
from passivedns.report.lookup import Lookup
from passivedns.settings.model import PdnsSettings
from passivedns.stix.markings import TLP_MARKINGS
from sandbox.sources.riskiq_data import DIRTY, DOMAIN, own_records

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SEEN = {"firstSeen": "2019-01-01", "lastSeen": "2020-01-01", "source": ["riskiq"]}
ROW = {"recordType": "A", "resolveType": "ip", "resolve": "192.0.2.1"} | SEEN
COF = {"rrname": "example.org", "rrtype": "A", "rdata": "192.0.2.1", "time_first": 1577836800, "time_last": 1577836801}

SAVED: dict[str, Any] = {
    "riskiq": {"queryValue": "example.org", "results": [ROW]},
    "circl": COF,
    "mnemonic": {
        "responseCode": 200,
        "count": 1,
        "data": [{"query": "example.org", "rrtype": "a", "answer": "192.0.2.1", "lastSeenTimestamp": 1577836800000}],
    },
    "virustotal": {
        "data": [{"attributes": {"host_name": "example.org", "ip_address": "192.0.2.1", "date": 1577836800}}]
    },
    "otx": {"passive_dns": [{"hostname": "example.org", "address": "192.0.2.1", "record_type": "A"}], "count": 1},
    "defender": {
        "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#security/threatIntelligence/hosts('example.org')/passiveDns",
        "value": [{"parentHost": {"id": "example.org"}, "artifact": {"id": "192.0.2.1"}, "recordType": "A"}],
    },
}
"""A saved answer of each source whose format is unique."""
ALIKE = ("cof", "robtex")
"""Sources that share the format of another source."""


def save(folder: Path, *lines: Any) -> Path:
    path = folder / "answer.json"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


def passivetotal(folder: Path, value: str, records: list[Any]) -> Path:
    """A saved answer of PassiveTotal."""
    return save(folder, {"queryValue": value, "results": records})


def enricher(path: Path, *sources: str, **settings: Any) -> Enricher:
    return enricher_of_file(path, sources, ["example.org"], PdnsSettings(**settings))[1]


def look_up(path: Path, value: str, *sources: str, **settings: Any) -> Lookup:
    reader = enricher(path, *sources, **settings)
    entity = observable(value)
    return Lookup(entity, reader.enrich(entity, NOW), reader.publisher)


def asked_for(path: Path, *sources: str) -> list[str]:
    return list(enricher_of_file(path, sources, [], PdnsSettings())[0])


def failure(lookup: Lookup) -> ConnectorError | None:
    (outcome,) = lookup.result.outcomes
    return outcome.failure


# Results


def test_of_a_large_file_the_beginning_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path, *[COF] * 20)
    monkeypatch.setattr("passivedns.commands.answer_file.MAX_BODY", path.stat().st_size // 2)
    (outcome,) = look_up(path, "example.org", "cof").result.outcomes
    assert (len(outcome.records), outcome.complete) == (10, False)


@pytest.mark.parametrize("source", ["circl", "cof", "robtex", "mnemonic"])
def test_an_empty_array_is_an_empty_answer_of_a_named_source(tmp_path: Path, source: str) -> None:
    lookup = look_up(save(tmp_path, []), "example.org", source)
    assert failure(lookup) is None
    assert lookup.summary == "No records found."


def test_a_look_up_counts_what_was_kept_and_what_was_left_out(tmp_path: Path) -> None:
    lookup = look_up(passivetotal(tmp_path, DOMAIN, own_records(NOW.date())[DOMAIN]), DOMAIN)
    assert lookup.summary == (
        "15 records, merged into 13 relationships: A 5, SOA 3, AAAA 2, MX 2, NS 2, CNAME 1\nLeft out 2: TXT (SPF1) 2"
    )
    assert lookup.period == "all records"


def test_an_empty_answer_is_not_an_error(tmp_path: Path) -> None:
    lookup = look_up(passivetotal(tmp_path, DOMAIN, []), DOMAIN)
    assert failure(lookup) is None
    assert lookup.summary == "No records found."
    assert lookup.bundle_objects() == []


def test_records_seen_before_the_chosen_date_are_left_out_and_counted(tmp_path: Path) -> None:
    records = [
        ROW | {"resolve": "192.0.2.1", "lastSeen": "2019-12-31"},
        ROW | {"resolve": "192.0.2.2", "lastSeen": "2020-01-01"},
        ROW | {"resolve": "192.0.2.3", "firstSeen": None, "lastSeen": None},
    ]
    reader = enricher(passivetotal(tmp_path, DOMAIN, records))
    reader.sources[0].since = lambda _: datetime(2020, 1, 1, tzinfo=UTC)
    reader.sources[0].window_setting = "--since"
    entity = observable(DOMAIN)
    lookup = Lookup(entity, reader.enrich(entity, NOW), reader.publisher)
    assert lookup.summary == (
        "2 records, 2 relationships: A 2\n1 older than the time window, the newest of 2019-12-31; widen --since"
    )
    assert lookup.period == "records seen since 2020-01-01"


def test_other_record_types_are_left_out_and_counted(tmp_path: Path) -> None:
    path = passivetotal(tmp_path, DOMAIN, own_records(NOW.date())[DOMAIN])
    lookup = look_up(path, DOMAIN, record_types="a,mx")
    assert (
        lookup.summary == "7 records, 7 relationships: A 5, MX 2\nLeft out 10: record type not selected 8, TXT (SPF1) 2"
    )


def test_the_settings_of_the_section_pdns_apply(tmp_path: Path) -> None:
    path = passivetotal(tmp_path, DOMAIN, own_records(NOW.date())[DOMAIN])
    lookup = look_up(path, DOMAIN, max_relationships=3, summary_note=True)
    types = [item["type"] for item in lookup.bundle_objects()]
    assert (types.count("relationship"), types.count("note")) == (3, 1)


def test_the_bundle_contains_the_observable_and_all_referenced_objects(tmp_path: Path) -> None:
    objects = look_up(passivetotal(tmp_path, DIRTY, own_records(NOW.date())[DIRTY]), DIRTY).bundle_objects()
    assert objects[0] == {"type": "domain-name", "spec_version": "2.1", "id": objects[0]["id"], "value": DIRTY}
    ids = {item["id"] for item in objects}
    assert len(ids) == len(objects)
    for item in objects:
        assert {value for key, value in item.items() if key.endswith("_ref")} <= ids
        assert {*item.get("object_marking_refs", [])} <= ids


@pytest.mark.parametrize(("source", "tlp"), [("circl", "TLP:AMBER"), ("dnsdb", "TLP:AMBER"), ("robtex", "TLP:CLEAR")])
def test_objects_carry_the_marking_of_the_source(tmp_path: Path, source: str, tlp: str) -> None:
    objects = look_up(save(tmp_path, COF), DOMAIN, source).bundle_objects()
    found = [item["id"] for item in objects if item["type"] == "marking-definition"]
    assert found == [TLP_MARKINGS[tlp]["id"]]


def test_a_file_has_no_quota(tmp_path: Path) -> None:
    (configured,) = enricher(passivetotal(tmp_path, DOMAIN, [])).sources
    assert configured.client.quota().allowances == ()


# The source of a file


@pytest.mark.parametrize("key", SAVED)
def test_the_source_is_recognized_by_the_format(tmp_path: Path, key: str) -> None:
    lookup = look_up(save(tmp_path, SAVED[key]), DOMAIN)
    assert [outcome.source.key for outcome in lookup.result.outcomes] == [key]
    assert lookup.summary == "1 record, 1 relationship: A 1"


def test_framed_lines_are_recognized_as_dnsdb(tmp_path: Path) -> None:
    row = COF | {"rrname": "example.org.", "rdata": ["192.0.2.1"]}
    path = save(tmp_path, {"cond": "begin"}, {"obj": row}, {"cond": "succeeded"})
    assert [outcome.source.key for outcome in look_up(path, DOMAIN).result.outcomes] == ["dnsdb"]


@pytest.mark.parametrize("key", ALIKE)
def test_the_source_of_an_ambiguous_file_can_be_named(tmp_path: Path, key: str) -> None:
    lookup = look_up(save(tmp_path, COF), DOMAIN, key)
    assert [outcome.source.key for outcome in lookup.result.outcomes] == [key]
    assert lookup.summary == "1 record, 1 relationship: A 1"


def test_of_several_named_sources_the_one_that_can_read_the_file_is_used(tmp_path: Path) -> None:
    lookup = look_up(save(tmp_path, SAVED["otx"]), DOMAIN, "riskiq", "otx")
    assert [outcome.source.key for outcome in lookup.result.outcomes] == ["otx"]


def test_an_empty_answer_is_recognized(tmp_path: Path) -> None:
    lookup = look_up(save(tmp_path, {"results": []}), DOMAIN)
    assert [outcome.source.key for outcome in lookup.result.outcomes] == ["riskiq"]
    assert lookup.summary == "No records found."


@pytest.mark.parametrize(
    "content", ["", " \n", "{", "[" * 100_000, "\x80", "[]", "{}", "<html>", '{"message": "quota_exceeded"}']
)
def test_a_file_that_is_not_an_answer_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "answer.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ConnectorError) as error:
        enricher(path)
    assert str(error.value) == (f"{path} is not a response from any source; name the source with --sources.")


def test_a_file_that_is_not_an_answer_of_the_named_source_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = save(tmp_path, "{")
    with pytest.raises(ConnectorError) as error:
        enricher(path, "otx")
    assert str(error.value) == (
        f"{path} is not a response from AlienVault OTX (The response from AlienVault OTX is not valid JSON or was cut "
        "off; check OTX_API_BASE_URL)."
    )


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConnectorError) as error:
        enricher(tmp_path / "answer.json")
    assert str(error.value) == f"{tmp_path}/answer.json cannot be read: No such file or directory."


# The topic of a file


def test_a_file_answers_only_its_own_question(tmp_path: Path) -> None:
    path = passivetotal(tmp_path, "Example.org", [ROW])
    assert look_up(path, "example.org").result.records == 1
    refused = failure(look_up(path, "example.net"))
    assert isinstance(refused, BadAnswer)
    assert str(refused) == f"{path} answers Example.org, not example.net."


def test_an_empty_answer_answers_only_its_own_question(tmp_path: Path) -> None:
    path = passivetotal(tmp_path, "Example.org", [])
    assert failure(look_up(path, "example.org")) is None
    assert str(failure(look_up(path, "example.net"))) == f"{path} answers Example.org, not example.net."


def test_records_about_something_else_are_not_an_answer(tmp_path: Path) -> None:
    path = save(tmp_path, COF)
    assert failure(look_up(path, "192.0.2.1")) is None
    assert str(failure(look_up(path, "example.net"))) == f"{path} contains no record of example.net."


def test_a_file_without_a_topic_answers_any_question(tmp_path: Path) -> None:
    assert look_up(save(tmp_path, {"results": [ROW]}), "example.net").result.records == 1


def test_several_values_can_be_looked_up_in_one_file(tmp_path: Path) -> None:
    path = save(tmp_path, COF, COF | {"rrname": "example.net"})
    values, reader = enricher_of_file(path, ["cof"], ["example.org", "example.net"], PdnsSettings())
    assert list(values) == ["example.org", "example.net"]
    found = [reader.enrich(observable(value), NOW).enrichment for value in values]
    assert [len(enrichment.relations) for enrichment in found] == [1, 1]


def test_the_topic_is_the_stated_one_or_what_all_records_share(tmp_path: Path) -> None:
    assert asked_for(passivetotal(tmp_path, "Example.org", [ROW])) == ["Example.org"]
    assert asked_for(save(tmp_path, COF, COF | {"rdata": "192.0.2.2"})) == ["example.org"]
    assert asked_for(save(tmp_path, COF, COF | {"rrname": "example.net"})) == ["192.0.2.1"]


@pytest.mark.parametrize(
    "lines", [[COF], [{"results": []}], [COF, COF | {"rrname": "a.example", "rdata": "192.0.2.2"}]]
)
def test_a_file_without_a_topic_needs_a_value(tmp_path: Path, lines: list[Any]) -> None:
    path = save(tmp_path, *lines)
    with pytest.raises(ConnectorError) as error:
        asked_for(path)
    assert str(error.value) == f"{path} does not state the queried value; name it on the command line."
