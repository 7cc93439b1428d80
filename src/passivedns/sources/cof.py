"""Reads the Common Output Format of passive DNS (COF) in all known dialects, and queries servers that speak it.

Sources: draft-dulaunoy-dnsop-passive-dns-cof-13, recorded answers of CIRCL, D4, balboa, DNSDB, mnemonic, Robtex and
Validin, and the code of D4's analyzer-d4-passivedns and of DCSO's balboa.
"""

import json
from typing import Any, ClassVar, NamedTuple, Self

import requests
from pydantic import Field, model_validator

from passivedns.errors import BadAnswer
from passivedns.model import Answer, Question, Record
from passivedns.settings.values import A_TLP, BaseUrl, Flag, ResultsTlp, Secret, allowed
from passivedns.sources import dates, rdata
from passivedns.sources.bodies import at, lines_of, unexpected
from passivedns.sources.failures import first_line, usual_complaint, worded
from passivedns.sources.http import Http, Reply
from passivedns.sources.source import Client, RestrictedSettings, Source

_MOST_OF_BALBOA = 1000
"""Rows at which balboa silently stops; its parameter for more does not work."""
_LEAD = 9
"""Lead in rows that decides the field order of an answer without reading the rest."""


class Rows(NamedTuple):
    """The JSON values in a body."""

    entries: list[Any]
    unreadable: int = 0
    """Lines that are not JSON."""
    cut: bool = False
    """Whether the body ends within a line."""


def rows_of(source: Source, body: bytes) -> Rows:
    """The entries of a body: one per line, or in one document (`{"dns": [...]}`, as from Validin).

    Raises:
        BadAnswer: the body is a web page, or has more than `MOST_VALUES` values.
    """
    entries, unreadable = lines_of(source, body)
    if unreadable and (document := _parsed(body)) is not None:
        # The document has line breaks.
        entries, unreadable = [document], 0
    if len(entries) == 1 and isinstance(rows := at(entries[0], "dns"), list):
        entries = rows
    return Rows(entries, unreadable, cut=unreadable > 0 and _parsed(body.rstrip().rpartition(b"\n")[2]) is None)


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def answer_of(source: Source, *pages: Rows, swapped: bool = False) -> Answer:
    """The answer in all pages of a response; `swapped` as for `records_of`.

    Raises:
        BadAnswer: none of the rows can be read.
    """
    records, unreadable = records_of([entry for page in pages for entry in page.entries], source.key, swapped)
    unreadable += sum(page.unreadable for page in pages)
    if unreadable and not records:
        raise unexpected(source, "contains nothing in the Common Output Format")
    return Answer(records, complete=not any(page.cut for page in pages), unreadable=unreadable)


def records_of(entries: list[Any], source: str, swapped: bool = False) -> tuple[list[Record], int]:
    """The records of one answer in order, and the number of unreadable entries.

    Some servers swap `rdata` and `rrname`, consistently within an answer, so the rows that show it decide for all;
    `swapped` is the default if none does.
    """
    exchanged = _is_swapped(entries, swapped)
    read = [_records(entry, source, exchanged) if isinstance(entry, dict) else [] for entry in entries]
    return [record for records in read for record in records], read.count([])


def _records(entry: dict[str, Any], source: str, exchanged: bool) -> list[Record]:
    """One record per name or address in the data; none if the entry is incomplete."""
    get = entry.get
    name, kind = get("rrname"), rdata.record_type(get("rrtype"))
    if not (name and kind and isinstance(name, str)):
        return []
    first, last = dates.span(get("time_first") or get("zone_time_first"), get("time_last") or get("zone_time_last"))
    sensors = _sensors(entry)
    return [
        Record(owner, kind, target, first, last, sensors, source)
        for owner, data in ((text, name) if exchanged else (name, text) for text in _data(entry))
        for target in rdata.names_and_addresses(kind, data)
    ]


def _data(entry: dict[str, Any]) -> list[str]:
    """The data of an entry, one text or a list; Robtex calls the field `rrdata`."""
    data = entry.get("rdata")
    if data is None:
        data = entry.get("rrdata")
    if isinstance(data, str):
        return [data]
    return [text for text in data if text and isinstance(text, str)] if isinstance(data, list) else []


def _sensors(entry: dict[str, Any]) -> tuple[str, ...]:
    """The sensor, or else the host of the origin, which is a URL or a placeholder (D4)."""
    sensor, origin = entry.get("sensor_id"), entry.get("origin")
    if sensor is None and isinstance(origin, str):
        sensor = origin.partition("://")[2].partition("/")[0].rpartition("@")[2]
    return rdata.sensors([sensor])


def _is_swapped(entries: list[Any], default: bool) -> bool:
    lead = 0
    for entry in entries:
        if isinstance(entry, dict) and isinstance(entry.get("rrname"), str):
            lead += _is_data(entry["rrname"]) - any(map(_is_data, _data(entry)))
            if abs(lead) >= _LEAD:
                break
    return lead > 0 if lead else default


def _is_data(text: str) -> bool:
    """Whether a text cannot be an owner name: an address, or several fields as in MX and SOA."""
    return " " in text or rdata.is_address(text)


class AccountSettings(RestrictedSettings):
    """An account: a user name with its password, or a token."""

    username: Secret | None = Field(
        default=None, description="User name.", json_schema_extra=allowed("the user name of the account, or empty")
    )
    password: Secret | None = Field(
        default=None, description="Password.", json_schema_extra=allowed("the password of the account, or empty")
    )
    token: Secret | None = Field(
        default=None,
        description="Token, instead of user name and password. Sent verbatim as the Authorization header: include the "
        "scheme, such as `Bearer 0123abcd`, if the server needs one.",
        json_schema_extra=allowed("the token, with its scheme if the server needs one, or empty"),
    )
    _ways_in: ClassVar[str]
    """The required settings, as the end of the sentence "Set either …"."""
    _needs_account: ClassVar[bool] = True

    @model_validator(mode="after")
    def _check_account(self) -> Self:
        half_an_account = bool(self.username) != bool(self.password)
        ways = bool(self.username) + bool(self.token)
        if half_an_account or ways > 1 or (self._needs_account and not ways):
            raise ValueError(f"Set either {self._ways_in}.")
        return self


def log_in(settings: AccountSettings, session: requests.Session) -> None:
    """Add the configured credentials, if any, to every request of a session."""
    if settings.token:
        session.headers["Authorization"] = settings.token.get_secret_value()
    elif settings.username and settings.password:
        session.auth = (settings.username.get_secret_value(), settings.password.get_secret_value())


def accept_lines(session: requests.Session) -> None:
    """Request COF; servers use no media type for it, or another."""
    session.headers["Accept"] = "application/x-ndjson, */*;q=0.5"


def complaint(reply: Reply) -> str:
    """The error message of a server, in JSON or plain text."""
    return usual_complaint(reply) or first_line(reply)


class CofSettings(AccountSettings):
    """Server that speaks the Common Output Format, such as D4 or balboa."""

    url: BaseUrl = Field(
        description="Query URL of the server up to the name or address, such as http://d4.example.org:8400/query or "
        "https://balboa.example.org/pdns/query."
    )
    results_tlp: ResultsTlp = Field(
        default="TLP:CLEAR",
        description="TLP of the objects created from this server; existing observables are raised to it.",
        json_schema_extra=allowed(A_TLP),
    )
    special_use: Flag = Field(
        default=False,
        description="Also look up and import special-use addresses and names, such as 10.0.0.1 and printer.local; "
        "no other source is asked about them.",
    )
    _ways_in = "COF_USERNAME and COF_PASSWORD, or COF_TOKEN, or none of them"
    _needs_account = False


class CofClient(Client):
    def __init__(self, settings: CofSettings, http: Http) -> None:
        log_in(settings, http.session)
        accept_lines(http.session)
        self._http = http

    def look_up(self, question: Question) -> Answer:
        reply = self._http.search(f"/{question.segment}")
        is_empty = not reply.body.strip()
        if reply.status == 404 and not is_empty:
            raise worded(COF, BadAnswer, 404, complaint(reply))
        # balboa also sends an empty success when its database fails.
        return read_saved(reply.body, question.value)._replace(certain=not is_empty or reply.status in (204, 404))


def read_saved(body: bytes, _asked: str) -> Answer:
    rows = rows_of(COF, body)
    answer = answer_of(COF, rows)
    return answer._replace(complete=answer.complete and len(rows.entries) != _MOST_OF_BALBOA)


COF = Source(
    key="cof",
    title="COF server",
    organization="COF server",
    settings=CofSettings,
    client=CofClient,
    read=read_saved,
    account="own server",
    address="url",
    credentials=("username", "password", "token"),
    # balboa sends an empty one if nothing is known; one with a body is not from the API.
    unknown=frozenset({404}),
    complaint=complaint,
)
