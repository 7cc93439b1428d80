"""What the tests of every source need to know of each: a new source adds a row to SAMPLES.

Keys, passwords and tokens end in `-of-nobody`, by which the tests find them in a sentence.
"""

import json
from collections.abc import Mapping
from typing import NamedTuple


class Good(NamedTuple):
    """An answer as the service sends it."""

    body: bytes
    records: int
    """How many records it becomes, over HTTP."""
    requests: int = 1
    """How many searches the question takes where each is answered with this body."""


class Sample(NamedTuple):
    """A source's row."""

    settings: Mapping[str, str]
    """The settings that it requires, but for addresses."""
    answers: Mapping[str, Good]
    """By the name or address that is asked about: one of each that the source takes."""
    addresses: tuple[str, ...] = ()
    """Its settings for addresses beside `Source.address`."""
    login: bytes = b""
    """What answers its sign-in (a POST), if it has one."""


_RISKIQ_RECORD = {
    "recordType": "A",
    "resolveType": "ip",
    "resolve": "192.0.2.10",
    "value": "example.org",
    "firstSeen": "2026-10-01 10:00:00",
    "lastSeen": "2026-11-20 10:00:00",
    "source": ["riskiq", "pingly"],
}
_RISKIQ_MAILBOX = _RISKIQ_RECORD | {
    "recordType": "SOA",
    "resolveType": "email",
    "resolve": "hostmaster.example.org",
    "source": "riskiq",
}


def _riskiq(asked: str, *records: Mapping[str, object]) -> Good:
    dates = {"firstSeen": "2026-10-01 10:00:00", "lastSeen": "2026-11-20 10:00:00"}
    answer = {"queryValue": asked, **dates, "results": records, "totalRecords": len(records), "pager": None}
    return Good(json.dumps(answer).encode(), len(records))


_RISKIQ_NAME = _RISKIQ_RECORD | {"value": "192.0.2.10", "resolve": "example.org", "resolveType": "domain"}

_DEFENDER_RECORD = {
    "@odata.type": "#microsoft.graph.security.passiveDnsRecord",
    "id": "ZXhhbXBsZQ==",
    "firstSeenDateTime": "2026-10-01T10:00:00Z",
    "lastSeenDateTime": "2026-11-20T10:00:00Z",
    "collectedDateTime": "2026-11-20T10:59:34.735Z",
    "recordType": "A",
}
_DEFENDER_NAME = {"@odata.type": "#microsoft.graph.security.hostname", "id": "example.org"}
_DEFENDER_ADDRESS = {"@odata.type": "#microsoft.graph.security.ipAddress", "id": "192.0.2.10"}


def _defender(host: Mapping[str, str], artifact: Mapping[str, str], requests: int) -> Good:
    record = _DEFENDER_RECORD | {"parentHost": {"id": host["id"]}, "artifact": artifact}
    return Good(json.dumps({"value": [record, record | {"recordType": "MX"}]}).encode(), 2 * requests, requests)


SAMPLES: Mapping[str, Sample] = {
    "riskiq": Sample(
        settings={"username": "analyst@example.org", "api_key": "riskiq-key-of-nobody"},
        answers={
            "example.org": _riskiq("example.org", _RISKIQ_RECORD, _RISKIQ_MAILBOX),
            "192.0.2.10": _riskiq("192.0.2.10", _RISKIQ_NAME),
        },
    ),
    "defender": Sample(
        settings={"tenant_id": "tenant.example", "client_id": "client", "client_secret": "client-secret-of-nobody"},
        answers={
            "example.org": _defender(_DEFENDER_NAME, _DEFENDER_ADDRESS, requests=2),
            "192.0.2.10": _defender(_DEFENDER_ADDRESS, _DEFENDER_NAME, requests=1),
        },
        addresses=("login_base_url",),
        login=b'{"token_type": "Bearer", "expires_in": 3599, "access_token": "token-of-nobody"}',
    ),
}
