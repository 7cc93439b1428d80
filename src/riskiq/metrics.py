"""What the connector counts and measures, in Prometheus' global registry.

pycti serves that registry over HTTP where CONNECTOR_EXPOSE_METRICS is true.
"""

import re
from collections.abc import Mapping

from prometheus_client import Counter, Gauge, Histogram

from riskiq.errors import ConnectorError, NotSent, PassiveTotalError, TlpRefused, Unforeseen
from riskiq.records import Quota

SEARCHES = Counter("riskiq_searches", "Searches asked of PassiveTotal, whatever came of them.")
CACHE_HITS = Counter("riskiq_cache_hits", "Look-ups that were answered from the cache.")
FAILURES = Counter("riskiq_failures", "Enrichments that failed, by what the operator must do.", ["kind"])
WAITING = Histogram(
    "riskiq_passivetotal_wait_seconds",
    "Time from a request to PassiveTotal to the end of its answer, or to the last failed try.",
    ["endpoint"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
)
CONVERTING = Histogram(
    "riskiq_conversion_seconds",
    "Time to turn the records of one answer into STIX.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1),
)
_RECORDS = Counter("riskiq_records", "Passive DNS records that were used.", ["type"])
_LEFT_OUT = Counter("riskiq_records_left_out", "Passive DNS records that were not used.", ["reason"])
_QUOTA_USED = Gauge("riskiq_quota_used_searches", "Searches spent, when the quota was last read.", ["owner"])
_QUOTA_LIMIT = Gauge("riskiq_quota_limit_searches", "Searches allowed, when the quota was last read.", ["owner"])

OTHER = "other"
"""The label of every reason that is not known here: an answer may hold thousands of record types."""
_REASONS = frozenset(
    {"CIDR", "URL", "address for a name", "address of an address", "address of the other family", "blank inside"}
    | {"empty value", "incomplete record", "mailbox for a name", "name for an address", "name too long"}
    | {"no address", "no domain name", "no mailbox", "single label", "the observable itself", "wildcard"}
    | {"over the maximum of relationships", "record type not chosen"}
    # Record types that passive DNS is known to hold beyond those that are used.
    | {"PTR", "SPF", "SRV", "TXT"}
)


def failure_kind(failure: type[ConnectorError]) -> str:
    """A class of errors as a label, such as `quota_exceeded`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", failure.__name__).lower()


# From zero on, since the first failure is no increase of a series that begins with it.
for _failure in (*PassiveTotalError.__subclasses__(), TlpRefused, NotSent, Unforeseen):
    FAILURES.labels(failure_kind(_failure))


def count_records(kept: Mapping[str, int], left_out: Mapping[str, int]) -> None:
    """Count the records of one answer: those used by type, the others by reason."""
    for record_type, number in kept.items():
        _RECORDS.labels(record_type).inc(number)
    for reason, number in left_out.items():
        # PassiveTotal writes `TXT (SPF1)` and the like.
        known = reason.partition(" (")[0]
        _LEFT_OUT.labels(known if known in _REASONS else OTHER).inc(number)


def show_quota(quota: Quota) -> None:
    """Show what was read of the quota."""
    for allowance in quota.allowances:
        _QUOTA_USED.labels(allowance.owner).set(allowance.used)
        _QUOTA_LIMIT.labels(allowance.owner).set(allowance.limit)
