"""Queries Microsoft Defender Threat Intelligence in Microsoft Graph: `hosts/{value}/passiveDns`, `passiveDnsReverse`.

Source: Microsoft's documentation of Graph v1.0 and client credentials. Experimental: no recorded answer was available.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import quote, urljoin

from pydantic import Field

from passivedns.errors import BadAnswer, CredentialsRefused
from passivedns.formats import dates, rdata
from passivedns.formats.json_body import Row, at, is_count, json_of, read_rows, rows_of, text, whole
from passivedns.formats.paging import Ask, all_pages
from passivedns.model import Answer, Question, Record, merge_answers
from passivedns.settings.values import BaseUrl, Secret, allowed
from passivedns.sources.source import NAMES, Client, RestrictedSettings, Source
from passivedns.transport.complaints import error_json, usual_complaint
from passivedns.transport.http import Http
from passivedns.transport.reply import Reply

MAX_PAGES = 50
"""Pages of a list; Microsoft documents no limit."""
RENEWED = 60
"""Seconds before expiry at which a token is renewed."""
MAX_LIFE = 86_400
"""Seconds that a token lives at most."""

_FORWARD, _REVERSE = "passiveDns", "passiveDnsReverse"
_TENANT = r"^[A-Za-z0-9][A-Za-z0-9.-]*$"


class DefenderSettings(RestrictedSettings):
    """Microsoft Defender Threat Intelligence (experimental)."""

    tenant_id: str = Field(
        pattern=_TENANT,
        description="Directory (tenant) ID of the Microsoft Entra ID application. This source follows Microsoft's "
        "documentation and has not been tested against the live service.",
        json_schema_extra=allowed("a directory (tenant) ID, or a domain name of the directory"),
    )
    client_id: str = Field(
        min_length=1, description="Application (client) ID.", json_schema_extra=allowed("an application (client) ID")
    )
    client_secret: Secret = Field(
        description="Client secret of the application.",
        json_schema_extra=allowed("the value of a client secret of the application, not its ID"),
    )
    api_base_url: BaseUrl = Field(
        default="https://graph.microsoft.com/v1.0", description="Base URL of Microsoft Graph, including the version."
    )
    login_base_url: BaseUrl = Field(
        default="https://login.microsoftonline.com", description="Base URL of the Microsoft Entra ID sign-in service."
    )


class DefenderClient(Client):
    def __init__(self, settings: DefenderSettings, http: Http) -> None:
        self._http = http
        self._entra = http.beside(ENTRA, settings.login_base_url)
        self._settings = settings
        self._renewal = 0.0

    def look_up(self, question: Question) -> Answer:
        """Look up a name in both directions, or an address in reverse, with one request per page."""
        lists: list[Answer] = []
        for relation in (_FORWARD, _REVERSE) if question.type in NAMES else (_REVERSE,):
            path = f"/security/threatIntelligence/hosts/{quote(question.value, safe='')}/{relation}"
            ask, read = self._request(self._http.request, path), partial(self._page, question.value, relation)
            pages, ended = all_pages(DEFENDER, ask, read, MAX_PAGES)
            answer = merge_answers(pages)
            lists.append(answer._replace(complete=answer.complete and ended))
        return merge_answers(lists)

    def _page(self, value: str, relation: str, reply: Reply) -> tuple[Answer, Ask | None]:
        """A page, and how to request the next one."""
        if reply.status == 404:
            if not _complaint(reply):
                raise DEFENDER.error(BadAnswer, 404)
            # Microsoft does not document that it means "nothing known".
            return Answer([], certain=False), None
        page, link = parse_page(reply.body, value, relation)
        return whole(DEFENDER, page, reply), self._request(self._http.follow, link) if link else None

    def _request(self, send: Callable[[str], Reply], place: str) -> Ask:
        return partial(self._send, send, place)

    def _send(self, send: Callable[[str], Reply], place: str) -> Reply:
        """The reply to a request with a token, which is renewed once if refused."""
        if time.monotonic() >= self._renewal:
            self._sign_in()
        try:
            return send(place)
        except CredentialsRefused:
            self._sign_in()
            return send(place)

    def _sign_in(self) -> None:
        """Exchange the credentials for a token (`POST /{tenant}/oauth2/v2.0/token`)."""
        form = {
            "client_id": self._settings.client_id,
            "client_secret": self._settings.client_secret.get_secret_value(),
            "scope": urljoin(self._settings.api_base_url, "/.default"),
            "grant_type": "client_credentials",
        }
        reply = self._entra.request(
            f"/{quote(self._settings.tenant_id, safe='')}/oauth2/v2.0/token", purpose="login", form=form
        )
        token, life = parse_token(reply)
        self._http.session.headers["Authorization"] = f"Bearer {token}"
        self._renewal = time.monotonic() + life - RENEWED


def parse_token(reply: Reply) -> tuple[str, float]:
    """The access token of a reply, and its lifetime in seconds; 0 if not stated.

    Raises:
        BadAnswer: the reply contains no token.
    """
    answer = json_of(ENTRA, reply.body)
    token, life = text(at(answer, "access_token")), at(answer, "expires_in")
    if not token or not (token.isascii() and token.isprintable()):
        raise ENTRA.error(BadAnswer, reply.status)
    return token, life if is_count(life) and life <= MAX_LIFE else 0


def read_saved(body: bytes, asked: str) -> Answer:
    """Read a saved page of either list.

    Only a record with an address on one side shows its direction; a record of two names is counted as unreadable.
    """
    page, link = parse_page(body, asked)
    return page._replace(complete=page.complete and not link)


def parse_page(body: bytes, asked: str, relation: str = "") -> tuple[Answer, str]:
    """The records of a page, and the URL of the next one; if the list is unknown, only those that show their direction.

    Raises:
        BadAnswer: not a page of Microsoft Graph.
    """
    rows = rows_of(DEFENDER, body, "value")
    page = read_rows(DEFENDER, rows, partial(_records, asked, relation), "list of records")
    link = rows.fields.get("@odata.nextLink")
    return page._replace(complete=page.complete and (not link or isinstance(link, str))), text(link)


def _records(asked: str, relation: str, entry: dict[str, Any]) -> Row:
    """In both lists `parentHost` is the queried value and `artifact` the other side; None if it is missing."""
    host, artifact = _value(entry.get("parentHost")) or asked, _value(entry.get("artifact"))
    relation = relation or _evident_relation(host, artifact)
    if not artifact or not relation:
        return None
    name, data = (host, artifact) if relation == _FORWARD else (artifact, host)
    kind = rdata.record_type(entry.get("recordType"))
    first, last = dates.iso_span(entry.get("firstSeenDateTime"), entry.get("lastSeenDateTime"))
    ends = rdata.names_and_addresses(kind, data)
    return [Record(name, kind, end, first, last, (), DEFENDER.key) for end in ends] or None


def _value(artifact: Any) -> str:
    """The value of a host or an artifact: its id, except for the unclassified, whose id is generated by the system."""
    if not isinstance(artifact, dict):
        return ""
    kind = artifact.get("@odata.type")
    is_unclassified = isinstance(kind, str) and kind.strip().endswith("unclassifiedArtifact")
    return text(artifact.get("value" if is_unclassified else "id"))


def _evident_relation(host: str, artifact: str) -> str:
    return _FORWARD if rdata.is_address(artifact) else _REVERSE if rdata.is_address(host) else ""


def _complaint(reply: Reply) -> str:
    """Code and message of a Graph error: `{"error": {"code", "message"}}`."""
    error = at(error_json(reply.body), "error")
    return ": ".join(filter(None, (text(at(error, "code")), text(at(error, "message")))))


def _refusal(reply: Reply) -> str:
    """The first line of an Entra error, `{"error", "error_description"}`; the other lines are for support."""
    return text(at(error_json(reply.body), "error_description")).partition("\n")[0] or usual_complaint(reply)


DEFENDER = Source(
    key="defender",
    title="Microsoft Defender",
    organization="Microsoft Defender Threat Intelligence",
    settings=DefenderSettings,
    client=DefenderClient,
    read=read_saved,
    credentials=("tenant_id", "client_id", "client_secret"),
    entitlement="grant the application ThreatIntelligence.Read.All with admin consent, and check the Defender licence",
    unknown=frozenset({404}),
    complaint=_complaint,
)

ENTRA = replace(
    DEFENDER,
    title="Microsoft Entra ID",
    address="login_base_url",
    statuses={400: CredentialsRefused, 403: CredentialsRefused},
    unknown=frozenset(),
    complaint=_refusal,
)
"""The sign-in service: the same source with other error messages."""
