"""One look-up without OpenCTI: which value it is about, and what comes of it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from passivedns import stix
from passivedns.enrichment import Wanted
from passivedns.errors import ConnectorError
from passivedns.lookup import EVERYTHING, NoObservable, SavedAnswer, observable
from sandbox.dataset import DIRTY, DOMAIN, own_records
from tests.unit.saved_answers import NOW, lookup_of, save, seen


@pytest.mark.parametrize(
    ("text", "entity_type", "value"),
    [
        ("Example.ORG.", "Domain-Name", "example.org"),
        (" 192.0.2.10\n", "IPv4-Addr", "192.0.2.10"),
        ("2001:DB8:0::1", "IPv6-Addr", "2001:db8::1"),
        ("bücher.example", "Domain-Name", "bücher.example"),
    ],
)
def test_a_value_becomes_the_observable_that_opencti_has_of_it(text: str, entity_type: str, value: str) -> None:
    entity = observable(text)
    assert (entity.type, entity.value) == (entity_type, value)
    assert entity.id == stix.observable_id(entity_type, value)


def test_a_name_has_one_id_whether_its_accents_are_letters_or_marks() -> None:
    assert observable("bu\u0308cher.example") == observable("b\u00fccher.example")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty value"),
        ("192.0.2.0/24", "CIDR"),
        ("http://example.org/", "URL"),
        ("user@example.org", "mailbox for a name"),
        ("localhost", "single label"),
        ("999.1.1.1", "no domain name"),
    ],
)
def test_what_is_no_single_address_or_name_is_named_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(NoObservable, match=rf"was not looked up: it is no single address or name \({reason}\)\."):
        observable(text)


def test_a_look_up_counts_what_was_kept_and_what_was_left_out(tmp_path: Path) -> None:
    lookup = lookup_of(tmp_path, DOMAIN, own_records(NOW.date())[DOMAIN])
    assert lookup.summary == (
        "13 relationships from 17 records: A 5, SOA 3, AAAA 2, MX 2, NS 2, CNAME 1\nLeft out 2: TXT (SPF1) 2"
    )
    assert lookup.period == "all records"


def test_what_nobody_knows_is_no_error(tmp_path: Path) -> None:
    lookup = lookup_of(tmp_path, DOMAIN, [])
    assert lookup.summary == "No record is known."
    assert lookup.bundle_objects() == []


def test_records_of_a_file_that_were_seen_too_long_ago_are_not_looked_at(tmp_path: Path) -> None:
    records = [
        seen("A", "ip", "192.0.2.1", "2019-01-01", "2019-12-31"),
        seen("A", "ip", "192.0.2.2", "2019-01-01", "2020-01-01"),
        seen("A", "ip", "192.0.2.3", None, None),
    ]
    lookup = lookup_of(tmp_path, DOMAIN, records, since=datetime(2020, 1, 1, tzinfo=UTC))
    assert lookup.summary == "2 relationships from 2 records: A 2"
    assert lookup.period == "records seen since 2020-01-01"


def test_record_types_that_were_not_chosen_are_left_out_and_counted(tmp_path: Path) -> None:
    lookup = lookup_of(tmp_path, DOMAIN, own_records(NOW.date())[DOMAIN], wanted=Wanted({"A", "MX"}))
    assert (
        lookup.summary
        == "7 relationships from 17 records: A 5, MX 2\nLeft out 10: record type not chosen 8, TXT (SPF1) 2"
    )


def test_the_bundle_holds_the_bare_observable_and_everything_that_it_refers_to(tmp_path: Path) -> None:
    objects = lookup_of(tmp_path, DIRTY, own_records(NOW.date())[DIRTY]).bundle_objects()
    assert objects[0] == {"type": "domain-name", "spec_version": "2.1", "id": objects[0]["id"], "value": DIRTY}
    ids = {item["id"] for item in objects}
    assert len(ids) == len(objects)
    for item in objects:
        assert {value for key, value in item.items() if key.endswith("_ref")} <= ids
        assert {*item.get("object_marking_refs", [])} <= ids


def test_a_file_answers_its_own_question_and_no_other(tmp_path: Path) -> None:
    source = SavedAnswer(save(tmp_path, "Example.org", [seen("A", "ip", "192.0.2.1", None, None)]))
    assert len(source.passive_dns("example.org", EVERYTHING).records) == 1
    with pytest.raises(ConnectorError, match=r"answers Example\.org, not example\.net\."):
        source.passive_dns("example.net", EVERYTHING)


def test_a_file_that_does_not_say_what_it_answers_is_believed(tmp_path: Path) -> None:
    path = tmp_path / "answer.json"
    path.write_text(json.dumps({"results": [seen("A", "ip", "192.0.2.1", None, None)]}))
    assert len(SavedAnswer(path).passive_dns("example.net", EVERYTHING).records) == 1


def test_a_file_tells_no_quota(tmp_path: Path) -> None:
    assert SavedAnswer(save(tmp_path, DOMAIN, [])).quota().allowances == ()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot be read: No such file or directory."),
        ("{", "is no JSON."),
        ("[" * 100_000, "is no JSON."),
        ("\x80", "is no JSON."),
        ("[]", "holds no answer of PassiveTotal"),
        ('{"message": "quota_exceeded"}', "holds no answer of PassiveTotal"),
    ],
)
def test_a_file_that_holds_no_answer_is_named(tmp_path: Path, content: str | None, complaint: str) -> None:
    path = tmp_path / "answer.json"
    if content is not None:
        path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ConnectorError, match=complaint) as error:
        SavedAnswer(path)
    assert str(error.value).startswith(str(path))
