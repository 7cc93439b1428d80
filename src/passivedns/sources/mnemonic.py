"""Queries mnemonic PassiveDNS v3: `GET /cof/<name or address>`, in one request.

Sources: mnemonic's integration guide, one recorded row, and third-party measurements in 2026: the JSON endpoint mixes
up types and lacks dates, and pages lose rows, since the order changes while sensors work.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import Field, model_validator

from passivedns.errors import RateLimited
from passivedns.model import Answer, Question, Record
from passivedns.settings.sections import A_BASE_URL, A_TLP, SourceSettings, allowed
from passivedns.settings.values import BaseUrl, MaxTlp, Secret
from passivedns.sources.cof import Rows, accept_lines, answer_of, path_of, rows_of
from passivedns.sources.failures import usual_complaint
from passivedns.sources.http import Http, Reply
from passivedns.sources.rdata import address_type
from passivedns.sources.source import Client, Source
from passivedns.wording import counted

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
        default="https://api.mnemonic.no/pdns/v3",
        description="Base URL of the API, including the version.",
        json_schema_extra=allowed(A_BASE_URL),
    )
    results_tlp: MaxTlp = Field(
        default=None,
        description="TLP of the objects created from this source.",
        json_schema_extra=allowed(f"{A_TLP}, or empty for TLP:CLEAR without an API key and TLP:AMBER with one"),
    )

    @model_validator(mode="before")
    @classmethod
    def _restrict_what_a_key_opens(cls, values: Any) -> Any:
        if not isinstance(values, dict) or str(values.get("results_tlp") or "").strip():
            return values
        has_key = bool(str(values.get("api_key") or "").strip())
        return {**values, "results_tlp": "TLP:AMBER" if has_key else "TLP:CLEAR"}


class MnemonicClient(Client):
    """Queries mnemonic PassiveDNS."""

    def __init__(self, settings: MnemonicSettings, http: Http) -> None:
        accept_lines(http.session)
        if settings.api_key:
            http.session.headers["Argus-API-Key"] = settings.api_key.get_secret_value()
        self._limit = LIMIT_WITH_KEY if settings.api_key else PUBLIC_LIMIT
        self._http = http

    def look_up(self, question: Question) -> Answer:
        """Look up a name or an address."""
        reply = self._http.search(f"/cof{path_of(question.value)}", {"limit": str(self._limit)})
        answer, rows = _read(reply.body)
        return answer._replace(complete=answer.complete and rows < self._limit)


def _with_its_type(record: Record) -> Record:
    """A record with the type of its address, since IPv6 addresses were seen as `a`."""
    if record.type not in ("A", "AAAA"):
        return record
    fitting = address_type(record.data)
    return record if record.type == fitting else record._replace(type=fitting)


def read_saved(body: bytes, _asked: str) -> Answer:
    """Read a saved answer of `/cof/` or of the JSON endpoint."""
    return _read(body)[0]


def _read(body: bytes) -> tuple[Answer, int]:
    """An answer and its number of rows."""
    rows, complete = _opened(rows_of(MNEMONIC, body))
    answer = answer_of(MNEMONIC, rows)
    records = [_with_its_type(record) for record in answer.records]
    return answer._replace(records=records, complete=answer.complete and complete), len(rows.entries) + rows.unreadable


def _opened(rows: Rows) -> tuple[Rows, bool]:
    """The rows, unwrapped if from the JSON endpoint, and whether they are complete."""
    envelope = rows.entries[0] if len(rows.entries) == 1 else None
    if not isinstance(envelope, dict) or not isinstance(envelope.get("data"), list):
        return rows, True
    data, total = envelope["data"], envelope.get("count")
    entries = [_cof_entry(entry) if isinstance(entry, dict) else entry for entry in data]
    return Rows(entries), not isinstance(total, int) or total <= len(data)


def _cof_entry(entry: dict[str, Any]) -> dict[str, Any]:
    """A row of the JSON endpoint converted to COF."""
    flags = entry.get("flags")
    dated = not (isinstance(flags, list) and "partialResult" in flags)
    return {
        "rrname": entry.get("query"),
        "rrtype": entry.get("rrtype"),
        "rdata": entry.get("answer"),
        "time_first": entry.get("firstSeenTimestamp") if dated else None,
        "time_last": entry.get("lastSeenTimestamp") if dated else None,
    }


def _complaint(reply: Reply) -> str:
    """The messages of an error, and the delay until resources are available."""
    try:
        body = json.loads(reply.body[: 2**16])
    except (ValueError, RecursionError):
        return ""
    if not isinstance(body, dict):
        return ""
    said = [text for text in _messages(body.get("messages")) if text]
    return ". ".join([*said, *_wait(body.get("metaData"))]) or usual_complaint(reply)


def _messages(messages: Any) -> list[str]:
    entries = messages if isinstance(messages, list) else []
    texts = [entry.get("message") for entry in entries if isinstance(entry, dict)]
    return [text for text in texts if isinstance(text, str)]


def _wait(details: Any) -> list[str]:
    wait = details.get("millisUntilResourcesAvailable") if isinstance(details, dict) else None
    return [f"Available again in {counted(-(-wait // 1000), 'second')}"] if type(wait) is int and wait > 0 else []


MNEMONIC = Source(
    key="mnemonic",
    title="mnemonic",
    organization="mnemonic",
    settings=MnemonicSettings,
    client=MnemonicClient,
    read=read_saved,
    account="none",
    pace=lambda settings: "" if settings.api_key else "10/minute;1000/day",
    credentials=("api_key",),
    # It means that too much was asked; elsewhere it means that the account has no licence.
    statuses={402: RateLimited},
    complaint=_complaint,
)
