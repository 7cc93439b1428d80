"""All sources with the same history: their records merge into one graph that says who saw what, and when."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from passivedns.assembly import enricher_of
from passivedns.enrichment import Enricher, Result
from passivedns.model import Entity, Relation
from passivedns.settings.loading import load_lookup_settings
from passivedns.stix.objects import observable_id
from passivedns.summary import summary, total_failure
from sandbox.server import serving
from sandbox.sources.history import ADDRESS, ADDRESS_V6, DOMAIN, Fact, history
from sandbox.sources.service import Service
from sandbox.sources.table import STAND_INS

NOW = datetime.now(UTC)
SHIFTS = {key: days for days, key in enumerate(STAND_INS)}
"""Days by which each source saw the history earlier than the previous one."""


@dataclass
class Sources:
    """The stand-ins of all sources, and an `Enricher` that queries them."""

    services: dict[str, Service]
    environment: dict[str, str]

    def enricher(self, monkeypatch: pytest.MonkeyPatch, *keys: str, **more: str) -> Enricher:
        for name, value in {**self.environment, "PDNS_CACHE_TTL": "PT0S", "PDNS_MAX_RETRIES": "0", **more}.items():
            monkeypatch.setenv(name, value)
        return enricher_of(load_lookup_settings(sources=keys or tuple(STAND_INS)))


@pytest.fixture(scope="module")
def served() -> Iterator[Sources]:
    with ExitStack() as stack:
        sources = Sources({}, {})
        for key, (make, app, _) in STAND_INS.items():
            sources.services[key] = make(history(NOW.date(), SHIFTS[key]))
            url = stack.enter_context(serving(app(sources.services[key])))
            sources.environment |= STAND_INS[key].variables(key, url)
        yield sources


@pytest.fixture
def sources(served: Sources) -> Iterator[Sources]:
    yield served
    for service in served.services.values():
        service.recover()


def entity(value: str, tlp: str | None = None) -> Entity:
    kind = "IPv6-Addr" if ":" in value else "IPv4-Addr" if value[0].isdigit() else "Domain-Name"
    return Entity(observable_id(kind, value), kind, value, tlp=tlp)


def look_up(enricher: Enricher, value: str, tlp: str | None = None) -> Result:
    return enricher.enrich(entity(value, tlp), NOW)


def seen_by(relation: Relation) -> set[str]:
    return {key for key, _ in relation.sources}


def relation_of(result: Result, value: str, record_type: str) -> Relation:
    (found,) = [r for r in result.enrichment.relations if r.value == value and record_type in r.record_types]
    return found


def fact(name: str, data: str) -> Fact:
    (found,) = [item for item in history(NOW.date()) if (item.name, item.data) == (name, data)]
    return found


def test_every_source_answers_about_a_name_and_an_address(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    enricher = sources.enricher(monkeypatch)
    for value in (DOMAIN, ADDRESS, ADDRESS_V6):
        result = look_up(enricher, value)
        assert {item.source.key: str(item.failure) for item in result.outcomes if item.failure} == {}
        assert {item.source.key for item in result.outcomes if item.records} == set(STAND_INS)


def test_a_record_of_all_sources_is_one_relation_from_the_earliest_to_the_latest_date(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    relation = relation_of(look_up(sources.enricher(monkeypatch), DOMAIN), ADDRESS, "A")
    assert seen_by(relation) == set(STAND_INS)
    true = fact(DOMAIN, ADDRESS)
    assert relation.first_seen == true.first - timedelta(days=max(SHIFTS.values()))
    assert relation.last_seen == true.last - timedelta(days=min(SHIFTS.values()))


def test_a_single_source_provides_its_own_dates(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    true = fact(DOMAIN, ADDRESS)
    for key in STAND_INS:
        relation = relation_of(look_up(sources.enricher(monkeypatch, key), DOMAIN), ADDRESS, "A")
        first, last = (moment - timedelta(days=SHIFTS[key]) for moment in (true.first, true.last))
        # VirusTotal has only the date of the first resolution.
        expected = (first, first + timedelta(seconds=1)) if key == "virustotal" else (first, last)
        assert (relation.first_seen, relation.last_seen) == expected, key


def test_an_address_leads_to_the_names_that_resolved_to_it(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    relation = relation_of(look_up(sources.enricher(monkeypatch), ADDRESS), "mail.example.com", "A")
    assert (relation.type, relation.reverse, seen_by(relation)) == ("resolves-to", True, set(STAND_INS))


def test_a_mail_server_has_no_preference_in_its_name(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    relation = relation_of(look_up(sources.enricher(monkeypatch), DOMAIN), "mx1.example.net", "MX")
    assert seen_by(relation) >= {"riskiq", "circl", "cof", "mnemonic", "robtex", "dnsdb"}


def test_a_failing_source_is_named_and_does_not_affect_others(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources.services["circl"].fail("500")
    result = look_up(sources.enricher(monkeypatch, "circl", "mnemonic", "robtex"), DOMAIN)
    assert seen_by(relation_of(result, ADDRESS, "A")) == {"mnemonic", "robtex"}
    text = summary(DOMAIN, result, NOW)
    assert text.startswith("Added ")
    assert "; CIRCL failed: server error (HTTP 500); try again later" in text


def test_if_all_sources_fail_the_error_contains_every_message(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("mnemonic", "robtex"):
        sources.services[key].fail("500")
    result = look_up(sources.enricher(monkeypatch, "mnemonic", "robtex"), DOMAIN)
    assert str(total_failure(result.outcomes)) == (
        "mnemonic and Robtex failed: server error (HTTP 500); try again later. "
        "Its response says: Internal Server Error."
    )


def test_a_red_observable_goes_only_to_the_own_server(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {key: len(service.requests) for key, service in sources.services.items()}
    limits = {"PDNS_MAX_TLP": "TLP:GREEN", "COF_MAX_TLP": "TLP:RED"}
    result = look_up(sources.enricher(monkeypatch, **limits), DOMAIN, "TLP:RED")
    assert [item.source.key for item in result.answered] == ["cof"]
    asked = {key for key, service in sources.services.items() if len(service.requests) > before[key]}
    assert asked == {"cof"}


def test_observables_have_the_strictest_marking_of_their_sources(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = look_up(sources.enricher(monkeypatch, "mnemonic", "robtex"), DOMAIN)
    restricted = look_up(sources.enricher(monkeypatch, "mnemonic", "dnsdb"), DOMAIN)
    assert _tlps(public) == {"TLP:CLEAR"}
    assert "TLP:AMBER" in _tlps(restricted)


def _tlps(result: Result) -> set[str]:
    return {item["x_opencti_definition"] for item in result.objects if item["type"] == "marking-definition"}
