"""The client of Robtex over HTTP, and its recorded answer."""

from datetime import UTC, datetime

import pytest

from passivedns.model import Answer, Question, Record
from passivedns.sources.robtex import ROBTEX, RobtexSettings
from sandbox.sources.history import ADDRESS, ADDRESS_V6, DOMAIN, history
from sandbox.sources.robtex import Robtex, robtex_app
from tests.helpers.broken_answers import Meanings, each, error_of, meanings_of_broken
from tests.helpers.clients import LONG_AGO, client, question
from tests.helpers.recorded import recorded
from tests.helpers.stand_ins import stand_in

FACTS = history(datetime.now(UTC).date())
MEANING: Meanings = meanings_of_broken("Robtex", "ROBTEX_API_BASE_URL")


served = stand_in(lambda: Robtex(FACTS), robtex_app, "/pdns")


def ask(url: str, value: str = DOMAIN) -> Answer:
    return client("robtex", url).look_up(question(value))


def test_a_name_returns_its_history_to_the_second(url: str) -> None:
    answer = ask(url)
    seen = next(fact for fact in FACTS if (fact.name, fact.data) == (DOMAIN, ADDRESS))
    assert Record(DOMAIN, "A", ADDRESS, seen.first, seen.last, (), "robtex") in answer.records
    assert "mx1.example.net" in {record.data for record in answer.records}
    assert (answer.complete, answer.certain, answer.unreadable) == (True, True, 0)


@pytest.mark.parametrize(
    ("address", "names"),
    [
        (ADDRESS, {"example.org", "www.example.org", "mail.example.com", "shared.example.net", "old.tenant.example"}),
        (ADDRESS_V6, {"example.org", "v6.example.com"}),
    ],
)
def test_an_address_returns_its_names(url: str, address: str, names: set[str]) -> None:
    records = ask(url, address).records
    assert {record.name for record in records} == names
    assert {record.data for record in records} == {address}


@pytest.mark.parametrize(
    ("kind", "value", "path"),
    [
        ("Domain-Name", DOMAIN, f"/pdns/forward/{DOMAIN}"),
        ("Hostname", DOMAIN, f"/pdns/forward/{DOMAIN}"),
        ("IPv4-Addr", ADDRESS, f"/pdns/reverse/{ADDRESS}"),
        ("IPv6-Addr", ADDRESS_V6, f"/pdns/reverse/{ADDRESS_V6}"),
    ],
)
def test_names_are_looked_up_forward_and_addresses_in_reverse(
    service: Robtex, url: str, kind: str, value: str, path: str
) -> None:
    client("robtex", url).look_up(Question(value, kind, LONG_AGO))
    assert [(request.path, request.params) for request in service.requests] == [(path, {})]


def test_nothing_known_is_an_empty_answer(url: str) -> None:
    assert ask(url, "nobody.example") == Answer([])


@pytest.mark.parametrize("fault", each(MEANING))
def test_each_fault_raises_its_error(service: Robtex, url: str, fault: str) -> None:
    service.fail(fault)
    assert error_of(lambda: ask(url)) == MEANING[fault]


def test_every_fault_has_an_expected_error() -> None:
    assert set(MEANING) == set(Robtex.faults)


def test_the_default_url_is_that_of_the_service() -> None:
    assert RobtexSettings().api_base_url == "https://freeapi.robtex.com/pdns"


def test_the_recorded_row_is_a_record() -> None:
    answer = ROBTEX.read(recorded("robtex", "forward-test.com-one-record.ndjson"), "test.com")
    first, last = datetime(2015, 9, 4, 10, 52, 12, tzinfo=UTC), datetime(2020, 2, 20, 16, 11, 18, tzinfo=UTC)
    assert answer == Answer([Record("test.com", "MX", "mx.spamexperts.com", first, last, (), "robtex")])
