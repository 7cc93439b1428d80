"""Queries AlienVault OTX (LevelBlue): `GET /indicators/{slug}/{value}/passive_dns`.

Sources: recorded answers of 2022 and 2026, error bodies quoted by its users, and the vendor's OTXv2 client.
"""

from typing import Any

from pydantic import Field

from passivedns.errors import CredentialsRefused
from passivedns.formats import dates, rdata
from passivedns.formats.json_body import Row, has_all, read_rows, rows_of, text, whole
from passivedns.model import Answer, Question, Record
from passivedns.settings.values import BaseUrl, Secret, allowed
from passivedns.sources.source import Client, Source, SourceSettings
from passivedns.transport.complaints import usual_complaint
from passivedns.transport.failures import meaning
from passivedns.transport.http import Http
from passivedns.transport.retry import retry_after
from passivedns.transport.service import TRANSIENT

_SLUGS = {"IPv4-Addr": "IPv4", "IPv6-Addr": "IPv6"}


class OtxSettings(SourceSettings):
    """AlienVault OTX."""

    api_key: Secret = Field(
        description="API key of a free OTX account.", json_schema_extra=allowed("the API key of the OTX account")
    )
    api_base_url: BaseUrl = Field(
        default="https://otx.alienvault.com/api/v1", description="Base URL of the API, including the version."
    )


class OtxClient(Client):
    def __init__(self, settings: OtxSettings, http: Http) -> None:
        http.session.headers["X-OTX-API-KEY"] = settings.api_key.get_secret_value()
        self._http = http

    def look_up(self, question: Question) -> Answer:
        """Look up an address or a name; a registrable domain includes its subdomains.

        A name of three or more labels is looked up as a host name and, without results, as a domain:
        `example.co.uk` is registrable, which only a public suffix list could tell.
        """
        for slug in _slugs(question):
            answer = self._ask(slug, question)
            if answer != Answer([]):
                break
        return answer

    def _ask(self, slug: str, question: Question) -> Answer:
        reply = self._http.request(f"/indicators/{slug}/{question.segment}/passive_dns")
        if reply.status == 429:
            said = usual_complaint(reply)
            kind = CredentialsRefused if "authenticate" in said.lower() else meaning(OTX, reply.status, said)
            raise OTX.error(kind, reply.status, said, retry_after(reply.headers))
        return whole(OTX, read_saved(reply.body, question.value), reply)


def _slugs(question: Question) -> tuple[str, ...]:
    """The kinds of indicator to try until one has an answer."""
    if slug := _SLUGS.get(question.type):
        return (slug,)
    return ("hostname", "domain") if question.value.count(".") > 1 else ("domain",)


def read_saved(body: bytes, _asked: str) -> Answer:
    """Read a saved answer of `passive_dns`."""
    rows = rows_of(OTX, body, "passive_dns")
    answer = read_rows(OTX, rows, _records, "passive DNS")
    # The interface of the web site sends no count.
    return answer._replace(complete=answer.complete and has_all(rows.number, rows.fields.get("count")))


def _records(row: dict[str, Any]) -> Row:
    name, address = text(row.get("hostname")), text(row.get("address"))
    if not (name and address):
        return None
    if address == "NXDOMAIN":
        return "the name did not exist"
    kind = rdata.fitting_type(rdata.record_type(row.get("record_type")), address)
    first, last = dates.iso_span(row.get("first"), row.get("last"))
    data = rdata.names_and_addresses(kind, address)
    return [Record(name, kind, each, first, last, (), OTX.key) for each in data] or None


OTX = Source(
    key="otx",
    title="AlienVault OTX",
    organization="AlienVault OTX",
    settings=OtxSettings,
    client=OtxClient,
    read=read_saved,
    account="free",
    credentials=("api_key",),
    statuses={403: CredentialsRefused},
    # OTX also sends 429 if the key is missing; the client tells the two apart.
    unknown=frozenset({429}),
    retried=TRANSIENT - {429},
)
