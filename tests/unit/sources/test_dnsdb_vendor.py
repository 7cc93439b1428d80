"""Compares the client of DNSDB with dnsdb2, the client of its vendor, on the same server."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import dnsdb2
import pytest

from passivedns.errors import SourceError
from passivedns.formats import rdata
from passivedns.model import Record
from sandbox.sources.dnsdb import API_KEY, Dnsdb, dnsdb_app
from sandbox.sources.history import ADDRESS, ADDRESS_V6, DOMAIN, history
from tests.helpers.clients import client, question
from tests.helpers.stand_ins import stand_in

HISTORY = history(datetime.now(UTC).date())
OF_THE_VENDOR: dict[str, type[dnsdb2.DnsdbException]] = {
    "401": dnsdb2.AccessDenied,
    "403-key": dnsdb2.AccessDenied,
    "416": dnsdb2.OffsetError,
    "429": dnsdb2.QuotaExceeded,
    "503": dnsdb2.ConcurrencyExceeded,
    "500": dnsdb2.QueryError,
    "cut-at-once": dnsdb2.QueryTruncated,
    "cut-after-a-row": dnsdb2.QueryTruncated,
    "failed-at-once": dnsdb2.QueryFailed,
    "failed-with-a-row": dnsdb2.QueryFailed,
    "limited-with-a-row": dnsdb2.QueryLimited,
    "unknown-condition": dnsdb2.ProtocolError,
}
"""The error that dnsdb2 raises for each fault that is not a complete answer."""


served = stand_in(lambda: Dnsdb(HISTORY), dnsdb_app)


def records(url: str, value: str, **settings: Any) -> list[Record]:
    return client("dnsdb", url, api_key=API_KEY, **settings).look_up(question(value)).records


def vendor(url: str) -> dnsdb2.Client:
    return dnsdb2.Client(API_KEY, url, swclient="test", version="1", timeout=2)


def is_whole(url: str, value: str) -> bool:
    try:
        return client("dnsdb", url, api_key=API_KEY).look_up(question(value)).complete
    except SourceError:
        return False


def rows_of(found: list[Record]) -> set[tuple[str, str, str, int, int]]:
    return {
        (row.name, row.type, row.data, int(row.first_seen.timestamp()), int(row.last_seen.timestamp()))
        for row in found
        if row.first_seen and row.last_seen
    }


def rows_of_the_vendor(found: Iterable[dict[str, Any]]) -> set[tuple[str, str, str, int, int]]:
    return {
        (row["rrname"], row["rrtype"], target, row["time_first"], row["time_last"])
        for row in found
        for text in (row["rdata"] if isinstance(row["rdata"], list) else [row["rdata"]])
        for target in rdata.names_and_addresses(row["rrtype"], text)
    }


@pytest.mark.parametrize("value", [DOMAIN, "www.example.org", "unknown.example"])
def test_the_client_and_dnsdb2_read_the_same_about_a_name(url: str, value: str) -> None:
    theirs = vendor(url)
    owned, pointing = theirs.lookup_rrset(value), theirs.lookup_rdata_name(value)
    expected_rows = rows_of_the_vendor(owned) | rows_of_the_vendor(pointing)
    assert rows_of(records(url, value, reverse_names=True)) == expected_rows


@pytest.mark.parametrize("value", [ADDRESS, ADDRESS_V6, "192.0.2.250"])
def test_the_client_and_dnsdb2_read_the_same_about_an_address(url: str, value: str) -> None:
    assert rows_of(records(url, value)) == rows_of_the_vendor(vendor(url).lookup_rdata_ip(quote(value, safe="")))


@pytest.mark.parametrize(("fault", "kind"), OF_THE_VENDOR.items())
def test_what_dnsdb2_rejects_is_an_error_or_incomplete(
    url: str, service: Dnsdb, fault: str, kind: type[dnsdb2.DnsdbException]
) -> None:
    service.fail(fault)
    with pytest.raises(kind):
        list(vendor(url).lookup_rrset(DOMAIN))
    assert not is_whole(url, DOMAIN)


def test_the_client_and_dnsdb2_read_the_same_quota(url: str, service: Dnsdb) -> None:
    service.used = 3
    rate = vendor(url).rate_limit()["rate"]
    (allowance,) = client("dnsdb", url, api_key=API_KEY).quota().allowances
    assert (allowance.limit, allowance.left) == (rate["limit"], rate["remaining"])
