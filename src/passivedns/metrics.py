"""Defines the connector's metrics in Prometheus' global registry.

pycti serves the registry over HTTP if CONNECTOR_EXPOSE_METRICS is true.
"""

import re
from collections.abc import Iterator, Mapping

from prometheus_client import Counter, Gauge, Histogram

from passivedns.errors import AllFailed, ConnectorError, NotSent, SourceError, TlpRefused, Unforeseen
from passivedns.model import Budget

REQUESTS = Counter("pdns_requests", "Requests to a source, repeated ones included.", ["source", "purpose"])
WAITING = Histogram(
    "pdns_wait_seconds",
    "Time from a request to a source to the end of its response, or to its failure.",
    ["source", "purpose"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
)
SEARCHES = Counter("pdns_searches", "Look-ups asked of a source, whatever came of them.", ["source"])
CACHE_HITS = Counter("pdns_cache_hits", "Look-ups that were answered from the cache.", ["source"])
FAILURES = Counter("pdns_failures", "Enrichments that failed, by what the operator must do.", ["kind"])
SOURCE_FAILURES = Counter(
    "pdns_source_failures", "Look-ups at a source that failed, by the reason.", ["source", "kind"]
)
CONVERTING = Histogram(
    "pdns_conversion_seconds",
    "Time to turn the records of one look-up into STIX.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1),
)
_RECORDS = Counter("pdns_records", "Passive DNS records that were used.", ["type"])
_LEFT_OUT = Counter("pdns_records_left_out", "Passive DNS records that were not used.", ["reason"])
_QUOTA_USED = Gauge("pdns_quota_used_searches", "Searches spent when the quota was last read.", ["source", "owner"])
_QUOTA_LIMIT = Gauge("pdns_quota_limit_searches", "Searches allowed when the quota was last read.", ["source", "owner"])


def show_budget(source: str, budget: Budget) -> None:
    """Set the quota metrics of a source, by key."""
    for allowance in budget.allowances:
        _QUOTA_USED.labels(source, allowance.owner).set(allowance.used)
        _QUOTA_LIMIT.labels(source, allowance.owner).set(allowance.limit)


OTHER = "other"
"""Label of all unknown reasons, since an answer may contain thousands of record types."""
_REASONS = frozenset(
    {"CIDR", "URL", "address for a name", "address of an address", "address of the other family", "blank inside"}
    | {"empty value", "incomplete record", "mailbox for a name", "name for an address", "name too long"}
    | {"no address", "no domain name", "no mailbox", "single label", "the observable itself", "wildcard"}
    | {"not about the observable", "unreadable row"}
    | {"over the maximum of relationships", "record type not chosen"}
    # Record types that passive DNS is known to hold beyond those that are used.
    | {"PTR", "SPF", "SRV", "TXT"}
)


def failure_kind(failure: type[ConnectorError]) -> str:
    """The label of an error class, such as `quota_exceeded`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", failure.__name__).lower()


def _all_below(parent: type[ConnectorError]) -> Iterator[type[ConnectorError]]:
    for child in parent.__subclasses__():
        yield child
        yield from _all_below(child)


_OF_A_SOURCE = (*_all_below(SourceError), TlpRefused, Unforeseen)

# From zero on, since the first failure is not an increase of a series that begins with it.
for _failure in (*_OF_A_SOURCE, NotSent):
    FAILURES.labels(failure_kind(_failure))


def expect(source: str) -> None:
    """Initialize the series of a source, by key, to zero."""
    SEARCHES.labels(source)
    CACHE_HITS.labels(source)
    for failure in _OF_A_SOURCE:
        if failure is not AllFailed:
            SOURCE_FAILURES.labels(source, failure_kind(failure))


def count_records(kept: Mapping[str, int], left_out: Mapping[str, int]) -> None:
    """Count the records of one look-up, used ones by type, others by reason."""
    for record_type, number in kept.items():
        _RECORDS.labels(record_type).inc(number)
    for reason, number in left_out.items():
        # Some write `TXT (SPF1)` and the like.
        known = reason.partition(" (")[0]
        _LEFT_OUT.labels(known if known in _REASONS else OTHER).inc(number)
