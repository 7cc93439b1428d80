"""Defines the connector's metrics in Prometheus' global registry.

pycti serves the registry over HTTP if CONNECTOR_EXPOSE_METRICS is true.
"""

import re
from collections.abc import Mapping

from prometheus_client import Counter, Gauge, Histogram

from passivedns.errors import AllFailed, ConnectorError, NotSent, SourceError, TlpRefused, Unforeseen, Unreadable
from passivedns.model import Quota

REQUESTS = Counter("pdns_requests", "Requests to a source, including retries.", ["source", "purpose"])
WAITING = Histogram(
    "pdns_wait_seconds",
    "Time from a request to a source to the end of its response or its failure.",
    ["source", "purpose"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
)
SEARCHES = Counter("pdns_searches", "Look-ups sent to a source, successful or not.", ["source"])
CACHE_HITS = Counter("pdns_cache_hits", "Look-ups answered from the cache.", ["source"])
FAILURES = Counter("pdns_failures", "Failed enrichments by kind of failure.", ["kind"])
SOURCE_FAILURES = Counter("pdns_source_failures", "Failed look-ups at a source by kind of failure.", ["source", "kind"])
CONVERTING = Histogram(
    "pdns_conversion_seconds",
    "Time to convert the records of one look-up to STIX.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1),
)
_RECORDS = Counter("pdns_records", "Passive DNS records used, by type.", ["type"])
_LEFT_OUT = Counter("pdns_records_left_out", "Passive DNS records left out, by reason.", ["reason"])
_QUOTA_USED = Gauge("pdns_quota_used_searches", "Searches used when the quota was last read.", ["source", "owner"])
_QUOTA_LIMIT = Gauge("pdns_quota_limit_searches", "Searches allowed when the quota was last read.", ["source", "owner"])

OTHER = "other"
"""Label of all unknown reasons, since an answer may contain thousands of record types."""
_REASONS = frozenset(
    {"CIDR range", "URL", "address instead of a name", "address of an address", "contains whitespace", "empty value"}
    | {"incomplete record", "mailbox instead of a name", "name instead of an address", "name too long", "single label"}
    | {"not a domain name", "not a mailbox", "not about the observable", "not an IP address", "the observable itself"}
    | {"older than the time window", "over the relationship limit", "record type not selected", "special-use address"}
    | {"special-use name", "the name did not exist", "unknown type", "unreadable row", "wildcard", "wrong IP version"}
    # Record types that are common in passive DNS but not mapped.
    | {"PTR", "SPF", "SRV", "TXT"}
)


def failure_kind(failure: type[ConnectorError]) -> str:
    """The label of an error class, such as `quota_exceeded`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", failure.__name__).lower()


def _below(parent: type[ConnectorError]) -> list[type[ConnectorError]]:
    return [kind for child in parent.__subclasses__() for kind in (child, *_below(child))]


_KINDS = [failure_kind(kind) for kind in (*_below(SourceError), TlpRefused, Unforeseen)]

# Starting at zero makes the first failure an increase.
for _kind in (*_KINDS, failure_kind(NotSent), failure_kind(Unreadable)):
    FAILURES.labels(_kind)


def expect(source: str) -> None:
    """Initialize the series of a source, by key, to zero."""
    SEARCHES.labels(source)
    CACHE_HITS.labels(source)
    for kind in _KINDS:
        if kind != failure_kind(AllFailed):
            SOURCE_FAILURES.labels(source, kind)


def show_quota(source: str, quota: Quota) -> None:
    """Set the quota metrics of a source, by key."""
    for allowance in quota.allowances:
        _QUOTA_USED.labels(source, allowance.owner).set(allowance.used)
        _QUOTA_LIMIT.labels(source, allowance.owner).set(allowance.limit)


def count_records(kept: Mapping[str, int], left_out: Mapping[str, int]) -> None:
    """Count the records of one look-up, used ones by type, others by reason."""
    for record_type, number in kept.items():
        _RECORDS.labels(record_type).inc(number)
    for reason, number in left_out.items():
        # Some sources write `TXT (SPF1)`.
        known = reason.partition(" (")[0]
        _LEFT_OUT.labels(known if known in _REASONS else OTHER).inc(number)
