"""Queries servers that speak the Common Output Format of passive DNS, such as D4 and balboa.

Sources: the code of D4's analyzer-d4-passivedns, of its fork by DocArmoryTech, and of DCSO's balboa.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from ipaddress import ip_address
from typing import Annotated, ClassVar, Self
from urllib.parse import parse_qsl, quote, urljoin

import requests
from pydantic import AfterValidator, Field, TypeAdapter, model_validator

from passivedns.errors import BadAnswer
from passivedns.formats.cof import Page, answer_of, page_of, reply_of
from passivedns.formats.paging import Ask, all_pages, cursor_of, link_of
from passivedns.model import Answer, Question, Record, merge_answers
from passivedns.settings.values import A_TLP, BaseUrl, Flag, ResultsTlp, Secret, accepts, allowed
from passivedns.sources.source import Client, RestrictedSettings, Source
from passivedns.transport.complaints import first_line, usual_complaint
from passivedns.transport.http import Http
from passivedns.transport.reply import Reply

MAX_PAGES = 25
"""Pages of an answer."""

_MAX_OF_BALBOA = 1000
"""Rows at which each of balboa's two searches silently stops, per database; its parameter for more does not work."""
_HEADER = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
"""A header name (RFC 9110 section 5.6.2)."""


def _query_url(value: str) -> str:
    """A URL with optional parameters for every query."""
    base, mark, parameters = value.partition("?")
    return TypeAdapter(BaseUrl).validate_python(base) + mark + parameters


QueryUrl = Annotated[
    str, AfterValidator(_query_url), accepts("an http:// or https:// URL without user name or fragment")
]


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


def log_in(settings: AccountSettings, session: requests.Session, header: str = "Authorization") -> None:
    """Add the configured credentials, if any, to every request of a session; a token in this header."""
    if settings.token:
        session.headers[header] = settings.token.get_secret_value()
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

    url: QueryUrl = Field(
        description="Query URL of the server up to the name or address, such as http://d4.example.org:8400/query or "
        "https://balboa.example.org/pdns/query. Parameters, as in https://d4.example.org/query?limit=1000, are sent "
        "with every query.",
    )
    token_header: str = Field(
        default="Authorization",
        pattern=_HEADER,
        description="Header that contains the token, such as X-API-AUTH.",
        json_schema_extra=allowed("the name of an HTTP header"),
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
        log_in(settings, http.session, settings.token_header)
        accept_lines(http.session)
        http.base_url, _, parameters = http.base_url.partition("?")
        self._parameters = dict(parse_qsl(parameters, keep_blank_values=True))
        self._http = http

    def look_up(self, question: Question) -> Answer:
        """Look up a value; an IPv6 address without results also in full, as Suricata writes it into balboa."""
        answers: list[Answer] = []
        for value in _spellings(question):
            path = f"/{quote(value, safe=':')}"
            read = partial(self._page, path)
            pages, ended = all_pages(COF, self._request(path, self._parameters), read, MAX_PAGES)
            answers.append(self._answer(value, pages, ended))
            if answers[-1].records or answers[-1].unreadable:
                break
        return merge_answers(answers)

    def _answer(self, value: str, pages: Sequence[Page], ended: bool) -> Answer:
        answer = _answer(value, *pages)
        is_complete = answer.complete and ended and not self._reaches_limit(pages[-1])
        # balboa also sends an empty success when its database fails.
        return answer._replace(complete=is_complete, certain=pages[0].certain)

    def _page(self, path: str, reply: Reply) -> tuple[Page, Ask | None]:
        """A page, and how to request the next one."""
        if reply.status == 404 and not reply.is_blank:
            raise COF.error(BadAnswer, 404, complaint(reply))
        page = reply_of(COF, reply)
        if link := link_of(page.headers, page.fields):
            return page, partial(self._http.follow, urljoin(self._http.base_url + path, link))
        cursor = cursor_of(page.headers, page.fields)
        return page, self._request(path, self._parameters | {"cursor": cursor}) if cursor else None

    def _request(self, path: str, parameters: Mapping[str, str]) -> Ask:
        return partial(self._http.request, path, parameters)

    def _reaches_limit(self, page: Page) -> bool:
        """Whether a page has as many rows as the operator's parameter allows."""
        limit = self._parameters.get("limit", "")
        return limit.isdecimal() and page.number >= int(limit) > 0 and "X-Total-Count" not in page.headers


def _spellings(question: Question) -> tuple[str, ...]:
    full = ip_address(question.value).exploded if question.type == "IPv6-Addr" else question.value
    return (question.value,) if full == question.value else (question.value, full)


def read_saved(body: bytes, asked: str) -> Answer:
    return _answer(asked, page_of(COF, body))


def _answer(asked: str, *pages: Page) -> Answer:
    answer = answer_of(COF, *pages, swapped=False)
    is_balboa = not any(page.origins for page in pages)
    return answer._replace(complete=answer.complete and not (is_balboa and _is_full(answer.records, asked)))


def _is_full(records: Sequence[Record], asked: str) -> bool:
    """Whether one of balboa's two searches may have stopped: for records with the value as data, and as owner."""
    owned = sum(record.name.lower().removesuffix(".") == asked for record in records)
    return max(owned, len(records) - owned) >= _MAX_OF_BALBOA


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
