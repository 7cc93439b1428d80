"""Queries mnemonic PassiveDNS v3: `GET /cof/<name or address>`, in one request.

Sources: mnemonic's integration guide and OpenAPI schema, one recorded row, and third-party measurements of 2026: the
JSON endpoint mixes up types and lacks dates, and paging misses rows, since new observations change the order.
"""

import math
from typing import Any

from pydantic import Field, model_validator

from passivedns.errors import RateLimited
from passivedns.formats.cof import Page, answer_of, page_of, reply_of
from passivedns.formats.json_body import at, is_count, text
from passivedns.formats.rdata import fitting_type
from passivedns.model import RECORD_TYPES, Answer, Question
from passivedns.settings.values import A_TLP, BaseUrl, MaxTlp, Secret, allowed
from passivedns.sources.source import Client, Source, SourceSettings
from passivedns.text import quantity
from passivedns.transport.complaints import error_json, usual_complaint
from passivedns.transport.http import Http
from passivedns.transport.reply import Reply

PUBLIC_LIMIT = 1000
"""Maximum rows; a request for more without a key is refused (HTTP 412)."""
LIMIT_WITH_KEY = 10_000


class MnemonicSettings(SourceSettings):
    """mnemonic PassiveDNS."""

    api_key: Secret | None = Field(
        default=None,
        description="API key of an Argus account. Without one, only public data: 10 look-ups a minute, 1,000 a day.",
        json_schema_extra=allowed("the API key of the Argus account, or empty"),
    )
    api_base_url: BaseUrl = Field(
        default="https://api.mnemonic.no/pdns/v3", description="Base URL of the API, including the version."
    )
    results_tlp: MaxTlp = Field(
        default=None,
        description="TLP of the objects created from this source.",
        json_schema_extra=allowed(f"{A_TLP}, or empty for TLP:CLEAR without an API key and TLP:AMBER with one"),
    )

    @model_validator(mode="before")
    @classmethod
    def _set_default_tlp(cls, values: Any) -> Any:
        if not isinstance(values, dict) or str(values.get("results_tlp") or "").strip():
            return values
        has_key = bool(str(values.get("api_key") or "").strip())
        return {**values, "results_tlp": "TLP:AMBER" if has_key else "TLP:CLEAR"}


class MnemonicClient(Client):
    def __init__(self, settings: MnemonicSettings, http: Http) -> None:
        if settings.api_key:
            http.session.headers["Argus-API-Key"] = settings.api_key.get_secret_value()
        self._limit = LIMIT_WITH_KEY if settings.api_key else PUBLIC_LIMIT
        self._http = http

    def look_up(self, question: Question) -> Answer:
        """Look up a value, with the mapped types only: most rows are PTR, which would fill the maximum."""
        parameters = {"limit": str(self._limit), "rrType": [kind.lower() for kind in RECORD_TYPES]}
        page = reply_of(MNEMONIC, self._http.request(f"/cof/{question.segment}", parameters), _cof_entry)
        answer = _answer(page)
        return answer._replace(complete=answer.complete and page.number < self._limit)


def read_saved(body: bytes, _asked: str) -> Answer:
    """Read a saved answer of `/cof/` or of the JSON endpoint."""
    return _answer(page_of(MNEMONIC, body, _cof_entry))


def _answer(page: Page) -> Answer:
    answer = answer_of(MNEMONIC, page)
    # IPv6 addresses were seen as `a`.
    return answer._replace(
        records=[record._replace(type=fitting_type(record.type, record.data)) for record in answer.records]
    )


def _cof_entry(entry: Any) -> Any:
    """A row, in COF if it is of the JSON endpoint; partial results have no true dates."""
    if not isinstance(entry, dict) or "answer" not in entry:
        return entry
    flags = at(entry, "flags")
    dates = {} if isinstance(flags, list) and "partialResult" in flags else entry
    return {
        "rrname": at(entry, "query"),
        "rrtype": at(entry, "rrtype"),
        "rdata": at(entry, "answer"),
        "time_first": at(dates, "firstSeenTimestamp"),
        "time_last": at(dates, "lastSeenTimestamp"),
    }


def _complaint(reply: Reply) -> str:
    """The messages of an error, and the delay until resources are available."""
    body = error_json(reply.body)
    messages, wait = at(body, "messages"), at(body, "metaData", "millisUntilResourcesAvailable")
    entries = messages if isinstance(messages, list) else []
    said = [words for entry in entries if (words := text(at(entry, "message")))]
    if is_count(wait) and wait > 0:
        said.append(f"Available again in {quantity(math.ceil(wait / 1000), 'second')}")
    return ". ".join(said) or usual_complaint(reply)


MNEMONIC = Source(
    key="mnemonic",
    title="mnemonic",
    organization="mnemonic",
    settings=MnemonicSettings,
    client=MnemonicClient,
    read=read_saved,
    account="none",
    rate=lambda settings: "" if settings.api_key else "10/minute;1000/day",
    credentials=("api_key",),
    # mnemonic's status for its rate limit; elsewhere it means that the account has no licence.
    statuses={402: RateLimited},
    complaint=_complaint,
)
